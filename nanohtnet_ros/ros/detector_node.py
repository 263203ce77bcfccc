"""Camera images in, people's 2D keypoints out: the first half of `pose_node`, for a machine of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from nanohtnet_ros.core.keypoint_tracking import PeopleFinder
from nanohtnet_ros.core.timing import StageTimes
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.factory import apply_finding, open_finder
from nanohtnet_ros.ros.images import CONVERTER
from nanohtnet_ros.ros.inputs import ImageInput
from nanohtnet_ros.ros.messages import stamp_ns
from nanohtnet_ros.ros.outputs import KeypointOutput
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.ros.stage_node import StageNode


class DetectorNode(StageNode):
    """Subscribes to `image`, publishes `~/skeletons_2d`."""

    _finder: PeopleFinder | None = None

    def __init__(self) -> None:
        super().__init__("detector_node", parameters.DETECTOR_NODE)

    def load(self, p: SimpleNamespace) -> str:
        self._finder, detector = open_finder(self, p, self.next_track_id)
        self._output = self.keep_output(KeypointOutput(self))
        return f"{detector}; images by {CONVERTER}"

    def unload(self) -> None:
        self._finder = None

    def apply(self, p: SimpleNamespace) -> None:
        apply_finding(self._finder, p)

    def open_inputs(self, p: SimpleNamespace) -> None:
        self._images = self.keep_input(ImageInput(self, self.diagnostics, p.image_transport, self.put))

    def process(self, items: dict[str, Any]) -> int:
        msg = items[""]
        with self.times.stage("convert"):
            image = self._images.image(msg)
        people = self._finder.step(image, stamp_ns(msg.header))
        with self.times.stage("publish"):
            self._output.publish(people, msg.header, image)
        self.diagnostics.figures["people"] = len(people)
        return 1

    def reset(self) -> None:
        self._finder.reset()

    def stage_times(self) -> list[StageTimes]:
        return [self._finder.times] if self._finder else []


def main(args: list[str] | None = None) -> None:
    spin(DetectorNode, args)


if __name__ == "__main__":
    main()
