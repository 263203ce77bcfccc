import contextlib
import logging

import numpy as np
import pytest

from nanohtnet_ros.cli import main
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.bvh import BvhMotion
from nanohtnet_ros.training.data.bvh_folder import BvhOptions, bvh_files, read_bvh_folder
from nanohtnet_ros.training.data.bvh_joints import find_mapping, load_mapping
from nanohtnet_ros.training.data.motion_file import read_motion_file

from bvh_files import MIXAMO, renamed, write_bvh


def two_people(folder, **more):
    return [
        write_bvh(folder / f"walk/{name}.bvh", rate_hz=50.0, frames=11, seed=seed, **more)
        for seed, name in ((1, "01_02"), (2, "02_01"))
    ]


def names(folder, **options) -> list[str]:
    return [r.name for r in read_bvh_folder(folder, BvhOptions(**options))]


@pytest.mark.parametrize("announced", [10, 11])
def test_one_frame_more_than_announced_is_taken(tmp_path, caplog, announced):
    places = write_bvh(tmp_path / "a.bvh", frames=11, move=lambda t: t.replace("Frames: 11", f"Frames: {announced}"))
    motion = BvhMotion.load(tmp_path / "a.bvh")
    np.testing.assert_allclose(motion.positions()[:, 0], places["Hips"], atol=1e-3)
    said = [record.getMessage() for record in caplog.records]
    assert said == ([f"{tmp_path / 'a.bvh'}: 11 frames, one more than announced: all are taken"] * (announced == 10))


@pytest.mark.parametrize("name", ["EMOTION_Ctrl", "Motion", "MOTION", "upMOTIONdown", "Loco MOTION Ctrl"])
def test_a_joints_name_may_hold_the_word_motion(tmp_path, name):
    skeleton = (*MIXAMO, (name, "Head", (0, 5, 0)), ("end", name, (0, 2, 0)))
    places = write_bvh(tmp_path / "a.bvh", skeleton, frames=3)
    motion = BvhMotion.load(tmp_path / "a.bvh")
    assert motion.names.count(name) == 1
    np.testing.assert_allclose(motion.positions()[:, motion.names.index(name)], places[name], atol=1e-3)


@pytest.mark.parametrize(
    "move",
    [
        lambda t: t.replace("HIERARCHY", "hierarchy").replace("OFFSET", "Offset").replace("End Site", "End site"),
        lambda t: t.replace("\nMOTION", " MOTION"),
        lambda t: t.replace("MOTION\n", "Motion  \n\n"),
        lambda t: t.replace("Frames:", "FRAMES :").replace("Frame Time:", "Frame  time:"),
        lambda t: "\ufeff" + t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\n\n"),
    ],
)
def test_spellings_that_writers_use_are_read(tmp_path, move):
    write_bvh(tmp_path / "a.bvh", frames=5)
    write_bvh(tmp_path / "b.bvh", frames=5, move=move)
    a, b = (BvhMotion.load(tmp_path / name) for name in ("a.bvh", "b.bvh"))
    assert a.names == b.names and np.array_equal(a.values, b.values)


@pytest.mark.parametrize("second", ["LeftArm", "left_arm", "mixamorig:LeftArm"])
def test_two_joints_of_one_name_are_no_guess(second):
    joints = [name for name, _, _ in MIXAMO if name != "end"] + ["Prop", second]
    with pytest.raises(UserError, match=rf"a\.bvh: l_shoulder may be any of the joints LeftArm .*, {second} \(number"):
        find_mapping(joints, {}, "a.bvh")
    given = {"l_shoulder": "LeftArm"}
    if second == "LeftArm":
        with pytest.raises(UserError, match="l_shoulder may be any of"):
            find_mapping(joints, given, "a.bvh")
    else:
        assert find_mapping(joints, given, "a.bvh")["l_shoulder"] == (joints.index("LeftArm"),)
    find_mapping([*joints[:-1], "Prop"], {}, "a.bvh")  # of joints that are not used it does not matter


