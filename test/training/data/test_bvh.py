import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


from nanohtnet_ros.cli import main
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, metres_per_unit, resample
from nanohtnet_ros.training.data.bvh_joints import find_mapping, load_mapping, restore_bones, to_h36m
from nanohtnet_ros.training.data.mocap import MotionCapture
from nanohtnet_ros.training.data.motion_file import leg_length

from bvh_files import H36M_OF_MIXAMO, MIXAMO, cgspeed, renamed, write_bvh

LEG_CM = 83.0


def two_people(folder, **more):
    """A folder with a walk and a wave, of two people."""
    return (write_bvh(folder / "walk/01_02.bvh", seed=1, **more), write_bvh(folder / "wave/02_01.bvh", seed=2, **more))


def ours(places) -> np.ndarray:
    """(F, 3) of a file's axes as ours."""
    return places[..., [2, 0, 1]]


@pytest.mark.parametrize("order", ["ZXY", "XYZ", "YXZ", "ZYX", "XZY"])
@pytest.mark.parametrize("seed", [0, 1])
def test_forward_kinematics_agrees_with_products_of_matrices(tmp_path, order, seed):
    places = write_bvh(tmp_path / "a.bvh", order=order, seed=seed)
    motion = BvhMotion.load(tmp_path / "a.bvh")
    assert set(motion.names) == set(places) and motion.frame_time_s == pytest.approx(1 / 60, abs=1e-6)
    positions = motion.positions()
    for index, name in enumerate(motion.names):
        np.testing.assert_allclose(positions[:, index], places[name], atol=1e-3)


def test_a_rotation_by_hand(tmp_path):
    (tmp_path / "a.bvh").write_text("""HIERARCHY
ROOT a
{ OFFSET 7 7 7
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT b
  { OFFSET 1 0 0
    CHANNELS 1 Yrotation
    End Site
    { OFFSET 0 0 2 } } }
MOTION
Frames: 2
Frame Time: 0.02
1 2 3 90 0 0 90
1 2 3 0 90 0 0
""")
    motion = BvhMotion.load(tmp_path / "a.bvh")
    assert motion.names == ("a", "b", "b_end")
    # Root a quarter turn about z takes x to y; then b turns its z to x, which the root takes to y.
    np.testing.assert_allclose(motion.positions()[0], [(1, 2, 3), (1, 3, 3), (1, 5, 3)], atol=1e-9)
    np.testing.assert_allclose(motion.positions()[1], [(1, 2, 3), (2, 2, 3), (2, 0, 3)], atol=1e-9)


@pytest.mark.parametrize("rate_hz", [30.0, 50.0, 60.0, 120.0])
def test_any_rate_becomes_50_hz_metres_and_z_up(tmp_path, rate_hz):
    frames = int(1.2 * rate_hz) + 1
    two_people(tmp_path, rate_hz=rate_hz, frames=frames)
    exact = write_bvh(tmp_path / "../exact.bvh", rate_hz=50.0, frames=61, seed=1)
    capture = MotionCapture.from_bvh(tmp_path, "train", BvhOptions(floor="keep"))
    assert capture.names == ("01_02",) and capture.actions == ("walk",) and capture.lengths.tolist() == [61]
    for joint, name in H36M_OF_MIXAMO.items():
        np.testing.assert_allclose(capture.joints_world_m[:, joint], 0.01 * ours(exact[name]), atol=2e-3)


def test_derived_joints_are_those_of_our_data(tmp_path):
    two_people(tmp_path, rate_hz=50.0)
    joints = MotionCapture.from_bvh(tmp_path, "train").joints_world_m.numpy()
    name = H36M_17.joint_names.index
    np.testing.assert_allclose(joints[:, 0], (joints[:, name("r_hip")] + joints[:, name("l_hip")]) / 2, atol=1e-6)
    neck, head = joints[:, 9] - joints[:, 8], joints[:, 10] - joints[:, 9]
    np.testing.assert_allclose(np.linalg.norm(neck, axis=-1), 0.135 * 0.83, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(head, axis=-1), 0.130 * 0.83, atol=1e-4)
    assert leg_length(joints) == pytest.approx(0.83, abs=1e-3)
    left = joints[:, name("l_shoulder")] - joints[:, name("r_shoulder")]
    forward = np.cross(left, neck)  # ours: people face x with their left to y at rest
    assert left[:, 1].mean() > 0.2 and forward[:, 0].mean() > 0


