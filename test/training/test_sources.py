import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.cli import main
from nanohtnet_ros.model.checkpoints import checkpoint_of
from nanohtnet_ros.model.networks import build
from nanohtnet_ros.model.temporal_conv import TemporalConvConfig
from nanohtnet_ros.training.data import human36m, mpi_inf_3dhp
from nanohtnet_ros.training.data.bvh_folder import BvhOptions
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.windows import EvaluationSet
from nanohtnet_ros.training.sources import SourceOptions, open_training_data, source_options_of
from nanohtnet_ros.training.synthesis.synthesis import Synthesis

from bvh_files import write_bvh
from recorded_archives import write_mpi_inf_3dhp

T, OFFSETS = 9, (-2, -1, 0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, mocap_file, human36m_archives):
    root = tmp_path_factory.mktemp("sources")
    write_mpi_inf_3dhp(root / "3dhp")
    for name in ("01_01", "02_01"):
        write_bvh(root / f"bvh/walk/{name}.bvh")
    return {"motion file": mocap_file, "h36m": human36m_archives[0], "3dhp": root / "3dhp", "bvh": root / "bvh"}


@pytest.mark.parametrize("kind", ["motion file", "h36m", "3dhp", "bvh"])
def test_all_kinds_give_windows_of_the_same_form(folders, kind):
    for split in ("train", "val"):
        data = open_training_data(folders[kind], split, Synthesis())
        keypoints, level, targets = data.batch(6, T, OFFSETS, torch.Generator().manual_seed(0))
        assert keypoints.shape == (6, T, 17, 3) and level.shape == (6,) and targets.shape == (6, 3, 17, 3)
        assert keypoints.dtype == targets.dtype == torch.float32
        assert (targets[:, :, 0] == 0).all() and torch.isfinite(keypoints).all()
        assert 0.2 < targets.norm(dim=-1).amax() < 2.5 and len(data.sha256) == 64
        held_out = data.evaluation_set(T, OFFSETS, 5)
        assert isinstance(held_out, EvaluationSet) and held_out.window_length == T and "action" in held_out.labels
        assert type(data.to("cpu")) is type(data)
        if (kind, split) != ("3dhp", "val"):
            keypoints, level, *_ = data.views(4, 2, T, torch.Generator().manual_seed(0))
            assert keypoints.shape == (2, 4, T, 17, 3) and level.shape == (2, 4)


@pytest.mark.parametrize(
    ("kind", "options", "conditions"),
    [
        ("motion file", [], ["clean", "noisy"]),
        ("bvh", ["--source.bvh.val_subjects=02"], ["clean", "noisy"]),
        ("h36m", ["--source.keypoints", "gt", "--source.normalisation", "width"], ["gt"]),
        ("3dhp", [], ["gt"]),
    ],
)
def test_every_kind_is_evaluated_on(folders, tmp_path, capsys, kind, options, conditions):
    """On the command line, and by the baseline's checkpoint."""
    conv = build(TemporalConvConfig(T, 3, OFFSETS, channels=12, kernel_sizes=(3, 3)))
    torch.save(checkpoint_of(conv), tmp_path / "conv.pth")
    words = ["evaluate", str(tmp_path / "conv.pth"), str(folders[kind]), "--json", str(tmp_path / "report.json")]
    assert main([*words, *options]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["metrics"]) == conditions and "action" in report["by"]
    for flips in report["metrics"].values():
        assert flips["off"]["mpjpe_mm"] > 0 and flips["on"]["mpjve_mm_per_frame"] > 0
    assert f"conv.pth: {report['windows']} windows of 9 frames" in capsys.readouterr().out


def test_data_are_evaluated_as_they_were_trained_on(folders, tmp_path):
    options = SourceOptions("gt", "width", BvhOptions(Path("map.yaml"), val_subjects="02"))
    record = json.loads(json.dumps({"source": asdict(options)}, default=str))
    assert source_options_of(record) == options and source_options_of({}) is None
    conv = build(TemporalConvConfig(T, 3, OFFSETS, channels=12, kernel_sizes=(3, 3)))
    torch.save({**checkpoint_of(conv), "training": record}, tmp_path / "conv.pth")
    for given, condition in (([], "gt"), (["--source.keypoints", "cpn"], "cpn")):
        words = ["evaluate", str(tmp_path / "conv.pth"), str(folders["h36m"]), "--json", str(tmp_path / "report.json")]
        assert main([*words, *given]) == 0
        assert list(json.loads((tmp_path / "report.json").read_text())["metrics"]) == [condition]


def test_what_is_opened_is_what_lies_there(folders):
    capture = open_training_data(folders["motion file"], "val").capture
    assert capture.names == MotionCapture.load(folders["motion file"], "val").names
    exact = open_training_data(folders["h36m"], "val", options=SourceOptions("gt", "width"))
    assert torch.equal(exact.keypoints_norm, human36m.load(folders["h36m"], "val", "gt", "width").keypoints_norm)
    assert open_training_data(folders["3dhp"], "train").names == mpi_inf_3dhp.load(folders["3dhp"], "train").names
    options = SourceOptions(bvh=BvhOptions(val_subjects="01"))
    opened = open_training_data(folders["bvh"], "train", options=options).capture
    assert opened.names == MotionCapture.from_bvh(folders["bvh"], "train", options.bvh).names == ("02_01",)


def test_a_folder_of_motion_files_is_all_of_them(folders, tmp_path):
    content = dict(np.load(folders["motion file"]))
    (tmp_path / "both").mkdir()
    np.savez(tmp_path / "both/a.npz", **content)
    names = np.char.add("more_", content["names"])
    np.savez(tmp_path / "both/b.npz", **{**content, "names": names, "split": np.full(6, "train")})
    train, val = (open_training_data(tmp_path / "both", split).capture for split in ("train", "val"))
    assert train.names == (*content["names"][:4], *names) and val.names == tuple(content["names"][4:])
    assert torch.equal(train.joints_world_m[-len(content["positions"]) :], torch.tensor(content["positions"]))
    alone = MotionCapture.load(tmp_path / "both/a.npz", "val")
    assert torch.equal(val.joints_world_m, alone.joints_world_m)
    assert train.sha256 == val.sha256 != alone.sha256


def test_a_synthesis_is_the_one_that_is_given(folders):
    rng = torch.Generator
    quick = Synthesis(speed=(3.0, 3.0))
    a, b = (
        open_training_data(folders["motion file"], "train", s).batch(4, T, OFFSETS, rng().manual_seed(1))[0]
        for s in (quick, Synthesis())
    )
    assert not torch.equal(a, b)


def test_everything_else_is_refused_with_what_is_supported(tmp_path, folders):
    with pytest.raises(FileNotFoundError, match=r"(?s)no motion data at .*folder of \.bvh files"):
        open_training_data(tmp_path / "none", "train")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"holds no known kind of data; supported are"):
        open_training_data(tmp_path, "train")
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "cut.npz").write_bytes(folders["motion file"].read_bytes()[:500])
    for path in (
        tmp_path / "notes.txt",
        tmp_path / "array.npy",
        tmp_path / "empty.npz",
        tmp_path / "cut.npz",
        folders["h36m"] / human36m.FILE_3D,
    ):
        with pytest.raises(ValueError, match=r"is no motion file .*supported are"):
            open_training_data(path, "train")
