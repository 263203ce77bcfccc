"""A video through the whole line: video_node, pose_node, marker_node, RViz on request."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from nanohtnet_ros.samples.clips import CLIPS_DIR

ARGUMENTS = {
    "source": (str(CLIPS_DIR / "rendered_walk.mp4"), "video file, folder of images, or number of a webcam"),
    "camera_info_file": (str(CLIPS_DIR / "camera.yaml"), "the camera's calibration; empty for none"),
    "loop": ("true", "start again after the last frame"),
    "speed": ("1.0", "play a file this much faster"),
    "namespace": ("", "namespace of the nodes"),
    "use_rviz": ("true", "open RViz with this package's view"),
}


def generate_launch_description():
    arg = LaunchConfiguration
    pose = PathJoinSubstitution([FindPackageShare("nanohtnet_ros"), "launch", "pose.launch.py"])
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(pose),
            launch_arguments={"namespace": arg("namespace"), "use_rviz": arg("use_rviz")}.items()),
        Node(  # an upright frame for RViz: x ahead, z up
            package="tf2_ros", executable="static_transform_publisher", name="optical_frame",
            arguments=["--roll", "-1.5707963", "--yaw", "-1.5707963", "--frame-id", "camera_link",
                       "--child-frame-id", "camera_optical_frame"],
            condition=IfCondition(arg("use_rviz"))),
        Node(
            package="nanohtnet_ros", executable="video_node", name="video_node", namespace=arg("namespace"),
            output="screen",
            parameters=[{
                "source": ParameterValue(arg("source"), value_type=str),
                "camera_info_file": ParameterValue(arg("camera_info_file"), value_type=str),
                "loop": ParameterValue(arg("loop"), value_type=bool),
                "speed": ParameterValue(arg("speed"), value_type=float),
            }]),
    ])
