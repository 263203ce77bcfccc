"""Human3.6M's joints from those of a BVH skeleton."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.motion_file import leg_length

LEGS = (
    ("upleg", "leg", "foot"),
    ("thigh", "shin", "foot"),
    ("thigh", "calf", "foot"),
    ("upperleg", "lowerleg", "foot"),
    ("upleg", "lowleg", "foot"),
    ("hip", "knee", "ankle"),
    ("hip", "knee", "foot"),
    ("leg", "shin", "foot"),
)
"""Names of hip, knee and ankle without their side: CMU, Mixamo and LAFAN1; Rokoko; Biped and Unreal; Bandai Namco;
others; Xsens; SOMA. The first whose six names are there is taken."""

ARMS = (
    ("arm", "forearm", "hand"),
    ("upperarm", "lowerarm", "hand"),
    ("upperarm", "forearm", "hand"),
    ("uparm", "lowarm", "hand"),
    ("shoulder", "elbow", "wrist"),
    ("shoulder", "forearm", "hand"),
)
"""Names of shoulder, elbow and wrist without their side."""

TRUNKS = (
    {"spine": "spine", "thorax": "neck", "head_base": "head", "cue": "lowerback"},  # CMU: one bone more below it
    *(
        {"spine": spine, "thorax": neck, "head_base": "head"}
        for neck in ("neck", "neck1")
        for spine in ("spine1", "chest", "spine", "abdomen", "torso", "spine2")
    ),
)
"""Names of spine, thorax and the skull's lower end; those with a cue require a joint of that name."""

HEAD_TIPS = ("headtopend", "headtop", "headend", "headnub", "headtip", "headsite")

SIDED = tuple(name[2:] for name in H36M_17.joint_names if name.startswith("r_"))
ROLES = (*(f"{side}_{part}" for side in "rl" for part in SIDED), "spine", "thorax", "head_base", "head_tip")
"""Keys of a mapping: joints that are copied, and the two ends of the skull, from which neck and head are computed.
`head_tip` is optional."""

NECK_PER_LEG, HEAD_PER_LEG = 0.135, 0.130
"""Human3.6M's thorax-neck and neck-head (121 and about 115 mm), per length of a leg (897 mm)."""

CMU_CUES = ("lhipjoint", "rhipjoint", "lowerback")
"""Names that only skeletons from CMU's ASF files have."""

WRIST_PER_RADIUS = 0.5
"""CMU's skeletons have a wrist bone half as long as the radius, in line with it."""

Names = dict[str, str | list[str]]
"""A role to the name of a BVH joint, or to several whose mean it is."""

Mapping = dict[str, tuple[int, ...]]
"""A role to the indices of the BVH joints whose mean it is."""


def find_mapping(names: Sequence[str], given: Names, source: str) -> Mapping:
    """Find the joints for Human3.6M's 17 by name.

    Ignored are case, namespaces (`mixamorig:`), a common prefix (`Model_`, `Bip01 `) and separators; sides may be
    `Left` or `L`, as a prefix or suffix.

    Args:
        names: of the BVH joints.
        given: the user's mapping.
        source: the file's name, for messages.
    Raises:
        UserError: a joint is not found, two have its name, or a given one does not exist.
    """
    plain = plain_names(names)
    index = {name: i for i, name in reversed(list(enumerate(plain)))}

    def sided(side: str, word: str) -> int | None:
        candidates = (f"{side}{word}", f"{side[0]}{word}", f"{word}{side}", f"{word}{side[0]}")
        return next((index[name] for name in candidates if name in index), None)

    mapping: Mapping = {}
    for roles, families in ((SIDED[:3], LEGS), (SIDED[3:], ARMS)):
        for family in families:
            found = {
                f"{side[0]}_{role}": sided(side, word)
                for side in ("right", "left")
                for role, word in zip(roles, family, strict=True)
            }
            if None not in found.values():
                mapping |= {role: (joint,) for role, joint in found.items() if joint is not None}
                break
    for trunk in TRUNKS:
        if all(word in index for word in trunk.values()):
            mapping |= {role: (index[word],) for role, word in trunk.items() if role != "cue"}
            break
    tip = next((word for word in HEAD_TIPS if word in index), None)
    if tip is not None:
        mapping["head_tip"] = (index[tip],)
    for role, wanted in given.items():
        wanted = [wanted] if isinstance(wanted, str) else wanted
        absent = [name for name in wanted if name not in names]
        if absent:
            raise UserError(f"{source}: no joint {', '.join(absent)} for {role}: it has {', '.join(names)}")
        mapping[role] = tuple(list(names).index(name) for name in wanted)
    missing = [role for role in ROLES if role not in mapping and role != "head_tip"]
    if missing:
        raise UserError(
            f"{source}: no joint found for {', '.join(missing)}: it has {', '.join(names)}; name them in a file as "
            f"'{missing[0]}: NAME' and give that with --mapping FILE.yaml"
        )
    for role, joints in mapping.items():
        searched = names if role in given else plain
        same = [i for i, name in enumerate(searched) if name in {searched[j] for j in joints}]
        if len(same) > len(joints):
            listed = ", ".join(f"{names[i]} (number {i})" for i in same)
            raise UserError(
                f"{source}: {role} may be any of the joints {listed}: rename all but one in the file or, "
                f"where their names differ, give '{role}: NAME' with --mapping FILE.yaml"
            )
    return mapping


