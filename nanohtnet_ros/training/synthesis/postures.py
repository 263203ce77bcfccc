"""Postures that recordings lack: people who sit, kneel, squat, bend and lie, and who hold their arms as people do.

Coordinates are those of a person's heading on the floor: forward, left, up from the floor below the pelvis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_17, LEFT_ARM, LEFT_LEG, RIGHT_ARM, RIGHT_LEG, Joint
from nanohtnet_ros.training.data import FRAME_RATE_HZ
from nanohtnet_ros.training.synthesis.body_axes import HIPS, SHOULDERS, body_axes, bones_of, chain
from nanohtnet_ros.training.synthesis.pose_augmentation import MAX_BEND_RAD, sway
from nanohtnet_ros.training.synthesis.virtual_camera import some_of, uniform

LEGS, ARMS = (RIGHT_LEG, LEFT_LEG), (RIGHT_ARM, LEFT_ARM)
SIDES = (-1.0, 1.0)  # of right and left limbs
UPPER_BODY = slice(Joint.SPINE, None)
ARM_BONES = [joint for arm in ARMS for joint in arm[1:]]
FREE = [Joint.NECK, Joint.HEAD, *ARM_BONES]  # parents before their children
SUPPORTS = [joint for joint in Joint if joint not in FREE]
FLESH_PER_LEG = 0.1  # from a seat or the floor to the hip joints of people who sit or lie
ANKLE_PER_LEG = 0.085  # from the floor to the ankles of planted feet
LOWEST_M = 0.03
HANGING = 0.3  # of the trunk's lean, for arms that hang
RISING_LEAN_RAD = 0.5  # of the trunk, half way between standing and sitting


@dataclass(frozen=True)
class Body:
    """Lengths of n people: (n,) metres."""

    thigh: Tensor
    shin: Tensor
    hips: Tensor

    @property
    def leg(self) -> Tensor:
        return self.thigh + self.shin

    @property
    def ankle(self) -> Tensor:
        return ANKLE_PER_LEG * self.leg


@dataclass
class Stance:
    """Pelvis and legs of n people.

    Attributes:
        root: (n, 3) pelvis.
        pitch: (n,) radians, of the trunk forward from the vertical.
        roll: (n,) radians, of the trunk about the forward axis; positive raises the left side.
        ankles: (n, 2, 3) right and left.
        knees: (n, 2, 3) directions that right and left knee point to.
        rises: people may come from standing on the same feet, or stand up.
        hang: their arms hang down though the trunk leans.
    """

    root: Tensor
    pitch: Tensor
    roll: Tensor
    ankles: Tensor
    knees: Tensor
    rises: bool = False
    hang: bool = True


class Draw:
    """Random numbers for n people."""

    def __init__(self, n: int, rng: torch.Generator) -> None:
        self.n, self.rng = n, rng

    def between(self, low: float, high: float) -> Tensor:
        return uniform((self.n,), low, high, self.rng)

    def degrees(self, low: float, high: float) -> Tensor:
        return torch.deg2rad(self.between(low, high))

    def fixed(self, value: float) -> Tensor:
        return torch.full((self.n,), value, device=self.rng.device)


def vectors(*parts: Tensor | float) -> Tensor:
    """(n, 3) of three (n,) tensors or numbers."""
    like = next(part for part in parts if isinstance(part, Tensor))
    return torch.stack([part if isinstance(part, Tensor) else torch.full_like(like, part) for part in parts], dim=-1)


def both(right: Tensor, left: Tensor) -> Tensor:
    """(n, 2, 3) of two (n, 3)."""
    return torch.stack((right, left), dim=1)


def on_chair(body: Body, draw: Draw) -> Stance:
    """On a seat 0.35 to 0.55 m high: feet before the knees or under them; few in the air; some legs crossed."""
    hip = draw.between(0.35, 0.55) + FLESH_PER_LEG * body.leg
    on_feet = body.shin + body.ankle + draw.between(-0.05, 0.03)
    hip = torch.where(draw.between(0.0, 1.0) < 0.85, hip.minimum(on_feet), hip)
    dangling = torch.maximum(body.ankle, hip - 0.97 * body.shin)
    ankles, knees = [], []
    crossing = torch.where(draw.between(0.0, 1.0) < 0.2, draw.between(-1.0, 1.0).sign(), 0.0)
    spread, out = draw.between(0.0, 0.12), draw.between(-0.1, 0.4)
    for side in SIDES:
        crosses = crossing == side
        forward = body.thigh + draw.between(-0.22, 0.22) * body.leg
        across = torch.where(crosses, -side * 0.4 * body.hips, side * (body.hips + spread))
        up = torch.where(crosses, hip - 0.6 * body.shin, dangling)
        ankles.append(vectors(torch.where(crosses, 1.15 * body.thigh, forward), across, up))
        knees.append(vectors(0.4, torch.where(crosses, -side * 0.2, side * out), 1.0))
    return Stance(
        vectors(0.0 * hip, 0.0, hip), draw.degrees(-22, 30), draw.degrees(-6, 6), both(*ankles), both(*knees), True
    )


def on_floor(body: Body, draw: Draw) -> Stance:
    """On the floor with straight legs, with the knees up, or cross-legged."""
    kind = torch.randint(0, 3, (draw.n,), generator=draw.rng, device=draw.rng.device)
    straight, crossed = kind == 0, kind == 2
    ankles, knees = [], []
    spread = draw.between(0.0, 0.15)
    for side in SIDES:
        forward = torch.where(straight, draw.between(0.85, 0.97), draw.between(0.36, 0.6)) * body.leg
        forward = torch.where(crossed, draw.between(0.26, 0.32) * body.leg, forward)
        across = torch.where(crossed, -side * 0.06 * body.leg, side * (body.hips * 0.8 + spread))
        ankles.append(vectors(forward, across, torch.where(crossed, 0.06, 0.9) * body.ankle))
        knees.append(
            vectors(torch.where(crossed, 0.4, 0.1), torch.where(crossed, side, side * 0.2), 0.25 + 0.0 * forward)
        )
        knees[-1][:, 2] = torch.where(crossed, 0.15, 1.0)
    return Stance(
        vectors(0.0 * spread, 0.0, FLESH_PER_LEG * body.leg),
        draw.degrees(-15, 25),
        draw.degrees(-6, 6),
        both(*ankles),
        both(*knees),
    )


def kneeling(body: Body, draw: Draw) -> Stance:
    """On both knees, on the heels, or on one knee with the other foot before it."""
    kind = torch.randint(0, 3, (draw.n,), generator=draw.rng, device=draw.rng.device)
    heels, one = kind == 1, kind == 2
    low = 0.06 * body.leg
    lean = torch.where(heels, math.radians(70.0) + draw.degrees(0, 8), draw.degrees(-5, 15))  # of the thighs
    hip = low + body.thigh * lean.cos()
    forward_foot = draw.between(-1.0, 1.0).sign()
    ankles, knees = [], []
    spread = draw.between(-0.02, 0.1)
    for side in SIDES:
        across = side * (body.hips + spread)
        knee = body.thigh * lean.sin()
        behind = vectors(knee - 0.985 * body.shin, across * 0.8, low * 1.3)
        before = vectors(body.thigh * draw.between(0.8, 1.1), across, body.ankle)
        stands = (one & (forward_foot == side))[:, None]
        ankles.append(torch.where(stands, before, behind))
        knees.append(
            torch.where(stands, vectors(0.5, 0.1 * side, 1.0 + 0.0 * hip), vectors(1.0, 0.0, -0.5 + 0.0 * hip))
        )
    return Stance(vectors(0.0 * hip, 0.0, hip), draw.degrees(-5, 30), draw.degrees(-5, 5), both(*ankles), both(*knees))


def squatting(body: Body, draw: Draw) -> Stance:
    """Hips low over planted feet, the trunk forward."""
    depth = draw.between(0.3, 0.62)
    out, spread = draw.between(0.1, 0.9), draw.between(0.0, 0.12)
    heel = draw.between(0.0, 0.06)
    ankles = [vectors(draw.between(0.1, 0.25) * body.leg, s * (body.hips + spread), body.ankle + heel) for s in SIDES]
    knees = [vectors(1.0, s * out, 0.2) for s in SIDES]
    root = vectors(0.0 * depth, 0.0, depth * body.leg + body.ankle)
    return Stance(root, draw.degrees(15, 55), draw.degrees(-5, 5), both(*ankles), both(*knees), True)


def bending(body: Body, draw: Draw) -> Stance:
    """On both feet with a bent trunk, as to pick something up, or to work on something low."""
    pitch = draw.degrees(30, 105)
    ankles = [vectors(draw.between(0.02, 0.14), s * (body.hips + draw.between(-0.02, 0.15)), body.ankle) for s in SIDES]
    knees = [vectors(1.0, s * 0.15, 0.0 * pitch) for s in SIDES]
    root = vectors(0.0 * pitch, 0.0, draw.between(0.78, 0.985) * body.leg + body.ankle)
    return Stance(root, pitch, draw.degrees(-10, 10), both(*ankles), both(*knees), True)


def lying(body: Body, draw: Draw) -> Stance:
    """On the back, the belly or a side, with legs straight or bent."""
    kind = torch.randint(0, 4, (draw.n,), generator=draw.rng, device=draw.rng.device)
    back, belly, right = kind == 0, kind == 1, kind == 2
    side_lying = kind >= 2
    low = FLESH_PER_LEG * body.leg
    pitch = torch.where(back, draw.degrees(-92, -70), torch.where(belly, draw.degrees(60, 84), draw.degrees(-10, 10)))
    over = torch.where(right, draw.degrees(74, 88), draw.degrees(-88, -74))
    roll = torch.where(side_lying, over, draw.degrees(-8, 8))
    head = torch.where(right, -1.0, 1.0)  # the trunk of people on their right side points to the right
    ankles, knees = [], []
    for side in SIDES:
        straight = draw.between(0.0, 1.0) < 0.5
        reach = torch.where(straight, draw.between(0.93, 0.985), draw.between(0.5, 0.93)) * body.leg
        apart = side * (body.hips + draw.between(0.0, 0.15))
        shin = torch.where(straight, 0.1, draw.degrees(0, 100))  # of people on their belly, up from the floor
        on_belly = vectors(-(body.thigh + body.shin * shin.cos()), apart, low + 0.95 * body.shin * shin.sin())
        on_back = vectors(reach, apart, 0.8 * body.ankle)
        flexed = torch.where(straight, draw.degrees(-10, 20), draw.degrees(10, 80))
        upper = low + torch.where(right, side > 0, side < 0) * body.hips * draw.between(0.6, 2.0)
        on_side = vectors(reach * flexed.sin(), -head * reach * flexed.cos(), upper)
        ankles.append(torch.where(back[:, None], on_back, torch.where(belly[:, None], on_belly, on_side)))
        knee_back, knee_side = vectors(0.1, 0.4 * side, 1.0 + 0.0 * low), vectors(1.0, -head * 0.2, 0.1)
        knees.append(
            torch.where(
                back[:, None],
                knee_back,
                torch.where(belly[:, None], vectors(0.0, 0.2 * side, 0.0 * low - 1.0), knee_side),
            )
        )
    root = vectors(0.0 * low, 0.0, low + torch.where(side_lying, body.hips, 0.0))
    return Stance(root, pitch, roll, both(*ankles), both(*knees), hang=False)


STANCES: dict[str, tuple[float, Callable[[Body, Draw], Stance]]] = {
    "chair": (0.38, on_chair),
    "floor": (0.12, on_floor),
    "kneel": (0.12, kneeling),
    "squat": (0.09, squatting),
    "bend": (0.14, bending),
    "lie": (0.15, lying),
}
"""Share of the posed windows, and what draws it."""


HOLDS: dict[str, tuple[float, tuple, tuple, tuple, float, float]] = {
    "push": (0.16, (0.5, 0.25, -0.9), (0.85, 0.5, -0.35), (-0.3, 0.5, -1.0), 0.0, 0.0),
    "carry": (0.16, (0.4, 0.05, -0.75), (0.7, 0.45, -0.3), (-0.5, 0.4, -1.0), 0.0, 0.0),
    "read": (0.08, (0.4, 0.02, -0.4), (0.6, 0.12, -0.05), (0.0, 0.5, -1.0), 0.0, 0.0),
    "wave": (0.16, (0.1, 0.4, 0.1), (0.6, 0.9, 0.9), (0.0, 1.0, -0.6), 1.0, 0.2),
    "telephone": (0.1, (0.1, 0.14, 0.25), (0.2, 0.25, 0.38), (0.4, 0.7, -1.0), 1.0, 0.0),
    "crossed": (0.1, (0.33, -0.3, -0.5), (0.42, -0.15, -0.32), (0.3, 1.0, -0.5), 0.0, 0.0),
    "hips": (0.1, (-0.05, 0.28, -0.85), (0.12, 0.42, -0.68), (-0.4, 1.0, 0.0), 0.0, 0.0),
    "hang": (0.06, (-0.05, 0.3, -0.99), (0.15, 0.5, -0.93), (-1.0, 0.2, 0.0), 0.0, 0.0),
    "up": (0.05, (0.0, 0.1, 0.6), (0.4, 0.5, 0.95), (0.2, 1.0, 0.0), 0.0, 0.0),
    "behind head": (0.03, (-0.15, 0.08, 0.3), (-0.05, 0.15, 0.42), (0.0, 1.0, 0.3), 0.0, 0.0),
}
"""What arms do: share; range of the wrist from the shoulders' middle, forward, to its own side and up along the chest,
per arm's length; direction of the elbow, likewise; 1 where one arm does it; sideways amplitude of waving."""


