"""Camera images in, people's 2D keypoints out: the first half of `pose_node`, for a machine of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.rotation import AUTO
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.estimator import Networks, open_tracker
from nanohtnet_ros.ros.ground_input import GroundInput, ground_tf
from nanohtnet_ros.ros.inputs import ImageInput
from nanohtnet_ros.ros.outputs import KeypointOutput
from nanohtnet_ros.ros.parameters import DetectorNodeParameters
from nanohtnet_ros.ros.pipeline_node import IMAGE, PipelineNode, Processor
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.samples.image_messages import converter_name


@dataclass(frozen=True)
class DetectorInputs:
    """Subscriptions to a camera's topics."""

    images: ImageInput
    ground: GroundInput | None


class DetectorProcessor(Processor[DetectorNodeParameters, DetectorInputs]):
    """Detector and tracker of one camera."""

    def __init__(self, node: PipelineNode[DetectorNodeParameters], p: DetectorNodeParameters) -> None:
        """Load the networks and make the publishers."""
        self._node = node
        self._tracker = open_tracker(p, node.keep_output(Networks(p)), node.next_track_id)
        self._tf = ground_tf(node, p)
        self._output = node.keep_output(KeypointOutput(node))
        self.title = f"{self._tracker.title}; images by {converter_name()}"

    def apply(self, p: DetectorNodeParameters) -> None:
        self._tracker.apply(p.tracker, p.max_gap_s)

    def subscribe(self, p: DetectorNodeParameters) -> DetectorInputs:
        node, ground = self._node, None
        if p.image_rotation == AUTO:
            ground = node.keep_input(GroundInput(node, node.diagnostics, lambda: node.settings.values, self._tf))
        return DetectorInputs(node.keep_input(ImageInput(node, node.diagnostics, p.image_transport, node.put)), ground)

    def process(self, items: dict[str, Any], inputs: DetectorInputs) -> int:
        msg = items[IMAGE]
        with self._node.times.stage("convert"):
            image = inputs.images.image(msg)
        ground = inputs.ground.ground(msg.header) if inputs.ground else None
        self._tracker.dropped(self._node.newly_dropped())
        people = self._tracker.step(image, stamp_ns(msg.header), ground)
        with self._node.times.stage("publish"):
            self._output.publish(people, msg.header, image)
        self._node.diagnostics.figures["people"] = len(people)
        self._node.diagnostics.set_rates(self._tracker.rates_hz)
        return 1

    def reset(self) -> None:
        self._tracker.reset()

    @property
    def stage_times(self) -> list[StageTimes]:
        return [self._tracker.times]


class DetectorNode(PipelineNode[DetectorNodeParameters]):
    """Subscribes to `image`, publishes `~/skeletons_2d`."""

    def __init__(self, name: str = "detector_node", **options: Any) -> None:
        """Make the node; arguments as of `PipelineNode`."""
        super().__init__(name, DetectorNodeParameters, DetectorProcessor, **options)


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(DetectorNode, args)


if __name__ == "__main__":
    main()
