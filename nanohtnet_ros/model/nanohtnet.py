"""NanoHTNet: a 2D-to-3D lifting network of two small streams.

Jialun Cai et al., "NanoHTNet: Nano Human Topology Network for Efficient 3D Human Pose Estimation",
IEEE TIP 2025, arXiv 2501.15763. Parameter names and tensor layouts are those of the authors' published
checkpoints, so that these load; the code is our own.

Letters in shape comments: B windows, T input frames, n kept frames, J joints, C channels, h joint features,
N tokens of a stream (J in the spatial one, n in the temporal one), D width of a chunk (C/3 or C/2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.lifting_module import LiftingModule, tilt_layer
from nanohtnet_ros.model.network_config import NetworkConfig


@dataclass(frozen=True)
class NanoHTNetConfig(NetworkConfig):
    """Everything that `NanoHTNet` needs to be built.

    The defaults are the published network's. Names follow the paper (arXiv 2501.15763) where it has one.

    Attributes:
        window_length: T, input frames.
        kept_frames: n, kept DCT coefficients and output frames.
        channels: C, a multiple of 6 * heads (thirds and halves are split over the heads).
        layers: L, mixers in each stream.
        mlp_hidden: hidden width of every MLP.
        gcn_hidden: hidden width of the graph convolutions.
        joint_features: h, features per joint that each stream gives to the last linear.
        heads: attention heads.
        drop_path: stochastic depth of the first and the last mixer; linear between.
        dropout_spatial: dropout in the spatial stream's MLPs.
        dropout_temporal: dropout in the temporal stream's MLPs and in every attention projection.
        swap_arm_tokens: in the three-joint branch, write the left arm's part token to the right arm and vice versa.
            For checkpoints of code that mixed up the two; the authors' published code (commit 901020e) does not, nor
            do our networks.
        person_view: turn and scale the window to the person before the network and turn the joints back after
            it (see `person_view.py`). Not in the paper; a published checkpoint was trained without.
        zero_root: output exactly zero for joint 0. A published checkpoint gives a value near zero that its users
            overwrite.
        output_offsets: which frames the n outputs are, as offsets from the window's newest frame (0), ascending.
            None: the n frames centred on the window's middle, as published.
        uncertainty: give a fourth value per joint, the natural logarithm of its expected error in metres.
        confidence, level: see `NetworkConfig`; not in the paper.
    """

    window_length: int = 243
    kept_frames: int = 9
    output_offsets: tuple[int, ...] | None = None
    channels: int = 240
    layers: int = 3
    mlp_hidden: int = 256
    gcn_hidden: int = 384
    joint_features: int = 8
    heads: int = 8
    drop_path: tuple[float, float] = (0.1, 0.3)
    dropout_spatial: float = 0.15
    dropout_temporal: float = 0.1
    swap_arm_tokens: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % (6 * self.heads):
            raise UserError(
                f"channels is {self.channels}, expected a multiple of {6 * self.heads}: "
                f"its thirds and halves are split over {self.heads} heads"
            )


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
    """Two linear layers with GELU and dropout."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(self.fc1(x)))))


class Attention(nn.Module):
    """Multi-head self-attention over (B, N, D) tokens."""

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
        self.adj: Tensor
        self.eye: Tensor
        self.register_buffer("adj", adjacency, persistent=False)
        self.register_buffer("eye", torch.eye(nodes), persistent=False)
        nn.init.xavier_uniform_(self.W, gain=1.414)
        nn.init.xavier_uniform_(self.M, gain=1.414)
        nn.init.uniform_(self.bias, -(outputs**-0.5), outputs**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        affinity = self.adj + self.adj2
        affinity = (affinity + affinity.T) / 2
        own = (affinity * self.eye).sum(dim=1, keepdim=True) * self.M * (x @ self.W[0])
        others = (affinity * (1.0 - self.eye)).expand(x.shape[0], -1, -1)  # broadcasting would copy x twice to and fro
        return own + others @ (self.M * (x @ self.W[1])) + self.bias


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

    gather_1: Tensor
    gather_2: Tensor
    source_1: Tensor
    source_2: Tensor

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
            self.norm_conv1(x), self.conv1, self.norm_conv1_mlp, self.mlp_down_1, self.gather_1, self.source_1
        )
        y2 = self._branch(
            self.norm_conv2(x), self.conv2, self.norm_conv2_mlp, self.mlp_down_2, self.gather_2, self.source_2
        )
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
    """The mixers of one stream and their final norm.

    Attributes:
        autocast: half-precision type that the stack runs in; None for that of its input.
    """

    autocast: torch.dtype | None = None

    def __init__(self, mixer: type[SpatialMixer] | type[TemporalMixer], config: NanoHTNetConfig) -> None:
        super().__init__()
        rates = np.linspace(*config.drop_path, config.layers).tolist()
        self.blocks = nn.ModuleList(mixer(config, rate) for rate in rates)
        self.Temporal_norm = nn.LayerNorm(config.channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        if self.autocast is None:
            return self._mix(x)
        with torch.autocast(x.device.type, self.autocast):
            return self._mix(x).float()

    def _mix(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return self.Temporal_norm(x)


class NanoHTNet(LiftingModule):
    """Lifts a window of 2D keypoints to root-relative 3D joints."""

    config: NanoHTNetConfig
    dct: Tensor

    def __init__(self, config: NanoHTNetConfig) -> None:
        super().__init__(config)
        T, n, C, h = config.window_length, config.kept_frames, config.channels, config.joint_features
        J, D = len(H36M_17), config.point_values
        self.tem_patch_embed = nn.Linear(D * J, C)
        self.tem_pos_embed = nn.Parameter(torch.zeros(1, n, C))
        self.tem_Transformer = MixerStack(TemporalMixer, config)
        self.fcn_tem = nn.Linear(C, J * h)
        self.patch_embed = nn.Linear(D * T, C)
        self.pos_embed = nn.Parameter(torch.zeros(1, J, C))
        self.Transformer = MixerStack(SpatialMixer, config)
        self.fcn_spa = nn.Linear(C, h * n)
        self.fc = nn.Linear(2 * h, 4 if config.uncertainty else 3)
        if config.level:
            self.tem_tilt, self.spa_tilt = tilt_layer(C), tilt_layer(C)
        self.register_buffer("dct", dct_rows(T, n), persistent=False)

    @property
    def feature_width(self) -> int:
        return 2 * self.config.joint_features

    def features(self, points: Tensor, tilt: Tensor | None = None) -> Tensor:
        B, T, J, D = points.shape
        n, h = self.config.kept_frames, self.config.joint_features

        low = self.dct @ points.reshape(B, T, J * D)  # (B, n, J*D)
        low = self.tem_patch_embed(low) + self.tem_pos_embed
        if tilt is not None:
            low = low + self.tem_tilt(tilt)[:, None]
        low = self.tem_Transformer(low)
        low = self.fcn_tem(low).reshape(B, n, J, h)

        joints = points.transpose(1, 2).reshape(B, J, T * D)
        joints = self.patch_embed(joints) + self.pos_embed
        if tilt is not None:
            joints = joints + self.spa_tilt(tilt)[:, None]
        joints = self.Transformer(joints)
        joints = self.fcn_spa(joints).reshape(B, J, n, h).transpose(1, 2)  # (B, n, J, h)
        return torch.cat((joints, low), dim=-1)
