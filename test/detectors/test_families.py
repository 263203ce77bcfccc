"""Every family on generated networks with known answers: from pixels of the image to joints in pixels of the image."""

import numpy as np
import pytest

from nanohtnet_ros.detectors.base import PeopleConfig
from nanohtnet_ros.detectors.open import open_detector, open_person_detector
from nanohtnet_ros.detectors.rtmpose import PADDING

import generated_models as models

INPUT = (320, 256)
CROP = (192, 256)

ONE_STAGE = {
    "yolo_pose": models.yolo_pose,
    "yolo26": lambda path: models.yolo_pose(path, end_to_end=True),
    "rtmo": models.rtmo,
}
PERSONS = {
    "rtmdet": lambda path: models.suppressed(path, normalised=True),
    "yolox": lambda path: models.suppressed(path, normalised=False),
    "yolox_raw": models.yolox_raw,
}
SIZES = [(640, 480), (320, 256), (1280, 720), (250, 500), (641, 479)]


def input_pixel(size: tuple[int, int]) -> float:
    """Image pixels per pixel of the letterboxed input."""
    return 1 / min(INPUT[0] / size[0], INPUT[1] / size[1])


def crop_pixel(size: tuple[int, int]) -> float:
    """Image pixels per pixel of the crop of the box that the generated person detectors give."""
    return input_pixel(size) * PADDING * max((models.BOX[2:] - models.BOX[:2]) / CROP)


@pytest.fixture
def one_stage(tmp_path):
    """`one_stage(kind, **options)`: an open detector on a generated network."""
    return lambda kind, **options: open_detector(str(ONE_STAGE[kind](tmp_path / f"{kind}.onnx")), **options)


@pytest.fixture
def top_down(tmp_path):
    """`top_down(person_kind, batch, **options)`: RTMPose on boxes of a generated person detector."""

    def make(kind: str = "rtmdet", batch="batch", **options):
        pose = models.rtmpose(tmp_path / "pose.onnx", CROP, batch)
        return open_detector(str(pose), person_detector=str(PERSONS[kind](tmp_path / f"{kind}.onnx")), **options)

    return make


