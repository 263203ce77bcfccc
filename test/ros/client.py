"""What a user would write: a node that knows nothing but our messages. Prints a line of JSON per message."""

import contextlib
import json
import sys

import rclpy
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3D, Skeleton3DArray
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image


class Client(Node):
    def __init__(self):
        super().__init__("client")
        self.create_subscription(Image, "image", self.on_image, qos_profile_sensor_data)
        self.create_subscription(Skeleton3DArray, "pose_node/skeletons", self.on_3d, 10)
        self.create_subscription(Skeleton2DArray, "pose_node/skeletons_2d", self.on_2d, 10)

    def say(self, kind, msg, people):
        stamp = [msg.header.stamp.sec, msg.header.stamp.nanosec]
        print(json.dumps({"kind": kind, "stamp": stamp, "frame": msg.header.frame_id, "people": people}), flush=True)

    def on_image(self, msg):
        self.say("image", msg, [])

    def on_3d(self, msg):
        self.say(
            "3d",
            msg,
            [
                {
                    "id": s.track_id,
                    "age": s.track_age,
                    "root": [s.root.x, s.root.y, s.root.z],
                    "valid": s.root_valid,
                    "head": [s.joints[Skeleton3D.HEAD].y, float(s.confidence[Skeleton3D.HEAD])],
                    "hip": [s.joints[Skeleton3D.HIP].x, s.joints[Skeleton3D.HIP].y, s.joints[Skeleton3D.HIP].z],
                }
                for s in msg.skeletons
            ],
        )

    def on_2d(self, msg):
        self.say("2d", msg, [{"id": s.track_id, "x": float(s.x[0]), "y": float(s.y[0])} for s in msg.skeletons])


rclpy.init(args=sys.argv)
with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
    executor = SingleThreadedExecutor()
    executor.add_node(Client())
    while rclpy.ok():  # one that waits without end may sleep through Ctrl-C
        executor.spin_once(timeout_sec=1.0)
