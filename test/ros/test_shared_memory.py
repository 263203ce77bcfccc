import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from nanohtnet_ros.ros.shared_memory import shared_memory_problem


def test_too_little_shared_memory_is_said_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.delenv("RMW_IMPLEMENTATION", raising=False)
    assert shared_memory_problem(tmp_path, processes=0) == ""
    problem = shared_memory_problem(tmp_path, processes=10**9)
    assert f"{tmp_path} has " in problem and "--shm-size=512m" in problem
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert shared_memory_problem(tmp_path, processes=10**9) == ""
