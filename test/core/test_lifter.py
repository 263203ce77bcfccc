import json
from dataclasses import replace

import numpy as np
import pytest

from nanohtnet_ros.core.lifter import WindowLifter, confidence_of_error
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.window import Window

from factories import STANDING_M, FakeSession

CARD = {
    "window_length": 9,
    "frame_rate_hz": 50.0,
    "output_offsets": [-2, -1, 0],
    "look_ahead": 0,
    "skeleton": "h36m_17",
    "focal_norm": 2.29,
    "metrics": {},
    "training": {},
}


def card(tmp_path, **changes) -> ModelCard:
    path = tmp_path / "card.json"
    path.write_text(json.dumps({k: v for k, v in {**CARD, **changes}.items() if v is not None}))
    return ModelCard.load(path)


def window(value: float = 0.0, length: int = 9, stamp_ns: int = 5) -> Window:
    return Window(np.full((length, 17, 2), value, np.float32), np.ones(17, bool), stamp_ns)


def test_all_people_go_in_one_batch_and_joint_zero_is_the_root(tmp_path):
    session = FakeSession()
    poses = WindowLifter(session, card(tmp_path)).lift([window(0.1, stamp_ns=1), window(0.2, stamp_ns=2)])
    assert [batch.shape for batch in session.batches] == [(2, 9, 17, 2)]
    assert [pose.stamp_ns for pose in poses] == [1, 2]
    np.testing.assert_allclose(poses[0].joints_rel_m, STANDING_M)
    assert WindowLifter(session, card(tmp_path)).lift([]) == []


def test_the_networks_own_value_at_joint_zero_is_overwritten_not_subtracted(tmp_path):
    class Offset(FakeSession):
        def run(self, x):
            out = super().run(x)
            out[:, :, 0] = 0.3
            return out

    pose = WindowLifter(Offset(), card(tmp_path)).lift([window()])[0]
    np.testing.assert_allclose(pose.joints_rel_m, STANDING_M)


def test_a_network_of_another_scale_gets_its_own_coordinates(tmp_path):
    session = FakeSession()
    WindowLifter(session, card(tmp_path, focal_norm=4.58)).lift([window(0.1)])
    np.testing.assert_allclose(session.batches[0], 0.2)


def test_the_newest_output_is_taken_wherever_it_is(tmp_path):
    class Marked(FakeSession):
        def run(self, x):
            out = super().run(x)
            out[:] = np.arange(3, dtype=np.float32)[None, :, None, None]
            return out

    pose = WindowLifter(Marked(), card(tmp_path, output_offsets=[0, -1, -2])).lift([window()])[0]
    assert (pose.joints_rel_m[1:] == 0.0).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"skeleton": "coco_17"}, "expected 'h36m_17'"),
        ({"window_length": None}, "no field 'window_length'"),
        ({"output_offsets": "newest"}, "no model card"),
        ({"frame_rate_hz": 0.0}, "must be positive"),
    ],
)
def test_bad_cards_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        card(tmp_path, **changes)


def test_a_card_that_is_not_there_or_no_json(tmp_path):
    with pytest.raises(FileNotFoundError, match="export"):
        ModelCard.load(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match=r"no model card at .*none\.json: export"):
        ModelCard.of(tmp_path / "none.onnx")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="no model card"):
        ModelCard.load(tmp_path / "x.json")


def test_the_card_of_a_linked_network_lies_beside_the_network(tmp_path):
    expected = card(tmp_path)
    link = tmp_path / "elsewhere" / "mine.onnx"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "card.onnx")
    assert ModelCard.of(link) == ModelCard.of(tmp_path / "card.onnx") == expected


def test_network_and_card_must_belong_together(tmp_path):
    with pytest.raises(ValueError, match="belong together"):
        WindowLifter(FakeSession(window_length=27), card(tmp_path))
    with pytest.raises(ValueError, match="window has 8 frames, model expects 9"):
        WindowLifter(FakeSession(), card(tmp_path)).lift([window(length=8)])


class Numbered(FakeSession):
    """Every output frame's joints are its place among the outputs."""

    def run(self, x):
        out = super().run(x)
        out[:] = np.arange(self.outputs, dtype=np.float32)[None, :, None, None]
        return out