def limb(start: Tensor, end: Tensor, upper: Tensor, lower: Tensor, pole: Tensor) -> tuple[Tensor, Tensor]:
    """Middle and end of a limb of two bones that reaches for a point.

    Args:
        start, end: (..., 3) its first joint, and where its last should be.
        upper, lower: (...) lengths of the bones.
        pole: (..., 3) direction that the middle joint points to.
    Returns:
        (..., 3) middle and last joint; the last is as near to the wanted point as bones and `MAX_BEND_RAD` allow.
    """
    way = end - start
    wanted = way.norm(dim=-1).clamp_min(1e-6)
    least = (upper.square() + lower.square() + 2.0 * math.cos(MAX_BEND_RAD) * upper * lower).sqrt()
    distance = wanted.maximum(least).minimum(0.999 * (upper + lower))
    along = way / wanted[..., None]
    aside = F.normalize(pole - (pole * along).sum(dim=-1, keepdim=True) * along, dim=-1)
    x = (upper.square() - lower.square() + distance.square()) / (2.0 * distance)
    y = (upper.square() - x.square()).clamp_min(0.0).sqrt()
    return start + x[..., None] * along + y[..., None] * aside, start + distance[..., None] * along


@dataclass(frozen=True)
class Postures:
    """Windows whose people take a posture, or hold their arms in a way, that recordings seldom have.

    Attributes:
        probability: of a window whose person sits, kneels, squats, bends or lies; upper bodies move as recorded.
        moves: share of those on chairs, squatting and bending who get there from standing, or back, in the window.
        arms_probability: of a window whose person pushes, carries, waves, telephones, ...
        arms_move: share of those whose arms get there, or leave, in the window.
        seconds: such a movement takes.
    """

    probability: float = 0.12
    moves: float = 0.3
    arms_probability: float = 0.15
    arms_move: float = 0.3
    seconds: tuple[float, float] = (0.7, 1.8)

    def apply(self, joints_m: Tensor, rng: torch.Generator, stances: Sequence[str] = tuple(STANCES)) -> Tensor:
        """Change some of the windows.

        Args:
            joints_m: (B, T, 17, 3) world frame, z up, the floor at 0.
            stances: of `STANCES`, that legs and trunks may have.
        Returns:
            (B, T, 17, 3). Bone lengths are those of each window's newest frame where it changes.
        """
        changed = joints_m.clone()
        posed = some_of(len(joints_m), self.probability, rng)
        if len(posed):
            changed[posed] = self._pose(joints_m[posed], rng, stances)
        armed = some_of(len(joints_m), self.arms_probability, rng)
        if len(armed):
            changed[armed] = self._hold_arms(changed[armed], rng)
        return changed

    def _pose(self, joints_m: Tensor, rng: torch.Generator, stances: Sequence[str]) -> Tensor:
        """Give people (n, T, 17, 3) the legs of a stance, and turn their recorded upper bodies as it says."""
        n, T = joints_m.shape[:2]
        bones = bones_of(joints_m)
        length = bones[:, -1].norm(dim=-1)  # (n, 17)
        body = Body(length[:, Joint.R_KNEE], length[:, Joint.R_ANKLE], length[:, Joint.R_HIP])
        share = torch.tensor([STANCES[name][0] for name in stances], device=rng.device)
        kind = torch.multinomial(share, n, True, generator=rng)
        drawn = [STANCES[name][1](body, Draw(n, rng)) for name in stances]

        def of_kind(name: str) -> Tensor:
            return torch.stack([getattr(stance, name) for stance in drawn])[kind, torch.arange(n, device=rng.device)]

        root, pitch, roll, ankles, knees = map(of_kind, ("root", "pitch", "roll", "ankles", "knees"))
        rises, hang = (
            torch.tensor([getattr(stance, name) for stance in drawn], device=rng.device)[kind]
            for name in ("rises", "hang")
        )
        # The way from standing on the same feet, (n, T): 0 stands, 1 is in the posture.
        down = torch.where(rises[:, None], self._way(n, T, self.moves, rng), 1.0)[..., None]
        standing = vectors(ankles[..., 0].mean(dim=1), 0.0, 0.985 * body.leg + body.ankle)
        root = torch.lerp(standing[:, None], root[:, None], down) + 0.01 * sway(n, T, 1, 3, (0.1, 0.6), rng)[:, :, 0]
        lean = down[..., 0] * pitch[:, None] + RISING_LEAN_RAD * torch.sin(math.pi * down[..., 0])
        roll = down[..., 0] * roll[:, None]
        lean, roll = (a + 0.04 * sway(n, T, 1, 1, (0.1, 0.6), rng)[:, :, 0, 0] for a in (lean, roll))
        pelvis = leaning_axes(lean, roll)  # (n, T, 3, 3)

        posed = torch.empty_like(bones)
        own = bones @ body_axes(joints_m, HIPS).transpose(-1, -2)  # in the pelvis' axes
        posed[:, :, UPPER_BODY] = (own @ pelvis)[:, :, UPPER_BODY]
        hanging = torch.where(hang, HANGING, 1.0)[:, None]
        posed[:, :, ARM_BONES] = (own @ leaning_axes(hanging * lean, hanging * roll))[:, :, ARM_BONES]
        posed[:, :, 0] = root
        for i, ((hip, knee, ankle), side) in enumerate(zip(LEGS, SIDES, strict=True)):
            posed[:, :, hip] = side * length[:, hip, None, None] * pelvis[..., 1, :]
            start = root + posed[:, :, hip]
            thigh, shin = length[:, knee, None], length[:, ankle, None]
            middle, end = limb(start, ankles[:, None, i], thigh, shin, knees[:, None, i])
            posed[:, :, knee], posed[:, :, ankle] = middle - start, end - middle
        lowest = chain(posed)[:, :, SUPPORTS, 2].amin(dim=(1, 2))
        posed[:, :, 0, 2] += (LOWEST_M - lowest).clamp_min(0.0)[:, None]
        posed = chain(above_floor(posed))
        yaw = uniform((n, 1, 1), -math.pi, math.pi, rng)
        x, y, z = posed.unbind(dim=-1)
        place = joints_m[:, -1:, :1, :2]
        return torch.stack(
            (yaw.cos() * x - yaw.sin() * y + place[..., 0], yaw.sin() * x + yaw.cos() * y + place[..., 1], z), dim=-1
        )

    def _way(self, n: int, T: int, share: float, rng: torch.Generator) -> Tensor:
        """(n, T) from 0 to 1 within the window, or back, of a share; 1 of the others."""
        draw = Draw(n, rng)
        seconds = torch.arange(T, device=rng.device) / FRAME_RATE_HZ
        start, duration = draw.between(-0.5, T / FRAME_RATE_HZ), draw.between(*self.seconds)
        x = ((seconds - start[:, None]) / duration[:, None]).clamp(0.0, 1.0)
        x = x.square() * (3.0 - 2.0 * x)
        x = torch.where(draw.between(0.0, 1.0)[:, None] < 0.5, x, 1.0 - x)
        return torch.where(draw.between(0.0, 1.0)[:, None] < share, x, 1.0)

    def _hold_arms(self, joints_m: Tensor, rng: torch.Generator) -> Tensor:
        """Move the arms of people (n, T, 17, 3) to what they do."""
        n, T = joints_m.shape[:2]
        chest = body_axes(joints_m, SHOULDERS)
        middle = (joints_m[:, :, Joint.L_SHOULDER] + joints_m[:, :, Joint.R_SHOULDER]) / 2
        bones = bones_of(joints_m)
        length = bones[:, -1].norm(dim=-1)
        share, low, high, poles, single, wave = (
            torch.tensor(column, device=rng.device) for column in zip(*HOLDS.values(), strict=True)
        )
        kind = torch.multinomial(share, n, True, generator=rng)
        single_handed = single[kind] > 0
        which = torch.randint(0, 2, (n,), generator=rng, device=rng.device)
        common = torch.rand((n, 3), generator=rng, device=rng.device)
        way = self._way(n, T, self.arms_move, rng)[..., None]
        seconds = torch.arange(T, device=rng.device) / FRAME_RATE_HZ
        phase = uniform((n, 1), 0.0, 1.0, rng) + uniform((n, 1), 1.0, 2.5, rng) * seconds
        waving = wave[kind][:, None] * torch.sin(2.0 * math.pi * phase)  # (n, T)
        out = bones.clone()
        for i, ((shoulder, elbow, wrist), side) in enumerate(zip(ARMS, SIDES, strict=True)):
            mirror = torch.tensor((1.0, side, 1.0), device=rng.device)
            where = common + 0.15 * torch.randn((n, 3), generator=rng, device=rng.device)
            at = torch.lerp(low[kind], high[kind], where)[:, None] + 0.03 * sway(n, T, 1, 3, (0.1, 1.0), rng)[:, :, 0]
            at[..., 1] += waving
            upper, lower = length[:, elbow, None], length[:, wrist, None]
            pole = poles[kind] + 0.2 * torch.randn((n, 3), generator=rng, device=rng.device)
            held = middle + (((upper + lower)[..., None] * at * mirror)[..., None, :] @ chest)[..., 0, :]
            held_pole = ((pole * mirror)[:, None, None] @ chest)[..., 0, :]
            start = joints_m[:, :, shoulder]
            middle_joint, end = limb(start, held, upper, lower, held_pole)
            moves = (~single_handed | (which == i))[:, None, None]
            for joint, bone in ((elbow, middle_joint - start), (wrist, end - middle_joint)):
                # Through the front, which two opposite directions have no way around.
                turned = (
                    torch.lerp(bones[:, :, joint], bone, way)
                    + way * (1.0 - way) * length[:, joint, None, None] * chest[..., 0, :]
                )
                turned = length[:, joint, None, None] * F.normalize(turned, dim=-1)
                out[:, :, joint] = torch.where(moves, turned, bones[:, :, joint])
        return chain(out)