def test_the_skull_turns_the_head_and_may_be_missing(tmp_path):
    without_tip = tuple(row for row in MIXAMO if row[:2] != ("end", "Head"))
    for skeleton, bent in ((MIXAMO, True), (without_tip, False)):
        write_bvh(tmp_path / "a.bvh", skeleton, frames=5)
        motion = BvhMotion.load(tmp_path / "a.bvh")
        joints = to_h36m(motion.positions(), find_mapping(motion.names, {}, ""))
        cosine = np.einsum("fc,fc->f", joints[:, 9] - joints[:, 8], joints[:, 10] - joints[:, 9]) / (
            0.135 * 0.130 * LEG_CM**2
        )
        assert (cosine < 0.999).any() == bent and cosine.min() > 0.5


SIDES = {"Left": "l", "Right": "r"}
ROKOKO = {"UpLeg": "Thigh", "Leg": "Shin"}
BANDAI = {
    "UpLeg": "UpperLeg_{}",
    "Leg": "LowerLeg_{}",
    "Foot": "Foot_{}",
    "Shoulder": "Shoulder_{}",
    "Arm": "UpperArm_{}",
    "ForeArm": "LowerArm_{}",
    "Hand": "Hand_{}",
}
XSENS = {
    "UpLeg": "Hip",
    "Leg": "Knee",
    "Foot": "Ankle",
    "Shoulder": "Collar",
    "Arm": "Shoulder",
    "ForeArm": "Elbow",
    "Hand": "Wrist",
}
BIPED = {
    "UpLeg": "{} Thigh",
    "Leg": "{} Calf",
    "Foot": "{} Foot",
    "Shoulder": "{} Clavicle",
    "Arm": "{} UpperArm",
    "ForeArm": "{} Forearm",
    "Hand": "{} Hand",
}


def sided(parts: dict[str, str]) -> dict[str, str]:
    return {
        side + part: name.format(side[0]) if "{}" in name else side + name
        for side in SIDES
        for part, name in parts.items()
    }


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        ({}, ""),
        ({}, "mixamorig:"),
        ({}, "Model_"),
        (sided(ROKOKO), ""),
        ({**sided(BANDAI), "Spine1": "Chest", "Spine2": "Chest2"}, ""),
        ({**sided(XSENS), "Spine": "Chest", "Spine1": "Chest2", "Spine2": "Chest3"}, ""),
        (sided(BIPED), "Bip01 "),
        ({name: name.upper() for name, _, _ in MIXAMO}, ""),
    ],
)
def test_common_skeletons_are_known_by_their_names(tmp_path, names, prefix):
    skeleton = renamed(MIXAMO, names, prefix)
    write_bvh(tmp_path / "a.bvh", skeleton, frames=3)
    index = find_mapping(BvhMotion.load(tmp_path / "a.bvh").names, {}, "a.bvh")
    plain = [name if name != "end" else f"{parent}_end" for name, parent, _ in MIXAMO]
    for joint, name in H36M_OF_MIXAMO.items():
        if joint != 7:  # names of the spine differ in number and place
            assert [plain[i] for i in index[H36M_17.joint_names[joint]]] == [name]
    assert plain[index["head_base"][0]] == "Head" and plain[index["head_tip"][0]] == "Head_end"
    assert plain[index["spine"][0]] in ("Spine", "Spine1")


CGSPEED = [name if name != "end" else f"{parent}_end" for name, parent, _ in cgspeed(False)]


