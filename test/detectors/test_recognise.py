"""Families are recognised by tensors; the message about a file that fits none lists what was expected."""

from pathlib import Path

import pytest

from nanohtnet_ros.detectors.open import open_detector, open_person_detector
from nanohtnet_ros.detectors.recognise import recognise

import generated_models as models


class Session:
    """A network's outside."""

    input_name, runtime = "images", "fake"

    def __init__(self, input_shape=(1, 3, 640, 640), **outputs) -> None:
        self.input_shape, self.more_inputs, self.output_shapes = input_shape, {}, outputs


POSES = [
    ("rtmpose", Session((-1, 3, 256, 192), simcc_x=(-1, 17, 384), simcc_y=(-1, 17, 512))),
    ("rtmpose", Session((1, 3, 384, 288), simcc_x=(1, 26, -1), simcc_y=(1, 26, -1))),
    ("rtmpose", Session((-1, 3, 256, 192), a=(-1, 133, 384), b=(-1, 133, 512))),
    ("rtmo", Session((-1, 3, 640, 640), dets=(-1, -1, 5), keypoints=(-1, -1, 17, 3))),
    ("rtmo", Session((-1, 3, 640, 640), p=(1, 50, 17, 3), q=(1, 50, 5))),
    ("yolo_pose", Session(output0=(1, 56, 8400))),
    ("yolo_pose", Session((-1, 3, -1, -1), output0=(-1, 56, -1))),
    ("yolo_pose", Session(output0=(1, 300, 57))),
]


@pytest.mark.parametrize(("family", "session"), POSES)
def test_pose_networks_are_told_by_their_tensors(family, session):
    found, outputs = recognise(session, Path("end2end.onnx"), "keypoints")
    assert found == family and sorted(outputs.values()) == sorted(session.output_shapes)
    assert recognise(session, Path("end2end.onnx"), "keypoints", family) == (found, outputs)


def test_outputs_of_other_names_get_their_roles_by_shape_or_order():
    assert recognise(POSES[4][1], Path("x.onnx"), "keypoints")[1] == {"dets": "q", "keypoints": "p"}
    assert recognise(POSES[2][1], Path("x.onnx"), "keypoints")[1] == {"simcc_x": "a", "simcc_y": "b"}
    swapped = Session(simcc_y=(-1, 17, 512), simcc_x=(-1, 17, 384))
    assert recognise(swapped, Path("x.onnx"), "keypoints")[1] == {"simcc_x": "simcc_x", "simcc_y": "simcc_y"}


def test_rtmdet_and_yolox_are_told_by_the_file_s_name_or_by_the_user():
    suppressed = Session(dets=(1, -1, 5), labels=(1, -1))
    assert recognise(suppressed, Path("/m/rtmdet_nano/end2end.onnx"), "boxes")[0] == "rtmdet"
    assert recognise(suppressed, Path("/m/YOLOX-s.onnx"), "boxes")[0] == "yolox"
    assert recognise(suppressed, Path("/m/end2end.onnx"), "boxes", "yolox")[0] == "yolox"
    with pytest.raises(ValueError, match=r"may be rtmdet or yolox: .* Set person_detector_family to the one it is"):
        recognise(suppressed, Path("/m/end2end.onnx"), "boxes")
    assert recognise(Session(output=(1, 8400, 85)), Path("/m/end2end.onnx"), "boxes")[0] == "yolox"


def test_what_could_be_anything_must_be_named():
    unknown = Session((-1, 3, -1, -1), out=(-1, -1, -1))
    assert recognise(unknown, Path("x.onnx"), "keypoints")[0] == "yolo_pose"
    two = Session((-1, 3, -1, -1), out=(-1, -1, -1), more=(-1, -1, -1))
    assert recognise(two, Path("x.onnx"), "keypoints")[0] == "rtmpose"


@pytest.mark.parametrize(
    ("session", "family", "says"),
    [
        (Session(output0=(1, 84, 8400)), "auto", r"'output0' \(1, 84, 8400\)"),
        (Session(output0=(1, 84, 8400)), "auto", r"yolo_pose: output0 \(any, 56, any\), or output0 \(any, any, 57\)"),
        (Session(output0=(1, 84, 8400)), "auto", r"rtmpose: simcc_x \(any, 17\|26\|133, any\) and simcc_y"),
        (Session((1, 640, 640, 3), output0=(1, 56, 8400)), "auto", r"'images' \(1, 640, 640, 3\)"),
        (Session(output0=(1, 56, 8400)), "rtmo", r"looks like yolo_pose.*one of these sets of outputs: rtmo: dets"),
        (Session(dets=(1, -1, 5), labels=(1, -1)), "auto", "looks like rtmdet, which finds boxes"),
        (Session(), "auto", "is not a known detector of keypoints"),
    ],
)
def test_a_file_of_no_family_gets_a_list_of_what_was_expected(session, family, says):
    with pytest.raises(ValueError, match=says):
        recognise(session, Path("end2end.onnx"), "keypoints", family)


def test_real_files_of_the_wrong_kind(tmp_path):
    pose, person = models.rtmpose(tmp_path / "pose.onnx"), models.yolox_raw(tmp_path / "person.onnx")
    with pytest.raises(ValueError, match=r"needs boxes around people: set person_detector .*models get yolox-tiny"):
        open_detector(str(pose))
    with pytest.raises(ValueError, match="looks like yolox, which finds boxes"):
        open_detector(str(person))
    with pytest.raises(ValueError, match="looks like rtmpose, which finds keypoints"):
        open_person_detector(str(pose), 6, 1)
    with pytest.raises(FileNotFoundError, match="no detector at"):
        open_detector(str(tmp_path / "none.onnx"))
    with pytest.raises(FileNotFoundError, match="no detector at"):
        open_detector(str(pose), person_detector=str(tmp_path / "none.onnx"))
    (tmp_path / "broken.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="cannot be run"):
        open_detector(str(tmp_path / "broken.onnx"))


def test_sizes_that_contradict_each_other_are_refused(tmp_path):
    graph = models.Graph((320, 256), rgb=False)
    rows = models.Rows(1000, 85).value(graph)
    path = graph.save(tmp_path / "yolox.onnx", output=(rows, (1, 1000, 85), models.TensorProto.FLOAT))
    with pytest.raises(ValueError, match="has 1000 rows, expected 1680 for an input of 320x256"):
        open_person_detector(str(path), 6, 1)
    graph = models.Graph((192, 256), rgb=True)
    x, y = (models.Rows(17, bins).value(graph) for bins in (192, 512))
    pose = graph.save(
        tmp_path / "pose.onnx",
        simcc_x=(x, (1, 17, 192), models.TensorProto.FLOAT),
        simcc_y=(y, (1, 17, 512), models.TensorProto.FLOAT),
    )
    with pytest.raises(ValueError, match="'simcc_x' has 192 bins, expected 384"):
        open_detector(str(pose), person_detector=str(models.yolox_raw(tmp_path / "persons.onnx")))
