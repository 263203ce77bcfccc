"""Which runtime is taken, and what is said of those that are not."""

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from nanohtnet_ros.runtime.model_store import DEFAULT_MODEL, find_model
from nanohtnet_ros.runtime.session import GpuUnavailableError, open_session


@pytest.fixture
def no_tensorrt(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)


@pytest.fixture
def log(caplog):
    """Lines that the package logs."""
    caplog.set_level(logging.INFO, "nanohtnet_ros")
    return caplog


@pytest.fixture
def cuda_in_onnx_runtime(monkeypatch):
    """`cuda_in_onnx_runtime(works)`: ONNX Runtime says that it has CUDA and TensorRT, and then can start them or not.

    What is opened with TensorRT stands in the list that it returns.
    """
    real = onnxruntime.InferenceSession

    def put(works: bool):
        opened = []

        class Session:
            def __init__(self, path, options, providers, enable_fallback):
                self.batches = []
                if providers[0][0] == "TensorrtExecutionProvider":
                    assert works, "EP Error: Please install TensorRT libraries"
                    opened.append((self, dict(providers)))
                self.providers = [provider for provider, _ in providers]
                self.real = real(path, options, providers=["CPUExecutionProvider"])

            def get_providers(self):
                return self.providers if works else ["CPUExecutionProvider"]

            def run(self, names, feeds):
                self.batches.append(len(next(iter(feeds.values()))))
                return self.real.run(names, feeds)

            def __getattr__(self, name):
                return getattr(self.real, name)

        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        return opened

    return put


def test_tensorrt_comes_first(fake_trt, small_onnx, cuda_in_onnx_runtime):
    fake_trt()
    cuda_in_onnx_runtime(True)
    assert open_session(small_onnx, require_gpu=True).runtime == "TensorRT 10.3.0 fp32, Fake Orin"
    assert "fp16" in open_session(small_onnx, "tensorrt", precision="fp16").runtime


def test_then_onnx_runtime_on_cuda(no_tensorrt, cuda_in_onnx_runtime, log):
    cuda_in_onnx_runtime(True)
    session = open_session(find_model(DEFAULT_MODEL), require_gpu=True)
    assert session.runtime == f"ONNX Runtime {onnxruntime.__version__}, CUDA"
    (line,) = log.messages
    assert "is not run by TensorRT: TensorRT's Python module cannot be imported" in line
    assert session.run(np.zeros((1, 81, 17, 3), np.float32), np.zeros(1, np.float32)).shape == (1, 9, 17, 4)


def test_then_the_cpu(no_tensorrt, cuda_in_onnx_runtime, log):
    cuda_in_onnx_runtime(False)
    assert open_session(find_model(DEFAULT_MODEL)).runtime.endswith("CPU")
    assert len(log.messages) == 2 and "cannot start it" in log.messages[1]


def test_a_network_that_tensorrt_cannot_build_goes_to_the_next(fake_trt, cuda_in_onnx_runtime, log):
    fake_trt().history.broken = True
    cuda_in_onnx_runtime(True)
    assert open_session(find_model(DEFAULT_MODEL)).runtime.endswith("CUDA")
    assert "no tactic for node 7" in log.messages[-1]


def test_require_gpu_says_why_each_gpu_runtime_failed(no_tensorrt):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(GpuUnavailableError, match=r"TensorRT: .*cannot be imported.* CUDA: .*built without CUDAExec"):
        open_session(find_model(DEFAULT_MODEL), require_gpu=True)


def test_a_named_device_never_falls_back(no_tensorrt, cuda_in_onnx_runtime):
    cuda_in_onnx_runtime(False)
    with pytest.raises(GpuUnavailableError, match="TensorRT"):
        open_session(find_model(DEFAULT_MODEL), "tensorrt")
    with pytest.raises(GpuUnavailableError, match="libraries are missing"):
        open_session(find_model(DEFAULT_MODEL), "cuda")
    assert open_session(find_model(DEFAULT_MODEL), "cpu").runtime.endswith("CPU")


