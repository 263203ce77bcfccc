"""NanoHTNet for inference: the same function in fewer operators, with all constants precomputed.

Tokens of all windows are stacked, (B*N, D), so that linear layers become one product with bias. Folded are:

* the embeddings' biases and positions into one constant per token;
* modulated graph convolutions into two products, see `FoldedGraphConv`;
* IPC's two branches into one: their norms share one normalisation, their gathers and convolutions are one product,
  and one constant matrix writes all part tokens back, see `FoldedIPC`;
* the attention's scale into the queries' weights;
* the last linear into both streams' heads, whose outputs are added.

Letters in shape comments are those of `nanohtnet.py`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS
from nanohtnet_ros.model.nanohtnet import GBI, IPC, LJC, MLP, ModulatedGraphConv, NanoHTNet, SpatialMixer, TemporalMixer
from nanohtnet_ros.model.person_view import look_back, tilt_of, turn_to_person


def gelu(x: Tensor) -> Tensor:
    """GELU, in the order of operators that ONNX Runtime takes for one; opset 18 has no operator for it."""
    return x * (torch.erf(x / math.sqrt(2.0)) + 1.0) * 0.5


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer with the given weight (out, in) and bias (out,)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight.contiguous()), nn.Parameter(bias.contiguous())
    return layer


def by_axis(embedding: nn.Linear, values: int) -> Tensor:
    """(D*K, C) weight of an embedding of K points of D values: all x first, then all y, where they alternated."""
    return embedding.weight.unflatten(1, (-1, values)).permute(2, 1, 0).flatten(0, 1)


class FoldedGraphConv(nn.Module):
    """Modulated graph convolution as two products.

    The first gives each node what it keeps and what it sends, both modulated; rows of the two alternate, so that the
    second product, with a constant (N, 2N) matrix, adds up what every node keeps and is sent. The bias is left to what
    follows, where ONNX Runtime makes one operator of it and the GELU.
    """

    weight: Tensor
    modulation: Tensor
    mix: Tensor
    bias: Tensor

    def __init__(self, conv: ModulatedGraphConv) -> None:
        super().__init__()
        affinity = conv.adj + conv.adj2
        affinity = (affinity + affinity.T) / 2
        own = affinity.diagonal()
        self.nodes, self.outputs = conv.M.shape
        mix = torch.zeros(self.nodes, 2 * self.nodes)
        mix[:, 0::2] = torch.eye(self.nodes)
        mix[:, 1::2] = affinity - torch.diag(own)
        self.register_buffer("weight", torch.cat((conv.W[0], conv.W[1]), dim=1))  # (D, 2*out)
        self.register_buffer("modulation", torch.stack((own[:, None] * conv.M, conv.M), dim=1).flatten(0, 1))
        self.register_buffer("mix", mix)
        self.register_buffer("bias", conv.bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        sent = (x @ self.weight).reshape(-1, 2 * self.nodes, self.outputs) * self.modulation
        return self.mix @ sent + self.bias  # (B, N, out)


class FoldedLJC(nn.Module):
    """See `LJC`."""

    def __init__(self, ljc: LJC) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = ljc.norm_gcn1, ljc.norm_gcn2
        self.conv_1, self.conv_2 = FoldedGraphConv(ljc.gcn1), FoldedGraphConv(ljc.gcn2)

    def forward(self, x: Tensor) -> Tensor:
        sent = self.conv_2(gelu(self.conv_1(self.norm_1(x))))
        return x + self.norm_2(sent).reshape(x.shape)


class FoldedMLP(nn.Module):
    """The linear layers of an `MLP`, without dropout."""

    def __init__(self, mlp: MLP) -> None:
        super().__init__()
        self.fc1, self.fc2 = mlp.fc1, mlp.fc2

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(x)))


class FoldedIPC(nn.Module):
    """See `IPC`; both branches at once. A limb has two part tokens, of its three and of its two outer joints."""

    gather: Tensor
    gain: Tensor
    shift: Tensor
    scatter: Tensor

    def __init__(self, ipc: IPC) -> None:
        super().__init__()
        joints, width = len(H36M_17), ipc.conv1.out_channels
        norms, convs = (ipc.norm_conv1, ipc.norm_conv2), (ipc.conv1, ipc.conv2)
        self.norm = nn.LayerNorm(width, eps=ipc.norm_conv1.eps, elementwise_affine=False)
        self.part_norms = nn.ModuleList((ipc.norm_conv1_mlp, ipc.norm_conv2_mlp))
        self.mlps = nn.ModuleList((FoldedMLP(ipc.mlp_down_1), FoldedMLP(ipc.mlp_down_2)))
        weights, biases = [], []
        gain, shift = torch.zeros(joints, width), torch.zeros(joints, width)
        scatter = torch.zeros(joints, len(H36M_LIMBS), 2)
        for branch, (norm, conv, source) in enumerate(zip(norms, convs, (ipc.source_1, ipc.source_2), strict=True)):
            assert conv.bias is not None
            kernel = torch.zeros(width, width, 3)
            kernel[:, :, 3 - conv.kernel_size[0] :] = conv.weight  # the shorter one leaves out the limb's first joint
            weights.append((kernel * norm.weight[:, None]).transpose(1, 2).reshape(width, 3 * width))
            biases.append(conv.bias + kernel.sum(dim=2) @ norm.bias)
            kept = source < joints
            gain[kept] += norm.weight
            shift[kept] += norm.bias
            for joint in torch.nonzero(~kept)[:, 0].tolist():
                scatter[joint, source[joint] - joints, branch] = 1.0
        self.conv = linear(torch.cat(weights), torch.cat(biases))  # 3D -> 2D
        self.register_buffer("gather", torch.tensor(H36M_LIMBS).flatten())
        self.register_buffer("gain", gain)
        self.register_buffer("shift", shift)
        self.register_buffer("scatter", scatter.reshape(joints, -1))
        self.joints, self.width = joints, width

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x).reshape(-1, self.joints, self.width)
        parts = gelu(self.conv(y.index_select(1, self.gather).reshape(-1, 3 * self.width)))  # (B*limbs, 2D)
        parts = torch.cat(
            [
                part + mlp(norm(part))
                for part, norm, mlp in zip(parts.chunk(2, dim=-1), self.part_norms, self.mlps, strict=True)
            ],
            dim=-1,
        )
        written = self.scatter @ parts.reshape(-1, self.scatter.shape[1], self.width)  # (B, J, D)
        return x + (y * self.gain + self.shift + written).reshape(-1, self.width)


class FoldedGBI(nn.Module):
    """See `GBI`; queries come out of their product scaled."""

    def __init__(self, gbi: GBI, tokens: int) -> None:
        super().__init__()
        attention = gbi.attn
        width = attention.proj.out_features
        scale = torch.ones(3 * width)
        scale[:width] = attention.scale
        self.norm, self.proj = gbi.norm_attn, attention.proj
        self.qkv = linear(attention.qkv.weight * scale[:, None], attention.qkv.bias * scale)
        self.tokens, self.heads, self.width = tokens, attention.heads, width

    def forward(self, x: Tensor) -> Tensor:
        heads = self.qkv(self.norm(x)).reshape(-1, self.tokens, 3 * self.heads, self.width // self.heads)
        q, k, v = heads.transpose(1, 2).split(self.heads, dim=1)  # (B, heads, N, d)
        weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
        return x + self.proj((weights @ v).transpose(1, 2).reshape(-1, self.width))


class FoldedMixer(nn.Module):
    """See `SpatialMixer` and `TemporalMixer`."""

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        assert isinstance(mixer, (SpatialMixer, TemporalMixer))
        self.lgc = FoldedLJC(mixer.lgc)
        self.ipc = FoldedIPC(mixer.ipc) if isinstance(mixer, SpatialMixer) else None
        self.gbi = FoldedGBI(mixer.gbi, self.lgc.conv_1.nodes)
        self.norm, self.mlp = mixer.norm_mlp, FoldedMLP(mixer.mlp)
        self.width = self.gbi.width

    def forward(self, x: Tensor) -> Tensor:
        levels = x.split(self.width, dim=-1)
        local = self.lgc(levels[0])
        if self.ipc is None:
            x = torch.cat((local, self.gbi(levels[1] + local)), dim=-1)
        else:
            part = self.ipc(levels[1] + local)
            x = torch.cat((local, part, self.gbi(levels[2] + part)), dim=-1)
        return x + self.mlp(self.norm(x))


class FoldedNanoHTNet(nn.Module):
    """A trained `NanoHTNet` for inference: same input, same output, no training."""

    dct: Tensor
    tem_weight: Tensor
    tem_constant: Tensor
    spa_weight: Tensor
    spa_constant: Tensor
    kept: Tensor

    @torch.no_grad()
    def __init__(self, model: NanoHTNet) -> None:
        super().__init__()
        config = self.config = model.config
        T, n, C, h = config.window_length, config.kept_frames, config.channels, config.joint_features
        J, D = len(H36M_17), config.point_values
        self.outputs = model.fc.out_features
        dct = torch.zeros(n, D, D, T)
        for axis in range(D):
            dct[:, axis, axis] = model.dct
        self.register_buffer("dct", dct.reshape(D * n, D * T))
        self.register_buffer("tem_weight", by_axis(model.tem_patch_embed, D))
        self.register_buffer("tem_constant", model.tem_pos_embed[0] + model.tem_patch_embed.bias)
        self.register_buffer("spa_weight", by_axis(model.patch_embed, D))
        self.register_buffer("spa_constant", model.pos_embed[0] + model.patch_embed.bias)
        self.tem_mixers = nn.Sequential(*map(FoldedMixer, model.tem_Transformer.blocks))
        self.spa_mixers = nn.Sequential(*map(FoldedMixer, model.Transformer.blocks))
        self.tem_norm, self.spa_norm = model.tem_Transformer.Temporal_norm, model.Transformer.Temporal_norm
        if config.level:
            self.tem_tilt, self.spa_tilt = model.tem_tilt, model.spa_tilt
        from_spa, from_tem = model.fc.weight.split(h, dim=1)  # (3 or 4, h)
        self.spa_head = linear(
            (from_spa @ model.fcn_spa.weight.reshape(n, h, C)).reshape(-1, C),
            (model.fcn_spa.bias.reshape(n, h) @ from_spa.T).flatten(),
        )
        self.tem_head = linear(
            (from_tem @ model.fcn_tem.weight.reshape(J, h, C)).reshape(-1, C),
            (model.fcn_tem.bias.reshape(J, h) @ from_tem.T + model.fc.bias).flatten(),
        )
        kept = torch.ones(J, self.outputs)
        if config.zero_root:
            kept[0, :3] = 0.0
        self.register_buffer("kept", kept)
        self.eval()

    def forward(self, keypoints: Tensor, level: Tensor | None = None) -> Tensor:
        """Lift windows; shapes and meaning as of `LiftingModule.forward`."""
        config = self.config
        T, n, C, J, D = config.window_length, config.kept_frames, config.channels, len(H36M_17), config.point_values
        x, *confidence = keypoints.permute(0, 3, 1, 2)[:, :D].split((2, *(1,) * (D - 2)), dim=1)  # (B, 2 or 1, T, J)
        rotation = tilt = None
        if config.person_view:
            x, rotation = turn_to_person(x, config.used_offset, *(each[:, 0] for each in confidence))
            tilt = tilt_of(rotation, level) if config.level and level is not None else None
        x = torch.cat((x, *(1.0 - each for each in confidence)), dim=1).reshape(-1, D * T, J)

        low = (self.dct @ x).reshape(-1, n, D * J) @ self.tem_weight + self.tem_constant
        if tilt is not None:
            low = low + self.tem_tilt(tilt)[:, None]
        low = self.tem_head(self.tem_norm(self.tem_mixers(low.reshape(-1, C)))).reshape(-1, n, J, self.outputs)

        joints = (x.transpose(1, 2).reshape(-1, D * T) @ self.spa_weight).reshape(-1, J, C) + self.spa_constant
        if tilt is not None:
            joints = joints + self.spa_tilt(tilt)[:, None]
        joints = joints.reshape(-1, C)
        joints = self.spa_head(self.spa_norm(self.spa_mixers(joints))).reshape(-1, J, n, self.outputs)

        out = joints.transpose(1, 2) + low
        if config.zero_root:
            out = out * self.kept
        if rotation is None:
            return out
        if not config.uncertainty:
            return look_back(out, rotation)
        return torch.cat((look_back(out[..., :3], rotation), out[..., 3:]), dim=-1)
