"""Which joints an image supports, and what stands in for the others in the lifting network's input."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.core.tracker import sizes_px

LEAST_CONFIDENCE = 0.1
"""A keypoint below it says nothing by itself: BlazePose gives hidden limbs less, and visible ones more."""

BORDER = 0.05
"""So near to the image's border, in units of the person's size, a detector puts joints that are beyond it."""

BORDER_CONFIDENCE, LIMB_CONFIDENCE = 0.2, 0.5
"""What a joint needs of its own there, and the rest of a limb that comes from there or from beyond."""

TOGETHER = np.array([[joint, other, other] for joint, other in enumerate(H36M_17.flip_order)])
TOGETHER[Joint.HIP, 1:] = Joint.L_HIP, Joint.R_HIP
TOGETHER[Joint.THORAX, 1:] = Joint.L_SHOULDER, Joint.R_SHOULDER
"""(17, 3) each joint and those that are where it is sure where they are."""

# Of an adult who stands, metres: the training data's motion capture, rounded; nose and crown as detectors mark them.
TRUNK_M, SHOULDERS_M, HIPS_M, NOSE_M, CROWN_M = 0.50, 0.35, 0.18, 0.18, 0.30
BONES_M = (
    (Joint.L_HIP, Joint.L_KNEE, 0.41),
    (Joint.L_KNEE, Joint.L_ANKLE, 0.41),
    (Joint.R_HIP, Joint.R_KNEE, 0.41),
    (Joint.R_KNEE, Joint.R_ANKLE, 0.41),
    (Joint.L_SHOULDER, Joint.L_ELBOW, 0.28),
    (Joint.L_ELBOW, Joint.L_WRIST, 0.26),
    (Joint.R_SHOULDER, Joint.R_ELBOW, 0.28),
    (Joint.R_ELBOW, Joint.R_WRIST, 0.26),
)
LIMBS = np.array(BONES_M, int)[:, :2].reshape(4, 2, 2).transpose(1, 2, 0)
"""(2, 2, 4) upper bones of the limbs, then lower ones: parents and children."""

SCALE_BONES_M = (
    (Joint.HIP, Joint.THORAX, TRUNK_M),
    (Joint.L_SHOULDER, Joint.R_SHOULDER, SHOULDERS_M),
    (Joint.THORAX, Joint.HEAD, CROWN_M),
    *BONES_M[:4],
)


def supported(xy_px: np.ndarray, confidence: np.ndarray, camera: Camera) -> np.ndarray:
    """Which joints the image supports.

    A joint outside the image is not seen. One inside of which the detector is unsure is still supported where it is
    sure of its counterpart, as of an arm behind the trunk; where it is sure of neither, as of legs behind a desk, it
    knows nothing. At the image's border a counterpart says nothing: detectors put what is beyond it inside, unsure
    of it, and the rest of the limb further in.

    Args:
        xy_px: (..., 17, 2) keypoints as the detector gave them.
        confidence: (..., 17) of them, 0 where one is missing.
        camera: that took the image.
    Returns:
        (..., 17) bool.
    """
    x_px, y_px = xy_px[..., 0], xy_px[..., 1]
    inside_px = np.minimum(np.minimum(x_px, y_px) + 0.5, np.minimum(camera.width - x_px, camera.height - y_px) - 0.5)
    sure = confidence[..., TOGETHER].max(axis=-1)
    sure[..., Joint.SPINE] = sure[..., (Joint.SPINE, Joint.THORAX, Joint.HIP)].max(axis=-1)
    known = (inside_px >= 0) & (confidence > 0) & (sure >= LEAST_CONFIDENCE)
    clear = known & (inside_px >= BORDER * sizes_px(xy_px, known)[..., None])
    if not clear.all():
        own = confidence >= BORDER_CONFIDENCE
        own[..., Joint.SPINE] = True
        known &= clear | own
        for parent, child in LIMBS:
            known[..., child] &= clear[..., parent] | (confidence[..., child] >= LIMB_CONFIDENCE)
            clear[..., child] &= known[..., child]
    return known


def completed(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Put joints that nothing supports where those of a standing person would be.

    The network needs all joints. Where the detector guesses the joint next to a known one, beyond the image's border
    say, its guess is taken, it is better than a standing person's. Further from what is known it makes legs up.

    Args:
        points: (17, 2) keypoints in the image plane, normalised, guesses too; NaN where there is not even a guess.
        known: (17,) bool, those that the image supports.
    Returns:
        (17, 2) float64; as they were where neither hips nor shoulders are known.
    """
    out = np.array(points, np.float64)
    there = np.isfinite(out).all(axis=1)
    known = known & there
    if known.all() or not (known[Joint.HIP] or known[Joint.THORAX]):
        return out
    near = known.copy()
    near[[Joint.HIP, Joint.THORAX, Joint.SPINE, Joint.L_HIP, Joint.R_HIP, Joint.L_SHOULDER, Joint.R_SHOULDER]] = True
    for parent, child, _ in BONES_M:
        near[child] |= known[parent]
    there &= near
    scale = max(
        (np.linalg.norm(out[a] - out[b]) / length for a, b, length in SCALE_BONES_M if there[a] and there[b]),
        default=0.0,
    )
    trunk = out[Joint.HIP] - out[Joint.THORAX]
    whole = there[Joint.HIP] and there[Joint.THORAX] and np.linalg.norm(trunk) > 0
    down = scale * (trunk / np.linalg.norm(trunk) if whole else np.array([0.0, 1.0]))

    def put(joint: Joint, place: np.ndarray) -> None:
        if not there[joint]:
            out[joint], there[joint] = place, True

    put(Joint.THORAX, out[Joint.HIP] - TRUNK_M * down)
    put(Joint.HIP, out[Joint.THORAX] + TRUNK_M * down)
    put(Joint.SPINE, (out[Joint.HIP] + out[Joint.THORAX]) / 2)
    across = np.array([scale * SHOULDERS_M, 0.0])  # from right to left shoulder
    for left, right, length in ((Joint.L_HIP, Joint.R_HIP, HIPS_M), (Joint.L_SHOULDER, Joint.R_SHOULDER, SHOULDERS_M)):
        if there[left] and there[right]:
            across = (out[left] - out[right]) * (SHOULDERS_M / length)
    for middle, left, right, length in (
        (Joint.HIP, Joint.L_HIP, Joint.R_HIP, HIPS_M),
        (Joint.THORAX, Joint.L_SHOULDER, Joint.R_SHOULDER, SHOULDERS_M),
    ):
        put(left, out[middle] + across * (length / SHOULDERS_M / 2))
        put(right, out[middle] - across * (length / SHOULDERS_M / 2))
    put(Joint.NECK, out[Joint.THORAX] - NOSE_M * down)
    put(Joint.HEAD, out[Joint.THORAX] - CROWN_M * down)
    for parent, child, length in BONES_M:
        put(child, out[parent] + length * down)
    return out
