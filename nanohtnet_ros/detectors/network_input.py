"""Images to a network's input, and the network's pixels back to the image's."""

from __future__ import annotations

from dataclasses import dataclass
from threading import get_ident
from typing import Any

import cv2
import numpy as np

from nanohtnet_ros.runtime.session import Session

PAD = 114  # grey value around images in the training of all these networks


@dataclass(frozen=True)
class PixelNormalisation:
    """The pixel values that a network expects.

    Attributes:
        mean: per channel, in the network's order: (value - mean) / std.
        std: see `mean`.
        rgb: whether its channels are red, green, blue; images are blue, green, red.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    rgb: bool = False

    def write(self, images_bgr: list[np.ndarray], x: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 images into the first rows of (N, 3, H, W) float32; those rows."""
        scale = (1.0 / np.array(self.std, np.float32))[:, None, None]
        for row, image in zip(x, images_bgr, strict=False):
            blob = cv2.dnn.blobFromImage(image, 1.0, mean=self.mean, swapRB=self.rgb)[0]
            np.multiply(blob, scale, out=row)
        return x[: len(images_bgr)]


@dataclass(frozen=True, eq=False)
class Letterbox:
    """Where an image lies in a network's input.

    Attributes:
        scale: (2,) of input pixels per image pixel, x and y.
        offset: (2,) input pixels left of and above the image.
    """

    scale: np.ndarray
    offset: np.ndarray

    def to_image(self, xy: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of the input to pixels of the image; (0, 0) is the centre of the first pixel in both.

        It undoes `cv2.resize`, which puts the images' corners, not their first pixels' centres, on each other. The
        reference implementations leave the halves out, which moves points by half the difference of the pixels' sizes.
        """
        return ((xy - self.offset + 0.5) / self.scale - 0.5).astype(np.float32)

    def boxes_to_image(self, boxes: np.ndarray) -> np.ndarray:
        """(N, 4) boxes as x0, y0, x1, y1."""
        return self.to_image(boxes.reshape(-1, 2, 2)).reshape(-1, 4)


def letterbox(image: np.ndarray, size: tuple[int, int], centred: bool) -> tuple[np.ndarray, Letterbox]:
    """Scale an image to fit into the input, with its proportions kept and grey around it.

    Args:
        image: (H, W, 3) uint8.
        size: width and height of the input.
        centred: grey on both sides, or on the right and below only.
    Returns:
        (height, width, 3) uint8, and where the image lies in it.
    """
    height, width = image.shape[:2]
    ratio = min(size[0] / width, size[1] / height)
    fitted = max(1, round(width * ratio)), max(1, round(height * ratio))
    x0, y0 = ((size[0] - fitted[0]) // 2, (size[1] - fitted[1]) // 2) if centred else (0, 0)
    if fitted != (width, height):
        image = cv2.resize(image, fitted, interpolation=cv2.INTER_LINEAR)
    if fitted != size:
        image = cv2.copyMakeBorder(
            image, y0, size[1] - fitted[1] - y0, x0, size[0] - fitted[0] - x0, cv2.BORDER_CONSTANT, value=(PAD,) * 3
        )
    return image, Letterbox(np.array(fitted) / (width, height), np.array((x0, y0), float))


class NetworkInput:
    """One network's input, in memory that is used again: fresh memory for every image would cost more than the rest.

    Each thread has its own; none is pickled.
    """

    def __init__(
        self,
        session: Session,
        normalisation: PixelNormalisation,
        default: tuple[int, int] = (640, 640),
    ) -> None:
        """Allocate memory.

        Args:
            session: the network.
            normalisation: of its pixels.
            default: width and height where the network takes any.
        """
        height, width = session.input_shape[2:]
        self.size = width if width > 0 else default[0], height if height > 0 else default[1]
        self._normalisation = normalisation
        self._memory: dict[int, np.ndarray] = {}  # of each thread

    def batch(self, images_bgr: list[np.ndarray]) -> np.ndarray:
        """(N, 3, H, W) float32 of N images of the input's size, good until the thread's next call."""
        x = self._memory.get(get_ident())
        if x is None or len(x) < len(images_bgr):
            x = self._memory[get_ident()] = np.empty((len(images_bgr), 3, *self.size[::-1]), np.float32)
        return self._normalisation.write(images_bgr, x)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_memory": {}}

    def letterboxed(self, image_bgr: np.ndarray, centred: bool) -> tuple[np.ndarray, Letterbox]:
        """(1, 3, H, W) of an image of any size, and where it lies in that."""
        fitted, placed = letterbox(image_bgr, self.size, centred)
        return self.batch([fitted]), placed
