"""`nanohtnet data convert`: BVH files to one motion file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, read_bvh_folder
from nanohtnet_ros.training.data.motion_file import write_motion_file


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
    if not out.parent.is_dir():
        raise UserError(f"the output is {out}, but there is no folder {out.parent}: create it")
    recordings = read_bvh_folder(folder, BvhOptions(**options))
    write_motion_file(out, recordings)
    for split in ("train", "val"):
        chosen = [r for r in recordings if r.split == split]
        minutes = sum(len(r.joints_m) for r in chosen) / FRAME_RATE_HZ / 60
        subjects = ", ".join(sorted({r.subject for r in chosen}))
        print(f"{split:5} {len(chosen):5} recordings {minutes:7.2f} min, subjects {subjects}")
