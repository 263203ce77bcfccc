"""Recorded people, and a source of randomness."""

import pytest


@pytest.fixture
def rng():
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture
def recorded(mocap_file):
    """Gives windows (B, T, 17, 3) that end with the training sequences, in turn."""
    import torch

    from nanohtnet_ros.training.data.mocap import MotionCapture

    capture = MotionCapture.load(mocap_file, "train")

    def windows(count: int, length: int = 27) -> torch.Tensor:
        sequence = torch.arange(count) % len(capture.lengths)
        return capture.windows(sequence, capture.lengths[sequence] - 1, length)

    return windows


@pytest.fixture
def joints(recorded):
    """(64, 27, 17, 3) metres, world frame."""
    return recorded(64)
