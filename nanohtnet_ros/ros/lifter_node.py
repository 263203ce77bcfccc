"""2D keypoints of one or several cameras in, 3D skeletons out: the second half of `pose_node`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.pose_estimation import Frame
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.estimator import Networks, open_lifter
from nanohtnet_ros.msg import Skeleton2DArray
from nanohtnet_ros.ros.ground_input import GroundInput, ground_tf
from nanohtnet_ros.ros.inputs import CalibrationInput, DepthInput, KeypointInput
from nanohtnet_ros.ros.messages import header_before
from nanohtnet_ros.ros.outputs import DescriptionOutput, SkeletonOutput
from nanohtnet_ros.ros.parameters import LifterNodeParameters
from nanohtnet_ros.ros.pipeline_node import PipelineNode, Processor
from nanohtnet_ros.ros.spin import spin


@dataclass(frozen=True)
class CameraInputs:
    """Subscriptions to one camera's topics."""

    calibration: CalibrationInput
    depth: DepthInput | None
    ground: GroundInput
    keypoints: KeypointInput


class LifterProcessor(Processor[LifterNodeParameters, dict[str, CameraInputs]]):
    """The lifting network, for the people of all cameras; inputs and outputs by the cameras' names."""

    def __init__(self, node: PipelineNode[LifterNodeParameters], p: LifterNodeParameters) -> None:
        """Load the network and make the publishers."""
        self._node = node
        self._lifter = open_lifter(p, node.keep_output(Networks(p)))
        node.keep_output(DescriptionOutput(node, self._lifter.network))
        self._tf = ground_tf(node, p)
        self._outputs = {name: node.keep_output(SkeletonOutput(node, node.diagnostics, p, name)) for name in p.cameras}
        self.title = self._lifter.network.title

    def apply(self, p: LifterNodeParameters) -> None:
        self._lifter.config = p.lifting

    def subscribe(self, p: LifterNodeParameters) -> dict[str, CameraInputs]:
        node = self._node
        ground = node.keep_input(GroundInput(node, node.diagnostics, lambda: node.settings.values, self._tf))
        return {name: self._subscribe(p, name, ground) for name in p.cameras}

    def _subscribe(self, p: LifterNodeParameters, camera: str, ground: GroundInput) -> CameraInputs:
        node, topics = self._node, prefix(camera)
        calibration = node.keep_input(CalibrationInput(node, node.diagnostics, topics))
        depth = None
        if p.use_depth:
            depth = node.keep_input(DepthInput(node, node.diagnostics, p.depth_tolerance_s, topics))
        put = partial(node.put, source=camera)
        keypoints = node.keep_input(KeypointInput(node, node.diagnostics, put, topics))
        return CameraInputs(calibration, depth, ground, keypoints)

    def process(self, items: dict[str, Any], inputs: dict[str, CameraInputs]) -> int:
        found = {camera: self._frame(camera, inputs[camera], msg) for camera, msg in items.items()}
        frames = {camera: frame for camera, frame in found.items() if frame is not None}
        self._node.counts["refused"] += len(found) - len(frames)
        people = self._lifter.step_cameras(frames)
        with self._node.times.stage("publish"):
            for camera, frame in frames.items():
                header = header_before(items[camera].header, self._lifter.delay_ns)
                self._outputs[camera].publish(people[camera], header, frame.camera, ground=frame.ground)
        self._node.diagnostics.figures["people"] = sum(map(len, people.values()))
        return len(frames)

    def _frame(self, name: str, inputs: CameraInputs, msg: Skeleton2DArray) -> Frame | None:
        """What a message holds, or None where it cannot be used."""
        tracked = inputs.keypoints.people(msg)
        if tracked is None:
            return None
        stamp, size = stamp_ns(msg.header), (msg.image_width, msg.image_height)
        camera = inputs.calibration.camera(*size, self._node.settings.values.horizontal_fov_deg)
        depth_m = inputs.depth.depth_m(stamp, size) if inputs.depth else None
        return Frame(stamp, camera, tracked, depth_m, inputs.ground.ground(msg.header, name))

    def reset(self) -> None:
        self._lifter.reset()

    @property
    def stage_times(self) -> list[StageTimes]:
        return [self._lifter.times]


class LifterNode(PipelineNode[LifterNodeParameters]):
    """Subscribes to `skeletons_2d` and `camera_info` of each camera, publishes `~/skeletons` for each.

    With the parameter `cameras` set to `[left, right]` the topics are `left/skeletons_2d`, `left/camera_info`,
    `~/left/skeletons` and so on. All people of all cameras whose keypoints wait go through the network together.
    """

    def __init__(self, name: str = "lifter_node", **options: Any) -> None:
        """Make the node; arguments as of `PipelineNode`."""
        super().__init__(name, LifterNodeParameters, LifterProcessor, **options)


def prefix(camera: str) -> str:
    """What leads the topics of a camera."""
    return f"{camera}/" if camera else ""


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(LifterNode, args)


if __name__ == "__main__":
    main()
