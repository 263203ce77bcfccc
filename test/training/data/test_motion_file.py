import subprocess
import sys

import numpy as np
import pytest

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.training.data.motion_file import read_motion_file, write_motion_file

from bvh_files import write_bvh


@pytest.fixture
def content(mocap_file):
    """Arrays of a motion file, to be changed."""
    with np.load(mocap_file) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture
def read(tmp_path, content):
    """`read(positions=..., names=None)`: what a file with these arrays in place of its own holds; None omits one."""

    def read(**changes):
        arrays = {name: array for name, array in (content | changes).items() if array is not None}
        np.savez(tmp_path / "motion.npz", **arrays)
        return read_motion_file(tmp_path / "motion.npz")

    return read


def test_what_is_written_is_read(tmp_path, mocap_file):
    sequences = read_motion_file(mocap_file)
    assert [len(s.joints_m) for s in sequences] == [120, 90, 150, 60, 100, 80]
    assert [(s.name, s.action, s.split) for s in sequences[3:5]] == [("p_3", "turn", "train"), ("p_4", "walk", "val")]
    write_motion_file(tmp_path / "again.npz", sequences)
    for a, b in zip(sequences, read_motion_file(tmp_path / "again.npz"), strict=True):
        assert np.array_equal(a.joints_m, b.joints_m) and (a.name, a.action, a.subject) == (b.name, b.action, b.subject)
    with pytest.raises(FileNotFoundError, match="no motion data at"):
        read_motion_file(tmp_path / "none.npz")


def test_other_types_of_the_same_numbers_are_read(read, content):
    expected = [s.joints_m for s in read()]
    others = read(
        positions=content["positions"].astype(np.float64),
        starts=content["starts"].astype(np.int32),
        lengths=content["lengths"].astype(np.uint16),
        fps=np.array([50]),
    )
    for a, b in zip(expected, others, strict=True):
        assert b.joints_m.dtype == np.float32 and np.array_equal(a, b.joints_m)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_named_by_sequence_frame_and_joint(read, content, value):
    positions = content["positions"].astype(np.float64)
    positions[content["starts"][4] + 7 : content["starts"][4] + 9, 13, 1] = value
    with pytest.raises(UserError, match=r"motion\.npz: sequence 'p_4', frame 7: l_wrist .*\(2 of 100 frames"):
        read(positions=positions)


@pytest.mark.parametrize(
    ("metres", "message"),
    [
        (0.001, r"multiply positions by 0\.001, their unit seems to be the millimetre"),
        (0.01, r"multiply positions by 0\.01, their unit seems to be the centimetre"),
        (0.0254, r"multiply positions by 0\.0254, their unit seems to be the inch"),
        (10.0, "expected Human3.6M's joints"),
    ],
)
def test_units_are_told_by_the_leg(read, content, metres, message):
    with pytest.raises(UserError, match=rf"sequence 'p_0': thigh and shin are .* m, expected 0\.25 to 1\.4: {message}"):
        read(positions=content["positions"] / metres)


def test_children_and_giants_are_people(read, content):
    for scale in (0.45, 1.3):
        assert len(read(positions=content["positions"] * scale)) == 6


def test_one_sequence_in_another_unit_is_named(read, content):
    positions = content["positions"].copy()
    positions[content["starts"][2] : content["starts"][3]] *= 1000
    with pytest.raises(UserError, match=r"sequence 'p_2': .*the millimetre"):
        read(positions=positions)


def test_frames_without_a_person_are_named(read, content):
    positions = content["positions"].copy()
    positions[content["starts"][1] + 30] = 0
    with pytest.raises(UserError, match=r"sequence 'p_1', frame 30: thigh and shin are 0 m.*\(1 of 90 frames\)"):
        read(positions=positions)