def above_floor(bones: Tensor) -> Tensor:
    """Bones (n, T, 17, 3) of which head and arms are turned up onto the floor where they would end below it."""
    height = chain(bones)[..., 2]
    out = bones.clone()
    for joint in FREE:
        parent = H36M_17.parents[joint]
        bone, start = bones[:, :, joint], height[..., parent]
        length = bone.norm(dim=-1)
        up = bone[..., 2].maximum(LOWEST_M - start).minimum(0.99 * length)
        flat = bone[..., :2] + 1e-4
        flat = flat * ((length.square() - up.square()).sqrt() / flat.norm(dim=-1))[..., None]
        turned = torch.cat((flat, up[..., None]), dim=-1)
        out[:, :, joint] = torch.where((up > bone[..., 2])[..., None], turned, bone)
        height[..., joint] = start + out[:, :, joint, 2]
    return out


def leaning_axes(pitch: Tensor, roll: Tensor) -> Tensor:
    """(..., 3, 3) forward, left and up of people who lean forward and whose left side is raised, (...) radians each."""
    zero = torch.zeros_like(pitch)
    forward = torch.stack((pitch.cos(), zero, -pitch.sin()), dim=-1)
    up = torch.stack((pitch.sin(), zero, pitch.cos()), dim=-1)
    left = torch.stack((zero, zero + 1.0, zero), dim=-1)
    cos, sin = roll.cos()[..., None], roll.sin()[..., None]
    return torch.stack((forward, cos * left + sin * up, cos * up - sin * left), dim=-2)
