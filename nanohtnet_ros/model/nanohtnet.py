"""NanoHTNet: a 2D-to-3D lifting network of two small streams.

Jialun Cai et al., "NanoHTNet: Nano Human Topology Network for Efficient 3D Human Pose Estimation",
IEEE TIP 2025, arXiv 2501.15763. Parameter names and tensor layouts are those of the authors' published
checkpoints, so that these load; the code is our own.

Letters in shape comments: B windows, T input frames, n kept frames, J joints, C channels, h joint features,
N tokens of a stream (J in the spatial one, n in the temporal one), D width of a chunk (C/3 or C/2).
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import check_trained, config_of, read_checkpoint, tensor_problems
from nanohtnet_ros.model.config import NanoHTNetConfig
from nanohtnet_ros.model.lifting_module import LiftingModule


def skeleton_adjacency() -> Tensor:
    """(J, J) adjacency of the Human3.6M skeleton: row-normalised edges, then ones on the diagonal."""
    adjacency = torch.zeros(len(H36M_17), len(H36M_17))
    for parent, child in H36M_17.bones:
        adjacency[parent, child] = adjacency[child, parent] = 1.0
    adjacency /= adjacency.sum(dim=1, keepdim=True)
    return adjacency.fill_diagonal_(1.0)


def chain_adjacency(length: int) -> Tensor:
    """(length, length) adjacency of a chain: each token, its predecessor and its successor, all ones."""
    step = torch.arange(length)
    return ((step[:, None] - step[None, :]).abs() <= 1).float()


def dct_rows(length: int, kept: int) -> Tensor:
    """(kept, length) first rows of the unnormalised DCT-II matrix: `2 cos(pi k (2t + 1) / 2T)`."""
    k = torch.arange(kept, dtype=torch.float64)[:, None]
    t = torch.arange(length, dtype=torch.float64)[None, :]
    return (2.0 * torch.cos(math.pi * k * (2.0 * t + 1.0) / (2.0 * length))).float()


class DropPath(nn.Module):
    """Stochastic depth: leaves a residual branch out for whole samples, at random, in training only."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = x.new_empty(x.shape[0], *(1,) * (x.dim() - 1)).bernoulli_(1.0 - self.rate)
        return x * keep / (1.0 - self.rate)


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        B, N, D = x.shape
        q, k, v = self.qkv(x).reshape(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)  # (B, heads, N, d)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        x = (weights @ v).transpose(1, 2).reshape(B, N, D)
        return self.proj_drop(self.proj(x))


