import json
from collections import Counter
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript, which PyTorch exports ONNX with, is not installed")
onnx = pytest.importorskip("onnx", reason="onnx is not installed")

import onnxruntime

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.core.window import Window
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.checkpoints import checkpoint_of, load_network
from nanohtnet_ros.model.cost import multiply_adds
from nanohtnet_ros.model.flip import FlipAveraged
from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.runtime.half import half_onnx
from nanohtnet_ros.runtime.session import open_session
from nanohtnet_ros.training import export as module
from nanohtnet_ros.training.evaluation.predictor import torch_lift
from nanohtnet_ros.training.export import card_of, check_parity, export_onnx

SMALL = {"window_length": 27, "kept_frames": 5, "channels": 48, "layers": 1, "mlp_hidden": 32, "gcn_hidden": 32}
# Of opset 18, those that TensorRT 8.6 parses and our network may need; DFT and ReduceMean with axes are not among them.
PARSED = frozenset(
    {
        "Add",
        "Clip",
        "Concat",
        "Constant",
        "Div",
        "Erf",
        "Gather",
        "Gemm",
        "LayerNormalization",
        "MatMul",
        "Mul",
        "Neg",
        "Pow",
        "Reciprocal",
        "ReduceSum",
        "Reshape",
        "Slice",
        "Softmax",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    }
)


