"""A 2D detector on a robot's camera: noise, occlusion, swaps, lost frames, the camera's frame rate, and confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17, H36M_LIMBS, Joint
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.synthesis.confidence import Confidence
from nanohtnet_ros.training.synthesis.filling import bridge, fill_missing, hold
from nanohtnet_ros.training.synthesis.gravity import levelled
from nanohtnet_ros.training.synthesis.virtual_camera import uniform

LEAST_JOINTS = 5
"""A person of whom fewer are in the image is not detected."""


def person_size(keypoints: Tensor, offset: int = 0) -> Tensor:
    """(B, 1, 1, 1) root-mean-square distance of one frame's keypoints (B, T, 17, 2) from their mean.

    A standing person's height is about 3.7 of it. The frame lies `offset` from the newest (0).
    """
    chosen = keypoints[:, offset - 1]
    return (chosen - chosen.mean(dim=1, keepdim=True)).square().sum(-1).mean(-1).sqrt()[:, None, None, None]


@dataclass(frozen=True)
class FieldOfView:
    """Borders of the image, outside of which nothing is detected.

    Attributes:
        horizontal_deg: full angle, narrow to wide lenses; widened until the pelvis is in view in the used frame.
        widest_deg: up to which it is widened for the other joints: people who are nearer are truncated.
        cut_probability: of a window in which the image may truncate people; in the others the lens is widened until all
            joints of that frame are in view.
        tight_probability: of a window whose border passes through the person in that frame: without feet, from the
            waist up, or without what is to one side.
        upper_probability: of such a window in which the thorax has to be in view, not the pelvis.
        aspect: height over width.
        width_px: of the image, sampled log-uniformly.
    """

    horizontal_deg: tuple[float, float] = (45.0, 110.0)
    widest_deg: float = 130.0
    cut_probability: float = 0.2
    tight_probability: float = 0.3
    upper_probability: float = 0.5
    aspect: tuple[float, float] = (0.5625, 0.75)
    width_px: tuple[float, float] = (320.0, 1920.0)

    def sample(self, keypoints: Tensor, rng: torch.Generator, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Sample a lens for each window.

        Args:
            keypoints: (B, T, 17, 2) normalised image coordinates.
            offset: the used frame, relative to the newest (0).
        Returns:
            (B, 1, 1, 2) half width and half height, and (B, 1, 1, 1) size of a pixel, in the same coordinates.
        """
        B = len(keypoints)
        half = FOCAL_NORM * torch.tan(torch.deg2rad(uniform((B,), *self.horizontal_deg, rng)) / 2)
        aspect = uniform((B,), *self.aspect, rng)
        extent = keypoints[:, offset - 1].abs() / torch.stack((torch.ones_like(aspect), aspect), dim=-1)[:, None]
        extent = extent.amax(dim=-1)  # (B, J) half width that each joint needs
        least, widest = (FOCAL_NORM * math.tan(math.radians(a / 2)) for a in (self.horizontal_deg[0], self.widest_deg))
        few, whole = extent.kthvalue(LEAST_JOINTS, dim=1).values, extent.amax(dim=1).clamp_max(widest)
        hip = torch.maximum(extent[:, Joint.HIP], few)
        kind = uniform((B,), 0.0, 1.0, rng)
        cut, tight = kind < self.cut_probability, kind >= 1.0 - self.tight_probability
        half = torch.maximum(half, 1.02 * torch.where(cut, hip, torch.maximum(hip, whole)))
        upper = uniform((B,), 0.0, 1.0, rng) < self.upper_probability
        needed = torch.where(upper, torch.maximum(extent[:, Joint.THORAX], few), hip)
        through = torch.lerp(needed, torch.maximum(needed, whole), uniform((B,), 0.0, 1.0, rng).square())
        half = torch.where(tight, (1.02 * through).clamp_min(least), half)
        low, high = self.width_px
        width_px = low * (high / low) ** uniform((B,), 0.0, 1.0, rng)
        borders = torch.stack((half, half * aspect), dim=-1)
        return borders[:, None, None], (2.0 * half / width_px)[:, None, None, None]