def test_files_that_cannot_be_used_are_left_out_and_listed(tmp_path, caplog, capsys):
    two_people(tmp_path / "bvh")
    good = names(tmp_path / "bvh")
    (tmp_path / "bvh/walk/._01_02.bvh").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    (tmp_path / "bvh/walk/.hidden.bvh").write_text("")
    (tmp_path / "bvh/lost.bvh").symlink_to(tmp_path / "nowhere.bvh")
    (tmp_path / "bvh/folder.bvh").mkdir()
    strange = renamed(MIXAMO, {"LeftLeg": "bone"})
    write_bvh(tmp_path / "bvh/03_01.bvh", strange, frames=5)
    write_bvh(tmp_path / "bvh/04_01.bvh", frames=5, move=lambda t: t[:-400])
    caplog.clear()
    assert names(tmp_path / "bvh") == good == ["01_02", "02_01"]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    said = record.getMessage().splitlines()
    assert said[0] == "5 of 7 .bvh files are left out:" and len(said) == 6
    for file, reason in (
        ("._01_02", "macOS"),
        (".hidden", "no line MOTION"),
        ("lost", "no motion file"),
        ("03_01", "no joint found for"),
        ("04_01", "frame 4 has 22 numbers"),
    ):
        assert any(f"{file}.bvh" in line and reason in line for line in said), file
    assert main(["data", "convert", str(tmp_path / "bvh"), str(tmp_path / "out.npz")]) == 0
    assert [s.name for s in read_motion_file(tmp_path / "out.npz")] == good


def test_a_folder_without_a_usable_file_says_why_for_each(tmp_path):
    for name in ("01_01", "02_01"):
        write_bvh(tmp_path / f"{name}.bvh", move=lambda t: t.replace("OFFSET", "PLACE"))
    with pytest.raises(UserError, match=r"(?s)none of the 2 \.bvh files .*01_01\.bvh: .*02_01\.bvh: 'PLACE'"):
        read_bvh_folder(tmp_path, BvhOptions())


def test_linked_folders_are_read_once(tmp_path):
    two_people(tmp_path / "elsewhere")
    write_bvh(tmp_path / "bvh/run/03_01.bvh", rate_hz=50.0, frames=11)
    (tmp_path / "bvh/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "bvh/run/back").symlink_to(tmp_path / "bvh")  # a ring
    (tmp_path / "bvh/again").symlink_to(tmp_path / "bvh/run")
    recordings = read_bvh_folder(tmp_path / "bvh", BvhOptions())
    assert sorted((r.name, r.action) for r in recordings) == [("01_02", "walk"), ("02_01", "walk"), ("03_01", "run")]
    (tmp_path / "link").symlink_to(tmp_path / "bvh")
    assert len(bvh_files(tmp_path / "link")) == 3
    assert bvh_files(tmp_path / "bvh/run/03_01.bvh") == []


def test_recordings_of_one_person(tmp_path, capsys):
    for trial in (1, 2, 3):
        write_bvh(tmp_path / f"bvh/anna_{trial}.bvh", rate_hz=50.0, frames=11, seed=trial)
    words = ["data", "convert", str(tmp_path / "bvh"), str(tmp_path / "out.npz")]
    assert main(words) == 1
    message = capsys.readouterr().err
    assert "all recordings are of one subject, 'anna'" in message and "--subject_pattern" in message
    assert not (tmp_path / "out.npz").exists()
    for options, splits in (
        (["--subject_pattern", "(.*)"], {"train": 2, "val": 1}),
        (["--val_subjects", "anna"], {"val": 3}),
    ):
        assert main([*words, *options]) == 0
        read = [s.split for s in read_motion_file(tmp_path / "out.npz")]
        assert {split: read.count(split) for split in set(read)} == splits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_first": -1}, "drop_first is -1, expected 0 or more"),
        ({"subject_pattern": "(x"}, "expected a regular"),
        ({"subject_pattern": "anna"}, "finds no subject"),
        ({"subject_pattern": "(x)?"}, "finds no subject"),
        ({"metres_per_unit": float("nan")}, "change --metres_per_unit"),
    ],
)
def test_options_are_checked(tmp_path, options, message):
    two_people(tmp_path)
    with pytest.raises(UserError, match=message):
        names(tmp_path, **options)


