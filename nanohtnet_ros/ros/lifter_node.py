"""2D keypoints of one or several cameras in, 3D skeletons out: the second half of `pose_node`."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from nanohtnet_ros.core.pose_estimation import Frame, PeopleLifter
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.msg import Skeleton2DArray
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.factory import apply_lifting, open_lifter
from nanohtnet_ros.ros.inputs import CalibrationInput, DepthInput, KeypointInput
from nanohtnet_ros.ros.messages import header_before, stamp_ns
from nanohtnet_ros.ros.outputs import SkeletonOutput
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.ros.stage_node import StageNode


class LifterNode(StageNode):
    """Subscribes to `skeletons_2d` and `camera_info` of each camera, publishes `~/skeletons` for each.

    With the parameter `cameras` set to `[left, right]` the topics are `left/skeletons_2d`, `left/camera_info`,
    `~/left/skeletons` and so on. All people of all cameras whose keypoints wait go through the network together.
    """

    _lifter: PeopleLifter | None = None

    def __init__(self) -> None:
        super().__init__("lifter_node", parameters.LIFTER_NODE)

    def load(self, p: SimpleNamespace) -> str:
        if len(set(p.cameras)) != len(p.cameras) or not p.cameras:
            raise UserError(f"cameras are {list(p.cameras)}, expected names that differ")
        if len(p.cameras) > 1 and (p.publish_tf or p.publish_hri):
            raise UserError(
                "publish_tf and publish_hri name people by their ids, which every camera numbers by itself: run one "
                "lifter_node for each camera")
        self._lifter, description, network = open_lifter(self, p)
        self.keep_output(description)
        self._skeleton_outputs = {
            name: self.keep_output(SkeletonOutput(self, self.diagnostics, p, f"{name}/" if name else ""))
            for name in p.cameras}
        return network

    def unload(self) -> None:
        self._lifter = None

    def apply(self, p: SimpleNamespace) -> None:
        apply_lifting(self._lifter, p)

    def open_inputs(self, p: SimpleNamespace) -> None:
        prefixes = {name: f"{name}/" if name else "" for name in p.cameras}
        self._calibrations = {
            name: self.keep_input(CalibrationInput(self, self.diagnostics, prefix))
            for name, prefix in prefixes.items()}
        self._depths = {
            name: self.keep_input(DepthInput(self, self.diagnostics, p.depth_tolerance_s, prefix))
            for name, prefix in prefixes.items() if p.use_depth}
        self._keypoints = {
            name: self.keep_input(KeypointInput(self, self.diagnostics, partial(self.put, source=name), prefix))
            for name, prefix in prefixes.items()}

    def process(self, items: dict[str, Any]) -> int:
        found = {name: self._frame(name, msg) for name, msg in items.items()}
        frames = {name: frame for name, frame in found.items() if frame is not None}
        self.counts["refused"] += len(found) - len(frames)
        people = self._lifter.step(frames)
        with self.times.stage("publish"):
            for name, frame in frames.items():
                header = header_before(items[name].header, self._lifter.delay_ns)
                self._skeleton_outputs[name].publish(people[name], header, frame.camera)
        self.diagnostics.figures["people"] = sum(map(len, people.values()))
        return len(frames)

    def _frame(self, name: str, msg: Skeleton2DArray) -> Frame | None:
        """What a message holds, or None where it cannot be used."""
        tracked = self._keypoints[name].people(msg)
        if tracked is None:
            return None
        p, stamp = self.settings.values, stamp_ns(msg.header)
        camera = self._calibrations[name].camera(msg.image_width, msg.image_height, p.horizontal_fov_deg)
        size = msg.image_width, msg.image_height
        depth = self._depths[name].depth_m(stamp, size) if p.use_depth else None
        return Frame(stamp, camera, tracked, depth)

    def reset(self) -> None:
        self._lifter.reset()

    def stage_times(self) -> list[StageTimes]:
        return [self._lifter.times] if self._lifter else []


def main(args: list[str] | None = None) -> None:
    spin(LifterNode, args)


if __name__ == "__main__":
    main()
