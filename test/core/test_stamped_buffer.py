import numpy as np

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.stamped_buffer import StampedBuffer, keypoints_at


def keypoints(x: float, confidence: float = 1.0, missing: int | None = None) -> Keypoints:
    sure = np.full(17, confidence, np.float32)
    if missing is not None:
        sure[missing] = 0.0
    return Keypoints(np.full((17, 2), x, np.float32), sure)


def test_positions_and_confidence_between_two_frames():
    history = StampedBuffer(100)
    history.push(1000, keypoints(10.0, 0.4))
    history.push(1040, keypoints(20.0, 0.8))
    between = keypoints_at(history, 1010)
    np.testing.assert_allclose(between.xy_px, 12.5)
    np.testing.assert_allclose(between.confidence, 0.5)
    for stamp, x in ((1000, 10.0), (1040, 20.0)):
        np.testing.assert_allclose(keypoints_at(history, stamp).xy_px, x)


def test_a_joint_that_one_frame_lacks_is_the_nearer_frames():
    history = StampedBuffer(100)
    history.push(1000, keypoints(10.0, missing=3))
    history.push(1040, keypoints(20.0))
    early, late = keypoints_at(history, 1010), keypoints_at(history, 1030)
    assert not early.valid[3] and early.valid[4] and np.isnan(early.xy_px[3]).all()
    assert late.valid[3] and late.xy_px[3, 0] == 20.0


def test_outside_there_is_nothing():
    history = StampedBuffer(100)
    assert keypoints_at(history, 1000) is None and history.nearest(1000) is None
    history.push(1000, keypoints(10.0))
    assert keypoints_at(history, 999) is None and keypoints_at(history, 1001) is None


def test_what_is_needed_is_kept_and_no_more():
    history: StampedBuffer[int] = StampedBuffer(100)
    for stamp in range(0, 1000, 30):
        history.push(stamp, stamp)
        assert history.around(max(0, stamp - 100)) is not None
    assert len(history) == 5  # 870 to 990: the first is older than the memory
    assert (history.nearest(900), history.nearest(914), history.nearest(916)) == (900, 900, 930)
    newest: StampedBuffer[int] = StampedBuffer(0)
    for stamp in (1, 2, 3):
        newest.push(stamp, stamp)
    assert len(newest) == 1 and newest.nearest(3) == 3