def joints(people) -> tuple[np.ndarray, np.ndarray]:
    assert len(people) == 1
    return people[0].xy_px, people[0].confidence


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ONE_STAGE)
def test_one_stage_joints_come_back_where_they_are(one_stage, kind, size):
    centre = (round(size[0] * 0.45), round(size[1] * 0.55))
    found, confidence = joints(one_stage(kind).detect(models.picture(centre, size), 0))
    expected, sure = models.expected_joints(centre, input_pixel(size))
    np.testing.assert_allclose(found, expected, atol=0.1 if size != (641, 479) else 0.5)
    np.testing.assert_allclose(confidence, sure, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", PERSONS)
def test_people_s_boxes_come_back_where_they_are(tmp_path, kind, size):
    centre = (round(size[0] * 0.45), round(size[1] * 0.55))
    persons = open_person_detector(str(PERSONS[kind](tmp_path / f"{kind}.onnx")), max_people=6, threads=1)
    boxes = persons.boxes(models.picture(centre, size))
    expected = np.tile(centre, 2) + input_pixel(size) * models.BOX
    np.testing.assert_allclose(boxes, [expected], atol=0.1 if size != (641, 479) else 0.5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", PERSONS)
def test_top_down_joints_come_back_where_they_are(top_down, kind, size):
    centre = (round(size[0] * 0.45), round(size[1] * 0.55))
    found, confidence = joints(top_down(kind).detect(models.picture(centre, size), 0))
    pixel = crop_pixel(size)
    expected, sure = models.expected_joints(centre, pixel)
    np.testing.assert_allclose(found, expected, atol=0.6 * pixel)  # a bin is half a pixel of the crop
    np.testing.assert_allclose(confidence, sure, atol=0.02)


@pytest.mark.parametrize("kind", [*ONE_STAGE, "rtmpose"])
def test_joints_move_and_grow_with_the_image(one_stage, top_down, kind):
    detector = top_down() if kind == "rtmpose" else one_stage(kind)
    still, _ = joints(detector.detect(models.picture((300, 250)), 0))
    detector.reset()
    moved, _ = joints(detector.detect(models.picture((340, 230)), 0))
    coarse = crop_pixel((640, 480)) if kind == "rtmpose" else 0.1
    np.testing.assert_allclose(moved - still, np.broadcast_to((40, -20), (17, 2)), atol=coarse)
    detector.reset()
    twice, _ = joints(detector.detect(np.repeat(np.repeat(models.picture((300, 250)), 2, axis=0), 2, axis=1), 0))
    np.testing.assert_allclose(twice + 0.5, 2 * (still + 0.5), atol=2 * coarse)


@pytest.mark.parametrize("kind", [*ONE_STAGE, "rtmpose"])
def test_images_without_people_and_of_odd_kinds(one_stage, top_down, kind):
    detector = top_down() if kind == "rtmpose" else one_stage(kind)
    for shape in ((480, 640, 3), (1, 1, 3), (30, 1000, 3), (1080, 64, 3)):
        assert detector.detect(np.zeros(shape, np.uint8), 0) == []
    assert detector.detect(np.full((480, 640, 3), 255, np.uint8), 0) is not None
    assert detector.runtime.startswith("ONNX Runtime") and detector.family in ("yolo_pose", "rtmo", "rtmpose")


def test_boxes_reach_rtmpose_in_one_batch_or_in_several():
    """Whatever the network's batch is, each box gets its own keypoints."""
    from nanohtnet_ros.detectors.rtmpose import RTMPoseDetector

    class Session:
        runtime, output_shapes = "fake", {"simcc_x": (-1, 17, 384), "simcc_y": (-1, 17, 512)}

        def __init__(self, batch: int) -> None:
            self.input_shape, self.batches = (batch, 3, 256, 192), []

        def run_named(self, x: np.ndarray) -> dict[str, np.ndarray]:
            self.batches.append(len(x))
            x_bins, y_bins = np.zeros((len(x), 17, 384), np.float32), np.zeros((len(x), 17, 512), np.float32)
            x_bins[:, :, 192], y_bins[:, :, 256] = 0.9, 0.9  # the crop's middle
            return {"simcc_x": x_bins, "simcc_y": y_bins}

    class Persons:
        def boxes(self, image_bgr: np.ndarray) -> np.ndarray:
            left = np.arange(5)[:, None] * 60.0
            return np.hstack((left, left + 10, left + 40, left + 110))

    image, centres = np.zeros((400, 400, 3), np.uint8), np.arange(5) * 60.0 + 20
    for batch, expected in ((-1, [5]), (1, [1] * 5), (2, [2, 2, 2]), (8, [8])):
        session = Session(batch)
        detector = RTMPoseDetector(session, {"simcc_x": "simcc_x", "simcc_y": "simcc_y"}, Persons())
        people = detector.detect(image, 0)
        assert session.batches == expected
        knees = np.array([person.xy_px[2] for person in people])
        np.testing.assert_allclose(knees, np.column_stack((centres, centres + 40)), atol=1e-3)
    limited = RTMPoseDetector(
        Session(-1), {"simcc_x": "simcc_x", "simcc_y": "simcc_y"}, Persons(), PeopleConfig(max_people=2)
    )
    assert len(limited.detect(image, 0)) == 2


def test_between_two_looks_people_are_followed_by_their_keypoints(top_down):
    detector = top_down(detect_rate_hz=5.0)
    looks, boxes = [], detector._persons.boxes
    detector._persons.boxes = lambda image: looks.append(1) or boxes(image)
    for i in range(9):
        centre = (200 + 5 * i, 240)
        found, _ = joints(detector.detect(models.picture(centre), i * 50_000_000))
        # The generated keypoints keep their size in the crop, so each crop is larger than the last.
        assert np.linalg.norm(found[10] - centre) < 160 and np.isfinite(found).all()
    assert len(looks) == 3
    assert detector.detect(np.zeros((480, 640, 3), np.uint8), 450_000_000) == []  # they have left: it looks at once
    assert len(looks) == 4
    detector.reset()
    assert len(detector.detect(models.picture((300, 240)), 0)) == 1 and len(looks) == 5
