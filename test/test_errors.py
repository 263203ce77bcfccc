from nanohtnet_ros.errors import command


def test_a_command_is_named_as_it_works_here(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}/other:{tmp_path}")
    assert command("models list").endswith(" -m nanohtnet_ros.cli models list")
    script = tmp_path / "lib" / "nanohtnet_ros" / "nanohtnet"
    script.parent.mkdir(parents=True)
    script.touch(mode=0o755)
    assert command("models list") == "ros2 run nanohtnet_ros nanohtnet models list"
    monkeypatch.setenv("PATH", str(script.parent))
    assert command("models list") == "nanohtnet models list"
