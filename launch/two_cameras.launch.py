"""An example to copy: two cameras, one include of pose.launch.py each.

Whatever both have in common may be given once: `two_cameras.launch.py image_topic:=image_raw`.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    pose = PathJoinSubstitution([FindPackageShare("nanohtnet_ros"), "launch", "pose.launch.py"])
    return LaunchDescription(
        [
            DeclareLaunchArgument("first", default_value="left", description="namespace of the first camera"),
            DeclareLaunchArgument("second", default_value="right", description="namespace of the second camera"),
            # The groups keep one include's arguments from reaching the next one.
            *(
                GroupAction(
                    [
                        IncludeLaunchDescription(
                            PythonLaunchDescriptionSource(pose),
                            launch_arguments={"namespace": LaunchConfiguration(camera)}.items(),
                        )
                    ]
                )
                for camera in ("first", "second")
            ),
        ]
    )