def test_bones_that_conversions_of_cmu_lack_are_put_back(tmp_path):
    write_bvh(tmp_path / "short.bvh", cgspeed(False), frames=9)
    whole = write_bvh(tmp_path / "whole.bvh", cgspeed(True), frames=9)
    motion = BvhMotion.load(tmp_path / "short.bvh")
    before = find_mapping(motion.names, {}, "")
    restored, mapping = restore_bones(motion, before)
    joints = to_h36m(restored.positions(), mapping)
    expected = {**{joint: name for joint, name in H36M_OF_MIXAMO.items() if joint not in (7, 8)}, 7: "Spine"}
    for joint, name in expected.items():
        np.testing.assert_allclose(joints[:, joint], whole[name], atol=1e-3)
    np.testing.assert_allclose(joints[:, 8], (whole["Neck"] + whole["Neck1"]) / 2, atol=1e-3)
    as_it_was = to_h36m(motion.positions(), before)
    assert np.linalg.norm(as_it_was[:, 11] - joints[:, 11], axis=-1).min() > 11.0
    # A file that has these bones, or is of another skeleton, stays as it is.
    for skeleton in (cgspeed(True), MIXAMO):
        write_bvh(tmp_path / "other.bvh", skeleton, frames=3)
        motion = BvhMotion.load(tmp_path / "other.bvh")
        before = find_mapping(motion.names, {}, "")
        assert restore_bones(motion, before) == (motion, before)
    for name in ("01_01", "02_01"):
        write_bvh(tmp_path / f"folder/{name}.bvh", cgspeed(False), rate_hz=50.0, frames=9)
    exact = write_bvh(tmp_path / "whole.bvh", cgspeed(True), rate_hz=50.0, frames=9)
    read = MotionCapture.from_bvh(tmp_path / "folder", "val", BvhOptions(floor="keep")).joints_world_m
    np.testing.assert_allclose(read[:, 13], 0.01 * ours(exact["LeftHand"]), atol=1e-4)


def test_a_mapping_of_ones_own(tmp_path, capsys):
    strange = {name: f"bone{i:02}" for i, (name, _, _) in enumerate(MIXAMO)}
    two_people(tmp_path / "bvh", skeleton=renamed(MIXAMO, strange))
    arguments = ["data", "convert", str(tmp_path / "bvh"), str(tmp_path / "out.npz")]
    assert main(arguments) == 1
    message = capsys.readouterr().err
    assert "02.bvh" in message and "r_hip, r_knee" in message and "bone17" in message and "--mapping" in message
    roles = {H36M_17.joint_names[joint]: strange[name] for joint, name in H36M_OF_MIXAMO.items()}
    lines = [f"{role}: {name}" for role, name in roles.items() if role not in ("spine", "thorax")]
    lines += [
        f"spine: [{strange['Spine']}, {strange['Spine2']}]",
        f"thorax: {strange['Neck']}",
        f"head_base: {strange['Head']}",
    ]
    (tmp_path / "map.yaml").write_text("\n".join(lines))
    assert main([*arguments, "--mapping", str(tmp_path / "map.yaml")]) == 0
    two_people(tmp_path / "known")
    a = MotionCapture.load(tmp_path / "out.npz", "train").joints_world_m
    b = MotionCapture.from_bvh(tmp_path / "known", "train").joints_world_m
    same = [joint for joint in H36M_OF_MIXAMO if joint != 7]
    np.testing.assert_allclose(a[:, same], b[:, same], atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r_hips: Hips", "r_hips is not a role, expected one of r_hip"),
        ("just text", "expected lines such as"),
        ("r_hip: 3", "expected lines such as"),
        ("r_hip: []", "expected lines such as"),
    ],
)
def test_mappings_are_checked(tmp_path, text, message):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_mapping(tmp_path / "map.yaml")


def test_a_mapped_joint_must_be_there():
    with pytest.raises(ValueError, match="no joint Nowhere for r_hip: it has Hips"):
        find_mapping(CGSPEED, {"r_hip": "Nowhere"}, "a.bvh")


def test_units_are_guessed_by_the_leg():
    for leg, expected in ((0.83, 1.0), (83.0, 0.01), (830.0, 0.001), (32.7, 0.0254), (14.7, 0.0254 / 0.45)):
        assert metres_per_unit(leg, None) == expected
    for leg in (0.3, 3.0, 52.0, 200.0, 5000.0):
        with pytest.raises(ValueError, match="--metres_per_unit"):
            metres_per_unit(leg, None)
    assert metres_per_unit(40.0, 0.01) == 0.01
    with pytest.raises(ValueError, match=r"83 m with 1\.0 metres a unit"):
        metres_per_unit(83.0, 1.0)