@pytest.mark.parametrize(
    ("name", "turn"),
    [
        ("+y", lambda x: x[..., [1, 2, 0]]),
        ("-y", lambda x: x[..., [1, 2, 0]] * [-1, -1, 1]),
        ("+x", lambda x: x[..., [2, 0, 1]]),
        ("-x", lambda x: x[..., [2, 1, 0]] * [-1, 1, 1]),
        ("-z", lambda x: x * [-1, 1, -1]),
    ],
)
def test_another_vertical_axis_is_refused_with_what_turns_it(read, content, name, turn):
    turned = turn(content["positions"].astype(np.float64))
    with pytest.raises(UserError, match=rf"trunks point along \{name} .*expected z up: store positions") as caught:
        read(positions=turned)
    remedy = str(caught.value).split("store ")[1]
    upright = eval(remedy, {"positions": turned})
    assert len(read(positions=upright)) == 6
    heights = upright[:, H36M_17.joint_names.index("head"), 2] - upright[:, 0, 2]
    assert heights.mean() > 0.4


def test_mirrored_people_are_refused(tmp_path, read, content):
    bent = content["positions"].copy()
    forwards = np.cross(bent[:, 4] - bent[:, 1], [0, 0, 1])
    bent[:, [2, 5]] += 0.12 * (forwards / np.linalg.norm(forwards, axis=-1, keepdims=True))[:, None]
    assert len(read(positions=bent)) == 6
    for mirrored in (bent * [1, -1, 1], bent[:, H36M_17.flip_order]):
        with pytest.raises(UserError, match=r"knees bend backwards by 0\.1\d\d m: the axes are left-handed"):
            read(positions=mirrored)


ORDERS = {
    "MPI-INF-3DHP's": [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9],
    "from the head down": list(range(17))[::-1],
    "arms right first": [*range(11), 14, 15, 16, 11, 12, 13],
    "legs left first": [0, 4, 5, 6, 1, 2, 3, *range(7, 17)],
}


@pytest.mark.parametrize("order", ORDERS)
def test_joints_in_another_order_are_refused(read, content, order):
    with pytest.raises(UserError, match=r"expected Human3\.6M's joints in the order hip, r_hip"):
        read(positions=content["positions"][:, ORDERS[order]])


def test_names_tell_the_order(read, content):
    order = ORDERS["MPI-INF-3DHP's"]
    names = np.array(H36M_17.joint_names)[order]
    with pytest.raises(UserError, match="joint_names are in another order") as caught:
        read(positions=content["positions"][:, order], joint_names=names)
    remedy = str(caught.value).split("store ")[1].split(" under")[0]
    positions = eval(remedy, {"positions": content["positions"][:, order]})
    assert np.array_equal(positions, content["positions"])
    assert len(read(joint_names=np.array([f"joint{i}" for i in range(17)]))) == 6  # other words for the same


@pytest.mark.parametrize("name", ["starts", "lengths", "names", "actions", "split", "fps", "parents", "positions"])
def test_missing_arrays_are_named(read, name):
    with pytest.raises(UserError, match=rf"motion\.npz: {name} missing, expected the arrays positions"):
        read(**{name: None})


FAULTS = {
    r"positions have shape \(600, 16, 3\), expected \(N, 17, 3\)": lambda c: {"positions": c["positions"][:, :16]},
    r"positions have shape \(600, 51\)": lambda c: {"positions": c["positions"].reshape(600, 51)},
    "positions are <U32, expected float32": lambda c: {"positions": c["positions"].astype(str)},
    r"sequence 'p_5' is frames 520 to 600, expected .* the 600": lambda c: {
        "lengths": c["lengths"] + [0, 0, 0, 0, 0, 1]
    },
    "sequence 'p_0' is frames -1 to 118": lambda c: {"starts": c["starts"] - [1, 0, 0, 0, 0, 0]},
    "sequence 'p_3' is frames 360 to 359": lambda c: {"lengths": c["lengths"] * [1, 1, 1, 0, 1, 1]},
    "sequences 'p_1' and 'p_2' share frames 210 to 219": lambda c: {"lengths": c["lengths"] + [0, 10, 0, 0, 0, 0]},
    r"starts are float64 of shape \(6,\), expected integers": lambda c: {"starts": c["starts"] * 1.0},
    r"actions are <U4 of shape \(5,\), expected text, one for each": lambda c: {"actions": c["actions"][:5]},
    r"split are int64 of shape \(6,\), expected text": lambda c: {"split": np.arange(6)},
    r"starts are int64 of shape \(0,\), expected": lambda c: {"starts": c["starts"][:0]},
    r"subjects have shape \(2,\)": lambda c: {"subjects": np.array(["a", "b"])},
    r"30\.0 frames a second, expected 50": lambda c: {"fps": 30.0},
    "frames a second, expected 50": lambda c: {"fps": np.array("fast")},
    "parents are": lambda c: {"parents": c["parents"][::-1]},
    "cannot be read as a motion file": lambda c: {"names": np.array([None] * 6)},
}


