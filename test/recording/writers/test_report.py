import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which writes the bags, is not installed")

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.writers.report import KEY_FRAMES, ReportWriter
from nanohtnet_ros.recording.writers.svg import Line, lines, ticks

from factories import STANDING_M

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
RATE_HZ = 25.0


def result(i: int, *track_ids: int, time_s: float | None = None, **changes) -> FrameResult:
    joints = STANDING_M + np.array((0, 0, 4.0))
    keypoints = Keypoints(CAMERA.project(joints).astype(np.float32), np.full(17, 0.8, np.float32))
    people = [Person(t, 0.0, keypoints, STANDING_M, keypoints.confidence, np.array((0, 0, 4.0))) for t in track_ids]
    tracked = [TrackedKeypoints(t, 0.0, keypoints) for t in track_ids]
    image = np.full((480, 640, 3), 120, np.uint8)
    time_s = i / RATE_HZ if time_s is None else time_s
    whole = FrameResult(i, time_s, round(1e9 * (10 + time_s)), 0, CAMERA, None, people, tracked, image)
    return replace(whole, **changes)


def unplaced(i: int) -> FrameResult:
    return result(i, people=[replace(result(i, 1).people[0], root_m=None)])


@pytest.fixture(scope="module")
def network():
    return WindowLifter.open("nano_s_81_streaming")


@pytest.fixture
def page(tmp_path, network):
    def write(*results: FrameResult, title: str = "a clip") -> str:
        writer = ReportWriter(tmp_path, RunInfo(title, "optical", RATE_HZ, network))
        for one in results:
            writer.write(one)
        writer.close()
        return Path(tmp_path / "report.html").read_text()

    return write


def warnings(text: str) -> str:
    return re.search(r"<div class='?warnings.*?</div>", text, re.S)[0]


def test_a_run_without_trouble_has_no_warning(page):
    text = page(*(result(i, 1) for i in range(50)))
    assert "Nothing to warn of" in warnings(text)
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert (facts["frames"], facts["people"], facts["frame rate"]) == ("50", "1", "25.0 Hz")
    assert facts["missing or skipped"] == "0" and facts["network"] == "nano_s_81_streaming"


@pytest.mark.parametrize(
    ("results", "sentence"),
    [
        ([result(i, camera=Camera.from_field_of_view(640, 480, 60)) for i in range(5)], "No calibration"),
        ([result(i, 1, image_bgr=np.full((480, 640, 3), 20, np.uint8)) for i in range(5)], "Low light: 100%"),
        ([result(i, 1) for i in (0, 1, 4, 5)], "2 frames could not be processed"),
        ([result(i, 1, time_s=(i + 3 * (i > 2)) / RATE_HZ) for i in range(6)], "3 frames are missing"),
        ([result(i) for i in range(5)], "Nobody was found"),
        ([result(i, 1, *[2] * (i < 20)) for i in range(60)], "Person 2 is not seen after 0.8 s"),
        ([result(i, *[1] * (not 20 <= i < 40)) for i in range(60)], "Person 1 was lost and found again, times: 1"),
        ([unplaced(i) for i in range(5)], "known in 0%"),
    ],
)
def test_what_makes_results_doubtful_is_said(page, results, sentence):
    assert sentence in warnings(page(*results))


class Tags(HTMLParser):
    """Counts tags, and fails on one that is closed twice or left open."""

    VOID = ("meta", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self._open: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self._open.pop() == tag


def test_the_page_stands_alone_and_is_whole(page):
    text = page(*(result(i, 1, 2) for i in range(100)), title="<b>a & b</b>")
    tags = Tags(text)
    assert all(link.startswith("data:image/jpeg;base64,") for link in tags.links)
    assert "script" not in tags.counts and "b" not in tags.counts and "&lt;b&gt;a &amp; b" in text
    assert 4 <= tags.counts["img"] <= KEY_FRAMES and tags.counts["svg"] == 4 + 2 * 4
    assert "nan" not in "".join(re.findall(r'd="(.*?)"', text))


def test_a_long_run_holds_few_key_frames(page):
    text = page(*(result(i, image_bgr=np.full((48, 64, 3), 120, np.uint8)) for i in range(400)))
    times = [float(t) for t in re.findall(r"<figcaption>(.*?) s<", text)]
    assert len(times) <= KEY_FRAMES and times[0] == 0 and times[-1] > 12 and sorted(times) == times
    assert len(text) < 200_000


def test_a_run_without_frames_has_no_page(tmp_path, network):
    ReportWriter(tmp_path, RunInfo("nothing", "optical", RATE_HZ, network)).close()
    assert list(tmp_path.iterdir()) == []


def test_lines_break_where_nothing_is_known():
    times = np.arange(6.0)
    drawn = lines([Line(times, np.array([1, 2, np.nan, np.nan, 3, 4.0]), "red")], 6.0)
    (path,) = re.findall(r'd="(.*?)"', drawn)
    assert path.count("M") == 2 and path.count("L") == 2


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-37, 142), (0, 0.003), (0, 36_000)])
def test_ticks_are_round_and_inside(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 7 and low <= found[0] and found[-1] <= high
