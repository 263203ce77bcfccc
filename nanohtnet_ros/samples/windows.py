"""Windows of the packaged clips' people, with what the network should make of them: to check and time runtimes with."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S, WindowBuffer
from nanohtnet_ros.samples.clips import CLIPS_DIR, GroundTruth

CLIPS = {"rendered_walk": 16, "rendered_two": 8}
"""How many windows of each person of a clip."""

CERTAIN = np.ones(len(H36M_17))


def clip_windows(card: ModelCard) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Windows cut from the clips' exact keypoints, as nodes would cut them.

    Returns:
        The inputs of a network with this card, see `ModelCard.inputs`: 32 windows of sure keypoints, not levelled. And
        (32, 17, 3) metres, relative to joint 0: where the joints of the frame that the network is used for are, the
        newest but for the card's look-ahead.
    """
    windows, truths = [], []
    for name, count in CLIPS.items():
        truth = GroundTruth.load(CLIPS_DIR / f"{name}.npz")
        frames, people = truth.joints_px.shape[:2]
        wanted = set(np.linspace(frames // 4, frames - 1, count).astype(int).tolist())
        for person in range(people):
            buffer = WindowBuffer(card.window_length, card.frame_rate_hz)
            for frame in range(frames):
                stamp_ns = int(frame / truth.frame_rate_hz * NS_PER_S)
                buffer.push(stamp_ns, truth.camera.rays(truth.joints_px[frame, person]), CERTAIN)
                if frame in wanted:
                    moment = max(0.0, frame - card.look_ahead / card.frame_rate_hz * truth.frame_rate_hz)
                    before = int(moment)
                    after = min(before + 1, frames - 1)
                    joints = (1 - moment % 1) * truth.joints_cam_m[before, person]
                    joints = joints + moment % 1 * truth.joints_cam_m[after, person]
                    windows.append(buffer.window().keypoints_norm)
                    truths.append(joints - joints[0])
    keypoints = np.pad(np.stack(windows), ((0, 0),) * 3 + ((0, 1),), constant_values=1.0)
    return card.inputs(keypoints, np.zeros(len(windows), np.float32)), np.stack(truths).astype(np.float32)