@pytest.mark.parametrize("message", FAULTS)
def test_faulty_files_are_errors_that_name_them(read, content, message):
    with pytest.raises(UserError, match=rf"motion\.npz.*{message}"):
        read(**FAULTS[message](content))


def test_any_motion_file_is_read_or_refused(tmp_path, mocap_file, content):
    """Changed arrays and changed bytes: no other exception."""
    rng = np.random.default_rng(0)
    small = {
        **content,
        "positions": content["positions"][:12],
        "starts": np.array([0, 6]),
        "lengths": np.array([6, 6]),
        **{name: content[name][:2] for name in ("names", "actions", "split")},
    }
    path, outcomes = tmp_path / "any.npz", []

    def change(array: np.ndarray) -> np.ndarray:
        kind = rng.integers(9)
        if kind == 0:
            return array.astype(
                rng.choice(["f8", "f2", "i8", "i2", "u1", "c16", "?", "U9", "S9", "O", "M8[s]"])
                if array.dtype.kind in "fiu"
                else "S9"
            )
        if kind == 1:
            return array[..., None]
        if kind == 2:
            return array.reshape(-1)[: rng.integers(0, array.size + 1)]
        if kind == 3:
            return np.repeat(np.atleast_1d(array), 2, axis=0)
        if kind == 4:
            return np.array(rng.choice([0.0, 50.0, -1.0, np.nan, np.inf, 1e300]))
        if kind == 5:
            return np.array([{"a": 1}], dtype=object)
        changed = array.copy()
        if changed.dtype.kind in "fi" and changed.size:
            values = [np.nan, np.inf, -1, 1e4, 0] if changed.dtype.kind == "f" else [-1, 0, 7, 2**62, -(2**62)]
            changed.reshape(-1)[rng.integers(changed.size)] = rng.choice(values)
        return changed

    for _ in range(300):
        arrays = dict(small)
        for name in rng.choice(list(arrays), rng.integers(0, 3)):
            arrays[name] = change(arrays[name])
        if rng.random() < 0.1:
            arrays.pop(rng.choice(list(arrays)))
        np.savez(path, **arrays)
        data = bytearray(path.read_bytes())
        if rng.random() < 0.4:
            for _ in range(rng.integers(1, 20)):
                data[rng.integers(len(data))] = rng.integers(256)
        if rng.random() < 0.1:
            data = data[: rng.integers(len(data))]
        path.write_bytes(data)
        try:
            outcomes.append(len(read_motion_file(path)) > 0)
        except UserError as error:
            assert str(path) in str(error)
            outcomes.append(False)
    assert 30 < sum(outcomes) < 200


def test_conversion_needs_no_torch(tmp_path):
    for name in ("01_01", "02_01"):
        write_bvh(tmp_path / f"bvh/walk/{name}.bvh")
    code = (
        "import sys; sys.modules['torch'] = None; from nanohtnet_ros.cli import main; "
        f"sys.exit(main(['data', 'convert', {str(tmp_path / 'bvh')!r}, {str(tmp_path / 'out.npz')!r}]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [s.split for s in read_motion_file(tmp_path / "out.npz")] == ["train", "val"]
