"""Camera images in, people's 3D skeletons out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nanohtnet_ros.core.messages import stamp_ns
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.ros.ground_input import GroundInput, ground_tf
from nanohtnet_ros.ros.inputs import CalibrationInput, DepthInput, ImageInput
from nanohtnet_ros.ros.messages import header_before
from nanohtnet_ros.ros.outputs import DescriptionOutput, KeypointOutput, SkeletonOutput
from nanohtnet_ros.ros.parameters import PoseNodeParameters
from nanohtnet_ros.ros.pipeline_node import IMAGE, PipelineNode, Processor
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.samples.image_messages import converter_name


@dataclass(frozen=True)
class PoseInputs:
    """Subscriptions to a camera's topics."""

    calibration: CalibrationInput
    depth: DepthInput | None
    ground: GroundInput
    images: ImageInput


class PoseProcessor(Processor[PoseNodeParameters, PoseInputs]):
    """The whole pipeline of one camera."""

    def __init__(self, node: PipelineNode[PoseNodeParameters], p: PoseNodeParameters) -> None:
        """Load the networks and make the publishers."""
        self._node = node
        self._estimator = node.keep_output(PoseEstimator.from_settings(p, node.next_track_id))
        network = self._estimator.lifter.network
        node.keep_output(DescriptionOutput(node, network))
        self._keypoint_output = node.keep_output(KeypointOutput(node))
        self._tf = ground_tf(node, p)
        self._skeleton_output = node.keep_output(SkeletonOutput(node, node.diagnostics, p))
        self.title = f"{network.title}; {self._estimator.tracker.title}; images by {converter_name()}"

    def apply(self, p: PoseNodeParameters) -> None:
        self._estimator.apply(p)

    def subscribe(self, p: PoseNodeParameters) -> PoseInputs:
        node = self._node
        calibration = node.keep_input(CalibrationInput(node, node.diagnostics))
        depth = node.keep_input(DepthInput(node, node.diagnostics, p.depth_tolerance_s)) if p.use_depth else None
        ground = node.keep_input(GroundInput(node, node.diagnostics, lambda: node.settings.values, self._tf))
        images = node.keep_input(ImageInput(node, node.diagnostics, p.image_transport, node.put))
        return PoseInputs(calibration, depth, ground, images)

    def process(self, items: dict[str, Any], inputs: PoseInputs) -> int:
        node, header = self._node, items[IMAGE].header
        with node.times.stage("convert"):
            image = inputs.images.image(items[IMAGE])
        height, width = image.shape[:2]
        camera = inputs.calibration.camera(width, height, node.settings.values.horizontal_fov_deg)
        depth_m = inputs.depth.depth_m(stamp_ns(header), (width, height)) if inputs.depth else None
        ground = inputs.ground.ground(header)
        self._estimator.tracker.dropped(node.newly_dropped())
        people = self._estimator.step(image, stamp_ns(header), camera, depth_m, ground)
        delay_ns = self._estimator.lifter.delay_ns
        with node.times.stage("publish"):
            # With a look-ahead the skeletons are of an earlier image, which is not at hand any more.
            self._skeleton_output.publish(
                people, header_before(header, delay_ns), camera, None if delay_ns else image, ground
            )
            self._keypoint_output.publish(self._estimator.tracked if delay_ns else people, header, image)
        node.diagnostics.figures["people"] = len(people)
        node.diagnostics.set_rates(self._estimator.tracker.rates_hz)
        return 1

    def reset(self) -> None:
        self._estimator.reset()

    @property
    def stage_times(self) -> list[StageTimes]:
        return self._estimator.stage_times


class PoseNode(PipelineNode[PoseNodeParameters]):
    """Subscribes to `image` and `camera_info`, publishes `~/skeletons` and `~/skeletons_2d`."""

    def __init__(self, name: str = "pose_node", **options: Any) -> None:
        """Make the node; arguments as of `PipelineNode`."""
        super().__init__(name, PoseNodeParameters, PoseProcessor, **options)


def main(args: list[str] | None = None) -> None:
    """Run the node's process."""
    spin(PoseNode, args)


if __name__ == "__main__":
    main()
