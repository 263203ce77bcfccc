"""One page about a run: key frames, people, confidence, angles, what to distrust."""

from __future__ import annotations

import base64
import html
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from nanohtnet_ros.core.drawing import draw_people, track_colour
from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import joint_frames
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.writers.svg import Line, bars, lines
from nanohtnet_ros.runtime.files import write_atomically

BIN_S = 0.1  # series are means over so long
KEY_FRAMES = 8  # at most twice as many are held
KEY_FRAME_WIDTH_PX = 320
DARK = 45.0  # mean brightness, 0 to 255, below which detectors see little
GAP = 1.8  # frame intervals above which a frame is missing
PEOPLE_SHOWN = 8
ANGLES = {
    "elbows": ("l_elbow", "r_elbow"),
    "shoulders": ("l_p_shoulder", "r_p_shoulder"),
    "hips": ("l_r_hip", "r_r_hip"),
    "knees": ("l_knee", "r_knee"),
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d232b; background: #f6f7f9; margin: 0 auto; max-width: 1080px;
  padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
section, .warnings { background: white; border: 1px solid #dde1e6; border-radius: 8px; padding: .8rem 1rem; }
.warnings { border-left: 4px solid #d9822b; } .fine { border-left: 4px solid #2f9e60; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem; margin: 1rem 0; }
dt { color: #66707c; font-size: .85rem; } dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.frames { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .6rem; }
figure { margin: 0; } figcaption { color: #66707c; font-size: .8rem; }
img { width: 100%; border-radius: 4px; display: block; } svg { width: 100%; height: auto; display: block; }
.angles { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; }
h3 { font-size: .9rem; margin: .6rem 0 0; font-weight: 600; }
"""


@dataclass
class _Binned:
    """Means of values over `BIN_S`, by bins."""

    sums: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    counts: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, time_s: float, value: float) -> None:
        index = int(time_s / BIN_S)
        self.sums[index] += value
        self.counts[index] += 1

    def line(self, colour: str, label: str = "") -> Line:
        """As a line, with a break where there was nothing."""
        times: list[float] = []
        values: list[float] = []
        for index in sorted(self.sums):
            if times and (index + 0.5) * BIN_S - times[-1] > 3 * BIN_S:
                times.append((times[-1] + (index + 0.5) * BIN_S) / 2)
                values.append(float("nan"))
            times.append((index + 0.5) * BIN_S)
            values.append(self.sums[index] / self.counts[index])
        return Line(np.array(times), np.array(values), colour, label)


@dataclass
class _Track:
    """What was seen of one person."""

    spans: list[list[float]] = field(default_factory=list)  # from, to, seconds
    frames: int = 0
    placed: int = 0
    confidence: _Binned = field(default_factory=_Binned)
    angles: dict[str, _Binned] = field(default_factory=lambda: defaultdict(_Binned))

    def seen(self, time_s: float) -> None:
        if self.spans and time_s - self.spans[-1][1] < 3 * BIN_S:
            self.spans[-1][1] = time_s
        else:
            self.spans.append([time_s, time_s])
        self.frames += 1


class ReportWriter:
    """`report.html`, which needs no other file and no network."""

    needs_images = True

    def __init__(self, folder: Path, info: RunInfo) -> None:
        """Begin; the page is written when the run ends."""
        self._path, self._info = folder / "report.html", info
        self._tracks: dict[int, _Track] = defaultdict(_Track)
        self._intervals, self._brightness = _Binned(), _Binned()
        self._key_frames: list[tuple[float, bytes]] = []
        self._key_every = 1
        self._last: FrameResult | None = None
        self._frames = self._missing = self._skipped = self._dark = 0
        self._interval_s = 1.0 / info.frame_rate_hz
        self._calibrated = True

    def write(self, result: FrameResult) -> None:
        assert result.image_bgr is not None
        time_s = result.time_s
        if self._last is not None:
            step_s = time_s - self._last.time_s
            self._intervals.add(time_s, 1.0 / step_s if step_s > 0 else float("nan"))
            self._skipped += result.index - self._last.index - 1
            self._missing += max(0, round(step_s / self._interval_s) - 1) if step_s > GAP * self._interval_s else 0
        brightness = float(result.image_bgr[::8, ::8].mean())
        self._brightness.add(time_s, brightness)
        self._dark += brightness < DARK
        self._calibrated &= result.camera.calibrated
        for person in result.people:
            track = self._tracks[person.track_id]
            track.seen(time_s)
            track.placed += person.root_m is not None
            track.confidence.add(time_s, float(person.confidence.mean()))
            for name, angle in joint_angles(joint_frames(person.joints_rel_m)).items():
                track.angles[name].add(time_s, float(np.degrees(angle)))
        if self._frames % self._key_every == 0:
            self._keep(result, result.image_bgr)
        self._frames += 1
        self._last = result

    def _keep(self, result: FrameResult, image_bgr: np.ndarray) -> None:
        """Hold a key frame; where there are many, every other one goes and fewer come."""
        people = [(p.track_id, p.keypoints.xy_px, p.keypoints.confidence) for p in result.tracked]
        drawn = draw_people(image_bgr, people, [str(p.track_id) for p in result.tracked])
        size = KEY_FRAME_WIDTH_PX, round(KEY_FRAME_WIDTH_PX * drawn.shape[0] / drawn.shape[1])
        small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        self._key_frames.append(
            (result.time_s, cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes())
        )
        if len(self._key_frames) > 2 * KEY_FRAMES:
            self._key_frames = self._key_frames[::2]
            self._key_every *= 2

    def close(self) -> None:
        if self._frames:
            write_atomically(self._path, self._page().encode())

    def _warnings(self) -> list[str]:
        """What makes the results doubtful."""
        assert self._last is not None
        end_s = self._last.time_s
        found = []
        if not self._calibrated:
            found.append("No calibration: a field of view is assumed, so poses may lean and distances be off.")
        if self._skipped:
            found.append(f"{self._skipped} frames could not be processed.")
        if self._missing:
            found.append(f"{self._missing} frames are missing between those that came, by their times.")
        if self._dark > 0.1 * self._frames:
            found.append(f"Low light: {self._dark / self._frames:.0%} of the frames are dark.")
        if not self._tracks:
            found.append("Nobody was found.")
        for track_id, track in sorted(self._tracks.items()):
            name = f"Person {track_id}"
            if len(track.spans) > 1:
                found.append(f"{name} was lost and found again, times: {len(track.spans) - 1}.")
            if end_s - track.spans[-1][1] > 1.0:
                found.append(f"{name} is not seen after {track.spans[-1][1]:.1f} s.")
            if track.placed < 0.9 * track.frames:
                found.append(
                    f"Where {name.lower()} stands is known in {track.placed / track.frames:.0%} of their frames."
                )
        return found

    def _page(self) -> str:
        assert self._last is not None
        end_s = max(self._last.time_s, BIN_S)
        warnings, title = self._warnings(), html.escape(self._info.title)
        seen = sum(track.frames for track in self._tracks.values())
        rate_hz = (self._frames - 1) / self._last.time_s if self._last.time_s > 0 else self._info.frame_rate_hz
        facts = {
            "frames": f"{self._frames}",
            "length": f"{self._last.time_s:.1f} s",
            "frame rate": f"{rate_hz:.1f} Hz",
            "missing or skipped": f"{self._missing + self._skipped}",
            "people": f"{len(self._tracks)}",
            "skeletons a frame": f"{seen / self._frames:.2f}",
            "network": html.escape(self._info.network.name),
        }
        shown = sorted(self._tracks, key=lambda i: -self._tracks[i].frames)[:PEOPLE_SHOWN]
        colours = {i: _css(track_colour(i) * 0.8) for i in self._tracks}
        spans = {f"{i}": (self._tracks[i].spans, colours[i]) for i in sorted(shown)}
        confidence = [self._tracks[i].confidence.line(colours[i], f"{i}") for i in sorted(shown)]
        parts = [
            f"<h1>{title}</h1>",
            "<dl>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()) + "</dl>",
            _warning_box(warnings),
            "<h2>Key frames</h2><section><div class=frames>"
            + "".join(map(_figure, self._chosen()))
            + "</div></section>",
            "<h2>Who is seen when</h2><section>" + bars(spans, end_s) + "</section>",
            "<h2>Mean confidence of the joints</h2><section>" + lines(confidence, end_s, (0, 1)) + "</section>",
        ]
        for i in sorted(shown):
            charts = []
            for name, (left, right) in ANGLES.items():
                known = self._tracks[i].angles
                sides = [known[j].line(c, s) for j, c, s in ((left, "#2f86e0", "left"), (right, "#e8771a", "right"))]
                charts.append(f"<div><h3>{name}</h3>{lines(sides, end_s, width=520)}</div>")
            body = "".join(charts)
            parts.append(
                f"<h2>Joint angles of person {i}, degrees</h2><section><div class=angles>{body}</div></section>"
            )
        if len(self._tracks) > len(shown):
            parts.append(f"<p>{len(self._tracks) - len(shown)} more people are not shown: those seen longest are.</p>")
        rates = [self._intervals.line("#556", "")]
        parts.append(
            "<h2>Frames a second, by their times</h2><section>" + lines(rates, end_s, (0, None)) + "</section>"
        )
        light = [self._brightness.line("#b58900", "")]
        parts.append("<h2>Mean brightness, 0 to 255</h2><section>" + lines(light, end_s, (0, 255)) + "</section>")
        return (
            f'<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
            f"<title>{title}</title><style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
        )

    def _chosen(self) -> list[tuple[float, bytes]]:
        """Key frames spread over the run."""
        count = min(KEY_FRAMES, len(self._key_frames))
        return [self._key_frames[i] for i in np.linspace(0, len(self._key_frames) - 1, count).round().astype(int)]


def _warning_box(warnings: list[str]) -> str:
    if not warnings:
        return "<div class='warnings fine'>Nothing to warn of.</div>"
    return "<div class=warnings>" + "<br>".join(html.escape(sentence) for sentence in warnings) + "</div>"


def _figure(key_frame: tuple[float, bytes]) -> str:
    time_s, jpeg = key_frame
    data = base64.b64encode(jpeg).decode()
    return f'<figure><img src="data:image/jpeg;base64,{data}" alt=""><figcaption>{time_s:.2f} s</figcaption></figure>'


def _css(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02x}" for value in rgb)
