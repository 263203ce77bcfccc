"""The same in a node of your own: stop while somebody raises a hand."""

import rclpy
from nanohtnet_ros.msg import Gesture
from rclpy.node import Node
from std_msgs.msg import Bool

from nanohtnet_ros.client import PeopleClient, PeopleFrame


class Stop(Node):
    """Publishes `stop`."""

    def __init__(self):
        super().__init__("stop_at_raised_hand")
        self._stop = self.create_publisher(Bool, "stop", 1)
        self._people = PeopleClient(self, self.on_people, "pose_node", states=True)

    def on_people(self, frame: PeopleFrame):
        raised = any(g.gesture == Gesture.HAND_RAISED for person in frame.people for g in person.state.gestures)
        self._stop.publish(Bool(data=raised))


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(Stop())
