"""`nanohtnet data convert`: BVH files to one motion file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, read_bvh_folder


def convert(folder: Path, out: Path, **options: Any) -> None:
    """Convert a folder of BVH files to one motion file for `nanohtnet train`.

    Actions are the names of the sub-folders. docs/data.md says more.

    Args:
        folder: with .bvh files, in sub-folders or not.
        out: the .npz file to write.
        **options: see `BvhOptions`.
    """
    if out.suffix != ".npz":
        raise UserError(f"the output is {out}, expected a name that ends in .npz")
    recordings = read_bvh_folder(folder, BvhOptions(**options))
    lengths = np.array([len(r.joints_m) for r in recordings])
    np.savez_compressed(
        out,
        positions=np.concatenate([r.joints_m for r in recordings]).astype(np.float32),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        names=np.array([r.name for r in recordings]),
        actions=np.array([r.action for r in recordings]),
        subjects=np.array([r.subject for r in recordings]),
        split=np.array([r.split for r in recordings]),
        sources=np.array(["bvh"] * len(recordings)),
        fps=FRAME_RATE_HZ,
        joint_names=np.array(H36M_17.joint_names),
        parents=np.array(H36M_17.parents))
    for split in ("train", "val"):
        chosen = [r for r in recordings if r.split == split]
        minutes = sum(len(r.joints_m) for r in chosen) / FRAME_RATE_HZ / 60
        subjects = ", ".join(sorted({r.subject for r in chosen}))
        print(f"{split:5} {len(chosen):5} recordings {minutes:7.2f} min, subjects {subjects}")
