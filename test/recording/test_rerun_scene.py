import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

rr = pytest.importorskip("rerun", reason="rerun is not installed (extra viz)")

from nanohtnet_ros.core.body import ANKLE_HEIGHT_M
from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.recording.rerun_scene import EPOCH_NS, Scene

from factories import STANDING_M

CAMERA = Camera.from_field_of_view(640, 480, 60)
ROOT_M = np.array((0.3, -0.1, 4.0))


class Recorder:
    """Keeps what is logged, by entity; `times` are those that were set."""

    def __init__(self) -> None:
        self.logged: dict[str, list] = {}
        self.times: list[dict] = []

    def log(self, path, *archetypes, static: bool = False) -> None:
        self.logged.setdefault(path if isinstance(path, str) else "/".join(path), []).extend(archetypes)

    def set_time(self, timeline: str, **time) -> None:
        self.times.append(time)

    def send_blueprint(self, blueprint) -> None:
        pass

    def numbers(self, path: str, component: str) -> np.ndarray:
        """The last archetype's component as numbers."""
        values = getattr(self.logged[path][-1], component).as_arrow_array().to_pylist()
        return np.array(values)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def person(joints=STANDING_M, root=ROOT_M, track_id: int = 1, confidence: float = 0.9) -> Person:
    sure = np.where(np.isfinite(joints).all(axis=1), confidence, 0.0).astype(np.float32)
    keypoints = Keypoints(CAMERA.project(np.nan_to_num(joints) + ROOT_M).astype(np.float32), sure)
    return Person(track_id, 0.0, keypoints, joints.astype(np.float32), sure, root)


def in_world(recorder: Recorder, points: np.ndarray) -> np.ndarray:
    """(N, 3) points of people where the viewer draws them."""
    columns = recorder.numbers("world/people", "mat3x3")[0].reshape(3, 3)
    return points @ columns + recorder.numbers("world/people", "translation")[0]


@pytest.mark.parametrize("pitch_deg", [None, 0, 35])
def test_people_stand_upright_on_the_floor(recorder, pitch_deg):
    """Without a ground the image is upright; with one the camera's tilt is taken out."""
    joints, ground = STANDING_M.astype(np.float64), None
    if pitch_deg is not None:
        ground = Ground.of_angles(pitch_deg=pitch_deg, height_m=1.0)
        a = np.radians(pitch_deg)
        turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        joints = joints @ turn.T
        assert (joints[Joint.L_ANKLE] - joints[Joint.HEAD]) @ ground.down_cam > 1.6
    scene = Scene(recorder)
    scene.show_people([person(joints)], ground)
    drawn = in_world(recorder, recorder.numbers("world/people/1/joints", "positions"))
    assert drawn[Joint.HEAD, 2] - drawn[Joint.L_ANKLE, 2] > 1.6
    assert np.abs(drawn[Joint.HEAD, :2] - drawn[Joint.HIP, :2]).max() < 0.1
    if pitch_deg is None:
        assert drawn[Joint.L_ANKLE, 2] == pytest.approx(ANKLE_HEIGHT_M, abs=0.002)
    camera = recorder.numbers("world/camera", "translation")[0]
    assert camera[2] == pytest.approx(1.0 if ground else 0.06 + 0.88 - 0.1 - 0.06 + ANKLE_HEIGHT_M, abs=0.1)


def test_left_and_right_differ_and_unsure_joints_are_grey(recorder):
    Scene(recorder).show_people([person(confidence=1.0)])
    rgba = recorder.numbers("world/people/1/joints", "colors")
    left, right, trunk = rgba[Joint.L_WRIST], rgba[Joint.R_WRIST], rgba[Joint.SPINE]
    assert left != right and trunk not in (left, right) and rgba[Joint.L_ANKLE] == left
    Scene(recorder).show_people([person(confidence=0.05)])
    for unsure in recorder.numbers("world/people/1/joints", "colors"):
        assert np.ptp([unsure >> shift & 0xFF for shift in (8, 16, 24)]) < 15


def test_who_goes_is_cleared_and_missing_joints_are_not_drawn(recorder):
    scene = Scene(recorder)
    joints = STANDING_M.copy()
    joints[Joint.R_WRIST] = np.nan
    scene.show_people([person(joints), person(track_id=2)])
    assert len(recorder.numbers("world/people/1/joints", "positions")) == 16
    assert np.isfinite(recorder.numbers("world/people/1/joints", "positions")).all()
    scene.show_people([person(track_id=2, root=None)])
    assert isinstance(recorder.logged["world/people/1"][-1], rr.Clear)
    assert isinstance(recorder.logged["world/people/2"][-1], rr.Clear)
    assert "confidence/2" in recorder.logged and "angles/2/l_knee" in recorder.logged


def test_a_trail_follows_the_feet(recorder):
    scene = Scene(recorder)
    for i in range(5):
        scene.show_people([person(root=ROOT_M + (0.1 * i, 0, 0))])
    (trail,) = recorder.numbers("world/people/1/trail", "strips")
    assert len(trail) == 5 and np.ptp(trail[:, 0]) == pytest.approx(0.4, abs=1e-5)
    np.testing.assert_allclose(in_world(recorder, trail)[:, 2], 0, atol=0.02)


def test_times_are_dates_or_since_the_beginning(recorder):
    scene = Scene(recorder)
    scene.at(40_000_000)
    scene.at(EPOCH_NS + 5)
    assert recorder.times == [
        {"duration": np.timedelta64(40_000_000, "ns")},
        {"timestamp": np.datetime64(EPOCH_NS + 5, "ns")},
    ]


def test_a_recording_holds_image_overlay_people_and_plots(tmp_path):
    stream = rr.RecordingStream("test")
    stream.save(tmp_path / "people.rrd")
    scene = Scene(stream)
    one = person()
    for i in range(3):
        scene.at(i * 40_000_000)
        scene.show_camera(CAMERA)
        scene.show_image(np.full((480, 640, 3), 90, np.uint8))
        scene.show_keypoints([TrackedKeypoints(1, 0.0, one.keypoints)])
        scene.show_people([replace(one, age_s=0.04 * i)])
        scene.show_figures({"rate Hz": 25.0})
    stream.flush()
    stream.disconnect()
    command = [sys.executable, "-m", "rerun", "rrd", "print", "-v", str(tmp_path / "people.rrd")]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for entity in ("/world/camera/image", "/world/camera/image/bones", "/world/people/1/joints", "/angles/1/l_knee"):
        assert entity in text, entity
    assert "figures" in text and "Pinhole" in text and len(H36M_17) == 17
