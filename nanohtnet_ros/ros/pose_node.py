"""Camera images in, people's 3D skeletons out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nanohtnet_ros.core.pipeline import Pipeline
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.factory import apply_finding, apply_lifting, open_finder, open_lifter
from nanohtnet_ros.ros.images import CONVERTER
from nanohtnet_ros.ros.inputs import CalibrationInput, DepthInput, ImageInput
from nanohtnet_ros.ros.messages import header_before, stamp_ns
from nanohtnet_ros.ros.outputs import KeypointOutput, SkeletonOutput
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.ros.stage_node import StageNode


class PoseNode(StageNode):
    """Subscribes to `image` and `camera_info`, publishes `~/skeletons` and `~/skeletons_2d`."""

    _pipeline: Pipeline | None = None

    def __init__(self) -> None:
        super().__init__("pose_node", parameters.POSE_NODE)

    def load(self, p: SimpleNamespace) -> str:
        finder, detector = open_finder(self, p, self.next_track_id)
        lifter, description, network = open_lifter(self, p)
        self.keep_output(description)
        self._pipeline = Pipeline(finder, lifter)
        self._keypoint_output = self.keep_output(KeypointOutput(self))
        self._skeleton_output = self.keep_output(SkeletonOutput(self, self.diagnostics, p))
        return f"{network}; {detector}; images by {CONVERTER}"

    def unload(self) -> None:
        self._pipeline = None

    def apply(self, p: SimpleNamespace) -> None:
        apply_finding(self._pipeline.finder, p)
        apply_lifting(self._pipeline.lifter, p)

    def open_inputs(self, p: SimpleNamespace) -> None:
        self._calibration = self.keep_input(CalibrationInput(self, self.diagnostics))
        self._depth = None
        if p.use_depth:
            self._depth = self.keep_input(DepthInput(self, self.diagnostics, p.depth_tolerance_s))
        self._images = self.keep_input(ImageInput(self, self.diagnostics, p.image_transport, self.put))

    def process(self, items: dict[str, Any]) -> int:
        msg, p = items[""], self.settings.values
        with self.times.stage("convert"):
            image = self._images.image(msg)
        height, width = image.shape[:2]
        camera = self._calibration.camera(width, height, p.horizontal_fov_deg)
        stamp = stamp_ns(msg.header)
        tracked = self._pipeline.finder.step(image, stamp)
        depth = self._depth.depth_m(stamp, (width, height)) if self._depth else None
        people = self._pipeline.lift(tracked, stamp, camera, depth)
        delay_ns = self._pipeline.lifter.delay_ns
        with self.times.stage("publish"):
            if delay_ns:  # the skeletons are of an image that is not at hand any more
                self._skeleton_output.publish(people, header_before(msg.header, delay_ns), camera)
                self._keypoint_output.publish(tracked, msg.header, image)
            else:
                self._skeleton_output.publish(people, msg.header, camera, image)
                self._keypoint_output.publish(people, msg.header, image)
        self.diagnostics.figures["people"] = len(people)
        return 1

    def reset(self) -> None:
        self._pipeline.reset()

    def stage_times(self) -> list[StageTimes]:
        return [self._pipeline.finder.times, self._pipeline.lifter.times] if self._pipeline else []


def main(args: list[str] | None = None) -> None:
    spin(PoseNode, args)


if __name__ == "__main__":
    main()
