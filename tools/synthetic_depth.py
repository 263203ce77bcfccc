"""Depth images of bodies made of ellipsoids and capsules, for measurements where no depth camera was there.

Synthetic: the bodies are simple shapes around the true joints, not the people of the colour images; their sizes were
chosen apart from the offsets in `nanohtnet_ros.core.root_depth`, and joints lie off their shapes' centres as in people.
"""

from __future__ import annotations

import cv2
import numpy as np

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.skeleton import H36M_17

# Bone -> radius of its capsule, metres, clothes included.
CAPSULES_M = {
    ("hip", "r_hip"): 0.10,
    ("r_hip", "r_knee"): 0.075,
    ("r_knee", "r_ankle"): 0.052,
    ("hip", "l_hip"): 0.10,
    ("l_hip", "l_knee"): 0.075,
    ("l_knee", "l_ankle"): 0.052,
    ("thorax", "head"): 0.055,
    ("thorax", "l_shoulder"): 0.065,
    ("l_shoulder", "l_elbow"): 0.048,
    ("l_elbow", "l_wrist"): 0.038,
    ("thorax", "r_shoulder"): 0.065,
    ("r_shoulder", "r_elbow"): 0.048,
    ("r_elbow", "r_wrist"): 0.038,
}

# Trunk and head: place between two joints, shift forwards, semi-axes to the side, forwards and up; metres.
ELLIPSOIDS_M = (
    ("hip", "thorax", 0.05, -0.01, (0.165, 0.120, 0.17)),
    ("hip", "thorax", 0.40, 0.02, (0.150, 0.110, 0.22)),
    ("hip", "thorax", 0.75, 0.01, (0.165, 0.115, 0.21)),
    ("thorax", "head", 0.62, 0.01, (0.078, 0.098, 0.12)),
)

WALL_M = 7.0
"""Distance of the wall behind the people along the optical axis."""


