"""The front door: names that load late, settings that check themselves, one pipeline."""

import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest

import nanohtnet_ros
from nanohtnet_ros.cli import main
from nanohtnet_ros.config import EstimatorSettings
from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.pose_estimation import LiftingConfig
from nanohtnet_ros.core.tracker import TrackerConfig
from nanohtnet_ros.core.window import NS_PER_S
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.samples.clips import CLIPS_DIR
from nanohtnet_ros.samples.video_source import VideoSource

from factories import STANDING_M, ScriptedDetector

IMAGE = np.zeros((480, 640, 3), np.uint8)


def test_importing_the_package_loads_nothing_else():
    heavy = {"numpy", "cv2", "torch", "rclpy", "onnxruntime"}
    code = f"import sys, nanohtnet_ros; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_is_there():
    for name in nanohtnet_ros.__all__:
        assert getattr(nanohtnet_ros, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute Estimator"):
        nanohtnet_ros.Estimator  # noqa: B018


def test_the_version_is_shown(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nanohtnet_ros {nanohtnet_ros.__version__}\n"


def test_defaults_are_the_cores():
    settings = EstimatorSettings()
    assert settings.lifting == LiftingConfig() and settings.tracker == TrackerConfig()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"max_people": 0}, "max_people is 0, expected 1 to 30"),
        ({"max_people": 2.5}, "max_people is 2.5, expected a value of type int"),
        ({"one_euro_beta": float("nan")}, "one_euro_beta is nan, expected a finite number"),
        ({"device": "tpu"}, "device is 'tpu', expected one of auto, tensorrt, onnxruntime_tensorrt, cuda, cpu"),
        ({"one_euro": 1}, "one_euro is 1, expected a value of type bool"),
    ],
)
def test_a_wrong_setting_names_itself(given, says):
    with pytest.raises(UserError, match=says):
        EstimatorSettings(**given)


def test_a_whole_number_is_a_float():
    assert EstimatorSettings(look_ahead_s=1).look_ahead_s == 1.0


@pytest.mark.parametrize("image_rotation", ["0", "90"])
def test_the_detectors_rates_are_shown(image_rotation):
    settings = {"detect_rate_hz": 10.0, "landmark_rate_hz": 7.0, "image_rotation": image_rotation, "device": "cpu"}
    with nanohtnet_ros.PoseEstimator(**settings) as estimator:
        assert estimator.tracker.rates_hz == {"detect": 10.0, "landmark": 7.0}
    with nanohtnet_ros.PoseEstimator(detector=ScriptedDetector([]), device="cpu") as estimator:
        assert estimator.tracker.rates_hz == {}


def test_a_detector_of_ones_own_and_live_changes(make_keypoints, camera):
    detector = ScriptedDetector([[make_keypoints()]] * 5)
    with nanohtnet_ros.PoseEstimator(detector=detector, device="cpu", model="nano_s_81_streaming") as estimator:
        (person,) = estimator.step(IMAGE, 1_000_000_000, camera)
        assert person.track_id == 1 and len(estimator.tracked) == 1
        np.testing.assert_allclose(person.joints_cam_m, person.joints_rel_m + person.root_m)
        assert np.linalg.norm(person.joints_rel_m - STANDING_M, axis=1).max() < 0.5
        estimator.change(person_height_m=1)
        (small,) = estimator.step(IMAGE, 1_040_000_000, camera)
        assert small.track_id == 1 and small.root_m[2] < 0.8 * person.root_m[2]
        with pytest.raises(UserError, match="person_height_m"):
            estimator.change(person_height_m=9.0)


def test_unknown_settings_are_named_with_what_is_meant():
    for name, meant in (("thread", "threads"), ("detect_every", "detect_rate_hz")):
        with pytest.raises(UserError, match=f"setting '{name}' is unknown: do you mean '{meant}'"):
            nanohtnet_ros.PoseEstimator(**{name: 2})


def test_settings_cover_the_detector_that_is_opened(monkeypatch):
    seen = {}

    def open_detector(name, *args, **kwargs):
        seen["name"] = name
        raise UserError("not opened")

    monkeypatch.setattr("nanohtnet_ros.estimator.open_detector", open_detector)
    with pytest.raises(UserError, match="not opened"):
        nanohtnet_ros.PoseEstimator(detector="mine.onnx")
    assert seen["name"] == "mine.onnx" and "detector" in {entry.name for entry in fields(EstimatorSettings)}


def test_another_estimator_goes_on_from_a_state():
    source = VideoSource(str(CLIPS_DIR / "rendered_two.mp4"))
    frames = [source.read() for _ in range(24)]
    settings = {"detector": "blazepose_lite", "model": "nano_s_81_streaming"}

    def run(estimator, part):
        results = []
        for image, time_s in part:
            camera = Camera.from_field_of_view(image.shape[1], image.shape[0])
            results.append(estimator.step(image, NS_PER_S + round(time_s * NS_PER_S), camera))
        return results

    with PoseEstimator(**settings) as estimator:
        run(estimator, frames[:14])
        state = estimator.state()
        expected = run(estimator, frames[14:])
    with PoseEstimator(**settings) as other:
        other.restore(state)
        found = run(other, frames[14:])
    assert [len(people) for people in found] == [len(people) for people in expected] and any(expected)
    for people, others in zip(expected, found, strict=True):
        for person, same in zip(people, others, strict=True):
            assert person.track_id == same.track_id and person.age_s == same.age_s
            np.testing.assert_array_equal(person.joints_rel_m, same.joints_rel_m)
            np.testing.assert_array_equal(person.root_m, same.root_m)
            np.testing.assert_array_equal(person.keypoints_px, same.keypoints_px)
