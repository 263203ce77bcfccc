"""As pose.launch.py, with the pose node in two: detector_node near the camera, lifter_node wherever there is room."""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from nanohtnet_ros.ros.launching import ARGUMENTS, Arguments, declared

SPLIT = {name: argument for name, argument in ARGUMENTS.items() if name != "node_name"}


def nodes(context: LaunchContext) -> list:
    args = Arguments(context, SPLIT)
    args.warn("lifter_node")
    keypoints = [
        ("skeletons_2d", "detector_node/skeletons_2d"),
        ("camera_info", args.values["camera_info_topic"]),
        *args.depth(),
    ]
    return [
        args.node("detector_node", "detector_node", args.camera, **args.given(autostart=bool, image_transport=str)),
        args.node("lifter_node", "lifter_node", keypoints, **args.skeletons("lifter_node")),
        args.node("marker_node", "marker_node", [("skeletons", "lifter_node/skeletons")]),
        *args.rviz("marker_node", "lifter_node", "detector_node"),
        *args.viewer("lifter_node", "detector_node"),
    ]


def generate_launch_description():
    return LaunchDescription([*declared(SPLIT), OpaqueFunction(function=nodes)])
