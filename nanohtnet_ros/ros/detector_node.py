"""Camera images in, people's 2D keypoints out: the first half of `pose_node`, for a machine of its own."""

from __future__ import annotations

from typing import Any

from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.estimator import Networks, open_tracker
from nanohtnet_ros.ros.inputs import ImageInput
from nanohtnet_ros.ros.messages import stamp_ns
from nanohtnet_ros.ros.outputs import KeypointOutput
from nanohtnet_ros.ros.parameters import DetectorNodeParameters
from nanohtnet_ros.ros.pipeline_node import IMAGE, PipelineNode, Processor
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.samples.image_messages import converter_name


class DetectorProcessor(Processor[DetectorNodeParameters, ImageInput]):
    """Detector and tracker of one camera."""

    def __init__(self, node: PipelineNode[DetectorNodeParameters], p: DetectorNodeParameters) -> None:
        """Load the networks and make the publishers."""
        self._node = node
        self._tracker = open_tracker(p, node.keep_output(Networks(p)), node.next_track_id)
        self._output = node.keep_output(KeypointOutput(node))
        self.title = f"{self._tracker.title}; images by {converter_name()}"

    def apply(self, p: DetectorNodeParameters) -> None:
        self._tracker.apply(p.tracker, p.max_gap_s)

    def subscribe(self, p: DetectorNodeParameters) -> ImageInput:
        node = self._node
        return node.keep_input(ImageInput(node, node.diagnostics, p.image_transport, node.put))

    def process(self, items: dict[str, Any], inputs: ImageInput) -> int:
        msg = items[IMAGE]
        with self._node.times.stage("convert"):
            image = inputs.image(msg)
        people = self._tracker.step(image, stamp_ns(msg.header))
        with self._node.times.stage("publish"):
            self._output.publish(people, msg.header, image)
        self._node.diagnostics.figures["people"] = len(people)
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
