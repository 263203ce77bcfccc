import itertools
import json

import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.commands.benchmark.scene import clips, crowd, images, to_and_fro
from nanohtnet_ros.commands.benchmark.timings import BASELINE, Bench, Timing, compared
from nanohtnet_ros.errors import UserError


def test_people_side_by_side_lie_in_the_image():
    crowded, camera = crowd(20, frames=3)
    assert [len(seen) for seen in crowded] == [20] * 3
    for keypoints in crowded[0]:
        assert ((keypoints.xy_px > 0) & (keypoints.xy_px < (camera.width, camera.height))).all()


def test_images_keep_their_proportions():
    (image,) = {image.shape for image in images(clips()[1], (1280, 720))}
    assert image == (720, 1280, 3)


def test_frames_come_to_and_fro_with_rising_stamps():
    coming = to_and_fro(["a", "b", "c"])
    seen = [next(coming) for _ in range(9)]
    assert "".join(frame for frame, _ in seen) == "cbabcbabc"
    assert all(after > before for (_, before), (_, after) in itertools.pairwise(seen))


def test_a_ratio_is_that_of_the_work(capsys):
    """On a clock that counts work: the baseline advances it by its runs, the measured function by ten of them."""
    bench = Bench(seconds=0.0)
    now = [0.0]
    bench._session.run_named = lambda x: now.__setitem__(0, now[0] + 1.0)
    bench.time("ten", lambda: now.__setitem__(0, now[0] + 10.0), clock=lambda: now[0])
    assert bench.timings["ten"].ratio == pytest.approx(10.0)
    assert "| ten |" in capsys.readouterr().out


def test_only_what_changed_clearly_is_told(tmp_path):
    old = tmp_path / "old.json"
    timing = {"median_ms": 1.0, "p99_ms": 1.0, "more": {}}
    ratios = {"same": 1.0, "slow": 1.0, "fast": 1.0, "gone": 1.0, "node": None}
    timings = {name: {**timing, "ratio": ratio} for name, ratio in ratios.items()}
    old.write_text(json.dumps({"baseline": BASELINE, "timings": timings}))
    new = {
        name: Timing(1.0, 1.0, ratio) for name, ratio in (("same", 1.1), ("slow", 2.0), ("fast", 0.5), ("node", None))
    }
    lines = compared(old, new)
    assert lines == [
        "slower than in old.json: 1 of 3",
        "slow: 2.00 times as long",
        "faster: 1",
        "fast: 0.50 times as long",
    ]
    old.write_text("{}")
    with pytest.raises(UserError, match=r"old.json is no result of this version's 'nanohtnet bench --json'"):
        compared(old, new)


def test_unknown_parts_are_refused(capsys):
    assert main(["bench", "--parts=lifting,brain"]) == 1
    assert "parts has brain, expected of networks, lifting" in capsys.readouterr().err


@pytest.mark.slow
def test_lifting_is_measured_written_drawn_and_compared_with_itself(tmp_path, capsys, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    monkeypatch.setattr("nanohtnet_ros.commands.benchmark.parts.PEOPLE", (1, 2))
    results, picture = tmp_path / "new.json", tmp_path / "new.png"
    assert main(["bench", "--parts=lifting", "--seconds=0", f"--json={results}", f"--figure={picture}"]) == 0
    written = json.loads(results.read_text())
    assert {"tracker, 2 people", "lifting with its network, 1 people", "window of 243 frames"} <= set(
        written["timings"]
    )
    assert all(timing["ratio"] > 0 for timing in written["timings"].values())
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = compared(results, {name: Timing(**timing) for name, timing in written["timings"].items()})
    assert lines[0].startswith("slower than in new.json: 0 of ")
