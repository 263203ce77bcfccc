"""What a recorded bag shows: counts, latencies, and errors against ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from scipy.optimize import linear_sum_assignment
from sensor_msgs.msg import Image

from nanohtnet_ros.core.messages import joints_from_msg, keypoints_from_msg, root_from_msg, stamp_ns
from nanohtnet_ros.core.metrics import mpjpe_mm, p_mpjpe_mm
from nanohtnet_ros.core.timing import percentiles
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.msg import Skeleton2D, Skeleton2DArray, Skeleton3DArray
from nanohtnet_ros.samples.clips import Clip, GroundTruth

STAGES = ("convert", "detect", "track", "lift", "publish", "total")
"""Of `pose_node`, in the order in which they run; the last one holds them all."""

MATCH_PX = 40.0
"""A skeleton is a person of the ground truth where their keypoints are closer than this on average."""


@dataclass
class Recording:
    """A clip's messages in a bag, by the source image's stamp.

    Attributes:
        images, skeletons, skeletons_2d: message by stamp in nanoseconds.
        published_ns: when each image and each skeleton message was published, by topic and stamp.
        stages: latency percentiles of each stage as the node's last diagnostics state them.
        video: the video node's figures, as its last diagnostics state them.
    """

    images: dict[int, Image] = field(default_factory=dict)
    skeletons: dict[int, Skeleton3DArray] = field(default_factory=dict)
    skeletons_2d: dict[int, Skeleton2DArray] = field(default_factory=dict)
    published_ns: dict[str, dict[int, int]] = field(default_factory=lambda: {"images": {}, "skeletons": {}})
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    video: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, bag: Path, name: str) -> Recording:
        """Read the topics under one namespace, and the nodes' diagnostics.

        Raises:
            UserError: the bag is damaged, or a topic is of another type.
        """
        recording = cls()
        messages: dict[str, tuple[type, str]] = {
            f"/{name}/image": (Image, "images"),
            f"/{name}/pose_node/skeletons": (Skeleton3DArray, "skeletons"),
            f"/{name}/pose_node/skeletons_2d": (Skeleton2DArray, "skeletons_2d"),
            "/diagnostics": (DiagnosticArray, ""),
        }
        try:
            with Reader(bag) as reader:
                for connection, time_ns, data in reader.messages():
                    if connection.topic not in messages:
                        continue
                    kind, attribute = messages[connection.topic]
                    if connection.msgtype != type_name(kind):
                        raise UserError(f"{connection.topic} is {connection.msgtype}, expected {type_name(kind)}")
                    message = deserialize_message(bytes(data), kind)
                    if not attribute:
                        recording._read_diagnostics(message, name)
                        continue
                    stamp = stamp_ns(message.header)
                    getattr(recording, attribute)[stamp] = message
                    recording.published_ns.get(attribute, {})[stamp] = time_ns
        except Exception as error:  # whatever a damaged file brings about in the bag's reader
            raise UserError(f"bag {bag} cannot be read: {error}: record it again") from error
        return recording

    def _read_diagnostics(self, diagnostics: DiagnosticArray, name: str) -> None:
        for status in diagnostics.status:
            if status.name.startswith(f"{name}/video_node:"):
                self.video = {item.key: item.value for item in status.values}
            elif status.name.startswith(f"{name}/pose_node:"):
                for item in status.values:
                    stage, _, percentile = item.key.removesuffix(" ms").rpartition(" ")
                    if item.key.endswith(" ms") and percentile in ("p50", "p99"):
                        self.stages.setdefault(stage, {})[percentile] = float(item.value)

    def latency_ms(self) -> dict[str, dict[str, float]]:
        """Percentiles per stage, and from an image's publication to its skeletons', on one machine's clock."""
        images, skeletons = self.published_ns["images"], self.published_ns["skeletons"]
        both = [1e3 * (skeletons[stamp] - images[stamp]) / NS_PER_S for stamp in skeletons.keys() & images.keys()]
        stages = {name: self.stages[name] for name in STAGES if name in self.stages}
        return {**stages, **({"image_to_skeletons": percentiles(both)} if both else {})}


