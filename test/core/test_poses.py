import numpy as np
import pytest

from nanohtnet_ros.core.poses import Keypoints


def test_missing_keypoints_are_nan_with_confidence_zero():
    xy = np.ones((17, 2), np.float32)
    confidence = np.full(17, 0.5, np.float32)
    xy[3] = np.nan
    confidence[4] = 0.0
    confidence[5] = np.nan
    confidence[6] = 1.5
    keypoints = Keypoints(xy, confidence)
    for joint in (3, 4, 5):
        assert np.isnan(keypoints.xy_px[joint]).all() and keypoints.confidence[joint] == 0
        assert not keypoints.valid[joint]
    assert keypoints.confidence[6] == 1.0
    assert keypoints.valid.sum() == 14


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(16, 2\).*expected \(17, 2\)"):
        Keypoints(np.zeros((16, 2)), np.zeros(16))
