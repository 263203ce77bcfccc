"""Which family of detectors a network is of, from the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from nanohtnet_ros.detectors.base import ANY, Layout, OneStageDetector, Sizes
from nanohtnet_ros.detectors.rtmdet import RTMDet
from nanohtnet_ros.detectors.rtmo import RTMODetector
from nanohtnet_ros.detectors.rtmpose import RTMPoseDetector
from nanohtnet_ros.detectors.yolo_pose import YoloPoseDetector
from nanohtnet_ros.detectors.yolox import YOLOX
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.session import Session

POSE_DETECTORS: tuple[type[OneStageDetector] | type[RTMPoseDetector], ...] = (
    RTMPoseDetector,
    RTMODetector,
    YoloPoseDetector,
)
PERSON_DETECTORS: tuple[type[RTMDet] | type[YOLOX], ...] = (RTMDet, YOLOX)
"""The classes of the families that a file may be of."""


@dataclass(frozen=True)
class Family:
    """Inputs and outputs of a family of networks. All take images: (N, 3, H, W).

    Attributes:
        name: value of the parameters `detector_family` and `person_detector_family`.
        finds: keypoints or boxes.
        layouts: kinds of export; each has its outputs' usual names and the possible sizes of each axis.
    """

    name: str
    finds: str
    layouts: tuple[Layout, ...]

    def roles(self, outputs: dict[str, tuple[int, ...]]) -> dict[str, str] | None:
        """Which output is which, by its usual name; None if the network is not of this family.

        Outputs with other names are recognised by their shapes, then by their order.
        """
        for layout in self.layouts:
            if len(layout) != len(outputs):
                continue
            for order in [tuple(layout)] if set(layout) == set(outputs) else permutations(outputs):
                if all(fits(outputs[name], sizes) for name, sizes in zip(order, layout.values(), strict=True)):
                    return dict(zip(layout, order, strict=True))
        return None

    def __str__(self) -> str:
        layouts = [[f"{name} {written(sizes)}" for name, sizes in layout.items()] for layout in self.layouts]
        return f"{self.name}: {', or '.join(map(' and '.join, layouts))}"


FAMILIES = (
    *(Family(detector.family, "keypoints", detector.layouts) for detector in POSE_DETECTORS),
    *(Family(detector.family, "boxes", detector.layouts) for detector in PERSON_DETECTORS),
)
POSE_FAMILIES = tuple(family.name for family in FAMILIES if family.finds == "keypoints")
PERSON_FAMILIES = tuple(family.name for family in FAMILIES if family.finds == "boxes")


def fits(shape: tuple[int, ...], sizes: Sizes) -> bool:
    """Whether a tensor's shape, -1 where it varies, may be one of those expected."""
    return len(shape) == len(sizes) and all(
        allowed is ANY or size == -1 or size in allowed for size, allowed in zip(shape, sizes, strict=True)
    )


def written(sizes: Sizes) -> str:
    """Expected sizes as text: `(any, 17|26, any)`."""
    return f"({', '.join('any' if allowed is ANY else '|'.join(map(str, allowed)) for allowed in sizes)})"


def recognise(session: Session, path: Path, finds: str, family: str = "auto") -> tuple[str, dict[str, str]]:
    """Find a network's family.

    RTMDet's and YOLOX's exports by MMDeploy have the same tensors but expect different pixels; the name of the file or
    of its folder distinguishes them.

    Args:
        session: the network.
        path: of its file.
        finds: `keypoints` or `boxes`.
        family: its name, or `auto`.
    Returns:
        The family's name, and the names of its outputs by their usual names.
    Raises:
        UserError: it is of no family, or not of the one given, or may be of several; the message lists what is
            expected and what the file has.
    """
    inputs = {session.input_name: session.input_shape, **session.more_inputs}
    has_inputs, has_outputs = (
        ", ".join(f"'{name}' {shape}" for name, shape in shapes.items()) for shapes in (inputs, session.output_shapes)
    )
    has = f"it has the input{'s' if session.more_inputs else ''} {has_inputs} and the outputs {has_outputs}"
    candidates = [f for f in FAMILIES if f.finds == finds and family in ("auto", f.name)]
    matching = {f.name: roles for f in candidates if (roles := f.roles(session.output_shapes)) is not None}
    if not matching or session.more_inputs or not fits(session.input_shape, (ANY, (3,), ANY, ANY)):
        other = next((f for f in FAMILIES if f not in candidates and f.roles(session.output_shapes)), None)
        hint = f"; it looks like {other.name}, which finds {other.finds}" if other else ""
        expected = "; ".join(map(str, candidates))
        raise UserError(
            f"{path} is not a known detector of {finds}: {has} (-1 is any){hint}. Expected an input (any, 3, any, "
            f"any) and one of these sets of outputs: {expected}"
        )
    if len(matching) > 1:
        named = f"{path.parent.name}/{path.name}".lower()
        matching = {name: roles for name, roles in matching.items() if name in named} or matching
    if len(matching) > 1:
        parameter = "detector_family" if finds == "keypoints" else "person_detector_family"
        raise UserError(f"{path} may be {' or '.join(matching)}: {has}. Set {parameter} to the one it is")
    return next(iter(matching.items()))
