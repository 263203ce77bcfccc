"""What the nodes say of the runtime, and what they do without a GPU that is required."""

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import onnxruntime
import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState

from nanohtnet_ros.ros.lifter_node import LifterNode


@pytest.mark.parametrize("name", ["lifter_node", "pose_node"])
def test_require_gpu_keeps_a_node_unconfigured_and_says_why(processes, peer, wait_for, name):
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    says = peer.diagnostics()
    node = processes.node(name, require_gpu=True)
    wait_for(lambda: "require_gpu is set, but no GPU runtime" in says(name), "the diagnostic")
    for reason in ("TensorRT: ", "ONNX Runtime on CUDA: ", "built without CUDAExecutionProvider"):
        assert reason in says(name) and reason in processes.log_of(node)
    assert "Traceback" not in processes.log_of(node)
    state = peer.call(f"/{name}/get_state", GetState, GetState.Request())
    assert state.current_state.id == State.PRIMARY_STATE_UNCONFIGURED


def test_without_it_the_cpu_serves_and_log_and_diagnostics_say_so(processes, peer, wait_for):
    says = peer.diagnostics()
    node = processes.node("lifter_node")
    wait_for(lambda: f"ONNX Runtime {onnxruntime.__version__}, CPU" in says("lifter_node"), "the diagnostic")
    log = processes.log_of(node)
    assert "is not run by TensorRT: " in log and f"ONNX Runtime {onnxruntime.__version__}, CPU" in log


def test_tensorrt_is_named_and_freed_at_cleanup(peer, fake_trt, monkeypatch):
    fake_trt()
    from nanohtnet_ros.runtime.tensorrt_session import TensorRTSession

    closed = []
    close = TensorRTSession.close
    monkeypatch.setattr(TensorRTSession, "close", lambda self: (closed.append(self), close(self)))
    node = LifterNode()
    try:
        assert "nano_81_streaming by TensorRT 10.3.0 fp32, Fake Orin" in node.diagnostics._conditions["models"][1]
        node.trigger_deactivate()
        assert not closed
        node.trigger_cleanup()
        assert len(closed) == 1 and closed[0].closed
        node.trigger_configure()
        assert "TensorRT" in node.diagnostics._conditions["models"][1]
    finally:
        node.destroy_node()
    assert len(closed) == 2 and rclpy.ok()
