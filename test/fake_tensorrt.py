"""A fake TensorRT, and a fake of CUDA's runtime.

Engines hold ONNX files; ONNX Runtime computes them at the addresses that the session has set. `test_tensorrt_api.py`
and `test_cuda_api.py` check their names against the real bindings.
"""

from __future__ import annotations

import ctypes
import enum
import json
import os
import time
from math import prod
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnxruntime

InferenceSession = onnxruntime.InferenceSession  # tests put others in its place
STREAM = 7
GPU = SimpleNamespace(name="Fake Orin", capability=(8, 7))


def make(version: str = "10.3.0") -> ModuleType:
    """A module as TensorRT of a version would be, with what happened to it in `history`."""
    trt = ModuleType("tensorrt")
    trt.__version__ = version
    trt.history = SimpleNamespace(
        builds=[], flags=[], cleared=[], network_flags=[], recording=None, contexts=0, refuse=0, broken=False
    )
    history, major = trt.history, int(version.split(".")[0])

    class Severity(enum.Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    class ILogger:
        def log(self, severity, msg):
            raise NotImplementedError

    ILogger.Severity = Severity
    DataType = enum.Enum("DataType", "FLOAT HALF INT32 INT64 UINT8 BOOL")
    of_onnx = {
        "tensor(float)": DataType.FLOAT,
        "tensor(float16)": DataType.HALF,
        "tensor(int64)": DataType.INT64,
        "tensor(uint8)": DataType.UINT8,
    }
    dtypes = {DataType.FLOAT: np.float32, DataType.HALF: np.float16, DataType.INT64: np.int64, DataType.UINT8: np.uint8}
    TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
    flags = ["TF32"] + (["FP16"] if major < 11 else [])
    creation = [(["EXPLICIT_BATCH"] if major < 11 else []), (["STRONGLY_TYPED"] if major >= 10 else [])]

    def onnx(content: bytes) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        return InferenceSession(bytes(content), options)

    class IProgressMonitor:
        pass

    class IOutputAllocator:
        pass

    class ParserError:
        def __init__(self, text):
            self.text = text

        def desc(self):
            return self.text

    class ITensor:
        def __init__(self, value):
            self.name = value.name
            self.shape = tuple(n if isinstance(n, int) else -1 for n in value.shape)

    class INetworkDefinition:
        content = b""
        inputs: tuple = ()

        @property
        def num_inputs(self):
            return len(self.inputs)

        def get_input(self, index):
            return self.inputs[index]

    class OnnxParser:
        def __init__(self, network, logger):
            self.network, self.errors = network, []

        def parse(self, model, path=None):
            try:
                self.network.inputs = [ITensor(value) for value in onnx(model).get_inputs()]
            except Exception:
                self.errors = [ParserError("no importer for this")]
                return False
            self.network.content = model
            return True

        @property
        def num_errors(self):
            return len(self.errors)

        def get_error(self, index):
            return self.errors[index]

    class IOptimizationProfile:
        def __init__(self):
            self.shapes = {}

        def set_shape(self, input, min, opt, max):
            self.shapes[input] = [tuple(min), tuple(opt), tuple(max)]

    class ITimingCache:
        def __init__(self, content):
            self.content = content

        def serialize(self):
            return self.content

    class IBuilderConfig:
        def __init__(self):
            self.profile = None
            if major >= 10:
                self.progress_monitor = None

        def set_flag(self, flag):
            assert flag is not None
            history.flags.append(flag.name)

        def clear_flag(self, flag):
            history.cleared.append(flag.name)

        def set_memory_pool_limit(self, pool, pool_size):
            pass

        def add_optimization_profile(self, profile):
            self.profile = profile
            return 0

        def create_timing_cache(self, serialized_timing_cache):
            return ITimingCache(serialized_timing_cache)

        def set_timing_cache(self, cache, ignore_mismatch):
            self.cache = cache
            return cache.content == b"" or cache.content.startswith(b"timing")

    class Builder:
        def __init__(self, logger):
            self.logger = logger

        def create_network(self, flags=0):
            history.network_flags.append(flags)
            return INetworkDefinition()

        def create_builder_config(self):
            return IBuilderConfig()

        def create_optimization_profile(self):
            return IOptimizationProfile()

        def build_serialized_network(self, network, config):
            if history.broken:
                self.logger.log(Severity.ERROR, "no tactic for node 7")
                return None
            if log := os.environ.get("FAKE_TENSORRT_LOG"):
                with Path(log).open("a") as file:
                    file.write("build\n")
                time.sleep(1.5)
            history.builds.append(config.cache.content)
            if monitor := getattr(config, "progress_monitor", None):
                monitor.phase_start("Building", None, 2)
                monitor.phase_start("Timing", "Building", 9)
                assert monitor.step_complete("Timing", 0) and monitor.step_complete("Building", 0)
                monitor.phase_finish("Building")
            config.cache.content = b"timing" + bytes([len(history.builds)])
            shapes = config.profile.shapes if config.profile else {}
            return json.dumps({"version": version, "shapes": shapes}).encode() + b"\n" + network.content

    class ICudaEngine:
        def __init__(self, content):
            header, _, model = content.partition(b"\n")
            self.header, self.session = json.loads(header), onnx(model)
            self.tensors = {v.name: v for v in (*self.session.get_inputs(), *self.session.get_outputs())}
            self.inputs = [value.name for value in self.session.get_inputs()]

        @property
        def num_io_tensors(self):
            return len(self.tensors)

        def get_tensor_name(self, index):
            return list(self.tensors)[index]

        def get_tensor_mode(self, name):
            return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name):
            return of_onnx[self.tensors[name].type]

        def get_tensor_shape(self, name):
            return ITensor(self.tensors[name]).shape

        def get_tensor_profile_shape(self, name, profile_index):
            return self.header["shapes"][name]

        def create_execution_context(self):
            if history.contexts < 0:
                return None
            history.contexts += 1
            return IExecutionContext(self)

    class IExecutionContext:
        def __init__(self, engine):
            self.engine, self.addresses, self.allocators, self.shapes = engine, {}, {}, {}

        def set_input_shape(self, name, shape):
            least, _, most = self.engine.header["shapes"].get(name) or [self.engine.get_tensor_shape(name)] * 3
            self.shapes[name] = tuple(shape)
            return all(a <= n <= b for a, n, b in zip(least, shape, most, strict=True))

        def get_tensor_shape(self, name):
            first = self.engine.inputs[0]
            batch = self.engine.tensors[first].shape[0]
            return tuple(
                self.shapes[first][0] if size == batch else size if isinstance(size, int) else -1
                for size in self.engine.tensors[name].shape
            )

        def set_tensor_address(self, name, memory):
            self.addresses[name] = memory
            return True

        def set_output_allocator(self, name, output_allocator):
            self.allocators[name] = output_allocator
            return True

        def execute_async_v3(self, stream_handle):
            assert stream_handle == STREAM
            if history.broken:
                trt.logger_of_session.log(Severity.ERROR, "illegal address")
                return False
            if history.recording is not None:
                shapes = dict(self.shapes)
                history.recording.append(lambda: self.compute(shapes))
            else:
                self.compute(self.shapes)
            return True

        def compute(self, shapes):
            engine = self.engine
            assert shapes.keys() == set(engine.inputs)
            inputs = {
                name: array(self.addresses[name], shape, dtypes[engine.get_tensor_dtype(name)]).copy()
                for name, shape in shapes.items()
            }
            results = engine.session.run(None, inputs)
            for value, result in zip(engine.session.get_outputs(), results, strict=True):
                address = self.addresses.get(value.name)
                if allocator := self.allocators.get(value.name):
                    address = allocator.reallocate_output(value.name, 0, max(result.nbytes, 1), 256)
                    allocator.notify_shape(value.name, result.shape)
                array(address, result.shape, result.dtype)[...] = result

    class Runtime:
        def __init__(self, logger):
            self.logger = trt.logger_of_session = logger

        def deserialize_cuda_engine(self, serialized_engine):
            content = bytes(serialized_engine)
            ours = content.startswith(b"{") and json.loads(content.split(b"\n")[0])["version"] == version
            if history.refuse or not ours:
                history.refuse = max(0, history.refuse - 1)
                self.logger.log(Severity.ERROR, "Serialization assertion failed")
                return None
            return ICudaEngine(content)

    trt.BuilderFlag = enum.Enum("BuilderFlag", flags)
    trt.NetworkDefinitionCreationFlag = enum.IntEnum(
        "NetworkDefinitionCreationFlag", [(n, i) for i, names in enumerate(creation) for n in names]
    )
    trt.MemoryPoolType = enum.Enum("MemoryPoolType", "WORKSPACE")
    for thing in (
        ILogger,
        DataType,
        TensorIOMode,
        IOutputAllocator,
        ParserError,
        ITensor,
        INetworkDefinition,
        OnnxParser,
        IOptimizationProfile,
        ITimingCache,
        IBuilderConfig,
        Builder,
        ICudaEngine,
        IExecutionContext,
        Runtime,
    ):
        setattr(trt, thing.__name__, thing)
    trt.init_libnvinfer_plugins = lambda logger, namespace: True
    if major >= 10:
        trt.IProgressMonitor = IProgressMonitor
    return trt


