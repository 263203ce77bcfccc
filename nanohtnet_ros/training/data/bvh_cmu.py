"""Bones that conversions of CMU's motion capture to BVH leave out."""

from __future__ import annotations

from dataclasses import replace

from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_joints import Mapping, plain_names

CUES = ("lhipjoint", "rhipjoint", "lowerback")
"""Names that only skeletons from CMU's ASF files have."""

WRIST_PER_RADIUS = 0.5
"""CMU's skeletons have a wrist bone half as long as the radius, in line with it."""


def restore_bones(motion: BvhMotion, mapping: Mapping) -> tuple[BvhMotion, Mapping]:
    """Put back the thorax and wrist bones of CMU's skeletons, which cgspeed's conversions to BVH lack.

    There neck and collars begin at the lower end of the thorax (their offset is zero), 11 cm too low. The bone is as
    long as the one below it, in CMU's skeletons to 1 %, and straight above it at rest. The thorax joint is half a
    lower-neck bone above it, as in our motion data; the wrist is the end of the wrist bone.

    Args:
        motion: any skeleton's.
        mapping: its joints, of `find_mapping`.
    Returns:
        The motion with those offsets and the mapping to match; both as they were for every other skeleton.
    """
    joints = list(motion.joints)
    collars = [joints[mapping[f"{side}_shoulder"][0]].parent for side in "lr"]
    chest = joints[collars[0]].parent
    if not set(CUES) <= set(plain_names(motion.names)) or any(joints[i].offset.any() for i in collars):
        return motion, mapping
    mapping = dict(mapping)
    for i, joint in enumerate(joints):
        if joint.parent == chest and not joint.offset.any():
            joints[i] = replace(joint, offset=joints[chest].offset)
    chain = [mapping["head_base"][0]]  # from the head down to the chest
    while joints[chain[-1]].parent not in (chest, -1):
        chain.append(joints[chain[-1]].parent)
    mapping["thorax"] = tuple(chain[-2:])
    for side in "lr":
        wrist = mapping[f"{side}_wrist"][0]
        if any(joint.parent == wrist and not joint.offset.any() for joint in motion.joints):
            joints[wrist] = replace(joints[wrist], offset=(1.0 + WRIST_PER_RADIUS) * joints[wrist].offset)
    return replace(motion, joints=tuple(joints)), mapping
