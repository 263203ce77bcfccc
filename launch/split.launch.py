"""As pose.launch.py, with the pose node in two: detector_node near the camera, lifter_node wherever there is room."""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from nanohtnet_ros.ros.launching import ARGUMENTS, Arguments, declared

NAMES = [name for name in ARGUMENTS if name != "node_name"]


def nodes(context: LaunchContext) -> list:
    args = Arguments(context, NAMES)
    lifter = {"remappings": [("skeletons_2d", "detector_node/skeletons_2d"),
                             ("camera_info", args.values["camera_info_topic"])], **args.given(autostart=bool)}
    if args.values["depth_topic"]:
        lifter["remappings"].append(("depth", args.values["depth_topic"]))
        lifter["use_depth"] = True
    return [
        args.node("detector_node", "detector_node", args.camera, **args.given(autostart=bool, image_transport=str)),
        args.node("lifter_node", "lifter_node", **lifter),
        args.node("marker_node", "marker_node", [("skeletons", "lifter_node/skeletons")]),
        args.rviz("marker_node"),
    ]


def generate_launch_description():
    return LaunchDescription([*declared(NAMES), OpaqueFunction(function=nodes)])