def network(**flags) -> NanoHTNet:
    torch.manual_seed(0)
    model = NanoHTNet(NanoHTNetConfig(**{**SMALL, **flags})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A network with all options, and `export(name, *options)` to a file by the command line, once for each name."""
    model = network(person_view=True, zero_root=True, uncertainty=True)
    folder = tmp_path_factory.mktemp("export")
    torch.save(checkpoint_of(model), folder / "c.pth")

    def export(name, *options):
        path = folder / f"{name}.onnx"
        if not path.exists():
            assert main(["export", str(folder / "c.pth"), str(path), *options]) == 0
        return path

    return model, export


@pytest.fixture
def folded(exported):
    return exported[0], exported[1]("folded")


@pytest.fixture
def plain(exported):
    return exported[1]("plain", "--folded", "false")


@pytest.fixture
def flipped(exported):
    return exported[1]("flipped", "--flip", "true")


@pytest.mark.parametrize("people", [1, 2, 7])
def test_onnx_runtime_agrees_with_pytorch(folded, people):
    model, path = folded
    x = 0.3 * torch.randn(people, 27, 17, 2)
    with torch.no_grad():
        expected = model(x).numpy()
    assert expected.shape == (people, 5, 17, 4)
    np.testing.assert_allclose(open_session(path, "cpu").run(x.numpy()), expected, atol=1e-5)


def test_the_plain_graph_has_more_operators(folded, plain):
    assert len(onnx.load(folded[1]).graph.node) < 0.9 * len(onnx.load(plain).graph.node)
    x = 0.3 * torch.randn(2, 27, 17, 2)
    with torch.no_grad():
        np.testing.assert_allclose(open_session(plain, "cpu").run(x.numpy()), folded[0](x).numpy(), atol=1e-5)


def test_a_flip_averaged_file_gives_the_mean_of_both_answers(folded, flipped):
    x = (0.3 * torch.randn(3, 27, 17, 2)).numpy()
    expected = torch_lift(FlipAveraged(folded[0]))(x, np.zeros(len(x), np.float32))
    np.testing.assert_allclose(open_session(flipped, "cpu").run(x), expected, atol=1e-5)
    assert {node.op_type for node in onnx.load(flipped).graph.node} <= PARSED


def test_only_operators_that_tensorrt_parses(folded):
    graph = onnx.load(folded[1]).graph
    assert {node.op_type for node in graph.node} <= PARSED and all(not node.domain for node in graph.node)


def test_onnx_runtime_finds_every_gelu(folded, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(str(folded[1]), options)
    kinds = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert kinds["Erf"] == 0 and kinds["Gelu"] + kinds["BiasGelu"] == 7  # 3 MLPs or LJCs a stream and layer, IPC's 3


def test_half_precision_gives_the_same_joints(folded):
    model, path = folded
    half = half_onnx(path)
    x = 0.3 * np.random.default_rng(0).normal(size=(2, 27, 17, 2)).astype(np.float32)
    (out,) = onnxruntime.InferenceSession(half).run(None, {"keypoints": x})
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    assert np.abs(out - expected).max() < 0.01 * np.abs(expected).max()


def test_another_output_than_pytorchs_is_refused(folded, monkeypatch, tmp_path):
    model, path = folded
    check_parity(model, card_of(model), path)
    honest = module.torch_lift

    def off_by_a_fiftieth_of_a_millimetre(m):
        lift = honest(m)
        return lambda *inputs: lift(*inputs) + 2e-5

    monkeypatch.setattr(module, "torch_lift", off_by_a_fiftieth_of_a_millimetre)
    with pytest.raises(UserError, match="outputs for one window differ from PyTorch's by 2"):
        check_parity(model, card_of(model), path)
    wrong = tmp_path / "wrong.onnx"
    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: SimpleNamespace(model_proto=onnx.load(path)))
    with pytest.raises(UserError, match="differ from PyTorch's"):
        export_onnx(model, wrong)
    assert not wrong.exists()


def test_the_sidecar_of_a_network_that_serves_several_look_aheads(tmp_path, mocap_file, capsys):
    offsets = (-12, -9, -6, -3, 0)
    torch.save(checkpoint_of(network(output_offsets=offsets, uncertainty=True, zero_root=True)), tmp_path / "c.pth")
    out = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "c.pth"), str(out), "--data", str(mocap_file)]) == 0
    card = ModelCard.load(out.with_suffix(".json"))
    assert (card.output_offsets, card.look_ahead, card.uncertainty) == (offsets, 0, True)
    measured = card.metrics["val"]
    assert [entry["frames"] for entry in measured["by_look_ahead"]] == [12, 9, 6, 3, 0]
    assert measured["by_look_ahead"][-1]["clean"]["mpjpe_mm"] == pytest.approx(measured["clean_mpjpe_mm"], abs=0.02)
    assert card.parameters == sum(p.numel() for p in network(uncertainty=True).parameters())
    window = Window(np.random.default_rng(0).normal(0, 0.2, (27, 17, 2)).astype(np.float32), np.ones(17, bool), 10**9)
    (pose,) = WindowLifter(open_session(out), card, 0.17).lift([window])
    assert pose.stamp_ns == 10**9 - 180_000_000 and (pose.error_m[1:] > 0).all()


def test_a_network_that_is_told_of_gravity_and_confidence(tmp_path, mocap_file):
    model = network(person_view=True, uncertainty=True, confidence=True, level=True, output_offsets=tuple(range(-4, 1)))
    torch.save(checkpoint_of(model), tmp_path / "c.pth")
    out = tmp_path / "model.onnx"
    assert main(["export", str(tmp_path / "c.pth"), str(out), "--data", str(mocap_file)]) == 0
    measured = ModelCard.of(out).metrics["val"]
    assert measured["level_clean_mpjpe_mm"] > 0 and measured["level_noisy_mpjpe_mm"] != measured["noisy_mpjpe_mm"]
    assert {node.op_type for node in onnx.load(out).graph.node} <= PARSED
    card, rng = ModelCard.of(out), np.random.default_rng(0)
    assert card.confidence and card.level and card.multiply_adds > 0
    windows = [
        Window(
            rng.normal(0, 0.2, (27, 17, 2)).astype(np.float32),
            np.ones(17, bool),
            i,
            rng.random((27, 17), np.float32),
            level,
        )
        for i, level in enumerate((True, False, True))
    ]
    poses = WindowLifter(open_session(out), card).lift(windows)
    keypoints = [np.concatenate((w.keypoints_norm, w.confidence[..., None]), axis=-1) for w in windows]
    with torch.no_grad():
        expected = model(torch.from_numpy(np.stack(keypoints)), torch.tensor((1.0, 0.0, 1.0)))[:, -1, :, :3].numpy()
    expected[:, 0] = 0.0
    np.testing.assert_allclose([pose.joints_rel_m for pose in poses], expected, atol=1e-5)
    (withheld,) = WindowLifter(open_session(out), card).lift([replace(windows[0], level=False)])
    assert np.abs(withheld.joints_rel_m - expected[0]).max() > 1e-3
    wrong = json.loads(out.with_suffix(".json").read_text())
    out.with_suffix(".json").write_text(json.dumps({**wrong, "level": False}))
    with pytest.raises(UserError, match=r"takes \(B, 27, 17, 3\) and \(B\) but its card says \(B, 27, 17, 3\)"):
        WindowLifter(open_session(out), ModelCard.of(out))


def test_the_cards_of_a_centred_network(folded, plain, flipped):
    cards = [ModelCard.load(path.with_suffix(".json")) for path in (plain, folded[1], flipped)]
    for card in cards:
        assert card.output_offsets == (-15, -14, -13, -12, -11) and card.look_ahead == 13 and card.used_offset == -13
        assert card.metrics == {} and card.uncertainty
    cost, folded_cost, flipped_cost = (card.multiply_adds for card in cards)
    assert cost == multiply_adds(folded[0], torch.zeros(1, 27, 17, 2))
    assert 0.5 * cost < folded_cost < cost and flipped_cost == 2 * folded_cost  # folding removes some of them
    contents = [json.loads(path.with_suffix(".json").read_text()) for path in (plain, flipped)]
    assert [content["flip_averaged"] for content in contents] == [False, True]
    assert contents[0]["output"].startswith("joints (B, len(output_offsets), 17, 4)")


def test_exports_can_be_trained_further_or_say_why_not(folded, plain, flipped, tmp_path):
    model, path = folded
    with pytest.raises(UserError, match=r"folded\.json does not say how the network was trained"):
        load_network(path)
    for file in (path, plain, flipped):
        card = {**json.loads(file.with_suffix(".json").read_text()), "training": {"model": asdict(model.config)}}
        (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / file.name).with_suffix(".json").write_text(json.dumps(card))
    check_parity(load_network(tmp_path / path.name), card_of(model), path)
    for file in (plain, flipped):
        with pytest.raises(UserError, match="tensors are not those of an export with --folded and without --flip"):
            load_network(tmp_path / file.name)
