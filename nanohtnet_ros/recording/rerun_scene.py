"""People, their image and their figures in Rerun, for a recording or a viewer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.drawing import side_colour, track_colour
from nanohtnet_ros.core.ground import Ground, level_from_camera
from nanohtnet_ros.core.joint_angles import joint_angles
from nanohtnet_ros.core.joint_frames import joint_frames
from nanohtnet_ros.core.poses import Person, TrackedKeypoints
from nanohtnet_ros.core.postures import sole_height
from nanohtnet_ros.core.skeleton import H36M_17

TIMELINE = "image"
CAMERA, IMAGE, PEOPLE = "world/camera", "world/camera/image", "world/people"
EPOCH_NS = 10**17  # stamps from 1973 on are dates, those before are since the source's beginning
JPEG_QUALITY = 80
PLANE_M = 1.0  # distance of the image in the camera's frustum
EYE_HEIGHT_M = 1.2  # of the camera above the floor, until somebody's feet say better
MOVES_M = 0.05  # the floor moves in steps of at least so much
HEIGHTS = 300  # feet that the floor is the median of
TRAIL = 100  # points at most
GREY = 0.4
SHOWN_ANGLES = ("l_elbow", "r_elbow", "l_p_shoulder", "r_p_shoulder", "l_knee", "r_knee", "l_r_hip", "r_r_hip")
WORLD_FROM_LEVEL = np.array(((0, 0, 1), (-1, 0, 0), (0, -1, 0)), np.float64)
IMAGE_UPRIGHT = np.array((0.0, 1.0, 0.0))


def faded(rgb: Sequence[float] | np.ndarray, confidence: float) -> np.ndarray:
    """(3,) a colour that is grey at no confidence: Rerun draws neither points nor lines translucent."""
    return confidence * np.asarray(rgb) + (1.0 - confidence) * GREY


def blueprint() -> rrb.Blueprint:
    """Image and plots on the left, the scene on the right."""
    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Vertical(
                rrb.Spatial2DView(origin=IMAGE, name="image"),
                rrb.TimeSeriesView(
                    origin="angles", name="joint angles, degrees", plot_legend=rrb.PlotLegend(visible=False)
                ),
                rrb.Tabs(
                    rrb.TimeSeriesView(origin="confidence", name="confidence"),
                    rrb.TimeSeriesView(origin="figures", name="rates and latencies"),
                ),
                row_shares=[3, 2, 2],
            ),
            rrb.Spatial3DView(
                origin="world",
                name="people",
                background=rrb.Background(color=(30, 32, 36)),
                line_grid=rrb.archetypes.LineGrid3D(visible=True, spacing=1.0),
                eye_controls=rrb.archetypes.EyeControls3D(position=(-2.5, 2.5, 3.0), look_target=(3.0, 0.0, 0.8)),
            ),
            column_shares=[2, 3],
        ),
        rrb.BlueprintPanel(state="hidden"),
        rrb.SelectionPanel(state="hidden"),
        rrb.TimePanel(state="collapsed", timeline=TIMELINE),
        auto_views=False,
    )


class Scene:
    """Logs into a stream of Rerun what is seen, each at its own time; z is up, the floor at z = 0."""

    def __init__(self, stream: rr.RecordingStream) -> None:
        """Begin with the layout; the stream is the caller's to save, serve and end."""
        self._stream = stream
        self._shown: set[int] = set()
        self._trails: dict[int, deque[np.ndarray]] = {}
        self._heights_m: deque[float] = deque(maxlen=HEIGHTS)
        self._floor_m = EYE_HEIGHT_M
        stream.send_blueprint(blueprint())
        stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)

    def at(self, stamp_ns: int) -> None:
        """What is shown next is of this moment."""
        if stamp_ns >= EPOCH_NS:
            self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        else:
            self._stream.set_time(TIMELINE, duration=np.timedelta64(stamp_ns, "ns"))

    def show_image(self, image_bgr: np.ndarray) -> None:
        """The camera's image, (H, W, 3) uint8."""
        self._stream.log(IMAGE, rr.Image(image_bgr, color_model="BGR").compress(jpeg_quality=JPEG_QUALITY))

    def show_camera(self, camera: Camera) -> None:
        """The camera's frustum, without its distortion."""
        self._stream.log(
            IMAGE,
            rr.Pinhole(
                image_from_camera=camera.matrix,
                resolution=(camera.width, camera.height),
                camera_xyz=rr.ViewCoordinates.RDF,
                image_plane_distance=PLANE_M,
            ),
        )

    def show_figures(self, figures: Mapping[str, float]) -> None:
        """Plots by their names, as of rates and latencies."""
        for name, value in figures.items():
            self._stream.log(["figures", name], rr.Scalars(value))

    def show_people(self, people: Sequence[Person], ground: Ground | None = None) -> None:
        """Everybody of a moment, seen from the camera.

        Args:
            people: in the camera's optical axes.
            ground: where down and the floor are; without it the image is upright, and people stand on the floor.
        """
        down = IMAGE_UPRIGHT if ground is None or ground.down_cam is None else ground.down_cam
        rotation = WORLD_FROM_LEVEL @ level_from_camera(down)
        self.show_people_in(people, rotation, -down, None if ground is None else ground.height_m)
        self._stream.log(CAMERA, rr.Transform3D(translation=(0, 0, self._floor_m), mat3x3=rotation))

    def show_people_in(
        self, people: Sequence[Person], rotation: np.ndarray, up: np.ndarray, height_m: float | None = None
    ) -> None:
        """Everybody of a moment, in any frame.

        Args:
            people: in that frame.
            rotation: (3, 3) to axes with z up.
            up: (3,) unit vector in that frame.
            height_m: of its origin above the floor; None: most feet are on the floor.
        """
        roots = [(person.root_m, person.joints_rel_m) for person in people if person.root_m is not None]
        self._heights_m += [-float(root @ up) - sole_height(joints, up) for root, joints in roots]
        estimate = float(np.median(self._heights_m)) if self._heights_m else self._floor_m
        if height_m is not None or abs(estimate - self._floor_m) > MOVES_M:
            self._floor_m = estimate if height_m is None else height_m
        self._stream.log(PEOPLE, rr.Transform3D(translation=(0, 0, self._floor_m), mat3x3=rotation))
        for person in people:
            self._show_person(person, up)
        present = {person.track_id for person in people}
        for track_id in self._shown - present:
            self._stream.log(f"{PEOPLE}/{track_id}", rr.Clear(recursive=True))
            self._trails.pop(track_id, None)
        self._shown = present

    def show_keypoints(self, tracked: Sequence[TrackedKeypoints]) -> None:
        """All people's keypoints and bones in the image, each in the track's colour, greyer where it is unsure."""
        points, point_colours, bones, bone_colours = [], [], [], []
        for person in tracked:
            xy, sure = person.keypoints.xy_px, person.keypoints.confidence
            rgb = track_colour(person.track_id)
            known = np.flatnonzero(person.keypoints.valid)
            points += list(xy[known])
            point_colours += [faded(rgb, sure[joint]) for joint in known]
            pairs = [pair for pair in H36M_17.bones if person.keypoints.valid[list(pair)].all()]
            bones += [xy[list(pair)] for pair in pairs]
            bone_colours += [faded(rgb, sure[list(pair)].min()) for pair in pairs]
        self._stream.log(f"{IMAGE}/joints", rr.Points2D(points, colors=point_colours, radii=rr.Radius.ui_points(3)))
        self._stream.log(f"{IMAGE}/bones", rr.LineStrips2D(bones, colors=bone_colours, radii=rr.Radius.ui_points(1.5)))

    def _show_person(self, person: Person, up: np.ndarray) -> None:
        name = str(person.track_id)
        rgb, sure = track_colour(person.track_id), person.confidence
        if person.track_id not in self._shown:
            self._stream.log(f"confidence/{name}", rr.SeriesLines(colors=[rgb]), static=True)
        self._stream.log(f"confidence/{name}", rr.Scalars(float(sure.mean())))
        angles = joint_angles(joint_frames(person.joints_rel_m))
        for angle in SHOWN_ANGLES:
            if angle in angles:
                self._stream.log(f"angles/{name}/{angle}", rr.Scalars(np.degrees(angles[angle])))
        if person.root_m is None:
            self._stream.log(f"{PEOPLE}/{name}", rr.Clear(recursive=True))
            return
        joints = person.joints_cam_m
        there = np.isfinite(joints).all(axis=1)
        known = np.flatnonzero(there)
        bones = [pair for pair in H36M_17.bones if there[list(pair)].all()]
        self._stream.log(
            f"{PEOPLE}/{name}/bones",
            rr.LineStrips3D(
                [joints[list(pair)] for pair in bones],
                colors=[faded(side_colour(pair[1]), sure[list(pair)].min()) for pair in bones],
                radii=0.02,
            ),
        )
        self._stream.log(
            f"{PEOPLE}/{name}/joints",
            rr.Points3D(joints[known], colors=[faded(side_colour(j), sure[j]) for j in known], radii=0.035),
        )
        top = joints[known][(joints[known] @ up).argmax()] if len(known) else person.root_m
        label = rr.Points3D(
            [top + 0.35 * up],
            labels=[f"{name}: {np.linalg.norm(person.root_m):.1f} m"],
            colors=[0.5 + 0.5 * rgb],  # on grey
            radii=0.01,
            show_labels=True,
        )
        self._stream.log(f"{PEOPLE}/{name}/label", label)
        trail = self._trails.setdefault(person.track_id, deque(maxlen=TRAIL))
        trail.append(person.root_m + sole_height(person.joints_rel_m, up) * up)
        self._stream.log(f"{PEOPLE}/{name}/trail", rr.LineStrips3D([np.array(trail)], colors=[rgb], radii=0.015))