@pytest.mark.parametrize(
    ("look_ahead_s", "output", "taken_s"),
    [(0.0, 3, 0.0), (0.01, 3, 0.0), (0.03, 2, 0.04), (0.05, 2, 0.04), (0.07, 1, 0.08), (9.0, 0, 0.12)],
)
def test_the_nearest_output_is_taken_with_its_own_stamp(tmp_path, look_ahead_s, output, taken_s):
    lifter = WindowLifter(Numbered(outputs=4), card(tmp_path, output_offsets=[-6, -4, -2, 0]), look_ahead_s)
    (pose,) = lifter.lift([window(stamp_ns=10**9)])
    assert (pose.joints_rel_m[1:] == output).all() and lifter.look_ahead_s == pytest.approx(taken_s)
    assert pose.stamp_ns == 10**9 - round(taken_s * 1e9)


def test_a_centred_network_has_none_below_its_own_look_ahead(tmp_path):
    centred = card(tmp_path, output_offsets=[-5, -4, -3], look_ahead=4)
    for look_ahead_s, taken_s in ((0.0, 0.08), (0.1, 0.1)):
        assert WindowLifter(FakeSession(), centred, look_ahead_s).look_ahead_s == pytest.approx(taken_s)


def test_networks_get_the_inputs_of_their_card(tmp_path):
    class Told(FakeSession):
        def __init__(self):
            super().__init__()
            self.input_shape, self.more_inputs = (-1, 9, 17, 3), {"level": (-1,)}

        def run(self, x, level):
            self.level = level
            return super().run(x)

    session, known = Told(), card(tmp_path, confidence=True, level=True, focal_norm=4.58)
    doubtful = replace(window(0.1), confidence=np.full((9, 17), 0.25, np.float32), level=True)
    WindowLifter(session, known).lift([window(0.2), doubtful])
    np.testing.assert_allclose(session.batches[0][0, 4, 3], (0.4, 0.4, 1.0))
    np.testing.assert_allclose(session.batches[0][1, 4, 3], (0.2, 0.2, 0.25))
    assert session.level.tolist() == [0.0, 1.0] and session.level.dtype == np.float32
    with pytest.raises(ValueError, match=r"takes \(B, 9, 17, 3\) and \(B\) but its card says \(B, 9, 17, 2\)"):
        WindowLifter(Told(), card(tmp_path))


def test_expected_errors_come_out_in_metres(tmp_path):
    class Unsure(FakeSession):
        def run(self, x):
            return np.concatenate((super().run(x), np.full((len(x), 3, 17, 1), np.log(0.05), np.float32)), axis=-1)

    (pose,) = WindowLifter(Unsure(), card(tmp_path, uncertainty=True)).lift([window()])
    assert pose.joints_rel_m.shape == (17, 3) and pose.error_m[0] == 0.0
    np.testing.assert_allclose(pose.error_m[1:], 0.05, rtol=1e-5)
    with pytest.raises(ValueError, match=r"output is \(1, 3, 17, 4\), its card says \(1, 3, 17, 3\)"):
        WindowLifter(Unsure(), card(tmp_path)).lift([window()])
    with pytest.raises(ValueError, match=r"output is \(1, 3, 17, 3\), its card says \(1, 3, 17, 4\)"):
        WindowLifter(FakeSession(), card(tmp_path, uncertainty=True)).lift([window()])
    assert WindowLifter(FakeSession(), card(tmp_path)).lift([window()])[0].error_m is None


def test_confidence_falls_with_the_expected_error():
    np.testing.assert_allclose(confidence_of_error(np.array([0.0, 0.05, 0.1, 0.3])), [1.0, 0.8, 0.5, 0.1])


@pytest.mark.parametrize(
    ("changes", "look_ahead_s", "message"),
    [
        ({}, -0.1, "look_ahead_s is -0.1, expected 0 or more"),
        ({}, float("nan"), "look_ahead_s is nan"),
        ({"output_offsets": [-2, -1, 0], "look_ahead": 3}, 0.0, "one of them at -3 or below"),
        ({"output_offsets": [0, 1, 2]}, 0.0, "expected outputs at 0 or below"),
    ],
)
def test_look_aheads_that_cannot_be(tmp_path, changes, look_ahead_s, message):
    with pytest.raises(ValueError, match=message):
        WindowLifter(FakeSession(), card(tmp_path, **changes), look_ahead_s)