def array(address: int, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Memory as an array."""
    content = (ctypes.c_char * (prod(shape) * np.dtype(dtype).itemsize)).from_address(address)
    return np.frombuffer(content, dtype).reshape(shape)


def make_cuda(trt: ModuleType) -> ModuleType:
    """A fake of CUDA's runtime in the CPU's memory; `held` are the handles that are not freed.

    Work is done when it is enqueued.
    """
    cuda = ModuleType("cuda.bindings.runtime")
    cuda.held, cuda.allocated, cuda.full = {}, 0, False
    cuda.cudaError_t = enum.IntEnum(
        "cudaError_t", {"cudaSuccess": 0, "cudaErrorInvalidValue": 1, "cudaErrorMemoryAllocation": 2}
    )
    cuda.cudaMemcpyKind = enum.IntEnum("cudaMemcpyKind", {"cudaMemcpyHostToDevice": 1, "cudaMemcpyDeviceToHost": 2})
    cuda.cudaStreamCaptureMode = enum.IntEnum("cudaStreamCaptureMode", {"cudaStreamCaptureModeThreadLocal": 1})
    cuda.cudaStreamNonBlocking, cuda.cudaHostAllocDefault = 1, 0
    good, wrong = cuda.cudaError_t.cudaSuccess, cuda.cudaError_t.cudaErrorInvalidValue

    def allocate(size):
        if cuda.full:
            return cuda.cudaError_t.cudaErrorMemoryAllocation, None
        buffer = (ctypes.c_char * size)()
        cuda.held[ctypes.addressof(buffer)] = buffer
        cuda.allocated += 1
        return good, ctypes.addressof(buffer)

    def free(handle):
        return (good,) if cuda.held.pop(handle, None) is not None else (wrong,)

    def cudaMemcpyAsync(dst, src, count, kind, stream):
        inside = any(start <= dst <= start + len(held) - count for start, held in cuda.held.items() if start > STREAM)
        assert inside or kind == cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        ctypes.memmove(dst, src, count)
        return (good,)

    def cudaStreamCreateWithFlags(flags):
        cuda.held[STREAM] = "stream"
        return good, STREAM

    def cudaStreamBeginCapture(stream, mode):
        trt.history.recording = []
        return (good,)

    def cudaStreamEndCapture(stream):
        calls, trt.history.recording = trt.history.recording, None
        return good, calls

    def cudaGraphInstantiateWithFlags(graph, flags):
        handle = 1000 + len(cuda.held)
        cuda.held[handle] = graph
        return good, handle

    def cudaGraphLaunch(graphExec, stream):
        for call in cuda.held[graphExec]:
            call()
        return (good,)

    known = SimpleNamespace(name=GPU.name.encode() + bytes(20), major=GPU.capability[0], minor=GPU.capability[1])
    cuda.cudaMalloc = allocate
    cuda.cudaHostAlloc = lambda size, flags: allocate(size)
    cuda.cudaFree = cuda.cudaFreeHost = cuda.cudaStreamDestroy = cuda.cudaGraphExecDestroy = free
    cuda.cudaMemcpyAsync = cudaMemcpyAsync
    cuda.cudaStreamCreateWithFlags = cudaStreamCreateWithFlags
    cuda.cudaStreamSynchronize = lambda stream: (good,)
    cuda.cudaStreamBeginCapture, cuda.cudaStreamEndCapture = cudaStreamBeginCapture, cudaStreamEndCapture
    cuda.cudaGraphInstantiateWithFlags, cuda.cudaGraphLaunch = cudaGraphInstantiateWithFlags, cudaGraphLaunch
    cuda.cudaGraphDestroy = lambda graph: (good,)
    cuda.cudaGetDeviceCount, cuda.cudaGetDevice = lambda: (good, 1), lambda: (good, 0)
    cuda.cudaGetDeviceProperties = lambda device: (good, known)
    return cuda


def install(version: str, patch) -> ModuleType:
    """Put the stand-ins where our code looks for TensorRT and the GPU; `patch(object, name, value)` sets them."""
    import sys

    from nanohtnet_ros.runtime import tensorrt_api

    trt = make(version)
    trt.cuda = make_cuda(trt)
    patch(sys.modules, "tensorrt", trt)
    patch(sys.modules, "cuda", SimpleNamespace(cudart=trt.cuda))
    patch(sys.modules, "cuda.bindings", SimpleNamespace(runtime=trt.cuda))
    tensorrt_api.logger.cache_clear()
    tensorrt_api.RECENT_ERRORS.clear()
    return trt
