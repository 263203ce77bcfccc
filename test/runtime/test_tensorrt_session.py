import numpy as np
import pytest

from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.runtime.engine_store import get_engine
from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import GpuUnavailableError, open_session
from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession
from nanohtnet_ros.samples.windows import clip_windows


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(0, 0.3, shape).astype(np.float32)


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.4.0.106"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_packaged_network_gives_what_onnx_runtime_gives(fake_trt, version, precision):
    fake_trt(version)
    reference = open_session(find_model(DEFAULT_MODEL), "cpu")
    with TensorRTSession.from_onnx(find_model(DEFAULT_MODEL), precision) as session:
        assert session.input_shape == (-1, 81, 17, 3) and session.output_shapes == {"joints": (-1, 9, 17, 4)}
        assert session.runtime == f"TensorRT {version} {precision}, Fake Orin"
        windows, _ = clip_windows(ModelCard.of(find_model(DEFAULT_MODEL)))
        for people in (1, 3, 32):
            x = windows[0][-people:], np.arange(people, dtype=np.float32) % 2
            joints, log_errors = np.split(session.run(*x) - reference.run(*x), (3,), axis=-1)
            assert np.abs(joints).max() < (1e-5 if precision == "fp32" else 3e-3)  # metres
            assert np.abs(log_errors).max() < (1e-4 if precision == "fp32" else 1e-2)


@pytest.mark.parametrize("graph", [False, True])
def test_any_batch_in_buffers_allocated_once(fake_trt, small_onnx, graph):
    trt = fake_trt()
    session = TensorRTSession.from_onnx(small_onnx, max_batch=6, cuda_graph=graph)
    allocated = trt.cuda.allocated
    for people in (6, 1, 3, 5, 1, 13, 6):
        x = random(people, 2, 3)
        out = session.run_named(x)
        np.testing.assert_array_equal(out["doubled"], 2 * x)
        np.testing.assert_allclose(out["total"], x.sum((1, 2))[:, None], rtol=1e-5)
        assert list(out) == ["doubled", "total"]
        np.testing.assert_array_equal(session.run(x), out["doubled"])
    assert trt.cuda.allocated == allocated
    assert trt.history.contexts == (1 + 3 if graph else 1)  # graphs of 1, 4 and 6; 13 is 6 + 6 + 1
    assert ("CUDA graphs" in session.runtime) == graph


@pytest.mark.parametrize("graph", [False, True])
def test_several_inputs_are_cut_and_padded_alike(fake_trt, weighted_onnx, graph):
    fake_trt()
    session = TensorRTSession.from_onnx(weighted_onnx, max_batch=6, cuda_graph=graph)
    assert session.input_shape == (-1, 3) and session.more_inputs == {"weight": (-1,)}
    for people in (6, 1, 3, 5, 13):
        x, weight = random(people, 3), random(people)
        np.testing.assert_array_equal(session.run(x, weight), x * weight[:, None])
    with pytest.raises(ValueError, match="1 inputs, model expects 2"):
        session.run(random(2, 3))


def test_results_are_the_callers_own(fake_trt, small_onnx):
    fake_trt()
    session = TensorRTSession.from_onnx(small_onnx)
    first = session.run(np.ones((1, 2, 3), np.float32))
    session.run(np.zeros((1, 2, 3), np.float32))
    assert (first == 2).all()


def test_other_types_and_fixed_batches(fake_trt, write_onnx):
    from onnx import TensorProto, helper

    fake_trt()
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["image"], ["number"], to=TensorProto.INT64),
    ]
    outputs = {"half": ("FLOAT16", [2, 3]), "number": ("INT64", [2, 3])}
    session = TensorRTSession.from_onnx(write_onnx(nodes, {"image": ("UINT8", [2, 3])}, outputs))
    out = session.run_named(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert out["half"].dtype == np.float32 and out["number"].dtype == np.int64
    np.testing.assert_array_equal(out["half"], out["number"])
    with pytest.raises(ValueError, match=r"'image' has shape \(1, 3\), model expects \(2, 3\)"):
        session.run(np.zeros((1, 3), np.uint8))


def test_outputs_whose_size_depends_on_the_data(fake_trt, write_onnx):
    from onnx import helper

    fake_trt()
    nodes = [helper.make_node("NonZero", ["x"], ["places"])]
    path = write_onnx(nodes, {"x": ("FLOAT", [1, 90])}, {"places": ("INT64", [2, "N"])})
    session = TensorRTSession.from_onnx(path, cuda_graph=True)
    assert "graphs" not in session.runtime
    for count in (90, 0, 3):
        x = np.zeros((1, 90), np.float32)
        x[0, :count] = 1
        np.testing.assert_array_equal(session.run(x), np.stack(np.nonzero(x)))


def test_wrong_shapes_and_empty_batches_are_refused(fake_trt, small_onnx):
    fake_trt()
    session = TensorRTSession.from_onnx(small_onnx)
    with pytest.raises(ValueError, match=r"\(1, 2, 4\), model expects \(-1, 2, 3\)"):
        session.run(np.zeros((1, 2, 4), np.float32))
    with pytest.raises(ValueError, match=r"\(0, 2, 3\), model expects \(-1, 2, 3\)"):
        session.run(np.zeros((0, 2, 3), np.float32))


def test_a_closed_session_frees_the_gpu_and_says_so(fake_trt, small_onnx):
    trt = fake_trt()
    with TensorRTSession.from_onnx(small_onnx, cuda_graph=True) as session:
        session.run(np.ones((1, 2, 3), np.float32))
        assert trt.cuda.held
    session.close()
    assert session.closed and not hasattr(session, "_engine") and not trt.cuda.held
    with pytest.raises(RuntimeError, match="closed"):
        session.run(np.zeros((1, 2, 3), np.float32))


def test_failures_carry_tensorrts_reason(fake_trt, small_onnx):
    trt = fake_trt()
    session = TensorRTSession.from_onnx(small_onnx)
    trt.history.broken = True
    with pytest.raises(RuntimeError, match="illegal address"):
        session.run(np.zeros((1, 2, 3), np.float32))
    trt.history.broken = False
    trt.cuda.full = True
    with pytest.raises(GpuUnavailableError, match="cudaErrorMemoryAllocation"):
        TensorRTSession.from_onnx(small_onnx)
    trt.history.contexts = -1
    with pytest.raises(GpuUnavailableError, match="no room"):
        TensorRTSession.from_onnx(small_onnx)


def test_engines_of_other_tools(fake_trt, small_onnx, tmp_path):
    fake_trt()
    engine = get_engine(small_onnx, "fp32", 4)
    for header in (b"", b"\x0f\0\0\0" + b'{"stride": 32 }'):
        (tmp_path / "mine.engine").write_bytes(header + engine)
        session = open_session(tmp_path / "mine.engine")
        assert session.runtime == "TensorRT 10.3.0, Fake Orin" and session.input_shape == (-1, 2, 3)
    (tmp_path / "mine.engine").write_bytes(b"other")
    with pytest.raises(ValueError, match="Serialization assertion failed; build it on this machine"):
        open_session(tmp_path / "mine.engine")
    with pytest.raises(ValueError, match="is a TensorRT engine, but device is 'cpu'"):
        open_session(tmp_path / "mine.engine", "cpu")


def test_no_packaged_network_needs_what_tensorrt_8_6_lacks():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    for path in find_model(DEFAULT_MODEL).parent.glob("*.onnx"):
        reductions = [n for n in onnx.load(str(path)).graph.node if n.op_type.startswith("Reduce")]
        assert all(n.op_type == "ReduceSum" or len(n.input) == 1 for n in reductions), path
