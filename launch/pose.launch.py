"""Skeletons from a camera that already publishes: pose_node and marker_node, RViz on request."""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction

from nanohtnet_ros.ros.launching import Arguments, declared


def nodes(context: LaunchContext) -> list:
    args = Arguments(context)
    name = args.values["node_name"]
    # A second pose node in the namespace needs a second marker node.
    markers = "marker_node" if name == "pose_node" else f"{name}_markers"
    args.warn(name)
    return [
        args.node(
            "pose_node", name, [*args.camera, *args.depth()], **args.given(image_transport=str), **args.skeletons(name)
        ),
        args.node("marker_node", markers, [("skeletons", f"{name}/skeletons")]),
        *args.rviz(markers, name),
        *args.viewer(name),
    ]


def generate_launch_description():
    return LaunchDescription([*declared(), OpaqueFunction(function=nodes)])