class ModulatedGraphConv(nn.Module):
    """Graph convolution with a learned affinity and per-node weight modulation.

    Zou and Tang, "Modulated Graph Convolutional Network for 3D Human Pose Estimation", ICCV 2021.
    """

    def __init__(self, inputs: int, outputs: int, adjacency: Tensor) -> None:
        super().__init__()
        nodes = adjacency.shape[0]
        self.W = nn.Parameter(torch.empty(2, inputs, outputs))
        self.M = nn.Parameter(torch.empty(nodes, outputs))
        self.adj2 = nn.Parameter(torch.full((nodes, nodes), 1e-6))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.register_buffer("adj", adjacency, persistent=False)
        self.register_buffer("eye", torch.eye(nodes), persistent=False)
        nn.init.xavier_uniform_(self.W, gain=1.414)
        nn.init.xavier_uniform_(self.M, gain=1.414)
        nn.init.uniform_(self.bias, -(outputs**-0.5), outputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        affinity = self.adj + self.adj2
        affinity = (affinity + affinity.T) / 2
        own = (affinity * self.eye) @ (self.M * (x @ self.W[0]))
        others = (affinity * (1.0 - self.eye)) @ (self.M * (x @ self.W[1]))
        return own + others + self.bias


class LJC(nn.Module):
    """Local joint-level connection: two graph convolutions over neighbouring tokens."""

    def __init__(self, width: int, hidden: int, adjacency: Tensor, drop_path: float) -> None:
        super().__init__()
        self.norm_gcn1 = nn.LayerNorm(width)
        self.gcn1 = ModulatedGraphConv(width, hidden, adjacency)
        self.gcn2 = ModulatedGraphConv(hidden, width, adjacency)
        self.norm_gcn2 = nn.LayerNorm(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.norm_gcn2(self.gcn2(F.gelu(self.gcn1(self.norm_gcn1(x))))))


class IPC(nn.Module):
    """Inter-part constraint: a token per limb, made of three and of two of its joints, overwrites the distal ones."""

    def __init__(self, width: int, hidden: int, dropout: float, drop_path: float, swap_arm_tokens: bool) -> None:
        super().__init__()
        self.norm_conv1 = nn.LayerNorm(width)
        self.conv1 = nn.Conv1d(width, width, kernel_size=3, stride=3)
        self.norm_conv1_mlp = nn.LayerNorm(width)
        self.mlp_down_1 = MLP(width, hidden, dropout)
        self.norm_conv2 = nn.LayerNorm(width)
        self.conv2 = nn.Conv1d(width, width, kernel_size=2, stride=2)
        self.norm_conv2_mlp = nn.LayerNorm(width)
        self.mlp_down_2 = MLP(width, hidden, dropout)
        self.drop_path = DropPath(drop_path)
        two_joint_limbs = [limb[1:] for limb in H36M_LIMBS]
        limbs_by_branch = ((H36M_LIMBS, swap_arm_tokens), (two_joint_limbs, False))
        for branch, (limbs, swap) in enumerate(limbs_by_branch, start=1):
            written = [limbs[i] for i in ((0, 1, 3, 2) if swap else (0, 1, 2, 3))]
            # Row `joint` of [tokens; part tokens] that each joint takes: its own, or its limb's.
            source = list(range(len(H36M_17)))
            for token, limb in enumerate(written):
                for joint in limb[1:]:
                    source[joint] = len(H36M_17) + token
            self.register_buffer(f"gather_{branch}", torch.tensor(limbs).flatten(), persistent=False)
            self.register_buffer(f"source_{branch}", torch.tensor(source), persistent=False)

    def _branch(
        self, y: Tensor, conv: nn.Conv1d, norm: nn.LayerNorm, mlp: MLP, gather: Tensor, source: Tensor
    ) -> Tensor:
        part = F.gelu(conv(y[:, gather].transpose(1, 2))).transpose(1, 2)  # (B, limbs, D)
        part = part + self.drop_path(mlp(norm(part)))
        return torch.cat((y, part), dim=1)[:, source]  # (B, J, D)

    def forward(self, x: Tensor) -> Tensor:
        y1 = self._branch(
            self.norm_conv1(x), self.conv1, self.norm_conv1_mlp, self.mlp_down_1, self.gather_1, self.source_1)
        y2 = self._branch(
            self.norm_conv2(x), self.conv2, self.norm_conv2_mlp, self.mlp_down_2, self.gather_2, self.source_2)
        return y1 + y2 + x


class GBI(nn.Module):
    """Global body-level interaction: self-attention over all tokens."""

    def __init__(self, width: int, heads: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.attn(self.norm_attn(x)))


class SpatialMixer(nn.Module):
    """Hierarchical mixer over joints: joint level, part level, body level, each on its third of the channels."""

    def __init__(self, config: NanoHTNetConfig, drop_path: float) -> None:
        super().__init__()
        width = config.channels // 3
        self.lgc = LJC(width, config.gcn_hidden, skeleton_adjacency(), drop_path)
        self.ipc = IPC(width, config.mlp_hidden, config.dropout_spatial, drop_path, config.swap_arm_tokens)
        self.gbi = GBI(width, config.heads, config.dropout_temporal, drop_path)
        self.norm_mlp = nn.LayerNorm(config.channels, eps=1e-6)
        self.mlp = MLP(config.channels, config.mlp_hidden, config.dropout_spatial)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        joint, part, body = x.chunk(3, dim=-1)
        joint = self.lgc(joint)
        part = self.ipc(part + joint)
        body = self.gbi(body + part)
        x = torch.cat((joint, part, body), dim=-1)
        return x + self.drop_path(self.mlp(self.norm_mlp(x)))


class TemporalMixer(nn.Module):
    """Mixer over low frequencies: neighbouring frequencies, then all, each on its half of the channels."""

    def __init__(self, config: NanoHTNetConfig, drop_path: float) -> None:
        super().__init__()
        width = config.channels // 2
        self.lgc = LJC(width, config.gcn_hidden, chain_adjacency(config.kept_frames), drop_path)
        self.gbi = GBI(width, config.heads, config.dropout_temporal, drop_path)
        self.norm_mlp = nn.LayerNorm(config.channels, eps=1e-6)
        self.mlp = MLP(config.channels, config.mlp_hidden, config.dropout_temporal)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        local, body = x.chunk(2, dim=-1)
        local = self.lgc(local)
        body = self.gbi(body + local)
        x = torch.cat((local, body), dim=-1)
        return x + self.drop_path(self.mlp(self.norm_mlp(x)))


class MixerStack(nn.Module):
    """The mixers of one stream and their final norm."""

    def __init__(self, mixer: type[SpatialMixer] | type[TemporalMixer], config: NanoHTNetConfig) -> None:
        super().__init__()
        rates = np.linspace(*config.drop_path, config.layers).tolist()
        self.blocks = nn.ModuleList(mixer(config, rate) for rate in rates)
        self.Temporal_norm = nn.LayerNorm(config.channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.Temporal_norm(x)


class NanoHTNet(LiftingModule):
    """Lifts a window of 2D keypoints to root-relative 3D joints."""

    def __init__(self, config: NanoHTNetConfig) -> None:
        super().__init__(config)
        T, n, J, C, h = (
            config.window_length, config.kept_frames, config.joints, config.channels, config.joint_features)
        self.tem_patch_embed = nn.Linear(2 * J, C)
        self.tem_pos_embed = nn.Parameter(torch.zeros(1, n, C))
        self.tem_Transformer = MixerStack(TemporalMixer, config)
        self.fcn_tem = nn.Linear(C, J * h)
        self.patch_embed = nn.Linear(2 * T, C)
        self.pos_embed = nn.Parameter(torch.zeros(1, J, C))
        self.Transformer = MixerStack(SpatialMixer, config)
        self.fcn_spa = nn.Linear(C, h * n)
        self.fc = nn.Linear(2 * h, 4 if config.uncertainty else 3)
        self.register_buffer("dct", dct_rows(T, n), persistent=False)

    @property
    def feature_width(self) -> int:
        return 2 * self.config.joint_features

    def features(self, keypoints: Tensor) -> Tensor:
        B, T, J, _ = keypoints.shape
        n, h = self.config.kept_frames, self.config.joint_features

        low = self.dct @ keypoints.reshape(B, T, J * 2)  # (B, n, J*2)
        low = self.tem_Transformer(self.tem_patch_embed(low) + self.tem_pos_embed)
        low = self.fcn_tem(low).reshape(B, n, J, h)

        joints = keypoints.transpose(1, 2).reshape(B, J, T * 2)
        joints = self.Transformer(self.patch_embed(joints) + self.pos_embed)
        joints = self.fcn_spa(joints).reshape(B, J, n, h).transpose(1, 2)  # (B, n, J, h)
        return torch.cat((joints, low), dim=-1)


def save_checkpoint(path: Path | str, model: NanoHTNet) -> None:
    """Write a model's tensors and sizes so that `load_checkpoint` restores it."""
    torch.save({"config": asdict(model.config), "state_dict": model.state_dict()}, path)


def infer_config(state_dict: dict[str, Tensor], swap_arm_tokens: bool = False) -> NanoHTNetConfig:
    """Read a network's sizes off its tensors.

    The number of heads and the dropout rates leave no trace in the tensors: the published network's are taken.

    Raises:
        ValueError: a tensor that tells a size is missing or is no matrix; the message names it.
    """
    def shape(name: str, dims: int) -> tuple[int, ...]:
        if name not in state_dict:
            raise UserError(f"the checkpoint has no tensor '{name}': it is not a NanoHTNet checkpoint")
        if state_dict[name].dim() != dims:
            raise UserError(f"'{name}' has shape {tuple(state_dict[name].shape)}, expected {dims} dimensions")
        return tuple(state_dict[name].shape)

    channels, joint_inputs = shape("patch_embed.weight", 2)
    kept_frames = shape("tem_pos_embed", 3)[1]
    joints = shape("pos_embed", 3)[1]
    layers = 1 + max(
        (int(name.split(".")[2]) for name in state_dict if name.startswith("Transformer.blocks.")), default=-1)
    return NanoHTNetConfig(
        window_length=joint_inputs // 2,
        kept_frames=kept_frames,
        joints=joints,
        channels=channels,
        layers=layers,
        mlp_hidden=shape("Transformer.blocks.0.mlp.fc1.weight", 2)[0],
        gcn_hidden=shape("Transformer.blocks.0.lgc.gcn1.M", 2)[1],
        joint_features=shape("fc.weight", 2)[1] // 2,
        uncertainty=shape("fc.weight", 2)[0] == 4,
        swap_arm_tokens=swap_arm_tokens,
    )


def load_checkpoint(path: Path | str, swap_arm_tokens: bool = False) -> NanoHTNet:
    """Load a network from our checkpoint or from the authors' published layout.

    Our files hold the configuration beside the tensors. A bare state dict is the published layout: sizes are
    inferred from the tensors and a `module.` prefix (DataParallel) is taken off.

    Args:
        path: a `.pth` file; it is read with `weights_only=True`, so it cannot run code.
        swap_arm_tokens: for a bare state dict, see `NanoHTNetConfig.swap_arm_tokens`. It leaves no trace in the
            tensors; with it off the outputs are those of the authors' published code.
    Returns:
        The network in evaluation mode, on the CPU.
    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no checkpoint or one of another network or of a pre-training, or a tensor is missing,
            spare or misshapen; the message names it.
    """
    content = read_checkpoint(path)
    if content.get("network", "nanohtnet") != "nanohtnet":
        raise UserError(f"{path} holds the network '{content['network']}', expected a nanohtnet")
    check_trained(content, path)
    state_dict = content.get("state_dict", content)
    strays = [str(name) for name, value in state_dict.items() if not isinstance(value, Tensor)]
    if strays:
        raise UserError(f"{path}: {', '.join(strays)}: not tensors, expected a state dict")
    state_dict = {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    if "config" in content:
        config = config_of(content, NanoHTNetConfig, path)
    else:
        config = infer_config(state_dict, swap_arm_tokens)
    model = NanoHTNet(config)
    problems = tensor_problems(state_dict, model.state_dict())
    if problems:
        raise UserError(f"{path} does not fit {config}: " + "; ".join(problems))
    model.load_state_dict(state_dict)
    return model.eval()