def test_onnx_runtimes_own_tensorrt(weighted_onnx, cuda_in_onnx_runtime, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = cuda_in_onnx_runtime(True)
    session = open_session(weighted_onnx, "onnxruntime_tensorrt", precision="fp16", max_batch=6, cuda_graph=True)
    ((session_of_runtime, providers),) = opened
    assert list(providers) == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]
    options = providers["TensorrtExecutionProvider"]
    assert (
        options["trt_fp16_enable"] == options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "True"
    )
    assert options["trt_cuda_graph_enable"] == "False"  # the batch is dynamic
    assert options["trt_engine_cache_path"].startswith(options["trt_timing_cache_path"])
    assert (
        options["trt_timing_cache_path"].startswith(str(tmp_path)) and Path(options["trt_engine_cache_path"]).is_dir()
    )
    bounds = [options[f"trt_profile_{bound}_shapes"] for bound in ("min", "opt", "max")]
    assert bounds == ["x:1x3,weight:1", "x:4x3,weight:4", "x:6x3,weight:6"]
    assert session.runtime == f"ONNX Runtime {onnxruntime.__version__}, TensorRT fp16"
    x, weight = np.arange(42, dtype=np.float32).reshape(14, 3), np.arange(14, dtype=np.float32)
    np.testing.assert_array_equal(session.run(x, weight), x * weight[:, None])
    assert session_of_runtime.batches == [6, 6, 2]  # a batch beyond the profile would build another engine
    other = open_session(weighted_onnx, "onnxruntime_tensorrt", max_batch=4)
    assert opened[1][1]["TensorrtExecutionProvider"]["trt_engine_cache_path"] != options["trt_engine_cache_path"]
    assert other.runtime.endswith("TensorRT fp32")


def test_its_cuda_graph_has_tensors_at_fixed_places(write_onnx, cuda_in_onnx_runtime, monkeypatch):
    from onnx import helper

    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("ArgMax", ["x"], ["i"], axis=1, keepdims=0)]
    path = write_onnx(nodes, {"x": ("FLOAT", [1, 3])}, {"y": ("FLOAT", [1, 3]), "i": ("INT64", [1])})
    made = onnxruntime.OrtValue.ortvalue_from_numpy
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", lambda array, device, index: made(array))
    opened = cuda_in_onnx_runtime(True)
    session = open_session(path, "onnxruntime_tensorrt", cuda_graph=True)
    assert opened[0][1]["TensorrtExecutionProvider"]["trt_cuda_graph_enable"] == "True"
    assert session.runtime.endswith("TensorRT fp32, CUDA graph")
    for x in ([[-1, 3, 2]], [[5, -2, 0]]):
        out = session.run_named(np.array(x, np.float32))
        np.testing.assert_array_equal(out["y"], np.maximum(x, 0))
        assert out["i"].tolist() == [int(np.argmax(x))]
    assert opened[0][0].batches == []
    session.close()


def test_onnx_runtimes_tensorrt_is_missing(cuda_in_onnx_runtime, write_onnx):
    path = find_model(DEFAULT_MODEL)
    if "TensorrtExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(GpuUnavailableError, match="was built without TensorrtExecutionProvider"):
            open_session(path, "onnxruntime_tensorrt")
    cuda_in_onnx_runtime(False)
    with pytest.raises(GpuUnavailableError, match=r"cannot be run by TensorrtEx.*: .*install TensorRT libraries"):
        open_session(path, "onnxruntime_tensorrt")
    from onnx import helper

    shape = {"x": ("FLOAT", ["batch", "any"])}
    with pytest.raises(ValueError, match=r"'x' has shape \(-1, -1\) .*fixed but for the batch"):
        open_session(
            write_onnx([helper.make_node("Relu", ["x"], ["y"])], shape, {"y": shape["x"]}), "onnxruntime_tensorrt"
        )


def test_contradictions_and_unknown_devices_are_refused():
    with pytest.raises(
        ValueError, match="device is 'gpu', expected one of auto, tensorrt, onnxruntime_tensorrt, cuda, cpu"
    ):
        open_session(find_model(DEFAULT_MODEL), "gpu")
    with pytest.raises(ValueError, match="require_gpu is set, but device is 'cpu'"):
        open_session(find_model(DEFAULT_MODEL), "cpu", require_gpu=True)


def test_tensorrt_without_a_gpu_to_use(fake_trt, monkeypatch):
    trt = fake_trt()
    path = find_model(DEFAULT_MODEL)
    trt.cuda.cudaGetDeviceCount = lambda: (trt.cuda.cudaError_t.cudaSuccess, 0)
    with pytest.raises(GpuUnavailableError, match="cuda-python, which holds TensorRT's buffers, sees no GPU"):
        open_session(path, "tensorrt")
    monkeypatch.setitem(sys.modules, "cuda", None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(GpuUnavailableError, match="cuda-python, which holds TensorRT's buffers, cannot be imported"):
        open_session(path, "tensorrt")


def test_a_tensorrt_that_is_too_old(fake_trt):
    fake_trt("8.5.3")
    with pytest.raises(GpuUnavailableError, match=r"TensorRT is 8\.5\.3, expected 8\.6 or later"):
        open_session(find_model(DEFAULT_MODEL), "tensorrt")


def test_torch_is_not_imported_without_tensorrt():
    code = (
        "import sys; sys.modules['tensorrt'] = None\n"
        "from nanohtnet_ros.runtime.session import open_session\n"
        "from nanohtnet_ros.runtime.model_store import find_model\n"
        "session = open_session(find_model('nano_81_streaming'))\n"
        "print(session.runtime, 'torch' in sys.modules, 'onnx' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip().endswith("False False"), result.stdout + result.stderr
