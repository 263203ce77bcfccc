"""From where a detector marks hips to the centres of the hip joints."""

from __future__ import annotations

import numpy as np

from nanohtnet_ros.core.skeleton import H36M_17

HIPS_AHEAD_M = 0.03
"""What nodes take. BlazePose marks hips 5.0, 5.3 and 1.8 cm ahead in the demo's clips (`tools/measure_placement.py`);
less than the most is taken, since these are but two people, and rendered ones."""

HIP, R_HIP, L_HIP, SPINE, THORAX = map(H36M_17.joint_names.index, ("hip", "r_hip", "l_hip", "spine", "thorax"))
LEAST_M2 = 1e-4  # of the product of hips' distance and trunk; below it nobody knows where ahead is


def hips_to_centres(joints_rel_m: np.ndarray, ahead_m: float) -> np.ndarray:
    """Move the hips back by what a 2D detector marks them ahead of the joints' centres.

    The network takes keypoints as they are, so its hips lie where the detector marks them, with BlazePose centimetres
    ahead of the joints. Since the root is between the hips, all that is relative to it moves too.

    Args:
        joints_rel_m: (17, 3) root-relative, metres, any right-handed axes.
        ahead_m: how far ahead of the centres hips are marked. The spine, made of hips and thorax, moves by half of it.
    Returns:
        (17, 3) relative to the moved root; unchanged where hips and trunk do not tell where ahead is.
    """
    across = joints_rel_m[L_HIP] - joints_rel_m[R_HIP]
    ahead = np.cross(across, joints_rel_m[THORAX] - joints_rel_m[HIP])
    length = np.linalg.norm(ahead)
    if not length > LEAST_M2:
        return joints_rel_m
    step = (ahead_m / length * ahead).astype(joints_rel_m.dtype)
    moved = joints_rel_m + step  # relative to a root that is that far back
    moved[[HIP, R_HIP, L_HIP]] = joints_rel_m[[HIP, R_HIP, L_HIP]]
    moved[SPINE] -= step / 2
    return moved
