"""Launches a file as `ros2 launch` does: launch_file.py FILE name:=value ..."""

import sys

from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

file, *arguments = sys.argv[1:]
service = LaunchService(noninteractive=True)  # no terminal passes a SIGINT on to the nodes
service.include_launch_description(
    LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(file),
                launch_arguments=[argument.split(":=", 1) for argument in arguments],
            )
        ]
    )
)
sys.exit(service.run())