def test_floor_and_vertical_axis(tmp_path):
    two_people(tmp_path / "y", rate_hz=50.0)
    lifted = tuple((n, p, (o[0], o[1] + 300 * (p is None), o[2])) for n, p, o in MIXAMO)
    two_people(tmp_path / "high", rate_hz=50.0, skeleton=lifted)
    upright = MotionCapture.from_bvh(tmp_path / "y", "train").joints_world_m
    assert np.percentile(upright[:, [3, 6], 2].min(dim=1).values, 5.0) == pytest.approx(0.07, abs=1e-4)
    np.testing.assert_allclose(MotionCapture.from_bvh(tmp_path / "high", "train").joints_world_m, upright, atol=1e-4)
    high = MotionCapture.from_bvh(tmp_path / "high", "train", BvhOptions(floor="keep")).joints_world_m
    np.testing.assert_allclose((high - upright)[..., 2].std(), 0.0, atol=1e-4)
    assert (high - upright)[..., 2].mean() > 2.5
    z_up = tuple((n, p, (o[2], o[0], o[1])) for n, p, o in MIXAMO)
    two_people(tmp_path / "z", rate_hz=50.0, skeleton=z_up, order="YZX", walk=(50.0, 30.0, 0.0))
    people = MotionCapture.from_bvh(tmp_path / "z", "train").joints_world_m
    assert (people[:, 8] - people[:, 0])[:, 2].mean() > 0.4
    forced = MotionCapture.from_bvh(tmp_path / "z", "train", BvhOptions(up="y")).joints_world_m
    assert (forced[:, 8] - forced[:, 0])[:, 2].abs().mean() < 0.3


def test_conversion_writes_what_training_reads(tmp_path, capsys):
    two_people(tmp_path / "bvh", rate_hz=120.0)
    write_bvh(tmp_path / "bvh/03_07.bvh", seed=3)
    out = tmp_path / "out.npz"
    assert main(["data", "convert", str(tmp_path / "bvh"), str(out), "--val_subjects", "02"]) == 0
    printed = capsys.readouterr().out
    assert "subjects 01, 03" in printed and "val       1 recordings" in printed
    options = BvhOptions(val_subjects="02")
    for split, names, actions in (("train", ("03_07", "01_02"), ("motion", "walk")), ("val", ("02_01",), ("wave",))):
        direct, stored = MotionCapture.from_bvh(tmp_path / "bvh", split, options), MotionCapture.load(out, split)
        assert direct.names == stored.names == names and direct.actions == stored.actions == actions
        assert torch.equal(direct.joints_world_m, stored.joints_world_m)
        assert torch.equal(direct.starts, stored.starts) and torch.equal(direct.lengths, stored.lengths)
    with np.load(out) as archive:
        assert set(archive.files) == {
            "positions",
            "starts",
            "lengths",
            "names",
            "actions",
            "subjects",
            "split",
            "sources",
            "fps",
            "joint_names",
            "parents",
        }


def test_leading_frames_can_be_left_out(tmp_path):
    two_people(tmp_path, rate_hz=50.0)
    whole = MotionCapture.from_bvh(tmp_path, "train", BvhOptions(floor="keep"))
    rest = MotionCapture.from_bvh(tmp_path, "train", BvhOptions(floor="keep", drop_first=1))
    np.testing.assert_allclose(whole.joints_world_m[1:], rest.joints_world_m, atol=1e-6)
    with pytest.raises(ValueError, match="61 frames, all of which --drop_first 61 drops"):
        MotionCapture.from_bvh(tmp_path, "train", BvhOptions(drop_first=61))
    with pytest.raises(ValueError, match="1 frame, expected two"):
        MotionCapture.from_bvh(tmp_path, "train", BvhOptions(drop_first=60))


def test_splines_keep_straight_and_curved_motion():
    t = np.arange(31) / 30.0
    path = np.stack((t, np.sin(2 * np.pi * t), np.ones_like(t)), -1)[:, None].repeat(17, 1)
    out = resample(path, 0.033333)
    wanted = np.arange(51) / 50.0
    np.testing.assert_allclose(out[:, 3], np.stack((wanted, np.sin(2 * np.pi * wanted), np.ones(51)), -1), atol=2e-3)


def frames_line(text: str, number: int) -> str:
    return text.splitlines()[text.splitlines().index("MOTION") + 3 + number]


