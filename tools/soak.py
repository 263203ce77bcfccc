"""Lets pose_node and marker_node run for long and watches them: `python tools/soak.py --minutes 30 --out soak.json`.

People come and go before a camera that loses frames, stalls, changes its size, sends rubbish, and whose clock jumps.
Memory and latency must stay flat, ids and markers right, the nodes alive. Prints a line for each minute, then a
verdict; exit code 1 where a limit is passed. Ctrl-C ends early, with a verdict on what there is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from soak_camera import SoakCamera, load_rooms, shots
from soak_report import HEADING, Limits, Run, verdict
from soak_watch import Listener, process_figures

from nanohtnet_ros.demo.processes import end, isolate, log_end, start

NAMESPACE = "soak"
NODES = {"pose_node": (), "marker_node": ("-r", "skeletons:=pose_node/skeletons")}
MAX_MISSED_S = 1.0
START_S = 60.0
QUIET_S = 2.5  # the diagnostics, once a second, are up to date by then


def main() -> None:
    args = arguments()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory(prefix="soak_") as logs:
        isolate(Path(logs))
        run = soak(args, Path(logs), stopped)
    if not run.samples:
        sys.exit("a node ended before anything was measured")
    checks = verdict(run, args.limits)
    passed = all(check.passed for check in checks)
    print()
    for check in checks:
        print(check)
    print("PASSED" if passed else "FAILED")
    if args.out:
        args.out.write_text(json.dumps(run.summary(checks), indent=1) + "\n")
    sys.exit(not passed)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--images", type=float, default=float("inf"), help="end after so many, if that is earlier")
    parser.add_argument("--rate", type=float, default=30.0, help="images a second (default: 30)")
    parser.add_argument("--fault-every", type=float, default=15.0, help="seconds between faults (default: 15)")
    parser.add_argument("--sample-every", type=float, default=5.0, help="seconds between looks at /proc (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="of people and faults (default: 0)")
    parser.add_argument("--out", type=Path, help="JSON file for the verdict and all samples")
    for name, default, unit in Limits.options():
        parser.add_argument(
            f"--max-{name.replace('_', '-')}", type=float, default=default, help=f"limit, {unit} (default: {default:g})"
        )
    parser.add_argument("ros_args", nargs="*", help="more ROS arguments of pose_node, as in: -- -p publish_tf:=true")
    args = parser.parse_args()
    args.limits = Limits(**{name: getattr(args, f"max_{name}") for name, _, _ in Limits.options()})
    return args


def soak(args: argparse.Namespace, logs: Path, stopped: threading.Event) -> Run:
    """Run camera, nodes and watch to the end of the time."""
    rooms = load_rooms()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("watch", namespace=NAMESPACE)
    camera = SoakCamera(node, shots(rooms, args.rate, args.fault_every, args.seed), rooms[0][0], args.rate)
    listener = Listener(node, camera, MAX_MISSED_S)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    spinning = threading.Thread(target=spin, daemon=True)
    spinning.start()
    extra = {"pose_node": ("-p", f"max_missed_s:={MAX_MISSED_S}", *args.ros_args)}
    processes = {
        name: start(name, NAMESPACE, logs / f"{name}.log", *remaps, *extra.get(name, ()))
        for name, remaps in NODES.items()
    }
    run = Run(args.minutes * 60.0, camera, listener)
    try:
        wait_for_nodes(node, camera, processes, logs, stopped)
        listener.restart_clock()
        camera.start()
        watch(run, processes, logs, args, stopped)
        listener.close_gaps()
        camera.stop()
        wait_for_quiet(listener)
        for name in run.dead:
            print(f"{name} ended with {processes[name].returncode}:\n{log_end(logs / f'{name}.log')}")
    finally:
        run.disobedient = end(processes, patience_s=10.0)
        executor.shutdown()
        spinning.join(timeout=5.0)
        node.destroy_node()
        rclpy.shutdown()
    return run


def wait_for_nodes(node, camera: SoakCamera, processes: dict, logs: Path, stopped: threading.Event) -> None:
    """Wait until everybody hears everybody.

    Raises:
        SystemExit: a node ended, or a minute has passed, or Ctrl-C.
    """
    give_up_s = time.monotonic() + START_S
    topics = [f"/{NAMESPACE}/{topic}" for topic in ("pose_node/skeletons", "marker_node/markers")]
    while not (camera.subscribed() and all(node.count_publishers(topic) for topic in topics)):
        dead = [name for name, process in processes.items() if process.poll() is not None]
        if dead or stopped.is_set() or time.monotonic() > give_up_s:
            ends = "\n".join(f"{name}:\n{log_end(logs / f'{name}.log')}" for name in processes)
            raise SystemExit(f"the nodes did not start ({', '.join(dead) or 'all alive'}):\n{ends}")
        time.sleep(0.1)
    time.sleep(1.0)  # for connections in the other direction


def watch(run: Run, processes: dict, logs: Path, args: argparse.Namespace, stopped: threading.Event) -> None:
    """Sample until the time is over or all images were sent, a node has died or Ctrl-C."""
    started_s = time.monotonic()
    for i in itertools.count():
        figures = {name: process_figures(process.pid) for name, process in processes.items()}
        run.dead = [name for name, process in processes.items() if process.poll() is not None]
        if run.dead:
            return
        if not all(figures.values()):  # one is about to die, and has no memory any more
            time.sleep(0.1)
            continue
        run.add(figures, sum(log.stat().st_size for log in logs.rglob("*")))
        if len(run.samples) == 1:
            print(HEADING, flush=True)
        for line in run.new_minutes():
            print(line, flush=True)
        over = i * args.sample_every >= run.planned_s or run.camera.count >= args.images
        next_s = started_s + min((i + 1) * args.sample_every, run.planned_s)
        if over or stopped.wait(max(0.0, next_s - time.monotonic())):
            return


def wait_for_quiet(listener: Listener) -> None:
    """Wait for the last messages."""
    heard = None
    while heard != (heard := listener.counts["skeletons"] + listener.counts["markers"]):
        time.sleep(QUIET_S)


if __name__ == "__main__":
    main()
