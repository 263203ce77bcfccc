"""A video through the whole pipeline: video_node, pose_node, marker_node, RViz."""

from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from nanohtnet_ros.ros.launching import BOOLS, SHARE, Argument, declared, fail_with, warn_of_unknown
from nanohtnet_ros.samples.clips import CLIPS_DIR

ARGUMENTS = {
    "source": Argument(str(CLIPS_DIR / "rendered_walk.mp4"), "video file, folder of images, or number of a webcam"),
    "camera_info_file": Argument(str(CLIPS_DIR / "camera.yaml"), "the camera's calibration; empty for none"),
    "loop": Argument("true", "start again after the last frame"),
    "speed": Argument("1.0", "play a file this much faster"),
    "namespace": Argument("", "namespace of the nodes"),
    "use_rviz": Argument("true", "open RViz with this package's view", BOOLS),
}


TYPES = {"source": str, "camera_info_file": str, "loop": bool, "speed": float}


def generate_launch_description():
    pose = PythonLaunchDescriptionSource(str(SHARE / "launch" / "pose.launch.py"))
    given = {name: LaunchConfiguration(name) for name in ("namespace", "use_rviz")}
    video = {name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, kind in TYPES.items()}
    return LaunchDescription(
        [
            *declared(ARGUMENTS),
            OpaqueFunction(function=lambda context: warn_of_unknown(context, ARGUMENTS)),
            IncludeLaunchDescription(pose, launch_arguments=given.items()),
            Node(
                package="nanohtnet_ros",
                executable="video_node",
                name="video_node",
                namespace=LaunchConfiguration("namespace"),
                output="screen",
                parameters=[video],
                on_exit=fail_with,
            ),
        ]
    )
