"""Windows of 2D keypoints to root-relative 3D poses."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S, Window
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import Session, open_session

_log = logging.getLogger(__name__)

HALF_CONFIDENCE_M = 0.1  # expected error of a joint that halves its confidence


@dataclass(frozen=True, eq=False)
class LiftedPose:
    """One person's 3D pose.

    Attributes:
        joints_rel_m: (17, 3) float32, metres, relative to joint 0, optical axes of the camera.
        stamp_ns: of the frame that the pose is of.
        error_m: (17,) float32 expected error of each joint, metres, 0 for the root; None where the network gives none.
    """

    joints_rel_m: np.ndarray
    stamp_ns: int
    error_m: np.ndarray | None = None


class WindowLifter:
    """Runs a lifting network on the windows of all people at once.

    Attributes:
        card: what is known of the network.
        delay_ns: how far behind a window's newest frame its pose lies.
        title: the network and what runs it, as shown to users.
    """

    @classmethod
    def open(
        cls,
        model: str = DEFAULT_MODEL,
        look_ahead_s: float = 0.0,
        open_network: Callable[[Path], Session] = open_session,
    ) -> WindowLifter:
        """Open a network by its name or file.

        Args:
            model: a name that 'nanohtnet models list' shows, or the path of an .onnx file with its .json beside it.
            look_ahead_s: see the constructor.
            open_network: opens the file.
        Raises:
            UserError, OSError, ImportError: it cannot be opened; the message says why.
        """
        path = find_model(model)
        card = ModelCard.of(path)
        return cls(open_network(path), card, look_ahead_s, path.stem)

    def __init__(self, session: Session, card: ModelCard, look_ahead_s: float = 0.0, name: str = "network") -> None:
        """Join a network and its card.

        Args:
            session: the network.
            card: what is known of it.
            name: of the network, as shown to users.
            look_ahead_s: how much of the window is to lie after the pose that is taken from it, seconds. The network's
                nearest output is taken; a centred network has none below its own look-ahead.
        Raises:
            ValueError: network and card disagree, or the look-ahead is negative.
        """
        card.check_inputs(session.input_shape, *session.more_inputs.values())
        if not 0.0 <= look_ahead_s < np.inf:
            raise UserError(f"look_ahead_s is {look_ahead_s:g}, expected 0 or more seconds")
        usable = [offset for offset in card.output_offsets if offset <= -card.look_ahead]
        if not usable or max(card.output_offsets) > 0:
            raise UserError(
                f"the network's outputs are frames {list(card.output_offsets)}, its look-ahead {card.look_ahead}: "
                f"expected outputs at 0 or below, one of them at {-card.look_ahead} or below: export it again"
            )
        wanted = -look_ahead_s * card.frame_rate_hz
        offset = min(usable, key=lambda offset: (abs(offset - wanted), -offset))
        self.card, self.name = card, name
        self.title = f"{name} by {session.runtime}"
        self.delay_ns = round(-offset / card.frame_rate_hz * NS_PER_S)
        self._session = session
        self._output = card.output_offsets.index(offset)
        if self.delay_ns or look_ahead_s:
            self.title += f", poses {self.look_ahead_s:g} s before the image"
            _log.info(
                "look_ahead_s is %g; the nearest that %s has is %g s: skeletons carry stamps so far before the image's",
                look_ahead_s,
                name,
                self.look_ahead_s,
            )

    @property
    def look_ahead_s(self) -> float:
        """How far behind a window's newest frame its pose lies, seconds."""
        return self.delay_ns / NS_PER_S

    def lift(self, windows: list[Window]) -> list[LiftedPose]:
        """Lift every person's frame at the look-ahead in one batch.

        Args:
            windows: one per person.
        Returns:
            One pose per window, in their order.
        Raises:
            ValueError: a window's length differs from the model's, or the outputs are not as the card says.
        """
        if not windows:
            return []
        for window in windows:
            if len(window.keypoints_norm) != self.card.window_length:
                raise ValueError(
                    f"window has {len(window.keypoints_norm)} frames, model expects {self.card.window_length}: "
                    "set window_length from the model's card"
                )
        keypoints = np.ones((len(windows), self.card.window_length, len(H36M_17), 3), np.float32)
        for row, window in zip(keypoints, windows, strict=True):
            row[..., :2] = window.keypoints_norm
            if window.confidence is not None:
                row[..., 2] = window.confidence
        level = np.array([window.level for window in windows], np.float32)
        outputs = self._session.run(*self.card.inputs(keypoints, level))  # (B, n, J, 3 or 4)
        expected = (len(windows), len(self.card.output_offsets), len(H36M_17), 4 if self.card.uncertainty else 3)
        if outputs.shape != expected:
            raise UserError(
                f"the network's output is {outputs.shape}, its card says {expected}: export it again, card and "
                "network belong together"
            )
        joints = outputs[:, self._output, :, :3].copy()  # (B, J, 3)
        joints[:, 0] = 0.0  # the network's own value there means nothing
        errors: list[np.ndarray | None] = [None] * len(windows)
        if self.card.uncertainty:
            spread = np.exp(outputs[:, self._output, :, 3])
            spread[:, 0] = 0.0
            errors = list(spread)
        return [
            LiftedPose(self._in_camera(pose, window), window.stamp_ns - self.delay_ns, error)
            for pose, window, error in zip(joints, windows, errors, strict=True)
        ]

    def _in_camera(self, joints: np.ndarray, window: Window) -> np.ndarray:
        """(17, 3) joints of the used frame from the view's axes to the camera's."""
        if window.view_from_camera is None:
            return joints
        used = self.card.output_offsets[self._output] - 1
        return (joints @ window.view_from_camera[used]).astype(np.float32)


def confidence_of_error(error_m: np.ndarray) -> np.ndarray:
    """Confidence of a joint from its expected error: 1 / (1 + (error / 10 cm)^2), so a half at 10 cm.

    It is the weight that least squares gives a measurement to whose own variance, (10 cm)^2, that of the network's
    expected error is added.
    """
    return 1.0 / (1.0 + (error_m / HALF_CONFIDENCE_M) ** 2)
