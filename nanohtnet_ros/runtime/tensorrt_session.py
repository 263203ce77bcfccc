"""Networks through TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime import tensorrt_api
from nanohtnet_ros.runtime.base import GpuUnavailableError, Session
from nanohtnet_ros.runtime.cuda_memory import CudaMemory, view
from nanohtnet_ros.runtime.engine_store import MAX_BATCH, EngineFileError, bare_engine, get_engine

if TYPE_CHECKING:
    import tensorrt as trt

DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT32": "int32",
    "INT64": "int64",
    "INT8": "int8",
    "UINT8": "uint8",
    "BOOL": "bool",
}
"""TensorRT's names of tensors' types, to NumPy's."""


class TensorRTSession(Session):
    """Runs an engine.

    Buffers for the largest batch are allocated once.
    """

    _runtime: trt.Runtime
    _engine: trt.ICudaEngine
    max_batch: int

    def __init__(self, engine: bytes, name: str, precision: str = "", cuda_graph: bool = False) -> None:
        """Load an engine.

        Args:
            engine: serialised by the TensorRT that is installed, on a GPU of this kind.
            name: of the network, for messages.
            precision: it was built with, for messages.
            cuda_graph: replay recorded launches; a graph for each size of batch (1, 2, 4, ...; others are padded).
        Raises:
            GpuUnavailableError: TensorRT or a GPU is missing, or its memory is full.
            EngineFileError: TensorRT cannot load the engine.
            UserError: it has no input, or tensors of an unsupported type.
        """
        super().__init__()
        trt, cuda = tensorrt_api.load_tensorrt(), tensorrt_api.load_cuda()
        tensorrt_api.RECENT_ERRORS.clear()
        self._name = name
        self._runtime = trt.Runtime(tensorrt_api.logger())
        self._engine = self._runtime.deserialize_cuda_engine(engine)
        if self._engine is None:
            raise EngineFileError(f"TensorRT {trt.__version__} cannot load it: {tensorrt_api.recent_errors()}")
        self._read_tensors(trt)
        self._contexts: dict[int, Any] = {}
        self._graphs: dict[int, Any] = {}
        self._shapes: dict[int, dict[str, tuple[int, ...]]] = {}
        self._use_graphs = cuda_graph
        self._memory = CudaMemory(cuda)
        self._allocate(self._context(0))
        kind = f" {precision}" if precision else ""
        self.runtime = f"TensorRT {trt.__version__}{kind}, {tensorrt_api.current_gpu(cuda).name}" + (
            ", CUDA graphs" if self._use_graphs else ""
        )

    @classmethod
    def from_onnx(
        cls,
        path: Path,
        precision: str = "fp32",
        max_batch: int = MAX_BATCH,
        cuda_graph: bool = False,
    ) -> TensorRTSession:
        """Load an ONNX file's engine from the cache; build it where there is none, or TensorRT cannot load it.

        Raises:
            GpuUnavailableError: TensorRT or a GPU is missing, or its memory is full.
            UserError, ImportError: the engine cannot be built.
        """
        engine = get_engine(path, precision, max_batch)
        try:
            return cls(engine, path.stem, precision, cuda_graph)
        except EngineFileError as error:
            engine = get_engine(path, precision, max_batch, rejected=str(error))
            return cls(engine, path.stem, precision, cuda_graph)

    @classmethod
    def from_engine(cls, path: Path, cuda_graph: bool = False) -> TensorRTSession:
        """Load an engine that another tool built (trtexec, Ultralytics)."""
        try:
            return cls(bare_engine(path), path.stem, cuda_graph=cuda_graph)
        except EngineFileError as error:
            raise UserError(f"{path}: {error}; build it on this machine, or give the ONNX file") from error

    def _free(self) -> None:
        del self._graphs, self._contexts, self._engine, self._runtime
        del self._device, self._host, self._allocators
        self._memory.release()

    # Set-up.

    def _read_tensors(self, trt: ModuleType) -> None:
        """Names, shapes and types of the engine's tensors."""
        engine = self._engine
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
        outputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT]
        if not inputs or not outputs:
            raise UserError(f"{self._name} has inputs {inputs} and outputs {outputs}, expected some of both")
        types = {name: engine.get_tensor_dtype(name).name for name in names}
        if unknown := {name: kind for name, kind in types.items() if kind not in DTYPES}:
            raise UserError(f"{self._name}: tensors have the types {unknown}, expected {', '.join(DTYPES)}")
        self._dtypes = {name: DTYPES[kind] for name, kind in types.items()}
        self.input_name = inputs[0]
        self.input_dtype = self._result_dtype(self.input_name)
        self.more_inputs = {name: tuple(engine.get_tensor_shape(name)) for name in inputs}
        self._largest = {
            name: tuple(engine.get_tensor_profile_shape(name, 0)[2]) if -1 in shape else shape
            for name, shape in self.more_inputs.items()
        }
        self.input_shape = self.more_inputs.pop(self.input_name)
        self.output_shapes = {name: tuple(engine.get_tensor_shape(name)) for name in outputs}
        self.max_batch = self._largest[self.input_name][0]

    def _context(self, slot: int) -> trt.IExecutionContext:
        """An execution context: the one in slot 0, or one for each size of a CUDA graph."""
        if slot not in self._contexts:
            context = self._engine.create_execution_context()
            if context is None:
                raise GpuUnavailableError(f"no room for {self._name} on the GPU: {tensorrt_api.recent_errors()}")
            self._contexts[slot] = context
        return self._contexts[slot]

    def _allocate(self, context: trt.IExecutionContext) -> None:
        """Buffers for the largest batch; outputs whose size depends on the data get theirs when they are made."""
        self._set_shapes(context, 0, self._largest)
        shapes = self._largest | {name: tuple(context.get_tensor_shape(name)) for name in self.output_shapes}
        self._allocators = {name: output_allocator(self._memory) for name, shape in shapes.items() if -1 in shape}
        sizes = {
            name: prod(shape) * np.dtype(self._dtypes[name]).itemsize
            for name, shape in shapes.items()
            if name not in self._allocators
        }
        self._device = {name: self._memory.device(size) for name, size in sizes.items()}
        self._host = {name: self._memory.host(size) for name, size in sizes.items()}
        if self._allocators:
            self._use_graphs = False  # a graph cannot hold what is allocated while it runs
        if self._use_graphs:
            del self._contexts[0]  # each graph has its own

    def _result_dtype(self, name: str) -> str:
        return "float32" if self._dtypes[name] == "float16" else self._dtypes[name]

    # Each frame.

    def _set_shapes(self, context: trt.IExecutionContext, slot: int, shapes: dict[str, tuple[int, ...]]) -> None:
        if self._shapes.get(slot) != shapes:
            for name, shape in shapes.items():
                if not context.set_input_shape(name, shape):
                    raise RuntimeError(f"TensorRT refused {shape} for '{name}': {tensorrt_api.recent_errors()}")
            self._shapes[slot] = shapes

    def _infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        batch = len(inputs[self.input_name])
        size = self._graph_size(batch) if self._use_graphs else batch
        slot = size if self._use_graphs else 0
        shapes = {name: (size, *x.shape[1:]) for name, x in inputs.items()}
        context = self._context(slot)
        self._set_shapes(context, slot, shapes)
        for name, x in inputs.items():
            staged = view(self._host[name], shapes[name], self._dtypes[name])
            staged[:batch], staged[batch:] = x, 0
            self._memory.to_device(self._device[name], staged)
        if self._use_graphs:
            self._replay(context, size)
        else:
            self._enqueue(context)
        results = {}
        for name in self._device.keys() & self.output_shapes.keys():
            results[name] = view(self._host[name], tuple(context.get_tensor_shape(name)), self._dtypes[name])
            self._memory.to_host(results[name], self._device[name])
        self._memory.wait()
        for name, allocator in self._allocators.items():
            results[name] = np.empty(allocator.shape, self._dtypes[name])
            self._memory.to_host(results[name], allocator.address)
        self._memory.wait()
        named = {name: result.astype(self._result_dtype(name)) for name, result in results.items()}  # copies
        if size != batch:  # padded for its graph
            named = {name: a[:batch] if self.output_shapes[name][:1] == (-1,) else a for name, a in named.items()}
        return {name: named[name] for name in self.output_shapes}

    def _enqueue(self, context: trt.IExecutionContext) -> None:
        """Launch the network on our stream."""
        for name, address in self._device.items():
            context.set_tensor_address(name, address)
        for name, allocator in self._allocators.items():
            context.set_output_allocator(name, allocator)
        if not context.execute_async_v3(self._memory.stream):
            raise RuntimeError(f"TensorRT could not run {self._name}: {tensorrt_api.recent_errors()}")

    def _graph_size(self, batch: int) -> int:
        """The batch that a graph is recorded for: the next power of two."""
        if self.input_shape[0] != -1:
            return batch
        return min(1 << (batch - 1).bit_length(), self.max_batch)

    def _replay(self, context: trt.IExecutionContext, size: int) -> None:
        if size not in self._graphs:
            self._enqueue(context)  # TensorRT settles what depends on the shape in the first run; that is not recorded
            self._memory.wait()
            self._graphs[size] = self._memory.record(lambda: self._enqueue(context))
        self._memory.launch(self._graphs[size])


def output_allocator(buffers: CudaMemory) -> trt.IOutputAllocator:
    """Where TensorRT asks for the memory of an output whose size it learns while it runs."""
    trt = tensorrt_api.load_tensorrt()

    class Allocator(trt.IOutputAllocator):  # type: ignore[name-defined]
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)
            self.size = 256
            self.address = buffers.device(self.size)
            self.shape: tuple[int, ...] = ()

        def reallocate_output(self, tensor_name: str, memory: int, size: int, alignment: int) -> int:
            if size > self.size:
                self.size = 2 * size  # what was smaller stays until the session is closed
                self.address = buffers.device(self.size)
            return self.address

        def reallocate_output_async(
            self,
            tensor_name: str,
            memory: int,
            size: int,
            alignment: int,
            stream: int,
        ) -> int:
            return self.reallocate_output(tensor_name, memory, size, alignment)

        def notify_shape(self, tensor_name: str, shape: Sequence[int]) -> None:
            self.shape = tuple(shape)

    return Allocator()
