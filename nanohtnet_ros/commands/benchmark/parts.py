"""Times of what surrounds the networks, by the number of people and the size of images, and of whole frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from nanohtnet_ros.commands.benchmark.networks import windows
from nanohtnet_ros.commands.benchmark.scene import FRAME_NS, camera_of, clips, crowd, images, to_and_fro
from nanohtnet_ros.commands.benchmark.timings import Bench
from nanohtnet_ros.core.placement import place_root
from nanohtnet_ros.core.pose_estimation import Lifter
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.sides import SideKeeper
from nanohtnet_ros.core.smoothing import TrackSmoother
from nanohtnet_ros.core.tracker import Tracker
from nanohtnet_ros.core.window import WindowBuffer
from nanohtnet_ros.detectors.blazepose_networks import BlazePoseNetworks
from nanohtnet_ros.detectors.open import open_detector
from nanohtnet_ros.detectors.search import whole
from nanohtnet_ros.estimator import PoseEstimator
from nanohtnet_ros.runtime.model_store import BLAZEPOSE, find_blazepose
from nanohtnet_ros.runtime.session import open_session

PEOPLE = (1, 2, 5, 10, 20)
WINDOW_LENGTHS = (27, 81, 243)
SIZES = ((320, 240), (640, 480), (1280, 720), (1920, 1080))
THREADS = (1, 2)


def feed(step: Callable[..., object], frames: list) -> Callable[[], object]:
    """A function that hands the next frame and its stamp to another at each call."""
    coming: Iterator[tuple] = to_and_fro(frames)
    return lambda: step(*next(coming))


def bench_lifting(bench: Bench, model: str) -> None:
    """Time what comes after the detector."""
    for people in PEOPLE:
        bench_people(bench, model, people)
    for length in WINDOW_LENGTHS:
        bench_window(bench, length)


def bench_people(bench: Bench, model: str, people: int) -> None:
    """Time tracking and lifting of a number of people, whole and by part."""
    crowded, camera = crowd(people)
    tracked = [[TrackedKeypoints(i + 1, 1.0, k) for i, k in enumerate(seen)] for seen in crowded]
    lifter = Lifter.open(model)
    card = lifter.network.card
    found: list[Person] = []
    ready = windows(card.window_length, card.frame_rate_hz, people)
    keepers, smoothers = [SideKeeper() for _ in range(people)], [TrackSmoother() for _ in range(people)]

    def lift(seen: list[TrackedKeypoints], stamp_ns: int) -> None:
        found[:] = lifter.step(seen, stamp_ns, camera)

    def keep_sides(seen: list[Keypoints], stamp_ns: int) -> None:
        SideKeeper.together(keepers, np.array([keypoints.xy_px for keypoints in seen]), stamp_ns)

    def smooth(seen: list[Person], stamp_ns: int) -> None:
        for smoother, person in zip(smoothers, seen, strict=True):
            smoother.joints(person.joints_rel_m, person.confidence, stamp_ns)
            smoother.root(person.root_m, stamp_ns)

    def place() -> None:
        for person in found:
            place_root(person.joints_rel_m, camera.rays(person.keypoints_px), person.confidence)

    bench.time(f"tracker, {people} people", feed(Tracker().update, crowded))
    bench.time(f"lifting with its network, {people} people", feed(lift, tracked))
    bench.time(f"its network, {people} people", partial(lifter.network.lift, ready))
    bench.time(f"sides, {people} people", feed(keep_sides, crowded))
    bench.time(f"smoothing, {people} people", feed(smooth, [found, found]))
    bench.time(f"placement, {people} people", place)
    bench_messages(bench, found)


def bench_window(bench: Bench, length: int) -> None:
    """Time one person's window of a length at 50 Hz, filled at 30 Hz."""
    crowded, camera = crowd(1)
    rays = [(camera.rays(seen[0].xy_px), seen[0].confidence) for seen in crowded]
    buffer = WindowBuffer(length, 50.0)

    def step(frame: tuple[np.ndarray, np.ndarray], stamp_ns: int) -> None:
        buffer.push(stamp_ns, *frame)
        buffer.window()

    for i in range(200):
        buffer.push((i - 200) * FRAME_NS, *rays[i % 100])
    bench.time(f"window of {length} frames", feed(step, rays))


def bench_messages(bench: Bench, people: list[Person]) -> None:
    """Time the messages of 3D and 2D skeletons."""
    try:
        from std_msgs.msg import Header

        from nanohtnet_ros.ros.messages import MESSAGES
    except ImportError as error:
        bench.skip("messages", error)
        return
    header = Header()
    bench.time(
        f"messages, {len(people)} people",
        lambda: (MESSAGES.skeletons(people, header), MESSAGES.skeletons_2d(people, header, 640, 480)),
    )


def bench_detector(bench: Bench, detector: str) -> None:
    """Time the detector on the packaged clips, and BlazePose by part."""
    for people, clip in clips().items():
        for threads in THREADS:
            whole_detector = open_detector(detector, threads=threads)
            name = f"detector {detector}, {people} people, {threads} threads"
            bench.time(name, feed(whole_detector.detect, images(clip)))
    if detector in BLAZEPOSE:
        bench_blazepose(bench, detector)


def bench_blazepose(bench: Bench, detector: str) -> None:
    """Time BlazePose by part."""
    image = images(clips()[1])[50]
    tile = whole(*image.shape[1::-1])
    for threads in THREADS:
        networks = BlazePoseNetworks(*(open_session(path, "cpu", threads) for path in find_blazepose(detector)))
        view = tile.view(image, networks.detector_size)
        (region, *_) = networks.regions(view, tile, 0.5)
        bench.time(f"person detection, {threads} threads", partial(networks.regions, view, tile, 0.5))
        for people in (1, 2, 4):
            name = f"landmarks of {people} people, {threads} threads"
            bench.time(name, partial(networks.landmarks, image, [region] * people, 0.5))
    bench.time("tile of the image", partial(tile.view, image, 224))
    bench.time("crop of a person", partial(region.crop, image, 256))


def bench_step(bench: Bench, model: str, detector: str) -> None:
    """Time whole frames, from image to skeletons."""
    for people, clip in clips().items():
        for size in SIZES if people == 1 else SIZES[1:2]:
            frames = images(clip, size)
            for threads in THREADS:
                with PoseEstimator(model=model, detector=detector, threads=threads) as estimator:
                    step = partial(estimator.step, camera=camera_of(*size))
                    bench.time(f"step, {people} people, {size[0]}x{size[1]}, {threads} threads", feed(step, frames))
