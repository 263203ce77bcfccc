"""Our CUDA code against cuda-python's real modules: without a GPU a call whose types fit comes back with an error."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

import fake_tensorrt
from tensorrt_bindings import install, run_over_stubs

VERSIONS = {
    "12.2": "cuda-python==12.2.1",  # JetPack 6.0
    "12.9": "cuda-bindings==12.9.4 cuda-pathfinder==1.3.0",
    "13.0": "cuda-bindings==13.0.3 cuda-pathfinder==1.3.0",  # JetPack 7
}
RUNTIME = Path(__file__).resolve().parents[2] / "nanohtnet_ros" / "runtime"
SOURCES = [RUNTIME / name for name in ("cuda_memory.py", "tensorrt_api.py")]
IMPORT = """
try:
    from cuda.bindings import runtime as cuda
except ImportError:
    from cuda import cudart as cuda
"""


def uses() -> dict[str, set[int]]:
    """Names that our sources ask of CUDA's runtime, with how many arguments they are called with."""
    found: dict[str, set[int]] = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Attribute) and node.attr.startswith("cuda"):
                found.setdefault(node.attr, set())
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr.startswith("cuda"):
                found.setdefault(called.attr, set()).add(len(node.args))
    return found


@pytest.fixture(params=VERSIONS)
def folder(request):
    folder = request.config.cache.mkdir("cuda_bindings") / request.param
    if not (folder / "cuda").is_dir() and (reason := install(VERSIONS[request.param], folder)):
        pytest.skip(f"pip cannot download {VERSIONS[request.param]} here: {reason}")
    return folder


def test_every_name_is_there_and_takes_as_many_arguments(folder):
    used = uses()
    assert len(used) > 20 and {"cudaMalloc", "cudaMemcpyAsync", "cudaGraphLaunch"} <= used.keys()
    documented = json.loads(
        run_over_stubs(
            IMPORT
            + "import json\n"
            + "classes = [cuda, cuda.cudaMemcpyKind, cuda.cudaStreamCaptureMode]\n"
            + f"names = {sorted(used)}\n"
            + "found = {n: next((getattr(c, n) for c in classes if hasattr(c, n)), None) for n in names}\n"
            + "print(json.dumps({n: None if f is None else (f.__doc__ or '').strip() if callable(f) else ''"
            + " for n, f in found.items()}))",
            folder,
        )
    )
    fake = fake_tensorrt.make_cuda(fake_tensorrt.make())
    for name, counts in used.items():
        assert documented[name] is not None, name
        for count in counts:
            (parameters,) = re.match(rf"{name}\((.*?)\)", documented[name]).groups()
            assert len([p for p in parameters.split(",") if p.strip()]) == count, (name, parameters)
            assert len(inspect.signature(getattr(fake, name)).parameters) == count, name


def test_calls_take_our_types_and_a_machine_without_a_gpu_is_told(folder):
    code = f"""
{IMPORT}
import sys
sys.path += {[path for path in __import__("sys").path if "site-packages" in path]}
from nanohtnet_ros.runtime import tensorrt_api
from nanohtnet_ros.runtime.base import GpuUnavailableError
try:
    tensorrt_api.load_cuda()
except GpuUnavailableError as error:
    print(error)
stream = 7
for call in (
    lambda: cuda.cudaMemcpyAsync(1, 2, 3, cuda.cudaMemcpyKind.cudaMemcpyHostToDevice, stream),
    lambda: cuda.cudaMalloc(5),
    lambda: cuda.cudaHostAlloc(5, cuda.cudaHostAllocDefault),
    lambda: cuda.cudaStreamCreateWithFlags(cuda.cudaStreamNonBlocking),
    lambda: cuda.cudaStreamBeginCapture(stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal),
    lambda: cuda.cudaStreamSynchronize(stream),
    lambda: cuda.cudaGraphInstantiateWithFlags(cuda.cudaGraph_t(), 0),
    lambda: cuda.cudaGraphLaunch(cuda.cudaGraphExec_t(), stream),
    lambda: cuda.cudaFree(8),
    lambda: cuda.cudaFreeHost(8),
):
    try:
        assert int(call()[0])
    except RuntimeError as error:  # 12.2 raises where there is no driver
        assert "cuInit" in str(error) or "libcuda" in str(error)
print("done", type(cuda.cudaDeviceProp().name).__name__)
"""
    said = run_over_stubs(code, folder).splitlines()
    if len(said) == 1:
        pytest.skip("there is a GPU")
    assert said[0].startswith("cuda-python, which holds TensorRT's buffers, sees no GPU: ")
    assert said[1] == "done bytes"
