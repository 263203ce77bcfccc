import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.runtime.output_folder import MARKER, OutputFolder, writing

FILES = ["report.json", "logs/*.log", "part/*/bag"]


def write(folder: OutputFolder) -> None:
    for name in ("report.json", "logs/node.log", "part/one/bag"):
        file = folder.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("ours")


def everything(path) -> set[str]:
    return {str(p.relative_to(path)) for p in path.rglob("*")}


def test_only_what_we_wrote_is_removed(tmp_path):
    out = tmp_path / "out"
    folder = OutputFolder(out, FILES)
    write(folder)
    folder.close()
    (out / "thesis.tex").write_text("years of work")
    (out / "logs" / "notes.txt").write_text("of the user")
    (out / "logs" / "deep").mkdir()
    (out / "logs" / "deep" / "his.log").write_text("of the user")
    folder = OutputFolder(out, ["other.json"])  # what another run wrote is known from the marker
    folder.clear()
    assert everything(out) == {MARKER, "thesis.tex", "logs", "logs/notes.txt", "logs/deep", "logs/deep/his.log"}
    folder.close()


@pytest.mark.parametrize("name", ["logs/node.log", "report.json", "paper.pdf"])
def test_a_folder_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("of the user")
    before = everything(tmp_path)
    with pytest.raises(UserError, match="not a former run's"):
        OutputFolder(tmp_path, FILES)
    assert everything(tmp_path) == before


def test_a_users_file_by_one_of_our_names_is_refused(tmp_path):
    OutputFolder(tmp_path, ["report.json"]).close()
    (tmp_path / "table.csv").write_text("of the user")
    with pytest.raises(UserError, match=r"table\.csv is not a former run's"):
        OutputFolder(tmp_path, ["report.json", "table.csv"])
    OutputFolder(tmp_path, ["report.json"]).close()


def test_links_are_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "his.log").write_text("of the user")
    out = tmp_path / "out"
    OutputFolder(out, FILES).close()
    (out / "logs").symlink_to(elsewhere)
    folder = OutputFolder(out, FILES)
    folder.clear()
    assert (elsewhere / "his.log").is_file()
    folder.close()


def test_an_input_inside_of_it_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "walk.mp4").touch()
    with pytest.raises(UserError, match=r"walk\.mp4 lies inside of the output folder"):
        OutputFolder(tmp_path / ".", FILES, [tmp_path / "sub" / ".." / "walk.mp4"])
    assert everything(tmp_path) == {"walk.mp4"}
    OutputFolder(tmp_path / "out", FILES, [tmp_path / "walk.mp4"]).close()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="is no folder"):
        OutputFolder(tmp_path / "out", FILES)


def test_two_runs_do_not_share_a_folder(tmp_path):
    holder = (
        "import sys, time; from pathlib import Path; from nanohtnet_ros.runtime.output_folder import OutputFolder;"
        "folder = OutputFolder(Path(sys.argv[1]), ['report.json']); print('has it', flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert first.stdout.readline() == b"has it\n"
        with pytest.raises(UserError, match=f"written by another run, process {first.pid} since .*: wait"):
            OutputFolder(tmp_path / "out", ["report.json"])
    finally:
        first.kill()  # which frees the folder
        first.wait()
    OutputFolder(tmp_path / "out", ["report.json"]).close()


def test_a_full_disk_is_said_with_the_files_name(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(OSError, match=rf"cannot write {tmp_path}/bag: {os.strerror(errno.ENOSPC)}: make room"),
        writing(tmp_path / "bag"),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x")
        file.flush()
