"""sensor_msgs/CameraInfo, of rclpy or rosbags, to intrinsics."""

from __future__ import annotations

from typing import Any, Protocol

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.errors import UserError


class CameraInfo(Protocol):
    """The fields of `sensor_msgs/CameraInfo` that are read."""

    width: int
    height: int
    distortion_model: str
    k: Any
    d: Any
    p: Any
    roi: Any
    binning_x: int
    binning_y: int


def camera_from_msg(msg: CameraInfo) -> Camera:
    """Intrinsics of the image that a CameraInfo comes with: raw, the part `roi` of it, and binned.

    `roi` is in pixels of the full image and comes before the binning, as in image_geometry.

    Raises:
        UserError: it is not calibrated (zeros), of an unknown model, or roi and binning cannot be; the message says
            what to do.
    """
    camera, roi = Camera.from_matrices(msg.width, msg.height, msg.k, msg.distortion_model, msg.d, msg.p), msg.roi
    if _is_cropped(msg):
        camera = camera.cropped(roi.x_offset, roi.y_offset, roi.width or msg.width, roi.height or msg.height)
    if max(msg.binning_x, msg.binning_y) > 1:
        camera = camera.binned(max(1, msg.binning_x), max(1, msg.binning_y))
    return camera


def camera_of_image(msg: CameraInfo, width: int, height: int) -> Camera:
    """Intrinsics of an image of this size by the CameraInfo that comes with it.

    Raises:
        UserError: as of `camera_from_msg`; or the image is not of the size that roi and binning give, or of another
            shape than the calibrated one.
    """
    camera = camera_from_msg(msg)
    if _is_cropped(msg) and max(abs(width - camera.width), abs(height - camera.height)) > 1:
        roi = msg.roi
        raise UserError(
            f"images are {width}x{height}, but by its roi of {roi.width}x{roi.height} at ({roi.x_offset}, "
            f"{roi.y_offset}) and binning of {msg.binning_x}x{msg.binning_y} CameraInfo is for "
            f"{camera.width}x{camera.height}: the driver must set roi and binning to what it sends"
        )
    return camera.scaled_to(width, height)


def _is_cropped(msg: CameraInfo) -> bool:
    """Whether `roi` is a part of the image; all zeros mean all of it."""
    roi = msg.roi
    whole = (roi.width or msg.width, roi.height or msg.height) == (msg.width, msg.height)
    return bool(roi.x_offset or roi.y_offset or not whole)