FAULTS = {
    "no line MOTION": lambda t: t[:400],
    "the hierarchy ends before its last }": lambda t: t.replace("}\n    }\n  }\n}", "}\n    }\n", 1),
    "a } too many": lambda t: t.replace("MOTION", "} }\nMOTION"),
    "expected the 61 that it announces": lambda t: "\n".join(t.splitlines()[:-20]),
    "frame 60 has 9 numbers, expected one for each of 63": lambda t: " ".join(t.split(" ")[:-54]),
    "frame 4 has 64 numbers": lambda t: t.replace(frames_line(t, 4), frames_line(t, 4) + " 0.5"),
    "the number of frames is 'many'": lambda t: t.replace("Frames: 61", "Frames: many"),
    "63 frames, expected the 61": lambda t: t + 2 * (frames_line(t, 4) + "\n"),
    "the frame time has '0,016667', expected a number, with a decimal point": lambda t: t.replace(
        "Frame Time: 0.0", "Frame Time: 0,0"
    ),
    "the number of channels of joint Hips is '-3'": lambda t: t.replace("CHANNELS 6", "CHANNELS -3"),
    "frame 7 has a number that is not finite": lambda t: t.replace(
        frames_line(t, 7), "nan " + frames_line(t, 7).split(" ", 1)[1]
    ),
    "frame 7 has 'abc', expected a number": lambda t: t.replace(
        frames_line(t, 7), "abc " + frames_line(t, 7).split(" ", 1)[1]
    ),
    "the first word is not HIERARCHY": lambda t: t.replace("HIERARCHY", "HEAD"),
    "a second ROOT": lambda t: t.replace("JOINT LeftUpLeg", "ROOT LeftUpLeg"),
    "'BONE' in the hierarchy": lambda t: t.replace("JOINT LeftUpLeg", "BONE LeftUpLeg"),
    "is outside of the ROOT's braces": lambda t: t.replace("ROOT", "JOINT"),
    "expected OFFSET": lambda t: t.replace("OFFSET", "PLACE"),
    "offset of joint Hips": lambda t: t.replace("OFFSET 0.000000", "OFFSET nan", 1),
    "expected CHANNELS": lambda t: t.replace("CHANNELS", "NUMBERS"),
    "channel 'Wrotation' of joint": lambda t: t.replace("Zrotation", "Wrotation"),
    "expected 'Frames: N'": lambda t: t.replace("Frame Time:", "Time:"),
    "the frame time is 0": lambda t: t.replace("Frame Time: 0.016667", "Frame Time: 0"),
    "the file is cut short": lambda t: "HIERARCHY ROOT\nMOTION\n",
}


@pytest.mark.parametrize("message", FAULTS)
def test_broken_files_are_errors_that_name_them(tmp_path, message):
    write_bvh(tmp_path / "01_01.bvh", move=FAULTS[message])
    with pytest.raises(ValueError, match=message) as caught:
        MotionCapture.from_bvh(tmp_path, "train")
    assert "01_01.bvh" in str(caught.value)


def test_folders_and_splits_are_checked(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match=r"no \.bvh file"):
        MotionCapture.from_bvh(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match="no motion file"):
        BvhMotion.load(tmp_path / "a.bvh")
    write_bvh(tmp_path / "01_01.bvh")
    with pytest.raises(ValueError, match="all recordings are of one subject, '01'"):
        MotionCapture.from_bvh(tmp_path, "train")
    write_bvh(tmp_path / "02_01.bvh")
    assert MotionCapture.from_bvh(tmp_path, "val").names == ("02_01",)
    with pytest.raises(ValueError, match=r"no sequence in split 'exam', there are train \(1\), val \(1\)"):
        MotionCapture.from_bvh(tmp_path, "exam")
    with pytest.raises(ValueError, match="no recording of 09 to hold out: there are 01, 02"):
        MotionCapture.from_bvh(tmp_path, "train", BvhOptions(val_subjects="01, 09"))
    with pytest.raises(ValueError, match="change --subject_pattern"):
        MotionCapture.from_bvh(tmp_path, "train", BvhOptions(subject_pattern=r"(subject\d)"))
    assert main(["data", "convert", str(tmp_path), str(tmp_path / "out.bin")]) == 1
    assert "ends in .npz" in capsys.readouterr().err
    assert main(["data", "convert", str(tmp_path), str(tmp_path / "none/out.npz")]) == 1
    assert "none: create it" in capsys.readouterr().err


TEXTS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = st.floats(-1000, 1000, allow_nan=False).map(lambda x: round(x, 6))