def type_name(kind: type) -> str:
    """A message class's type: `std_msgs/msg/Header`."""
    package, _, _ = kind.__module__.partition(".")
    return f"{package}/msg/{kind.__name__}"


def report(recording: Recording, clip: Clip) -> dict[str, Any]:
    """One clip's entry in `report.json`; a figure that is not known is null.

    Errors against ground truth are those of the nearest person; `people` holds everybody's.
    """
    recorded = len(recording.images)
    published = max(recorded, int(recording.video.get("published", 0)))
    frames = published + int(recording.video.get("skipped", 0))
    entry: dict[str, Any] = {
        "frames": frames,
        "skipped": frames - published,
        "lost": published - recorded,
        "skeletons": sum(bool(message.skeletons) for message in recording.skeletons.values()),
        "drops": frames - len(recording.skeletons),
        "latency_ms": recording.latency_ms(),
        "keypoint_error_px": None,
        "mpjpe_mm": None,
        "p_mpjpe_mm": None,
        "root_error_m": None,
    }
    if clip.truth is not None:
        people = range(clip.truth.joints_px.shape[1])
        entry["people"] = [person_errors(recording, clip.truth, person) for person in people]
        entry.update({key: value for key, value in entry["people"][0].items() if key in entry})
    return entry


def match_people(skeletons_2d: Skeleton2DArray, truth_px: np.ndarray) -> dict[int, Skeleton2D]:
    """Assign skeletons to people, at most one each, at minimum cost.

    Args:
        truth_px: (P, 17, 2) everybody's true keypoints.

    Returns:
        The skeleton of each person who has one, by the person's index.
    """
    found = skeletons_2d.skeletons
    distance_px = np.array(
        [
            [np.nanmean(np.linalg.norm(keypoints_from_msg(skeleton) - person, axis=1)) for skeleton in found]
            for person in truth_px
        ]
    ).reshape(len(truth_px), len(found))
    pairs = zip(*linear_sum_assignment(np.minimum(distance_px, MATCH_PX)), strict=True)
    return {person: found[i] for person, i in pairs if distance_px[person, i] < MATCH_PX}


def person_errors(recording: Recording, truth: GroundTruth, person: int) -> dict[str, Any]:
    """Errors of one person over all frames in which a skeleton matches them."""
    predicted, target, roots, pixels, ids = [], [], [], [], []
    first = min(recording.images, default=0)
    for stamp in sorted(recording.images):
        frame = round((stamp - first) / NS_PER_S * truth.frame_rate_hz)
        if stamp not in recording.skeletons or stamp not in recording.skeletons_2d or frame >= len(truth.joints_px):
            continue
        keypoints = match_people(recording.skeletons_2d[stamp], truth.joints_px[frame]).get(person)
        skeletons = {s.track_id: s for s in recording.skeletons[stamp].skeletons}
        if keypoints is None or keypoints.track_id not in skeletons:
            continue
        track = keypoints.track_id
        joints_cam = truth.joints_cam_m[frame, person]
        predicted.append(joints_from_msg(skeletons[track]))
        target.append(joints_cam - joints_cam[:1])
        roots.append(np.linalg.norm(root_from_msg(skeletons[track]) - joints_cam[0]))
        pixels.append(np.linalg.norm(keypoints_from_msg(keypoints) - truth.joints_px[frame, person], axis=1))
        ids.append(track)
    if not predicted:
        return {"matched": 0, "recall": 0.0, "track_ids": []}
    poses, targets = np.stack(predicted), np.stack(target)
    whole = np.isfinite(poses).all(axis=(1, 2))
    return {
        "matched": len(predicted),
        "recall": len(predicted) / len(recording.images),
        "track_ids": sorted(set(ids)),
        "keypoint_error_px": float(np.nanmean(pixels)),
        "mpjpe_mm": mpjpe_mm(poses[whole], targets[whole]) if whole.any() else None,
        "p_mpjpe_mm": p_mpjpe_mm(poses[whole], targets[whole]) if whole.any() else None,
        "root_error_m": float(np.nanmean(roots)) if np.isfinite(roots).any() else None,
    }
