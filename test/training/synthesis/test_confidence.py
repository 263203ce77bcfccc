import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from dataclasses import replace

from nanohtnet_ros.training.synthesis.confidence import Confidence


@pytest.fixture
def error(rng):
    """(300, 20, 17) of the size of a detector's."""
    return 0.05 * torch.randn((300, 20, 17), generator=rng).abs()


NEVER = torch.zeros(300, 20, 17, dtype=torch.bool)


def test_calibrated_detectors_know_their_errors_and_others_do_not(error, rng):
    for kind, low, high in ((Confidence(1.0, 0.0), 0.3, 0.95), (Confidence(0.0, 1.0), -0.02, 0.02)):
        confidence = kind.apply(error, NEVER, NEVER, rng)
        assert confidence.min() >= 0.0 and confidence.max() <= 1.0
        each = [-np.corrcoef(c.flatten(), e.flatten())[0, 1] for c, e in zip(confidence, error, strict=True)]
        assert low < np.mean(each) < high
        assert confidence.mean(dim=(1, 2)).std() > 0.05  # detectors differ
    assert (Confidence.none().apply(error, ~NEVER, ~NEVER, rng) == 1).all()


def test_hidden_joints_are_doubted(error, rng):
    hidden = NEVER.clone()
    hidden[:, :, 6] = True
    for kind in (Confidence(1.0, 0.0), Confidence(0.0, 1.0)):
        confidence = kind.apply(error, hidden, NEVER, rng)
        assert confidence[:, :, 6].mean() < 0.3 < confidence[:, :, 5].mean()


def test_swaps_lower_confidence_by_up_to_their_share(error, rng):
    swapped = NEVER.clone()
    swapped[:, :, 13] = True
    still = replace(Confidence(0.0, 1.0), noise=0.0, sure=(0.9, 0.9))
    confidence = still.apply(error, NEVER, swapped, rng)
    np.testing.assert_allclose(confidence[:, :, 12], 0.9, rtol=1e-5)
    assert 0.27 <= confidence[:, 0, 13].min() < 0.35 and 0.85 < confidence[:, 0, 13].max() <= 0.9
