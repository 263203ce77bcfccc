import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.stats import rankdata

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.metrics import mpjpe_mm, mpjve_mm
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.model.checkpoints import checkpoint_of
from nanohtnet_ros.model.flip import mirrored
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet
from nanohtnet_ros.training.evaluate import evaluation_set_of, score, torch_lift
from nanohtnet_ros.training.evaluation.figure import draw_report
from nanohtnet_ros.training.evaluation.predictor import LiftingNetwork, predict
from nanohtnet_ros.training.evaluation.report import BREAKDOWNS, calibration, groups, measure, tables
from nanohtnet_ros.training.synthesis.evaluation_set import build_evaluation_set, motion_set
from nanohtnet_ros.training.synthesis.virtual_camera import project

OFFSETS = (-6, -3, 0)
TINY = NanoHTNetConfig(
    window_length=27,
    kept_frames=3,
    channels=48,
    layers=1,
    mlp_hidden=16,
    gcn_hidden=16,
    output_offsets=OFFSETS,
    person_view=True,
    uncertainty=True,
)


@pytest.fixture(scope="module")
def capture(mocap_file):
    return MotionCapture.load(mocap_file, "val")


@pytest.fixture(scope="module")
def data(capture):
    return build_evaluation_set(capture, 27, OFFSETS, stride=7, cameras=3)


@pytest.fixture(scope="module")
def motion(capture):
    return motion_set(capture, 27, frames=30)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return NanoHTNet(TINY).eval()


