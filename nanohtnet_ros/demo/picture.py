"""One picture of a recording: the image with its keypoints beside the skeletons in 3D."""

from __future__ import annotations

import statistics
from pathlib import Path

import cv2
import matplotlib

from nanohtnet_ros.errors import UserError

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from nanohtnet_ros.core.drawing import draw_people, track_colour
from nanohtnet_ros.core.messages import joints_from_msg, keypoints_from_msg, root_from_msg
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.demo.scoring import Recording
from nanohtnet_ros.msg import Skeleton2DArray
from nanohtnet_ros.samples.clips import Clip
from nanohtnet_ros.samples.image_messages import image_from_msg

GREY = (0.6, 0.6, 0.6)


def draw_keypoints(image_bgr: np.ndarray, skeletons: Skeleton2DArray) -> np.ndarray:
    """A copy of an image with everybody's keypoints and bones."""
    return draw_people(
        image_bgr,
        [
            (skeleton.track_id, keypoints_from_msg(skeleton), np.asarray(skeleton.confidence))
            for skeleton in skeletons.skeletons
        ],
    )


def draw_skeleton(axes: plt.Axes, joints_cam_m: np.ndarray, colour, label: str | None = None, **style) -> None:
    """Bones of one person; the camera's axes are shown with y as depth and z up."""
    x, y, z = joints_cam_m.T
    for bone in map(list, H36M_17.bones):
        axes.plot(x[bone], z[bone], -y[bone], color=colour, label=label, **style)
        label = None


def telling_frame(recording: Recording) -> int:
    """Stamp of a frame past the start with as many people as most frames have, all as sure as possible."""
    stamps = sorted(recording.skeletons)
    stamps = [s for s in stamps[len(stamps) // 3 :] if s in recording.images and s in recording.skeletons_2d] or stamps
    counts = [len(recording.skeletons_2d[stamp].skeletons) for stamp in stamps]
    usual = statistics.mode(counts)

    def surest(stamp: int) -> float:
        return min((float(np.mean(s.confidence)) for s in recording.skeletons_2d[stamp].skeletons), default=0.0)

    return max((stamp for stamp, count in zip(stamps, counts, strict=True) if count == usual), key=surest)


def draw_demo(clips: list[tuple[Clip, Recording]], path: Path) -> None:
    """Write one row per clip: overlay left, 3D right, with the ground truth in grey where there is one.

    Raises:
        ValueError: no clip has a frame with skeletons.
    """
    clips = [(clip, recording) for clip, recording in clips if recording.skeletons and recording.images]
    if not clips:
        raise UserError("nothing was recorded that could be drawn")
    figure = plt.figure(figsize=(13, 5 * len(clips)), layout="constrained")
    for row, (clip, recording) in enumerate(clips):
        stamp = telling_frame(recording)
        frame = sorted(recording.images).index(stamp)
        image = draw_keypoints(image_from_msg(recording.images[stamp]), recording.skeletons_2d[stamp])
        left = figure.add_subplot(len(clips), 2, 2 * row + 1)
        left.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        left.set_title(f"{clip.name}, frame {frame}: 2D keypoints")
        left.axis("off")
        right = figure.add_subplot(len(clips), 2, 2 * row + 2, projection="3d")
        points = []
        if clip.truth is not None and frame < len(clip.truth.joints_cam_m):
            for i, joints in enumerate(clip.truth.joints_cam_m[frame]):
                draw_skeleton(right, joints, GREY, None if i else "ground truth", linewidth=5, alpha=0.5)
                points.append(joints)
        for skeleton in recording.skeletons[stamp].skeletons:
            if skeleton.root_valid:
                joints = joints_from_msg(skeleton) + root_from_msg(skeleton)
                colour = 0.8 * track_colour(skeleton.track_id)
                draw_skeleton(right, joints, colour, f"track {skeleton.track_id}", linewidth=2.5)
                points.append(joints)
        if points:
            everything = np.concatenate(points)
            low, high = np.nanmin(everything, axis=0), np.nanmax(everything, axis=0)
            middle, reach = (low + high) / 2, max(0.55 * float((high - low).max()), 0.5)
            right.set(
                xlim=(middle[0] - reach, middle[0] + reach),
                ylim=(middle[2] - reach, middle[2] + reach),
                zlim=(-middle[1] - reach, -middle[1] + reach),
            )
            right.legend(loc="upper right")
        right.set_box_aspect((1, 1, 1))
        right.view_init(elev=12, azim=-65)
        right.set(
            xlabel="x (m)",
            ylabel="z, away from the camera (m)",
            zlabel="-y, up (m)",
            title="3D skeletons in the camera frame",
        )
    figure.savefig(path, dpi=90)
    plt.close(figure)
