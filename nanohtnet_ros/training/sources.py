"""`open_training_data` opens any kind of training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data import human36m, mpi_inf_3dhp
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, bvh_files
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet, Ground, TrainingData
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set
from nanohtnet_ros.training.synthesis.synthesis import Synthesis

SUPPORTED = """supported are
  a motion file (.npz, see docs/data.md; `nanohtnet data convert` writes them), or a folder of several,
  a folder of .bvh files,
  a folder with Human3.6M as VideoPose3D prepares it (data_3d_h36m.npz, data_2d_h36m_gt.npz, ...),
  a folder with MPI-INF-3DHP as P-STMO prepares it (data_train_3dhp.npz, data_test_3dhp.npz)"""


@dataclass(frozen=True)
class SyntheticViews:
    """Motion capture through virtual cameras."""

    capture: MotionCapture
    synthesis: Synthesis

    @property
    def sha256(self) -> str:
        return self.capture.sha256

    @property
    def knows_down(self) -> bool:
        return True

    def batch(
        self, size: int, window_length: int, offsets: Sequence[int], rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.synthesis.batch(self.capture, size, window_length, offsets, rng)

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.synthesis.views(self.capture, size, views, window_length, rng)

    def evaluation_set(
        self, window_length: int, offsets: Sequence[int], stride: int = 10, ground: Ground = "withheld"
    ) -> EvaluationSet:
        return build_evaluation_set(self.capture, window_length, offsets, stride, ground=ground)

    def to(self, device: torch.device | str) -> SyntheticViews:
        return SyntheticViews(self.capture.to(device), self.synthesis)


@dataclass(frozen=True)
class SourceOptions:
    """Options of reading data.

    Attributes:
        keypoints: of Human3.6M, a detector's (cpn) or the ground truth (gt).
        normalisation: of recorded keypoints: focal for our networks, width for published checkpoints.
        bvh: options of reading BVH files.
    """

    keypoints: human36m.Keypoints = "cpn"
    normalisation: human36m.Normalisation = "focal"
    bvh: BvhOptions = field(default_factory=BvhOptions)


def source_options_of(provenance: dict[str, Any]) -> SourceOptions | None:
    """Options that the data of a training was read with; None if its provenance does not have them."""
    if "source" not in provenance:
        return None
    content = dict(provenance["source"])
    bvh = dict(content.pop("bvh", {}))
    mapping = bvh.pop("mapping", None)
    return SourceOptions(**content, bvh=BvhOptions(Path(mapping) if mapping else None, **bvh))


def open_training_data(
    path: Path | str, split: str, synthesis: Synthesis | None = None, options: SourceOptions | None = None
) -> TrainingData:
    """Open one split of the data at a path.

    Args:
        path: a motion file, or a folder of motion files, of BVH files, of Human3.6M's or of MPI-INF-3DHP's archives.
        split: train or val; of Human3.6M and MPI-INF-3DHP val is the test split that results are published for.
        synthesis: of windows from motion capture; recordings have their own cameras and errors.
        options: of reading.
    Raises:
        FileNotFoundError: nothing is there, or a file is missing.
        UserError: the content is none of the supported kinds, or faulty.
    """
    path, options, synthesis = Path(path), options or SourceOptions(), synthesis or Synthesis()
    if not path.exists():
        raise FileNotFoundError(f"no motion data at {path}; {SUPPORTED}")
    if path.is_file():
        if not _is_motion_file(path):
            raise UserError(f"{path} is no motion file (give archives of recordings by their folder); {SUPPORTED}")
        return SyntheticViews(MotionCapture.load(path, split), synthesis)
    if (path / human36m.FILE_3D).is_file():
        return human36m.load(path, split, options.keypoints, options.normalisation)
    if any((path / name).is_file() for name in (mpi_inf_3dhp.TRAIN_FILE, mpi_inf_3dhp.TEST_FILE)):
        return mpi_inf_3dhp.load(path, split, options.normalisation)
    archives = list(path.glob("*.npz"))
    if archives and all(map(_is_motion_file, archives)):
        return SyntheticViews(MotionCapture.load(path, split), synthesis)
    if bvh_files(path):
        return SyntheticViews(MotionCapture.from_bvh(path, split, options.bvh), synthesis)
    raise UserError(f"{path} holds no known kind of data; {SUPPORTED}")


def _is_motion_file(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return "positions" in archive.files
    except Exception:  # one array, a pickle, no archive: NumPy and zipfile raise many kinds
        return False
