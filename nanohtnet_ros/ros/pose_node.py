"""Camera images in, people's 3D skeletons out."""

from __future__ import annotations

import time
import traceback

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo, Image

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import Lifter, ModelCard
from nanohtnet_ros.core.pipeline import Pipeline, StaleFrameError
from nanohtnet_ros.core.tracker import Tracker, TrackerConfig
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.msg import Skeleton2DArray, Skeleton3DArray
from nanohtnet_ros.ros import parameters
from nanohtnet_ros.ros.diagnostics import ERROR, OK, WARN, Diagnostics
from nanohtnet_ros.ros.images import CONVERTER, ImageError, image_from_msg
from nanohtnet_ros.ros.messages import camera_from_msg, skeletons_2d_to_msg, skeletons_to_msg, stamp_ns
from nanohtnet_ros.ros.qos import NEWEST_IMAGE, RESULTS
from nanohtnet_ros.ros.spin import spin
from nanohtnet_ros.runtime.model_store import find_model
from nanohtnet_ros.runtime.session import open_session

STALE_S = 2.0


class PoseNode(LifecycleNode):
    """Subscribes to `image` and `camera_info`, publishes `~/skeletons` and `~/skeletons_2d`."""

    def __init__(self) -> None:
        super().__init__("pose_node")
        parameters.declare(self, parameters.POSE_NODE)
        self._pipeline: Pipeline | None = None
        self._last_track_id = 0
        self._camera_info: CameraInfo | None = None
        self._image_subscription = self._camera_info_subscription = None
        self._last_image_s = time.monotonic()
        self._counts = {"images": 0, "images refused": 0, "images failed": 0, "stale images": 0,
                        "skeleton messages": 0}
        self._diagnostics = Diagnostics(self, self._refresh_diagnostics)
        self._skeletons = self.create_publisher(Skeleton3DArray, "~/skeletons", RESULTS)
        self._skeletons_2d = self.create_publisher(Skeleton2DArray, "~/skeletons_2d", RESULTS)
        if self.get_parameter("autostart").value and self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the networks; without them the node stays unconfigured and says why."""
        p = parameters.values(self, parameters.POSE_NODE)
        try:
            model = find_model(p.model)
            session = open_session(model)
            lifter = Lifter(session, ModelCard.load(model.with_suffix(".json")))
            detector = open_detector(p.detector, p.max_people, p.detect_every, p.threads)
        except (OSError, ValueError, ImportError) as error:
            self._diagnostics.set("models", ERROR, f"cannot load: {error}")
            return TransitionCallbackReturn.FAILURE
        tracker = Tracker(TrackerConfig(max_missed_s=p.max_missed_s), self._next_track_id)
        self._pipeline = Pipeline(detector, tracker, lifter, p.max_gap_s)
        self._assumed_fov_deg = p.horizontal_fov_deg
        self._diagnostics.set("models", OK, f"{model.stem} by {session.runtime}, {p.detector}, images by {CONVERTER}")
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._last_image_s = time.monotonic()
        self._camera_info_subscription = self.create_subscription(
            CameraInfo, "camera_info", self._on_camera_info, NEWEST_IMAGE)
        self._image_subscription = self.create_subscription(Image, "image", self._on_image, NEWEST_IMAGE)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.destroy_subscription(self._image_subscription)
        self.destroy_subscription(self._camera_info_subscription)
        self._image_subscription = None
        self._diagnostics.set("input", OK, "not active")
        self._pipeline.reset()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._pipeline = None
        return TransitionCallbackReturn.SUCCESS

    def _next_track_id(self) -> int:
        """Ids outlive the tracker: none comes back after the node is configured anew."""
        self._last_track_id += 1
        return self._last_track_id

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._camera_info = msg

    def _on_image(self, msg: Image) -> None:
        self._last_image_s = time.monotonic()
        self._counts["images"] += 1
        times = self._pipeline.times
        try:
            with times.stage("total"):
                with times.stage("convert"):
                    image = image_from_msg(msg)
                camera = self._camera_of(msg)
                people = self._pipeline.step(image, stamp_ns(msg.header), camera)
        except StaleFrameError as error:
            self._counts["stale images"] += 1
            self._diagnostics.set("stamps", WARN, str(error))
            return
        except ImageError as error:
            self._counts["images refused"] += 1
            self._diagnostics.set("image", ERROR, str(error))
            return
        except Exception as error:  # whatever it is, the next image may be fine, and the node lives on
            self._counts["images failed"] += 1
            self._diagnostics.set("processing", ERROR, f"{type(error).__name__}: {error}")
            self.get_logger().error(traceback.format_exc(), throttle_duration_sec=10.0)
            self._pipeline.reset()
            return
        self._diagnostics.set("image", OK, f"{msg.width}x{msg.height} {msg.encoding}")
        self._diagnostics.set("stamps", OK, "advance")
        self._diagnostics.set("processing", OK, "as it should")
        self._skeletons.publish(skeletons_to_msg(people, msg.header))
        self._skeletons_2d.publish(skeletons_2d_to_msg(people, msg.header, camera))
        self._counts["skeleton messages"] += 1

    def _camera_of(self, msg: Image) -> Camera:
        """The camera that took an image: as calibrated, or with an assumed field of view, said so."""
        assumed = Camera.from_field_of_view(msg.width, msg.height, self._assumed_fov_deg)
        remedy = f"a horizontal field of view of {self._assumed_fov_deg:g} degrees is assumed, so poses lean"
        if self._camera_info is None:
            topic = self._camera_info_subscription.topic_name
            self._diagnostics.set("calibration", WARN, f"no CameraInfo on {topic}: {remedy}")
            return assumed
        try:
            camera = camera_from_msg(self._camera_info).scaled_to(msg.width, msg.height)
        except ValueError as error:
            self._diagnostics.set("calibration", WARN, f"{error}; until then {remedy}")
            return assumed
        self._diagnostics.set("calibration", OK, f"{camera.width}x{camera.height}, fx {camera.fx:.1f} px")
        return camera

    def _refresh_diagnostics(self) -> None:
        if self._image_subscription is not None:
            silent_s = time.monotonic() - self._last_image_s
            self._diagnostics.figures["seconds since the last image"] = f"{silent_s:.1f}"
            topic = self._image_subscription.topic_name
            if silent_s > STALE_S:
                publishers = self.count_publishers(topic)
                self._diagnostics.set(
                    "input", WARN, f"no image on {topic}, {publishers} publishers: start the camera or remap 'image'")
            else:
                self._diagnostics.set("input", OK, f"images on {topic}")
        self._diagnostics.figures.update(self._counts)
        if self._pipeline is not None:
            for stage, latency in self._pipeline.times.latency_ms().items():
                for percentile, value in latency.items():
                    self._diagnostics.figures[f"{stage} {percentile} ms"] = f"{value:.2f}"


def main(args: list[str] | None = None) -> None:
    spin(PoseNode, args)


if __name__ == "__main__":
    main()
