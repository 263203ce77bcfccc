"""What stands in for keypoints that are missing, as `core/window.py` fills them at run time."""

from __future__ import annotations

import torch
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_17


def hold(keypoints: Tensor, seen: Tensor) -> Tensor:
    """Hold each joint at its last visible position; before that at its first.

    Args:
        keypoints: (B, T, J, C).
        seen: (B, T, J) bool. A joint that is never visible is kept.
    """
    last, following = _neighbours(seen)
    source = torch.where(last >= 0, last, following)
    frame = torch.arange(seen.shape[1], device=seen.device)[None, :, None]
    source = torch.where(source < seen.shape[1], source, frame)
    return keypoints.gather(1, source[..., None].expand_as(keypoints))


def bridge(values: Tensor, known: Tensor) -> Tensor:
    """Interpolate linearly over time between known values; before the first and after the last one that is held.

    Args:
        values: (B, S, J, C).
        known: (B, S, J) or (B, S, 1) bool. What is never known is kept.
    """
    S = values.shape[1]
    before, after = _neighbours(known)
    frame = torch.arange(S, device=known.device)[None, :, None]
    before, after = torch.where(before >= 0, before, after), torch.where(after < S, after, before)
    before, after = (torch.where(known.any(dim=1, keepdim=True), index, frame) for index in (before, after))
    weight = ((frame - before) / (after - before).clamp_min(1)).clamp(0.0, 1.0)[..., None]
    start, end = (values.gather(1, index[..., None].expand_as(values)) for index in (before, after))
    return torch.lerp(start, end, weight)


def fill_missing(keypoints: Tensor, known: Tensor) -> Tensor:
    """`bridge`, and put joints that are never known where the nearest known joint up the tree is.

    Args:
        keypoints: (B, S, 17, C).
        known: (B, S, 17) bool.
    """
    filled = bridge(keypoints, known)
    seen = known.any(dim=1)
    rows = torch.nonzero(~seen.all(dim=1))[:, 0]
    if len(rows):
        source = _stand_ins(seen[rows])[:, None, :, None]
        filled[rows] = filled[rows].gather(2, source.expand(-1, filled.shape[1], -1, filled.shape[3]))
    return filled


def _stand_ins(seen: Tensor) -> Tensor:
    """(B, 17) each joint itself where it is seen (B, 17), else its nearest seen ancestor, else the first seen joint."""
    columns: list[Tensor] = []
    for joint, parent in enumerate(H36M_17.parents):
        other = columns[parent] if parent >= 0 else seen.int().argmax(dim=1)
        columns.append(torch.where(seen[:, joint], joint, other))
    return torch.stack(columns, dim=1)


def _neighbours(marked: Tensor) -> tuple[Tensor, Tensor]:
    """Along dim 1 of three, index of the last marked element up to each (-1: none), the next from it (size: none)."""
    size = marked.shape[1]
    index = torch.arange(size, device=marked.device)[None, :, None]
    last = torch.where(marked, index, -1).cummax(dim=1).values
    following = torch.where(marked, index, size).flip(1).cummin(dim=1).values.flip(1)
    return last, following