@pytest.fixture(scope="module")
def checkpoint(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluate") / "checkpoint.pth"
    torch.save(checkpoint_of(tiny), path)
    return path


def mirror(points):
    """Arrays of the mirrored image."""
    return mirrored(torch.from_numpy(points)).numpy()


def network(lift, offsets=OFFSETS, offset=0) -> LiftingNetwork:
    return LiftingNetwork("made.onnx", lift, 27, 50.0, offsets, offset)


def oracle(*sets: EvaluationSet, change=lambda joints: joints):
    """A network that knows the truth of each window by its first keypoints, and changes it."""
    known = {}
    for data in sets:
        for windows in data.keypoints.values():
            for i, window in enumerate(windows[0 : len(data)].numpy()):
                known[window.tobytes()] = data.targets_m[i].numpy()
                known[mirror(window).tobytes()] = mirror(data.targets_m[i].numpy())
    return lambda keypoints, level: np.stack([change(known[window.tobytes()]) for window in keypoints])


def with_outputs(lift, offsets, data):
    """The outputs of `data.offsets` at their places among others, which are nonsense."""
    places = [offsets.index(offset) for offset in data.offsets]

    def lift_all(keypoints, level):
        joints = np.full((len(keypoints), len(offsets), 17, 3), 99.0, np.float32)
        joints[:, places] = lift(keypoints, level)
        return joints

    return lift_all


def test_the_truth_has_no_error(data):
    assert set(score(oracle(data), data)) == {
        f"{c}_{m}_mm" for c in ("clean", "noisy") for m in ("mpjpe", "p_mpjpe", "n_mpjpe")
    }
    assert all(value == pytest.approx(0.0, abs=0.01) for value in score(oracle(data), data).values())
    report = measure(network(oracle(data)), data)
    for values in (v for flips in report["metrics"].values() for v in flips.values()):
        assert values == {
            "mpjpe_mm": 0.0,
            "p_mpjpe_mm": 0.0,
            "n_mpjpe_mm": 0.0,
            "pck_150": 100.0,
            "auc": 96.77,
            "size_ratio": 1.0,
            "lean_deg": 0.0,
            "lean_abs_deg": 0.0,
            "mpjve_mm_per_frame": None,
            "mpjve_mm_per_s": None,
        }


def test_a_tenth_too_large_is_a_matter_of_size(data):
    report = measure(network(oracle(data, change=lambda joints: 1.1 * joints)), data)
    values = report["metrics"]["clean"]["off"]
    assert values["size_ratio"] == 1.1 and values["n_mpjpe_mm"] == values["p_mpjpe_mm"] == 0.0
    expected = 100.0 * np.linalg.norm(data.targets_m[:, 2].numpy(), axis=-1).mean()  # a tenth, in mm
    assert values["mpjpe_mm"] == pytest.approx(expected, abs=0.01)


def test_every_output_is_held_against_its_own_frame(data):
    def late(joints):  # output i is off by i cm, but for the root
        return joints + np.arange(3)[:, None, None] * (0.01, 0.0, 0.0) * (np.arange(17) > 0)[:, None]

    report = measure(network(oracle(data, change=late)), data)
    expected = [round(x * 16 / 17, 2) for x in (0.0, 10.0, 20.0)]
    assert [entry["clean"]["mpjpe_mm"] for entry in report["look_ahead"]] == expected
    assert [(entry["frames"], entry["ms"]) for entry in report["look_ahead"]] == [(6, 120.0), (3, 60.0), (0, 0.0)]
    assert report["metrics"]["clean"]["off"]["mpjpe_mm"] == expected[2]
    assert score(oracle(data, change=late), data)["clean_mpjpe_mm"] == expected[2]


def test_score_takes_the_output_of_its_frame(capture, data):
    newest = build_evaluation_set(capture, 27, stride=7, cameras=3)
    assert score(with_outputs(oracle(newest), OFFSETS, newest), newest)["noisy_mpjpe_mm"] < 0.01
    first = (0, 5)  # offsets need not be those of the set, and its frame need not be the last
    assert score(with_outputs(oracle(newest), first, newest), newest, first)["noisy_mpjpe_mm"] < 0.01
    centred = build_evaluation_set(capture, 27, (-14, -13, -12), cameras=1)
    middle = with_outputs(
        lambda x, level: oracle(centred)(x, level)[:, 1:2],
        (-14, -13, -12),
        replace(centred, offsets=(-13,), targets_m=centred.targets_m[:, 1:2]),
    )
    assert score(middle, centred)["clean_mpjpe_mm"] < 0.01
    with pytest.raises(ValueError, match=r"outputs are the frames \[-13\], the set's targets are of 0"):
        score(oracle(newest), newest, (-13,))


def test_batches_change_nothing(tiny, data):
    lift = torch_lift(tiny)
    whole = predict(lift, data.keypoints["clean"], data.level, [2])
    assert whole.shape == (len(data), 1, 17, 4) and (whole[:, :, 0, :3] == 0).all()
    np.testing.assert_allclose(predict(lift, data.keypoints["clean"], data.level, [2], batch_size=5), whole, atol=1e-5)


def test_mirroring_is_that_of_the_image(data):
    keypoints = data.keypoints["clean"].numpy()[:4]
    assert np.array_equal(mirror(mirror(keypoints)), keypoints)
    r_wrist, l_wrist = H36M_17.joint_names.index("r_wrist"), H36M_17.joint_names.index("l_wrist")
    flipped = mirror(keypoints)
    np.testing.assert_array_equal(flipped[..., l_wrist, 0], -keypoints[..., r_wrist, 0])
    np.testing.assert_array_equal(flipped[..., l_wrist, 1], keypoints[..., r_wrist, 1])
    seen = torch.randn(5, 17, 3, generator=torch.Generator().manual_seed(0)) + torch.tensor((0.5, 0.0, 6.0))
    np.testing.assert_allclose(  # keypoints of mirrored people are mirrored keypoints
        project(torch.from_numpy(mirror(seen.numpy())), 2.0), mirror(project(seen, 2.0).numpy())
    )
    joints = np.random.default_rng(0).normal(size=(2, 3, 17, 4))
    np.testing.assert_array_equal(mirror(joints)[..., l_wrist, :], joints[..., r_wrist, :] * (-1, 1, 1, 1))


def test_flip_averaging_is_exact_for_symmetric_networks_and_halves_one_sided_errors(data):
    report = measure(network(oracle(data)), data, flip="on")
    assert list(report["metrics"]["clean"]) == ["on"] and report["metrics"]["clean"]["on"]["mpjpe_mm"] == 0.0

    def leaning(joints):  # always to the image's right: an error that the mirror image does not have
        return joints + np.array((0.05, 0, 0)) * (np.arange(17) > 0)[:, None]

    values = measure(network(oracle(data, change=leaning)), data)["metrics"]["clean"]
    assert values["off"]["mpjpe_mm"] == pytest.approx(50 * 16 / 17, abs=0.01)
    assert values["on"]["mpjpe_mm"] == pytest.approx(0.0, abs=0.01)


def test_a_flipped_prediction_is_that_of_the_mirrored_windows_mirrored_back(tiny, data):
    lift, windows, level = torch_lift(tiny), data.keypoints["noisy"][:8], data.level[:8]
    flipped = predict(lift, windows, level, [0, 1, 2], flip=True)
    np.testing.assert_allclose(flipped, mirror(predict(lift, mirrored(windows), level, [0, 1, 2])), atol=1e-6)
    assert np.abs(flipped - predict(lift, windows, level, [0, 1, 2])).max() > 1e-3


def test_velocities_come_from_consecutive_frames(data, motion):
    def shaking(joints):  # 17 mm to and fro: of every joint but the root
        sign = 1 if shaking.calls % 2 else -1
        shaking.calls += 1
        return joints + sign * np.array((0.017 / 2, 0, 0)) * (np.arange(17) > 0)[:, None]

    shaking.calls = 0
    newest = replace(data, offsets=(0,), targets_m=data.targets_m[:, 2:])
    used = network(oracle(newest, motion, change=shaking), (0,))
    values = measure(used, newest, motion, flip="off")["metrics"]["clean"]["off"]
    rows, wide = motion.neighbours(), motion.targets_m[:, 0].numpy()
    assert values["mpjve_mm_per_frame"] == pytest.approx(16.0, abs=0.01) and len(rows) > 20
    assert values["mpjve_mm_per_s"] == pytest.approx(50 * values["mpjve_mm_per_frame"], abs=0.1)
    still = network(oracle(newest, motion, change=lambda joints: 0 * joints), (0,))
    expected = np.mean([mpjve_mm(0 * wide[[i, i + 1]], wide[[i, i + 1]]) for i in rows])
    values = measure(still, newest, motion, flip="off")["metrics"]["clean"]["off"]
    assert values["mpjve_mm_per_frame"] == pytest.approx(expected, abs=1e-3)
    # A set that has consecutive frames itself needs no other.
    own = measure(still, motion, flip="off")["metrics"]["clean"]["off"]
    assert own["mpjve_mm_per_frame"] == values["mpjve_mm_per_frame"]


def test_breakdowns_sort_every_window_into_one_group(tiny, data):
    made = network(torch_lift(tiny))
    report = measure(made, data, flip="off")
    assert list(report["by"]) == [name for name in BREAKDOWNS if name != "subject"]
    assert set(report["by"]["action"]) == {"walk", "wave"}
    poses = predict(made.lift, data.keypoints["clean"], data.level, [2])[:, 0, :, :3]
    for name in ("action", "distance", "height", "elevation", "roll", "cut_off", "body"):
        entries = report["by"][name].values()
        assert sum(entry["windows"] for entry in entries) == len(data)
        for measured in ("mpjpe_mm", "n_mpjpe_mm"):
            mean = sum(entry["windows"] * entry["clean"][measured] for entry in entries) / len(data)
            assert mean == pytest.approx(report["metrics"]["clean"]["off"][measured], abs=0.02)
    waving = data.labels["action"] == "wave"
    assert report["by"]["action"]["wave"]["clean"]["mpjpe_mm"] == pytest.approx(
        mpjpe_mm(poses[waving], data.targets_m[waving, 2].numpy()), abs=0.01
    )
    joints = report["by"]["joint"]
    assert list(joints) == list(H36M_17.joint_names) and joints["hip"]["clean"]["mpjpe_mm"] == 0.0
    for measured in ("mpjpe_mm", "p_mpjpe_mm"):
        mean = np.mean([entry["noisy"][measured] for entry in joints.values()])
        assert mean == pytest.approx(report["metrics"]["noisy"]["off"][measured], abs=0.02)
    head = np.linalg.norm((poses - data.targets_m[:, 2].numpy())[:, 10], axis=-1).mean()
    assert joints["head"]["clean"]["mpjpe_mm"] == pytest.approx(1000 * head, abs=0.01)


def test_groups_lie_between_their_borders():
    values = np.array([0.1, 2.5, 2.0, 9.0, 1.9])
    rows = groups(values, (1.0, 2.0, 3.0))
    assert {name: row.tolist() for name, row in rows.items()} == {
        "below 1 m": [0],
        "1 to 2 m": [4],
        "2 to 3 m": [1, 2],
        "over 3 m": [3],
    }
    assert {name: row.tolist() for name, row in groups(np.array(["b", "a", "b"]), None).items()} == {
        "a": [1],
        "b": [0, 2],
    }


def test_calibration_compares_expected_with_actual_errors(data):
    rng = np.random.default_rng(0)
    target = data.targets_m[:, 2].numpy().astype(np.float64)
    expected_m = np.exp(rng.uniform(np.log(0.01), np.log(0.1), (len(target), 17)))
    length = expected_m * rng.uniform(0.5, 1.5, expected_m.shape)
    direction = rng.normal(size=target.shape)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    predicted = target + direction * length[..., None]
    predicted[:, 0] = target[:, 0]
    joints = np.concatenate((predicted, np.log(expected_m)[..., None]), axis=-1)
    result = calibration(joints, target)
    expected, actual = 1000 * expected_m[:, 1:].ravel(), 1000 * length[:, 1:].ravel()
    assert result["expected_mm"] == pytest.approx(expected.mean(), abs=0.01)
    assert result["actual_mm"] == pytest.approx(actual.mean(), abs=0.01)
    assert result["spearman"] == pytest.approx(np.corrcoef(rankdata(expected), rankdata(actual))[0, 1], abs=1e-4)
    assert 0.8 < result["spearman"] < 1.0
    assert np.all(np.diff(result["deciles"]["expected_mm"]) > 0)
    np.testing.assert_allclose(result["deciles"]["actual_mm"], result["deciles"]["expected_mm"], rtol=0.15)
    joints[..., 3] = -3.0
    assert calibration(joints, target)["spearman"] is None


def test_from_the_command_line(checkpoint, mocap_file, tmp_path, capsys):
    out, picture = tmp_path / "new" / "report.json", tmp_path / "other" / "report.png"
    command = ["evaluate", str(checkpoint), str(mocap_file), "--json", str(out), "--figure", str(picture)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    report = json.loads(out.read_text())
    values = report["metrics"]["noisy"]["on"]
    line = next(line for line in printed.splitlines() if line.startswith("noisy, flip averaged"))
    assert line.split()[3:6] == [f"{values[key]:.1f}" for key in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")]
    assert values["mpjve_mm_per_frame"] > 0 and values["mpjve_mm_per_s"] > 0
    assert "per distance" in printed and "look-ahead, frames" in printed and "rank correlation" in printed
    assert report["windows"] > 0 and report["offset"] == 0 and report["split"] == "val"
    assert len(report["pck_curve"]["clean"]) == len(report["pck_curve"]["threshold_mm"]) == 31
    assert report["pck_curve"]["clean"][-1] == report["metrics"]["clean"]["off"]["pck_150"]
    assert set(report["calibration"]) == {"clean", "noisy"}
    image = cv2.imread(str(picture))
    assert image.shape[0] > 600 and image.shape[1] > 1200 and image.std() > 20


def test_only_what_is_asked_for(checkpoint, mocap_file, tmp_path, capsys):
    out = tmp_path / "report.json"
    command = ["evaluate", str(checkpoint), str(mocap_file), "--split", "train", "--json", str(out)]
    assert main([*command, "--per", "joint,height", "--flip", "off"]) == 0
    assert "flip averaged" not in capsys.readouterr().out
    report = json.loads(out.read_text())
    assert list(report["by"]) == ["joint", "height"] and list(report["metrics"]["clean"]) == ["off"]
    draw_report({**report, "by": {}, "look_ahead": []}, tmp_path / "small.png")
    assert cv2.imread(str(tmp_path / "small.png")).shape[0] > 300


def test_sets_of_other_kinds_are_measured_too(data, tmp_path):
    """Conditions and labels are those of the set, whatever it was made from."""
    recorded = EvaluationSet(
        {"cpn": data.keypoints["noisy"]},
        data.level,
        data.targets_m,
        data.offsets,
        {"action": data.labels["action"], "subject": np.where(np.arange(len(data)) % 2, "S9", "S11")},
    )
    report = measure(network(oracle(data)), recorded)
    assert list(report["metrics"]) == ["cpn"] and list(report["by"]) == ["action", "subject", "joint"]
    assert set(report["by"]["subject"]) == {"S9", "S11"} and "mean over subjects" in tables(report)
    draw_report(report, tmp_path / "report.png")
    assert set(score(oracle(data), recorded)) == {"cpn_mpjpe_mm", "cpn_p_mpjpe_mm", "cpn_n_mpjpe_mm"}


def test_centred_networks_are_used_for_their_middle_frame(mocap_file, tmp_path):
    config = replace(TINY, output_offsets=None, uncertainty=False)
    torch.save(checkpoint_of(NanoHTNet(config)), tmp_path / "centred.pth")
    opened = LiftingNetwork.open(str(tmp_path / "centred.pth"))
    assert opened.offsets == (-14, -13, -12) and opened.offset == -13
    windows, motion = evaluation_set_of(mocap_file, "val", opened)
    assert windows.offsets == (-14, -13, -12) and motion.offsets == (-13,)
    report = measure(opened, windows, motion, flip="off")
    assert report["metrics"]["clean"]["off"]["mpjpe_mm"] == report["look_ahead"][1]["clean"]["mpjpe_mm"]
    assert "look-ahead 13 frames (260 ms)" in tables(report) and "calibration" not in report


def test_the_packages_network_is_found_by_its_name_and_scaled_as_its_card_says(tmp_path):
    opened = LiftingNetwork.open(DEFAULT_MODEL)
    assert (
        opened.offset == 0
        and opened.window_length == ModelCard.load(find_model(DEFAULT_MODEL).with_suffix(".json")).window_length
    )
    keypoints = np.random.default_rng(0).normal(0, 0.2, (2, opened.window_length, 17, 3)).astype(np.float32)
    level = np.zeros(2, np.float32)
    copy = tmp_path / "other.onnx"
    copy.write_bytes(find_model(DEFAULT_MODEL).read_bytes())
    card = json.loads(find_model(DEFAULT_MODEL).with_suffix(".json").read_text())
    copy.with_suffix(".json").write_text(json.dumps({**card, "focal_norm": 2 * card["focal_norm"]}))
    scaled = LiftingNetwork.open(str(copy)).lift(keypoints, level)
    np.testing.assert_allclose(scaled, opened.lift(keypoints * np.float32([2, 2, 1]), level), atol=1e-5)
    copy.with_suffix(".json").write_text(json.dumps({**card, "window_length": 27}))
    with pytest.raises(ValueError, match="card and network belong together"):
        LiftingNetwork.open(str(copy))
    copy.with_suffix(".json").write_text(json.dumps({**card, "output_offsets": [-3, -2], "look_ahead": 1}))
    with pytest.raises(ValueError, match="look-ahead of 1 frames is that of no output"):
        LiftingNetwork.open(str(copy))


def test_mistakes_on_the_command_line_say_what_to_do(checkpoint, mocap_file, tmp_path, capsys):
    def fails_with(message, *arguments):
        assert main(["evaluate", *map(str, arguments)]) == 1
        assert message in capsys.readouterr().err

    fails_with("no sequence in split 'exam'", checkpoint, mocap_file, "--split", "exam")
    fails_with("no motion data", checkpoint, tmp_path / "none.npz")
    fails_with("no checkpoint at", tmp_path / "none.pth", mocap_file)
    fails_with("no model named 'nano_7'", "nano_7", mocap_file)
    fails_with(
        "no errors per age on this data, expected some of action, joint, distance, height",
        checkpoint,
        mocap_file,
        "--per",
        "joint,age",
    )
    fails_with("ends in .png", checkpoint, mocap_file, "--figure", tmp_path / "report.pdf")
    with pytest.raises(SystemExit):
        main(["evaluate", str(checkpoint), str(mocap_file), "--flip", "sometimes"])


def test_networks_and_sets_that_do_not_fit_are_refused(mocap_file, data, motion):
    good = network(oracle(data))
    with pytest.raises(ValueError, match=r"windows have 27 frames, made\.onnx expects 81"):
        measure(replace(good, window_length=81), data)
    with pytest.raises(ValueError, match=r"targets are of the frames \[-6, -3, 0\], made\.onnx gives \[-3, 0\]"):
        measure(replace(good, offsets=(-3, 0)), data)
    with pytest.raises(ValueError, match="used for -6"):
        measure(replace(good, offset=-6), data, motion)
    with pytest.raises(ValueError, match="flip is 'maybe'"):
        measure(good, data, flip="maybe")
    with pytest.raises(ValueError, match="takes 25 frames a second"):
        evaluation_set_of(mocap_file, "val", replace(good, frame_rate_hz=25.0))
    with pytest.raises(ValueError, match="gives 2 output frames, expected 3"):
        measure(network(lambda keypoints, level: np.zeros((len(keypoints), 2, 17, 3))), data)
    with pytest.raises(ValueError, match="not finite"):
        score(lambda keypoints, level: np.full((len(keypoints), 3, 17, 3), np.nan), data)
    nothing = EvaluationSet({"clean": data.keypoints["clean"][:0]}, data.level[:0], data.targets_m[:0], data.offsets)
    with pytest.raises(ValueError, match="no windows"):
        measure(good, nothing)