@st.composite
def motions(draw):
    """A random tree of joints with random channels, and its frames."""
    kinds = [f"{axis}{kind}" for kind in ("position", "rotation") for axis in "XYZ"]
    size = draw(st.integers(1, 6))
    parents = [-1, *(draw(st.integers(0, i - 1)) for i in range(1, size))]
    offsets = [[draw(NUMBERS) for _ in range(3)] for _ in parents]
    channels = [draw(st.lists(st.sampled_from(kinds), max_size=6)) for _ in parents]
    rows = [[draw(NUMBERS) for _ in range(sum(map(len, channels)))] for _ in range(draw(st.integers(1, 4)))]
    return parents, offsets, channels, rows


def text_of(motion, separator=" ", newline="\n"):
    parents, offsets, channels, rows = motion

    def joint(index):
        words = [
            "ROOT" if index == 0 else "JOINT",
            f"j{index}",
            "{",
            "OFFSET",
            *map(str, offsets[index]),
            "CHANNELS",
            str(len(channels[index])),
            *channels[index],
        ]
        children = [child for child, parent in enumerate(parents) if parent == index]
        for child in children:
            words += joint(child)
        return [*words, *([] if children else ["End", "Site", "{", "OFFSET", "0", "1", "0", "}"]), "}"]

    lines = ["HIERARCHY", *joint(0)]
    frames = [separator.join(map(str, row)) for row in rows]
    head = ["\ufeff" + separator.join(lines), "MOTION", f"Frames: {len(rows)}", "Frame Time: 0.02"]
    return newline.join([*head, *frames])


@TEXTS
@given(motions(), st.sampled_from([" ", "\t", "   "]), st.sampled_from(["\n", "\r\n"]))
def test_any_hierarchy_is_read_as_it_was_written(tmp_path, motion, separator, newline):
    parents, offsets, channels, rows = motion
    if not rows[0]:  # without any channel a frame is an empty line, which cannot be told from none
        return
    (tmp_path / "a.bvh").write_bytes(text_of(motion, separator, newline).encode())
    read = BvhMotion.load(tmp_path / "a.bvh")
    joints = {joint.name: joint for joint in read.joints if not joint.name.endswith("_end")}
    assert set(joints) == {f"j{i}" for i in range(len(parents))}
    for index, parent in enumerate(parents):
        joint = joints[f"j{index}"]
        assert (read.joints[joint.parent].name if joint.parent >= 0 else None) == (f"j{parent}" if index else None)
        np.testing.assert_allclose(joint.offset, offsets[index])
        assert [f"{'XYZ'[axis]}{kind}" for kind, axis in joint.channels] == channels[index]
    order = [int(joint.name[1:]) for joint in read.joints if joint.name in joints]  # depth first, as in the text
    assert [channel for index in order for channel in channels[index]] == [
        f"{'XYZ'[axis]}{kind}" for joint in read.joints for kind, axis in joint.channels
    ]
    np.testing.assert_allclose(read.values, rows)
    positions = read.positions()
    assert positions.shape == (len(rows), len(read.joints), 3) and np.isfinite(positions).all()
    for index, joint in enumerate(read.joints):  # rotations keep the distance from the parent
        if joint.parent >= 0 and not any(kind == "position" for kind, _ in joint.channels):
            lengths = np.linalg.norm(positions[:, index] - positions[:, joint.parent], axis=-1)
            np.testing.assert_allclose(lengths, np.linalg.norm(joint.offset), atol=1e-6 * (1 + np.abs(positions).max()))


@pytest.mark.slow
@TEXTS
@given(motions(), st.data())
@example(([-1], [[0, 0, 0]], [["Xrotation"]], [[1.0]]), None)
def test_a_cut_or_garbled_file_is_a_motion_or_an_error_that_names_it(tmp_path, motion, data):
    text = text_of(motion)
    if data is not None:
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        text = text[:start] + data.draw(st.text(max_size=8)) + text[end:]
    (tmp_path / "a.bvh").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        read = BvhMotion.load(tmp_path / "a.bvh")
    except UserError as error:
        assert "a.bvh" in str(error)
    else:
        assert np.isfinite(read.values).all() and read.values.shape[1] == sum(len(j.channels) for j in read.joints)
        assert len(read.values) >= 1 and 0 < read.frame_time_s < 1
