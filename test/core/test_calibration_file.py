import random

import pytest

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.errors import UserError

EXPECTED = Camera(640, 480, 600.0, 601.0, 319.5, 239.5, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05))

CAMERA_CALIBRATION = """
image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix: {rows: 3, cols: 3, data: [600.0, 0.0, 319.5, 0.0, 601.0, 239.5, 0.0, 0.0, 1.0]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 1e-3, 0.002, 0.05]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [580.0, 0, 318, 0, 0, 590.0, 241, 0, 0, 0, 1, 0]}
"""

OPENCV = """%YAML:1.0
---
calibration_time: "Thu 01 Jan 2026"
image_width: 640
image_height: 480
flags: 0
fisheye_model: 0
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 6.0e+02, 0., 3.195e+02, 0., 601., 239.5, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ 0.1, -0.2, 1.0e-03,
       0.002, 5.0e-02 ]
avg_reprojection_error: 0.3
"""

KALIBR = """
cam0:
  cam_overlaps: []
  camera_model: pinhole
  distortion_coeffs: [0.1, -0.2, 0.001, 0.002]
  distortion_model: radtan
  intrinsics: [600.0, 601.0, 319.5, 239.5]
  resolution: [640, 480]
  rostopic: /cam0/image_raw
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str) -> Camera:
        path = tmp_path / "camera.yaml"
        path.write_text(text)
        return Camera.from_yaml(path)

    return read


@pytest.mark.parametrize(
    "text",
    [
        CAMERA_CALIBRATION,
        OPENCV,
        OPENCV.replace("---\n", ""),
        OPENCV.replace("camera_matrix", "Camera_Matrix")
        .replace("distortion_coeff", "Distortion_Coeff")
        .replace("image_width", "image_Width"),
        OPENCV.replace("camera_matrix", "cameraMatrix").replace("distortion_coefficients", "distCoeffs"),
        "image_size: [640, 480]\nK: [[600, 0, 319.5], [0, 601, 239.5], [0, 0, 1]]\n"
        "D: [[0.1, -0.2, 0.001, 0.002, 0.05]]",
    ],
)
def test_every_form_gives_the_same_camera(read, text):
    assert read(text) == EXPECTED


def test_kalibrs_camchain(read, caplog):
    camera = read(KALIBR)
    assert camera == Camera(640, 480, 600.0, 601.0, 319.5, 239.5, "plumb_bob", (0.1, -0.2, 0.001, 0.002))
    assert read(KALIBR.replace("radtan", "equidistant")).distortion_model == "equidistant"
    assert read(KALIBR.replace("radtan", "none").replace("[0.1, -0.2, 0.001, 0.002]", "[]")).distortion == ()
    assert not caplog.records
    assert read(KALIBR + KALIBR.replace("cam0", "cam1").replace("600.0", "700.0")) == camera
    assert "cam0 is taken" in caplog.text


def test_opencvs_models(read):
    assert (
        read(OPENCV.replace("fisheye_model: 0", "fisheye_model: 1").replace(", 5.0e-02", "")).distortion_model
        == "equidistant"
    )
    eight = read(OPENCV.replace("5.0e-02 ]", "5.0e-02, 0.1, 0.2, 0.3 ]"))
    assert (eight.distortion_model, len(eight.distortion)) == ("rational_polynomial", 8)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "every field"),
        ("[1, 2, 3]", "every field"),
        ("a: [", "cannot be read"),
        (CAMERA_CALIBRATION.replace("image_width", "width"), "lacks 'image_width, image_height'"),
        (CAMERA_CALIBRATION.replace("camera_matrix", "matrix"), "lacks 'camera_matrix'"),
        (CAMERA_CALIBRATION.replace("distortion_coefficients", "distortion"), "lacks 'distortion'"),
        (CAMERA_CALIBRATION.replace("600.0", "broad"), "could not convert string to float: 'broad'"),
        (CAMERA_CALIBRATION.replace("600.0, 0.0,", "600.0,"), "8 numbers where 9 are expected"),
        (CAMERA_CALIBRATION.replace("600.0", ".nan"), "expected finite numbers"),
        (CAMERA_CALIBRATION.replace("640", "-640"), "expected positive numbers"),
        (CAMERA_CALIBRATION.replace("plumb_bob", "mei"), "distortion model is 'mei'"),
        (KALIBR.replace("camera_model: pinhole", "camera_model: omni"), "Kalibr's camera model 'omni'"),
        (KALIBR.replace("resolution", "size"), "lacks 'resolution'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_file_and_the_reason(read, text, says):
    with pytest.raises(UserError, match=r"calibration .*camera\.yaml") as caught:
        read(text)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        Camera.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match="cannot be read"):
        Camera.from_yaml(tmp_path / "binary.yaml")


BROKEN = ("", "-", ":", "[", "}", "\n", "1e999", "null", "\t", "&")


@pytest.mark.parametrize("text", [CAMERA_CALIBRATION, OPENCV, KALIBR])
def test_fuzzed_files_give_a_camera_or_a_reason(read, text):
    chance = random.Random(0)
    for _ in range(150):
        broken = list(text)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(broken))
            broken[at : at + chance.randint(0, 8)] = chance.choice(BROKEN)
        try:
            assert read("".join(broken)).fx > 0
        except UserError as error:
            assert "camera.yaml" in str(error)
