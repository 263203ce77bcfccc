"""What the pose estimator can be told: keywords in Python, parameters in ROS, by the same names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from nanohtnet_ros.core.body import LOWEST_M, TALLEST_M, check_person_height
from nanohtnet_ros.core.pose_estimation import LiftingConfig
from nanohtnet_ros.core.rotation import AUTO, ROTATIONS
from nanohtnet_ros.core.settings import Settings, setting
from nanohtnet_ros.core.smoothing import SmoothingConfig
from nanohtnet_ros.core.tracker import TrackerConfig
from nanohtnet_ros.detectors.base import PeopleConfig
from nanohtnet_ros.detectors.blazepose import BlazePoseConfig
from nanohtnet_ros.detectors.recognise import PERSON_FAMILIES, POSE_FAMILIES
from nanohtnet_ros.runtime.engine_build import PRECISIONS
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL
from nanohtnet_ros.runtime.session import DEVICES


@dataclass(frozen=True)
class RuntimeSettings(Settings):
    """What runs the networks, and pauses between frames."""

    device: str = setting(
        "auto",
        "what runs ONNX networks: TensorRT, or ONNX Runtime by its TensorRT provider, on CUDA or on the CPU; auto: the "
        "first that works of tensorrt, cuda, cpu",
        choices=DEVICES,
    )
    require_gpu: bool = setting(False, "do not configure where auto would run a network on the CPU")
    precision: str = setting("fp32", "numbers that TensorRT computes with", choices=PRECISIONS)
    cuda_graph: bool = setting(False, "replay TensorRT's launches as CUDA graphs: less work for the CPU")
    image_rotation: str = setting(
        str(LiftingConfig.image_rotation),
        "clockwise turn that makes images upright, degrees; auto: by gravity, once that is known; results stay in the "
        "image's own pixels and frame",
        choices=(AUTO, *map(str, ROTATIONS)),
    )
    max_gap_s: float = setting(
        LiftingConfig.max_gap_s, "pauses between frames up to this are bridged, seconds", 0.05, 10.0, live=True
    )


@dataclass(frozen=True)
class TrackingSettings(RuntimeSettings):
    """How people's keypoints are found and followed."""

    detector: str = setting("blazepose", "2D detector: a name that 'nanohtnet models list' shows, or an .onnx file")
    detector_family: str = setting(
        "auto", "what that file is; auto tells by its tensors", choices=("auto", *POSE_FAMILIES)
    )
    person_detector: str = setting("", "for rtmpose, what finds the boxes: a name or an .onnx file, as for `detector`")
    person_detector_family: str = setting(
        "auto", "what that file is; auto tells by its tensors and its name", choices=("auto", *PERSON_FAMILIES)
    )
    max_people: int = setting(PeopleConfig.max_people, "people tracked at most", 1, 30)
    detect_rate_hz: float = setting(
        PeopleConfig.detect_rate_hz,
        "person detections a second while somebody is tracked; blazepose (up to three a frame), rtmpose (one)",
        0.1,
        1000.0,
    )
    latency_budget_ms: float = setting(
        PeopleConfig.latency_budget_ms,
        "mean time that detection may take of a frame, milliseconds: above it detect_rate_hz is lowered, to 1 Hz at "
        "least, and in proportion landmark_rate_hz, to 5 Hz at least; 0 for any",
        0.0,
        10000.0,
    )
    landmark_rate_hz: float = setting(
        BlazePoseConfig.landmark_rate_hz,
        "landmarks a second, at most one a frame, of a person who is still or far and apart from others; in between "
        "they are predicted, over a period of this rate at most; blazepose",
        1.0,
        1000.0,
    )
    search_s: float = setting(
        BlazePoseConfig.search_s,
        "longest time until the whole image has been searched for people, seconds; the "
        "longer, the farther away they may be; blazepose",
        0.1,
        60.0,
    )
    confirm_s: float = setting(
        TrackerConfig.confirm_s,
        "a new track beside others is confirmed, and published, after this long, seconds",
        0.0,
        5.0,
        live=True,
    )
    max_missed_s: float = setting(
        TrackerConfig.max_missed_s, "a track without a detection for this long ends, seconds", 0.05, 60.0, live=True
    )
    threads: int = setting(
        2, "CPU threads of each of the detector's networks; BlazePose's search has one more of its own", 1, 64
    )

    @property
    def tracker(self) -> TrackerConfig:
        """The core's configuration of the tracker."""
        return TrackerConfig(max_missed_s=self.max_missed_s, confirm_s=self.confirm_s)


@dataclass(frozen=True)
class LiftingSettings(RuntimeSettings):
    """How skeletons are made of keypoints."""

    model: str = setting(DEFAULT_MODEL, "lifting network: a name that 'nanohtnet models list' shows, or an .onnx file")
    look_ahead_s: float = setting(
        0.0,
        "output latency: later frames are used as context, seconds; the network's nearest output is taken",
        0.0,
        10.0,
    )
    person_height_m: float = setting(
        0.0, f"how tall the people are, metres, {LOWEST_M:g} or more; 0 if not known", 0.0, TALLEST_M, live=True
    )
    hips_ahead_m: float = setting(
        LiftingConfig.hips_ahead_m, "forward bias of the detector's hip keypoints, metres", 0.0, 0.15, live=True
    )
    max_error_m: float = setting(
        LiftingConfig.max_error_m,
        "joints of which the network expects a larger error are not known: NaN, confidence 0; metres",
        0.01,
        10.0,
        live=True,
    )
    constant_bones: bool = setting(
        SmoothingConfig.constant_bones, "give a person's bones their mean lengths over the track", live=True
    )
    one_euro: bool = setting(SmoothingConfig.one_euro, "smooth joints and root with a One Euro filter", live=True)
    one_euro_min_cutoff_hz: float = setting(
        SmoothingConfig.min_cutoff_hz, "its cutoff for joints at rest, Hz", 0.01, 100.0, live=True
    )
    one_euro_beta: float = setting(
        SmoothingConfig.beta, "its cutoff gained per speed, Hz per m/s", 0.0, 100.0, live=True
    )

    def __post_init__(self) -> None:
        """Check every value; a height is 0 or a person's."""
        super().__post_init__()
        if self.person_height_m:
            check_person_height(self.person_height_m)

    @property
    def lifting(self) -> LiftingConfig:
        """The core's configuration of lifting."""
        smoothing = SmoothingConfig(
            one_euro=self.one_euro,
            min_cutoff_hz=self.one_euro_min_cutoff_hz,
            beta=self.one_euro_beta,
            constant_bones=self.constant_bones,
        )
        return LiftingConfig(
            max_gap_s=self.max_gap_s,
            person_height_m=self.person_height_m or None,
            hips_ahead_m=self.hips_ahead_m,
            image_rotation=None if self.image_rotation == AUTO else int(self.image_rotation),
            max_error_m=self.max_error_m,
            smoothing=smoothing,
        )


@dataclass(frozen=True)
class EstimatorSettings(LiftingSettings, TrackingSettings):
    """All keywords of `PoseEstimator`."""