class DepthRenderer:
    """Renders people in a room as a stereo camera would measure them."""

    def __init__(self, camera: Camera, world_to_cam: np.ndarray, thickness: float = 1.0, seed: int = 0) -> None:
        """Prepare the rays.

        Args:
            camera: of the colour image, without distortion; depth is rendered at half its size.
            world_to_cam: (4, 4), of a world with the ground at z = 0.
            thickness: factor on all radii.
            seed: of the noise.
        """
        self._camera, self._thickness = camera, thickness
        self._random = np.random.default_rng(seed)
        half = camera.scaled_to(camera.width // 2, camera.height // 2)
        columns, rows = np.meshgrid(np.arange(half.width), np.arange(half.height))
        tangents = half.tangents(np.stack((columns, rows), axis=-1))
        self._half = half
        self._rays = np.concatenate((tangents, np.ones_like(tangents[..., :1])), axis=-1)  # (h, w, 3), z = 1
        normal, offset = world_to_cam[:3, 2].astype(float), world_to_cam[:3, 3].astype(float)
        towards = self._rays @ normal
        ground = np.divide(normal @ offset, towards, out=np.full(towards.shape, np.inf), where=towards < -1e-6)
        self._room = np.minimum(ground, WALL_M)

    def render(self, people_cam_m: np.ndarray) -> np.ndarray:
        """Depth without noise or holes.

        Args:
            people_cam_m: (P, 17, 3) true joints, optical axes.
        Returns:
            (h, w) metres along the optical axis, half the camera's size.
        """
        depth = self._room.copy()
        index = {name: i for i, name in enumerate(H36M_17.joint_names)}
        for joints in np.asarray(people_cam_m, float):
            for (start, end), radius in CAPSULES_M.items():
                a, b = joints[index[start]], joints[index[end]]
                self._draw(depth, a, b, radius * self._thickness, capsule_depth, (a, b))
            for start, end, share, forwards_m, semi_axes in ELLIPSOIDS_M:
                axes = body_axes(joints, joints[index[end]] - joints[index[start]])
                centre = (1 - share) * joints[index[start]] + share * joints[index[end]] + forwards_m * axes[1]
                matrix = axes / (np.array(semi_axes) * self._thickness)[:, None]
                self._draw(depth, centre, centre, max(semi_axes) * self._thickness, ellipsoid_depth, (centre, matrix))
        return depth

    def _draw(self, depth: np.ndarray, a: np.ndarray, b: np.ndarray, radius: float, intersect, shape) -> None:
        """Draw a shape that lies within `radius` of the segment from a to b, where it is nearer than what is there."""
        extent = radius * self._half.fx / (min(a[2], b[2]) - radius)
        ends = self._half.project(np.stack((a, b)))
        x0, y0 = np.maximum(np.floor(ends.min(axis=0) - extent), 0).astype(int)
        x1, y1 = np.maximum(np.ceil(ends.max(axis=0) + extent), -1).astype(int) + 1
        part = depth[y0:y1, x0:x1]
        if part.size:
            args = (*shape, radius) if intersect is capsule_depth else shape
            np.minimum(part, intersect(self._rays[y0:y1, x0:x1], *args), out=part)

    def measure(self, people_cam_m: np.ndarray) -> np.ndarray:
        """Depth as a stereo camera of 5 cm base measures it.

        Noise grows with the square of the distance and is correlated over neighbours; 4 % of the pixels are lost in
        blobs, and all that only one of the two lenses sees.

        Args:
            people_cam_m: (P, 17, 3) true joints, optical axes.
        Returns:
            (H, W) float32 metres, NaN where nothing was measured, the camera's size.
        """
        true = self.render(people_cam_m)
        height, width = true.shape
        base_px_m = 0.05 * self._half.fx
        noise = cv2.GaussianBlur(self._random.standard_normal(true.shape), (0, 0), 1.0)
        measured = true + 0.04 * true**2 / base_px_m * noise / noise.std()
        blobs = cv2.GaussianBlur(self._random.standard_normal(true.shape), (0, 0), 2.0)
        measured[blobs > np.quantile(blobs, 0.96)] = np.nan
        # The second lens, to the right, sees a point at x - disparity; the nearest of those in one place hides others.
        seen = np.full(true.shape, np.inf)
        rows = np.arange(height)
        columns = np.rint(np.arange(width) - base_px_m / true).astype(int).clip(0, width - 1)
        for x in range(width):
            np.minimum.at(seen, (rows, columns[:, x]), true[:, x])
        measured[true > seen[rows[:, None], columns] + 0.1] = np.nan
        size = (self._camera.width, self._camera.height)
        return cv2.resize(measured.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)


def body_axes(joints: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(3, 3) unit vectors of a body as rows: to its left, forwards, up; `up` is along the bone given."""
    up = up / np.linalg.norm(up)
    left = (joints[4] - joints[1]) + (joints[11] - joints[14])
    left = left - (left @ up) * up
    left = left / np.linalg.norm(left)
    return np.stack((left, np.cross(left, up), up))


def ellipsoid_depth(rays: np.ndarray, centre: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(h, w) depth of an ellipsoid, infinite beside it; `matrix` maps it, centred, to the unit sphere."""
    rays, centre = rays @ matrix.T, matrix @ centre
    a, b, c = (rays**2).sum(axis=-1), rays @ centre, centre @ centre - 1.0
    root = b**2 - a * c
    return np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def capsule_depth(rays: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """(h, w) depth of a capsule, infinite beside it."""
    axis = end - start
    length2 = axis @ axis
    along, from_start = rays @ axis, start @ axis
    a = length2 * (rays**2).sum(axis=-1) - along**2
    b = length2 * (rays @ start) - along * from_start
    c = length2 * (start @ start - radius**2) - from_start**2
    root = b**2 - a * c
    side = (b - np.sqrt(np.maximum(root, 0))) / np.maximum(a, 1e-12)
    share = side * along - from_start
    depth = np.where((root > 0) & (share > 0) & (share < length2), side, np.inf)
    ball = np.eye(3) / radius
    return np.minimum(depth, np.minimum(ellipsoid_depth(rays, start, ball), ellipsoid_depth(rays, end, ball)))
