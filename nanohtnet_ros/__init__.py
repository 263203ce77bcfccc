"""People's 3D skeletons from an ordinary camera, for ROS 2 and for Python without it.

    from nanohtnet_ros import Camera, PoseEstimator

The names load when they are first used: importing this package loads nothing else.
"""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING

# colcon installs the generated `nanohtnet_ros.msg` beside an installed copy of these modules; run from a checkout,
# Python finds this folder first, and still has to find the messages there.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"

if TYPE_CHECKING:
    from nanohtnet_ros.core.camera import Camera
    from nanohtnet_ros.core.ground import Ground
    from nanohtnet_ros.core.keypoint_tracking import StaleFrameError
    from nanohtnet_ros.core.pose_estimation import Lifter, LiftingConfig
    from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
    from nanohtnet_ros.errors import UserError
    from nanohtnet_ros.estimator import PoseEstimator

__all__ = [
    "Camera",
    "Ground",
    "Keypoints",
    "Lifter",
    "LiftingConfig",
    "Person",
    "PoseEstimator",
    "StaleFrameError",
    "TrackedKeypoints",
    "UserError",
]

_MODULES = {
    "Camera": "core.camera",
    "Ground": "core.ground",
    "Keypoints": "core.poses",
    "Lifter": "core.pose_estimation",
    "LiftingConfig": "core.pose_estimation",
    "Person": "core.poses",
    "PoseEstimator": "estimator",
    "StaleFrameError": "core.keypoint_tracking",
    "TrackedKeypoints": "core.poses",
    "UserError": "errors",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