@dataclass(frozen=True)
class Intervals:
    """An interval of a window in which an error occurs.

    Attributes:
        probability: of a window having one.
        seconds: duration, sampled log-uniformly; part of it may lie before the window.
    """

    probability: float
    seconds: tuple[float, float]

    def sample(self, B: int, T: int, rng: torch.Generator) -> Tensor:
        """(B, T) bool, true within each window's interval."""
        short, long = (FRAME_RATE_HZ * s for s in self.seconds)
        duration = short * (long / short) ** uniform((B,), 0.0, 1.0, rng)
        start = uniform((B,), 0.0, 1.0, rng) * (T + duration - 1) - duration + 1
        frame = torch.arange(T, device=rng.device)
        within = (frame >= start[:, None]) & (frame < (start + duration)[:, None])
        return within & (uniform((B, 1), 0.0, 1.0, rng) < self.probability)


@dataclass(frozen=True)
class KeypointNoise:
    """Errors of keypoints; those without a unit are relative to the person's size in the image.

    Attributes:
        amount: jitter, drift, offset and bone_shift of a window are scaled by one uniform factor from 0 to this.
        jitter: standard deviation of errors that are independent between frames.
        jitter_px: the same in pixels, so that keypoints of small people jitter more.
        jitter_motion: the same as a fraction of the keypoint's motion since the last camera frame (motion blur).
        drift: standard deviation of errors that follow an AR(1) process.
        drift_memory: correlation of the drift from one camera frame to the next.
        offset: standard deviation of errors that are constant in a window.
        bone_shift: standard deviation of the change of a bone's length as a fraction, constant in a window, the same on
            both sides.
        girdle_width: standard deviation of the logarithm of a factor on the distances between the hips and between
            the shoulders.
        field_of_view: the image's borders; joints outside count as occluded.
        swaps: of left and right, of the legs, of the arms or of both.
        occlusions: of one to three limbs.
        desk_probability: of a window in which all that is below an edge in the image is occluded.
        desk_edge: range of its height, from the person's highest (0) to their lowest (1) joint in the used frame.
        missing_probability: of a window in which joints that are occluded or out of the image are missing.
        held_probability: of one in which they keep their last position in the image; in the others they are guessed.
        guess: standard deviation of a guessed joint's error, constant in a window.
        sure_probability: of a window in which the detector does not doubt what it holds or guesses.
        dropped: probability of a camera frame being lost, never the newest.
        entering: probability of a window whose person enters the view within it, up to the used frame.
        camera_rates_hz: frame rates that keypoints are sampled at before they are interpolated back to 50 Hz; the
            newest frame is always sampled.
        camera_rate_weights: relative frequencies of these rates.
        confidence: of the keypoints.
    """

    amount: float = 2.0
    jitter: float = 0.015
    jitter_px: float = 0.5
    jitter_motion: float = 0.1
    drift: float = 0.03
    drift_memory: float = 0.8
    offset: float = 0.03
    bone_shift: float = 0.04
    girdle_width: float = 0.12
    field_of_view: FieldOfView = field(default_factory=FieldOfView)
    swaps: Intervals = Intervals(probability=0.1, seconds=(0.04, 0.4))
    occlusions: Intervals = Intervals(probability=0.2, seconds=(0.1, 3.0))
    desk_probability: float = 0.1
    desk_edge: tuple[float, float] = (0.3, 0.85)
    missing_probability: float = 0.45
    held_probability: float = 0.15
    guess: float = 0.25
    sure_probability: float = 0.15
    dropped: float = 0.05
    entering: float = 0.1
    camera_rates_hz: tuple[float, ...] = (50.0, 30.0, 25.0, 15.0)
    camera_rate_weights: tuple[float, ...] = (0.4, 0.25, 0.2, 0.15)
    confidence: Confidence = field(default_factory=Confidence)

    @classmethod
    def none(cls) -> KeypointNoise:
        """No errors: keypoints are returned unchanged, with a confidence of 1."""
        never = Intervals(probability=0.0, seconds=(0.1, 0.1))
        return cls(
            amount=0.0,
            jitter_px=0.0,
            jitter_motion=0.0,
            girdle_width=0.0,
            field_of_view=FieldOfView(horizontal_deg=(179.9, 179.9), tight_probability=0.0),
            desk_probability=0.0,
            swaps=never,
            occlusions=never,
            dropped=0.0,
            entering=0.0,
            camera_rates_hz=(FRAME_RATE_HZ,),
            camera_rate_weights=(1.0,),
            confidence=Confidence.none(),
        )

    def apply(
        self,
        keypoints: Tensor,
        rng: torch.Generator,
        offset: int = 0,
        level_from_camera: Tensor | None = None,
        behind: Tensor | None = None,
    ) -> Tensor:
        """Detect people in a camera's frames, and cut the window that a node would.

        Args:
            keypoints: (B, T, 17, 2) exact, at 50 Hz, on the device of `rng`.
            offset: the used frame, relative to the newest (0).
            level_from_camera: (B, T, 3, 3) rotations by which each frame's detected keypoints are turned.
            behind: (B, T, 17) bool, joints behind the camera.
        Returns:
            (B, T, 17, 3) at 50 Hz: keypoints, and their confidence, 0 where a joint is missing.
        """
        B, T = keypoints.shape[:2]
        borders, pixel = self.field_of_view.sample(keypoints, rng, offset)
        size = person_size(keypoints, offset)
        amount = self.amount * uniform((B, 1, 1, 1), 0.0, 1.0, rng)
        unseen = (keypoints.abs() > borders).any(dim=-1)
        if behind is not None:
            unseen |= behind
        swapped = self._swapped(B, T, rng)
        hidden = unseen | self._occluded(keypoints[..., 1], offset, rng)
        shown = self._shift(keypoints, amount, rng)
        rows = torch.nonzero(swapped.any(dim=2).any(dim=1))[:, 0]
        flip = torch.tensor(H36M_17.flip_order.tolist(), device=rng.device)
        shown[rows] = torch.where(swapped[rows][..., None], shown[rows][:, :, flip], shown[rows])
        shown, missing, doubted = self._hide(shown, hidden, size, borders, rng)
        lost = unseen.sum(dim=2, keepdim=True) > unseen.shape[2] - LEAST_JOINTS
        flags = torch.stack((missing, doubted, swapped, lost.expand_as(missing)))

        weights = torch.tensor(self.camera_rate_weights, device=rng.device)
        rate = torch.multinomial(weights, B, replacement=True, generator=rng)
        noisy = keypoints.new_empty((*keypoints.shape[:3], 3))
        for i, rate_hz in enumerate(self.camera_rates_hz):
            chosen = torch.nonzero(rate == i)[:, 0]
            if len(chosen):
                level = None if level_from_camera is None else level_from_camera[chosen]
                noisy[chosen] = self._at_rate(
                    shown[chosen], flags[:, chosen], level, rate_hz, size[chosen], amount[chosen], pixel[chosen], rng
                )
        return self._enter(noisy, rng, offset)

    def _shift(self, keypoints: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
        """Move joints along their bones, and hips and shoulders apart, as other definitions of them do."""
        B, J = len(keypoints), len(H36M_17)
        parent = torch.tensor((0, *H36M_17.parents[1:]), device=rng.device)
        source = torch.arange(J, device=rng.device)  # the right side is changed as the left one
        for left, right in H36M_17.flip_pairs:
            source[right] = left
        shift = torch.randn((B, 1, J, 1), generator=rng, device=rng.device).index_select(2, source)
        moved = torch.lerp(keypoints, keypoints.index_select(2, parent), -self.bone_shift * amount * shift)
        for left, right in ((Joint.L_HIP, Joint.R_HIP), (Joint.L_SHOULDER, Joint.R_SHOULDER)):
            wider = torch.exp(self.girdle_width * torch.randn((B, 1, 1), generator=rng, device=rng.device)) - 1.0
            half = wider * (keypoints[:, :, left] - keypoints[:, :, right]) / 2
            moved[:, :, left] += half
            moved[:, :, right] -= half
        return moved

    def _swapped(self, B: int, T: int, rng: torch.Generator) -> Tensor:
        """(B, T, 17) bool, joints whose left and right are exchanged."""
        interval = self.swaps.sample(B, T, rng)
        which = torch.randint(0, 3, (B, 1), generator=rng, device=rng.device)  # legs, arms, both
        joint = torch.arange(len(H36M_17), device=rng.device)
        legs, arms = (joint >= Joint.R_HIP) & (joint <= Joint.L_ANKLE), joint >= Joint.L_SHOULDER
        group = ((which != 1) & legs) | ((which != 0) & arms)  # (B, J)
        return interval[:, :, None] & group[:, None]

    def _occluded(self, y: Tensor, offset: int, rng: torch.Generator) -> Tensor:
        """(B, T, 17) bool, joints behind something, by their place (B, T, 17) down in the image."""
        B, T, J = y.shape
        limb_of_joint = torch.zeros((len(H36M_LIMBS), J), dtype=torch.bool, device=rng.device)
        for limb, joints in enumerate(H36M_LIMBS):
            limb_of_joint[limb, list(joints[1:])] = True
        limbs = uniform((B, len(H36M_LIMBS)), 0.0, 1.0, rng) < 0.4
        hidden = (limbs[:, :, None] & limb_of_joint).any(dim=1)  # (B, J)
        occluded = self.occlusions.sample(B, T, rng)[:, :, None] & hidden[:, None]
        top, bottom = y[:, offset - 1].aminmax(dim=1, keepdim=True)
        edge = torch.lerp(top, bottom, uniform((B, 1), *self.desk_edge, rng))
        desk = uniform((B, 1, 1), 0.0, 1.0, rng) < self.desk_probability
        return occluded | (desk & (y > edge[:, None]))

    def _hide(
        self, keypoints: Tensor, hidden: Tensor, size: Tensor, borders: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hold or guess hidden joints (B, T, J); which of them are missing, and which of the others doubted."""
        B, _, J, _ = keypoints.shape
        error = self.guess * size * torch.randn((B, 1, J, 2), generator=rng, device=rng.device)
        kind = uniform((B, 1, 1), 0.0, 1.0, rng)
        missing, held = kind < self.missing_probability, kind >= 1.0 - self.held_probability
        doubted = hidden & ~missing & (uniform((B, 1, 1), 0.0, 1.0, rng) >= self.sure_probability)
        some = hidden.any(dim=2).any(dim=1)
        given = keypoints.clone()
        rows = torch.nonzero(some & held[:, 0, 0])[:, 0]
        given[rows] = hold(keypoints[rows], ~hidden[rows])
        rows = torch.nonzero(some & ~held[:, 0, 0] & ~missing[:, 0, 0])[:, 0]
        guessed = (keypoints[rows] + error[rows]).clamp(-borders[rows], borders[rows])  # within the image
        given[rows] = torch.where(hidden[rows][..., None], guessed, keypoints[rows])
        return given, hidden & missing, doubted

    def _at_rate(
        self,
        keypoints: Tensor,
        flags: Tensor,
        level_from_camera: Tensor | None,
        rate_hz: float,
        size: Tensor,
        amount: Tensor,
        pixel: Tensor,
        rng: torch.Generator,
    ) -> Tensor:
        """See keypoints (B, T, 17, 2) at a camera's rate, with flags (4, B, T, 17): missing, doubted, swapped, lost."""
        B, T, J, _ = keypoints.shape
        to_camera, to_model = (m.to(keypoints.device) for m in rate_matrices(T, rate_hz))
        S, scale = len(to_camera), amount * size
        missing, doubted, swapped, lost = flags[:, :, to_camera.argmax(dim=1)]
        seen = resample(to_camera, keypoints)  # (B, S, J, 2)
        motion = torch.zeros((B, S, J, 1), device=keypoints.device)
        motion[:, 1:] = (seen[:, 1:] - seen[:, :-1]).norm(dim=-1, keepdim=True)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=rng, device=rng.device)

        variance = (scale * self.jitter).square() + (pixel * self.jitter_px).square()
        variance = variance + (self.jitter_motion * motion).square()
        steps = normal(B, S, J, 2) * (1.0 - self.drift_memory**2) ** 0.5
        steps[:, 0] = normal(B, J, 2)
        drift = resample(ar1_matrix(S, self.drift_memory).to(keypoints.device), steps)
        error = variance.sqrt() * normal(B, S, J, 2) + scale * (self.drift * drift + self.offset * normal(B, 1, J, 2))
        size_of_error = (error.square().sum(dim=-1) + variance[..., 0]).sqrt() / size[..., 0]
        confidence = self.confidence.apply(size_of_error, doubted, swapped, rng).masked_fill(missing, 0.0)
        seen = seen + error
        if level_from_camera is not None:
            seen = levelled(seen, resample(to_camera, level_from_camera))
        kept = (torch.rand((B, S, 1), generator=rng, device=rng.device) >= self.dropped) & ~lost[..., :1]
        kept[:, -1] = True
        rows = torch.nonzero(missing.any(dim=2).any(dim=1))[:, 0]
        filled = bridge(torch.cat((seen, confidence[..., None]), dim=-1), kept)
        filled[rows, ..., :2] = fill_missing(seen[rows], kept[rows] & ~missing[rows])
        return resample(to_model, filled)

    def _enter(self, keypoints: Tensor, rng: torch.Generator, offset: int) -> Tensor:
        """Repeat the first frame, as in a window whose person has just entered the view."""
        B, T = keypoints.shape[:2]
        enters = torch.rand(B, generator=rng, device=rng.device) < self.entering
        first = torch.where(enters, torch.randint(0, T + offset, (B,), generator=rng, device=rng.device), 0)
        frame = torch.maximum(torch.arange(T, device=rng.device)[None, :], first[:, None])  # (B, T)
        return keypoints[torch.arange(B, device=rng.device)[:, None], frame]


def resample(matrix: Tensor, values: Tensor) -> Tensor:
    """(B, S, ...) weighted sums over time of (B, T, ...), weights (S, T)."""
    return (matrix @ values.flatten(2)).unflatten(2, values.shape[2:])


def rate_matrices(length: int, rate_hz: float) -> tuple[Tensor, Tensor]:
    """Linear interpolation from the model's grid to a camera's frames and back; both share the newest frame.

    Returns:
        (S, T) from model to camera, (T, S) from camera to model, float32.
    """
    age = torch.arange(length - 1, -1, -1, dtype=torch.float64)  # model frames before the newest
    step = FRAME_RATE_HZ / rate_hz
    camera_age = torch.arange(0, length - 1 + step, step, dtype=torch.float64).flip(0)
    return _interpolation(age, camera_age), _interpolation(camera_age, age)


def _interpolation(source_age: Tensor, target_age: Tensor) -> Tensor:
    """(targets, sources) weights that interpolate linearly; past either end its value is held. Ages descend."""
    time, wanted = -source_age, (-target_age).clamp(-source_age[0], -source_age[-1])
    after = torch.searchsorted(time, wanted).clamp(1, len(time) - 1)
    before = after - 1
    weight = (wanted - time[before]) / (time[after] - time[before])
    matrix = torch.zeros(len(wanted), len(time), dtype=torch.float64)
    row = torch.arange(len(wanted))
    matrix[row, before] = 1.0 - weight
    matrix[row, after] += weight
    return matrix.float()


def ar1_matrix(length: int, memory: float) -> Tensor:
    """(length, length) lower-triangular powers: `x_s = sum_t memory^(s-t) step_t`."""
    s = torch.arange(length)
    power = (s[:, None] - s[None, :]).clamp_min(0).float()
    return torch.tril(torch.tensor(memory) ** power)
