"""Makes the README's moving picture of what the real nodes published: `make demo`, then this.

The left half is the camera's image with the 2D keypoints, the right half the 3D skeletons in the camera frame over the
ground truth in grey.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image as PilImage

from nanohtnet_ros.core.drawing import track_colour
from nanohtnet_ros.core.messages import joints_from_msg, root_from_msg
from nanohtnet_ros.demo.picture import GREY, draw_keypoints, draw_skeleton
from nanohtnet_ros.demo.scoring import Recording
from nanohtnet_ros.samples.clips import packaged_clips
from nanohtnet_ros.samples.image_messages import image_from_msg


def main() -> None:
    """Read a bag of `nanohtnet demo`, draw every other frame, write a GIF."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bag", type=Path, default=Path("demo_output"), help="folder that `make demo` wrote")
    parser.add_argument("--clip", default="rendered_two", help="name of the clip")
    parser.add_argument("--out", type=Path, default=Path("docs/demo.gif"))
    parser.add_argument("--every", type=int, default=2, help="frames from one picture to the next")
    args = parser.parse_args()
    clip = next(clip for clip in packaged_clips() if clip.name == args.clip)
    recording = Recording.read(args.bag, clip.name)
    stamps = sorted(recording.images)
    frames = [frame for frame in range(0, len(stamps), args.every) if stamps[frame] in recording.skeletons]
    truth = clip.truth
    if truth is None or not frames:
        raise SystemExit(f"{args.bag} holds no skeletons of {clip.name}")
    points = truth.joints_cam_m.reshape(-1, 3)[:, [0, 2, 1]] * (1, 1, -1)  # right, away from the camera, up
    low, high = np.nanmin(points, axis=0) - 0.2, np.nanmax(points, axis=0) + 0.2
    figure = plt.figure(figsize=(9, 3.6), dpi=80)
    left = figure.add_axes((0.0, 0.0, 0.53, 1.0))
    right = figure.add_axes((0.53, -0.05, 0.47, 1.1), projection="3d")

    def draw(frame: int) -> list:
        stamp = stamps[frame]
        left.clear()
        left.axis("off")
        image = draw_keypoints(image_from_msg(recording.images[stamp]), recording.skeletons_2d[stamp])
        left.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        right.clear()
        for joints in truth.joints_cam_m[frame]:
            draw_skeleton(right, joints, GREY, linewidth=4, alpha=0.5)
        for skeleton in recording.skeletons[stamp].skeletons:
            if skeleton.root_valid:
                joints = joints_from_msg(skeleton) + root_from_msg(skeleton)
                draw_skeleton(right, joints, 0.8 * track_colour(skeleton.track_id), linewidth=2.5)
        right.set(
            xlim=(low[0], high[0]),
            ylim=(low[1], high[1]),
            zlim=(low[2], high[2]),
            xticklabels=[],
            yticklabels=[],
            zticklabels=[],
        )
        right.set_box_aspect(high - low, zoom=1.15)
        right.view_init(elev=14, azim=-60)
        return []

    rate_hz = 1e9 * (len(stamps) - 1) / (stamps[-1] - stamps[0]) / args.every
    FuncAnimation(figure, draw, frames=frames).save(args.out, writer=PillowWriter(fps=round(rate_hz)))
    shrink(args.out)
    print(f"{args.out}: {len(frames)} pictures, {args.out.stat().st_size / 1e6:.1f} MB")


def shrink(path: Path, colours: int = 128) -> None:
    """Write a GIF anew with one palette of few colours."""
    with PilImage.open(path) as animation:
        pictures = []
        for index in range(animation.n_frames):
            animation.seek(index)
            pictures.append(animation.convert("RGB"))
        duration = animation.info["duration"]
    width, height = pictures[0].size
    sheet = PilImage.new("RGB", (width, height * len(pictures)))
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (0, index * height))
    palette = sheet.quantize(colours)
    small = [picture.quantize(palette=palette, dither=PilImage.Dither.NONE) for picture in pictures]
    small[0].save(path, save_all=True, append_images=small[1:], duration=duration, loop=0, optimize=True)


if __name__ == "__main__":
    main()
