"""Folding undone: from the tensors of a `FoldedNanoHTNet` those of a network that can be trained further."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS
from nanohtnet_ros.model.nanohtnet import (
    IPC,
    Attention,
    ModulatedGraphConv,
    NanoHTNet,
    NanoHTNetConfig,
    SpatialMixer,
    TemporalMixer,
)

RENAMED = {
    "tem_mixers.": "tem_Transformer.blocks.",
    "spa_mixers.": "Transformer.blocks.",
    "tem_norm.": "tem_Transformer.Temporal_norm.",
    "spa_norm.": "Transformer.Temporal_norm.",
    "lgc.norm_": "lgc.norm_gcn",
    "gbi.norm.": "gbi.norm_attn.",
    "gbi.proj.": "gbi.attn.proj.",
    "ipc.part_norms.0.": "ipc.norm_conv1_mlp.",
    "ipc.part_norms.1.": "ipc.norm_conv2_mlp.",
    "ipc.mlps.0.": "ipc.mlp_down_1.",
    "ipc.mlps.1.": "ipc.mlp_down_2.",
    ".norm.": ".norm_mlp.",
}
"""Parts of tensors' names that folding changes, of tensors that it leaves as they are; replaced in this order."""


@torch.no_grad()
def unfolded(folded: dict[str, Tensor], config: NanoHTNetConfig) -> dict[str, Tensor]:
    """Tensors of the `NanoHTNet` whose function a `FoldedNanoHTNet` computes.

    Where several give the same function, as with two linear layers in a row, one is chosen.

    Args:
        folded: the tensors of a `FoldedNanoHTNet` by their names; the constants may be missing.
        config: of the network.
    Raises:
        KeyError: a tensor is missing.
    """
    model = NanoHTNet(config)
    own = model.state_dict()
    for name, tensor in folded.items():
        for before, after in RENAMED.items():
            name = name.replace(before, after)
        if name in own and own[name].shape == tensor.shape:
            own[name].copy_(tensor)
    h, n, joints = config.joint_features, config.kept_frames, len(H36M_17)
    values = config.point_values
    for kind, embedding, positions in (
        ("tem", model.tem_patch_embed, model.tem_pos_embed),
        ("spa", model.patch_embed, model.pos_embed),
    ):
        weight = folded[f"{kind}_weight"]  # (D*K, C), see `by_axis`
        embedding.weight.copy_(weight.unflatten(0, (values, -1)).permute(2, 1, 0).flatten(1))
        embedding.bias.zero_()
        positions.copy_(folded[f"{kind}_constant"][None])
        for index, mixer in enumerate((model.tem_Transformer if kind == "tem" else model.Transformer).blocks):
            assert isinstance(mixer, (SpatialMixer, TemporalMixer))
            prefix = f"{kind}_mixers.{index}"
            unfold_graph_conv(mixer.lgc.gcn1, folded, f"{prefix}.lgc.conv_1")
            unfold_graph_conv(mixer.lgc.gcn2, folded, f"{prefix}.lgc.conv_2")
            unfold_attention(mixer.gbi.attn, folded, f"{prefix}.gbi.qkv")
            if isinstance(mixer, SpatialMixer):
                unfold_ipc(mixer.ipc, folded, f"{prefix}.ipc")
    outputs = model.fc.out_features
    # Both streams' heads went through the last linear: one with orthonormal rows lets every feature learn.
    split = torch.linalg.qr(torch.randn(h, outputs, generator=torch.Generator().manual_seed(0)))[0].T  # (outputs, h)
    model.fc.weight.copy_(torch.cat((split, split), dim=1))
    model.fc.bias.zero_()
    for kind, layer, count in (("spa", model.fcn_spa, n), ("tem", model.fcn_tem, joints)):
        weight, bias = folded[f"{kind}_head.weight"], folded[f"{kind}_head.bias"]
        layer.weight.copy_((split.T @ weight.reshape(count, outputs, -1)).reshape(layer.weight.shape))
        layer.bias.copy_((bias.reshape(count, outputs) @ split).flatten())
    return model.state_dict()


def unfold_graph_conv(conv: ModulatedGraphConv, folded: dict[str, Tensor], prefix: str) -> None:
    """See `FoldedGraphConv`."""
    modulation = folded[f"{prefix}.modulation"].reshape(-1, conv.M.shape[1])  # earlier versions had two rows in one
    conv.W.copy_(torch.stack(folded[f"{prefix}.weight"].chunk(2, dim=1)))
    conv.M.copy_(modulation[1::2])
    conv.bias.copy_(folded[f"{prefix}.bias"])
    own = (modulation[0::2] * conv.M).sum(dim=1) / conv.M.square().sum(dim=1)
    conv.adj2.copy_(folded[f"{prefix}.mix"][:, 1::2] + torch.diag(own) - conv.adj)


def unfold_attention(attention: Attention, folded: dict[str, Tensor], prefix: str) -> None:
    """See `FoldedGBI`."""
    attention.qkv.weight.copy_(folded[f"{prefix}.weight"])
    attention.qkv.bias.copy_(folded[f"{prefix}.bias"])
    queries = attention.proj.out_features
    attention.qkv.weight[:queries] /= attention.scale
    attention.qkv.bias[:queries] /= attention.scale


def unfold_ipc(ipc: IPC, folded: dict[str, Tensor], prefix: str) -> None:
    """See `FoldedIPC`: a limb's first joint keeps both branches, its second only the other one."""
    first, second, _ = H36M_LIMBS[0]
    norms: tuple[nn.LayerNorm, nn.LayerNorm] = (ipc.norm_conv1, ipc.norm_conv2)
    for part, kept in (("weight", folded[f"{prefix}.gain"]), ("bias", folded[f"{prefix}.shift"])):
        getattr(norms[0], part).copy_(kept[first] - kept[second])
        getattr(norms[1], part).copy_(kept[second])
    width = ipc.conv1.out_channels
    weights = folded[f"{prefix}.conv.weight"].unflatten(1, (3, width)).transpose(1, 2).chunk(2)  # (D, D, 3) each
    biases = folded[f"{prefix}.conv.bias"].chunk(2)
    for norm, conv, weight, bias in zip(norms, (ipc.conv1, ipc.conv2), weights, biases, strict=True):
        assert conv.bias is not None
        kernel = weight[..., 3 - conv.kernel_size[0] :] / norm.weight[:, None]
        conv.weight.copy_(kernel)
        conv.bias.copy_(bias - kernel.sum(dim=2) @ norm.bias)