def test_mappings_that_are_no_yaml_are_errors(tmp_path):
    (tmp_path / "map.yaml").write_bytes(b"r_hip: [\xff")
    with pytest.raises(UserError, match=r"map\.yaml is no YAML"):
        load_mapping(tmp_path / "map.yaml")


def test_people_with_right_and_left_exchanged_are_refused(tmp_path):
    """Legs that are bent, and the same with the names of the sides exchanged."""
    forwards = {"LeftLeg": 12, "RightLeg": 12, "LeftFoot": -12, "RightFoot": -12}
    bent = tuple((name, parent, (x, y, z + forwards.get(name, 0))) for name, parent, (x, y, z) in MIXAMO)
    two_people(tmp_path / "right", skeleton=bent)
    assert len(names(tmp_path / "right")) == 2
    sides = {name: name.replace("Left", "?").replace("Right", "Left").replace("?", "Right") for name, _, _ in MIXAMO}
    two_people(tmp_path / "wrong", skeleton=renamed(bent, sides))
    with pytest.raises(UserError, match=r"wrong: knees bend backwards"):
        names(tmp_path / "wrong")


NUMBERS = ["nan", "inf", "-1", "0", "1e308", "1e-320", "99999999999999999999", "0,5", "1e5", "-7.5", "3"]
WORDS = [
    "{",
    "}",
    "JOINT",
    "ROOT",
    "End",
    "OFFSET",
    "CHANNELS",
    "MOTION",
    "Frames:",
    "Zrotation",
    "Head",
    "LeftArm",
    "\x00",
    "\ufeff",
    "é",
    *NUMBERS,
]


def test_any_text_is_read_or_refused(tmp_path):
    """Words, lines and bytes of a file are removed, repeated and exchanged: no other exception."""
    rng = np.random.default_rng(0)
    for name in ("01_01", "02_01"):
        write_bvh(tmp_path / f"{name}.bvh", frames=4)
    path, outcomes = tmp_path / "01_01.bvh", {"parsed": 0, "used": 0}
    lines = path.read_text().splitlines()
    numeric = [i for i, line in enumerate(lines) if line[-1].isdigit()]
    for _ in range(300):
        changed = list(lines)
        kind = rng.integers(8)
        if kind == 0:
            del changed[rng.integers(1, len(changed)) :]
        elif kind == 1:
            del changed[rng.integers(len(changed))]
        elif kind == 2:
            changed.insert(rng.integers(len(changed)), changed[rng.integers(len(changed))])
        else:
            for _ in range(rng.integers(1, 3)):
                at = rng.integers(len(changed)) if kind == 3 else rng.choice(numeric)
                words = changed[at].split()
                words[rng.integers(len(words)) if kind == 4 else -1] = rng.choice(WORDS if kind < 5 else NUMBERS)
                changed[at] = " ".join(words)
        data = bytearray("\n".join(changed).encode())
        if kind == 2:
            data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        recordings = []
        with contextlib.suppress(UserError):
            BvhMotion.load(path)
            outcomes["parsed"] += 1
        with contextlib.suppress(UserError):
            recordings = read_bvh_folder(tmp_path, BvhOptions(val_subjects="02"))
        assert all(np.isfinite(r.joints_m).all() and r.joints_m.shape[1:] == (len(H36M_17), 3) for r in recordings)
        outcomes["used"] += len(recordings) == 2
    assert 50 < outcomes["used"] < outcomes["parsed"] < 300, outcomes
