"""Base class of the configurations of lifting networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nanohtnet_ros.errors import UserError


@dataclass(frozen=True)
class NetworkConfig:
    """Window and output frames of a lifting network.

    Attributes:
        window_length: T, input frames.
        kept_frames: n, output frames.
        output_offsets: which frames the n outputs are, as offsets from the window's newest frame (0), ascending.
            None: the n frames centred on the window's middle.
        person_view: turn and scale the window to the person, as `used_offset` shows them, before the network and
            turn the joints back after it (see `person_view.py`).
        zero_root: output exactly zero for joint 0.
        uncertainty: give a fourth value per joint, the natural logarithm of its expected error in metres.
        confidence: take the detector's confidence of each keypoint besides its coordinates.
        level: take whether the window is levelled (gravity is known), and the tilt of the person's view with it.
    """

    window_length: int = 81
    kept_frames: int = 1
    output_offsets: tuple[int, ...] | None = (0,)
    person_view: bool = False
    zero_root: bool = False
    uncertainty: bool = False
    confidence: bool = False
    level: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.kept_frames <= self.window_length:
            raise UserError(f"kept_frames is {self.kept_frames}, expected 1 to window_length = {self.window_length}")
        offsets = self.frame_offsets
        ascending = len(offsets) == self.kept_frames and list(offsets) == sorted(set(offsets))
        if not ascending or offsets[0] < 1 - self.window_length or offsets[-1] > 0:
            raise UserError(
                f"output_offsets are {list(offsets)}, expected {self.kept_frames} ascending frames of the window, "
                f"{1 - self.window_length} to 0"
            )
        if self.level and not self.person_view:
            raise UserError("level is set, but person_view is not, whose tilt is its input: set both or neither")

    @property
    def point_values(self) -> int:
        """Values of a keypoint that `features` gets: x and y, and its doubt with `confidence`."""
        return 3 if self.confidence else 2

    @property
    def frame_offsets(self) -> tuple[int, ...]:
        """The n output frames as offsets from the window's newest frame."""
        if self.output_offsets is not None:
            return tuple(self.output_offsets)
        first = (self.window_length - self.kept_frames) // 2 + 1 - self.window_length
        return tuple(range(first, first + self.kept_frames))

    @property
    def used_offset(self) -> int:
        """The output frame whose pose is used, see the function of that name."""
        return used_offset(self.frame_offsets)


def used_offset(offsets: Sequence[int]) -> int:
    """The frame whose pose is used among a network's outputs: the newest, or the middle one if it is centred."""
    return 0 if 0 in offsets else offsets[len(offsets) // 2]