def plain_names(names: Sequence[str]) -> list[str]:
    """Lower-case letters and digits of names, without namespaces and a common prefix."""
    plain = ["".join(c for c in name.rsplit(":", 1)[-1].lower() if c.isalnum()) for name in names]
    first, last = min(plain), max(plain)  # their common prefix is that of all
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return [name[shared:] for name in plain]


def load_mapping(path: Path) -> Names:
    """Read a user's mapping: YAML with a role and the name of a joint, or a list of names, on each line.

    Raises:
        UserError: it is not that, or a role is unknown.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {error}") from error
    valid = isinstance(content, dict) and all(
        isinstance(names, str) or (isinstance(names, list) and names and all(isinstance(n, str) for n in names))
        for names in content.values()
    )
    if not valid:
        raise UserError(f"{path}: expected lines such as 'r_hip: RightUpLeg' or 'thorax: [Neck, Neck1]'")
    unknown = [str(role) for role in content if role not in ROLES]
    if unknown:
        raise UserError(f"{path}: {', '.join(unknown)} is not a role, expected one of {', '.join(ROLES)}")
    return content


def restore_bones(motion: BvhMotion, mapping: Mapping) -> tuple[BvhMotion, Mapping]:
    """Restore the thorax and wrist bones of CMU's skeletons, which cgspeed's conversions to BVH lack.

    Without them neck and collars begin at the lower end of the thorax (their offset is zero), 11 cm too low. The thorax
    bone is as long as the one below it, in CMU's skeletons to 1 %, and in line with it at rest. The thorax joint is the
    middle of the lower-neck bone above it; the wrist is the end of the wrist bone.

    Args:
        motion: of any skeleton.
        mapping: from `find_mapping`.
    Returns:
        The motion with those offsets and the mapping to match; both unchanged for other skeletons.
    """
    joints = list(motion.joints)
    collars = [joints[mapping[f"{side}_shoulder"][0]].parent for side in "lr"]
    chest = joints[collars[0]].parent
    if not set(CMU_CUES) <= set(plain_names(motion.names)) or any(joints[i].offset.any() for i in collars):
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


def to_h36m(positions: np.ndarray, mapping: Mapping) -> np.ndarray:
    """Compute Human3.6M's joints from a BVH skeleton's.

    The hip is the middle of the two hip joints. BVH skeletons have no nose and no reliable head top: the neck lies
    `NECK_PER_LEG` leg lengths from the thorax towards the skull's lower end, the head `HEAD_PER_LEG` further along the
    skull (along the neck, where the skull has no length).

    Args:
        positions: (F, J, 3), any unit.
        mapping: from `find_mapping`.
    Returns:
        (F, 17, 3), the same unit.
    """
    at = {role: positions[:, list(joints)].mean(axis=1) for role, joints in mapping.items()}
    at["hip"] = (at["r_hip"] + at["l_hip"]) / 2
    at["neck"] = at["head"] = at["thorax"]
    leg = leg_length(np.stack([at[name] for name in H36M_17.joint_names], axis=1))
    upwards = _direction(at["head_base"] - at["thorax"], at["thorax"] - at["spine"])
    skull = _direction(at["head_tip"] - at["head_base"], upwards) if "head_tip" in at else upwards
    at["neck"] = at["thorax"] + NECK_PER_LEG * leg * upwards
    at["head"] = at["neck"] + HEAD_PER_LEG * leg * skull
    return np.stack([at[name] for name in H36M_17.joint_names], axis=1)


def _direction(vector: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """(F, 3) unit vectors; vectors of zero length are replaced."""
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    vector = np.where(length > 1e-6, vector, otherwise)
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)
