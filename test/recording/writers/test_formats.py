"""Each format, read by a reader that others wrote."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags, which writes the bags, is not installed")

from nanohtnet_ros.core.camera import Camera
from nanohtnet_ros.core.ground import Ground
from nanohtnet_ros.core.lifter import WindowLifter
from nanohtnet_ros.core.poses import Keypoints, Person, TrackedKeypoints
from nanohtnet_ros.core.skeleton import H36M_17, Joint
from nanohtnet_ros.errors import UserError
from nanohtnet_ros.recording.frames import FrameResult, RunInfo
from nanohtnet_ros.recording.writers import FORMATS, check_writers, open_writers
from nanohtnet_ros.recording.writers.motion import on_grid, upright

from factories import STANDING_M

CAMERA = Camera(640, 480, 600.0, 600.0, 319.5, 239.5)
RATE_HZ, FRAMES = 25.0, 30
NAMES = list(H36M_17.joint_names)


def moving(i: int) -> np.ndarray:
    """(17, 3) a person who walks to the right and bends the left elbow."""
    joints = STANDING_M.astype(np.float64).copy()
    angle = 0.05 * i
    forearm = joints[Joint.L_WRIST] - joints[Joint.L_ELBOW]
    length = np.linalg.norm(forearm)
    joints[Joint.L_WRIST] = joints[Joint.L_ELBOW] + length * np.array([0.0, np.cos(angle), -np.sin(angle)])
    return joints + (0.02 * i, 0.1, 3.0)


def results(times_s=None) -> list[FrameResult]:
    """Person 1 in every frame, the right wrist missing in frame 3; person 4 in frames 10 to 19."""
    found = []
    for i, time_s in enumerate(np.arange(FRAMES) / RATE_HZ if times_s is None else times_s):
        people = []
        for track_id, offset in ((1, 0.0), (4, 1.0)):
            if track_id == 4 and not 10 <= i < 20:
                continue
            joints = moving(i) + (0, 0, offset)
            confidence = np.full(17, 0.8, np.float32)
            if i == 3:
                joints[Joint.R_WRIST], confidence[Joint.R_WRIST] = np.nan, 0.0
            keypoints = Keypoints(CAMERA.project(joints).astype(np.float32), confidence)
            root = joints[Joint.HIP]
            people.append(
                Person(track_id, i / RATE_HZ, keypoints, (joints - root).astype(np.float32), confidence, root)
            )
        tracked = [TrackedKeypoints(p.track_id, p.age_s, p.keypoints) for p in people]
        image = np.full((480, 640, 3), 90, np.uint8)
        stamp_ns = 10_000_000_000 + round(1e9 * time_s)
        found.append(FrameResult(i, float(time_s), stamp_ns, 0, CAMERA, None, people, tracked, image))
    return found


@pytest.fixture(scope="module")
def network():
    return WindowLifter.open("nano_s_81_streaming")


def write(folder: Path, network, *names: str, times_s=None) -> Path:
    for writer in open_writers(names, folder, RunInfo("a clip", "optical", RATE_HZ, network)):
        for result in results(times_s):
            writer.write(result)
        writer.close()
    return folder


def expected_m(track_id: int, first: int, count: int) -> np.ndarray:
    """(F, 17, 3) joints in the camera's axes."""
    joints = np.stack([moving(i) + (0, 0, 1.0 * (track_id == 4)) for i in range(first, first + count)])
    if first <= 3 < first + count:
        joints[3 - first, Joint.R_WRIST] = np.nan
    return joints


def test_mcap_by_mcaps_own_reader(tmp_path, network):
    reading = pytest.importorskip("mcap_ros2.reader", reason="mcap-ros2-support is not installed")
    from mcap.reader import make_reader

    write(tmp_path, network, "mcap")
    with (tmp_path / "recording" / "recording.mcap").open("rb") as file:
        reader = make_reader(file)
        assert reader.get_header().profile == "ros2"
        statistics = reader.get_summary().statistics
        topics = {c.topic: statistics.channel_message_counts[c.id] for c in reader.get_summary().channels.values()}
    assert topics == {
        "/pose_node/skeletons": FRAMES,
        "/pose_node/skeletons_2d": FRAMES,
        "/pose_node/skeleton_description": 1,
        "/camera_info": FRAMES,
        "/markers": FRAMES,
        "/tf_static": 1,
    }
    path = str(tmp_path / "recording" / "recording.mcap")
    found = [m for m in reading.read_ros2_messages(path) if m.channel.topic == "/pose_node/skeletons"]
    for i, message in enumerate(found):
        array = message.ros_msg
        assert array.header.frame_id == "optical" and message.log_time_ns == 10_000_000_000 + 40_000_000 * i
        skeleton = array.skeletons[0]
        joints = np.array([(p.x, p.y, p.z) for p in skeleton.joints])
        root = np.array((skeleton.root.x, skeleton.root.y, skeleton.root.z))
        np.testing.assert_allclose(joints + root, expected_m(1, i, 1)[0], atol=1e-6)
        assert skeleton.track_id == 1 and skeleton.root_valid


def test_markers_by_mcaps_own_reader(tmp_path, network):
    reading = pytest.importorskip("mcap_ros2.reader", reason="mcap-ros2-support is not installed")
    path = str(write(tmp_path, network, "mcap") / "recording" / "recording.mcap")
    arrays = [m.ros_msg for m in reading.read_ros2_messages(path) if m.channel.topic == "/markers"]
    kinds = [[(m.ns, m.id, m.action) for m in array.markers] for array in arrays]
    person = [(ns, 1, 0) for ns in ("joints", "bones", "label")]
    assert kinds[0] == person and kinds[10] == [*person, *((ns, 4, 0) for ns, _, _ in person)]
    assert kinds[20] == [*person, *((ns, 4, 2) for ns, _, _ in person)] and kinds[21] == person
    joints, bones, label = arrays[3].markers
    lines = 15 + 2 + 3 + 2  # bones, feet, an arrow, two steps of the trail
    assert len(joints.points) == 16 and len(bones.points) == len(bones.colors) == 2 * lines
    np.testing.assert_allclose([joints.points[0].x, joints.points[0].z], [0.06, 3.0], atol=1e-6)
    assert label.text == "1: 3.0 m" and label.pose.position.y < joints.points[10].y
    (upright_tf,) = next(
        m.ros_msg.transforms for m in reading.read_ros2_messages(path) if m.channel.topic == "/tf_static"
    )
    q = upright_tf.transform.rotation
    from scipy.spatial.transform import Rotation

    np.testing.assert_allclose(Rotation.from_quat((q.x, q.y, q.z, q.w)).apply((1, 0, 0)), (0, 0, 1), atol=1e-9)
    assert (upright_tf.header.frame_id, upright_tf.child_frame_id) == ("optical", "camera_upright")


def test_images_in_the_bag(tmp_path, network):
    from rosbags.highlevel import AnyReader

    write(tmp_path, network, "mcap_images")
    with AnyReader([tmp_path / "recording"]) as reader:
        images = [c for c in reader.connections if c.topic == "/image/compressed"]
        found = [reader.deserialize(data, c.msgtype) for c, _, data in reader.messages(images)]
    assert len(found) == FRAMES
    image = cv2.imdecode(np.asarray(found[5].data), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(image.astype(int), 90, atol=3)


def test_the_bag_has_metadata_as_rosbag2_has(tmp_path, network):
    import yaml

    write(tmp_path, network, "mcap")
    told = yaml.safe_load((tmp_path / "recording" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert told["storage_identifier"] == "mcap" and told["relative_file_paths"] == ["recording.mcap"]
    assert told["message_count"] == 4 * FRAMES + 2 and told["duration"]["nanoseconds"] == 40_000_000 * (FRAMES - 1)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_by_pandas(tmp_path, network, kind):
    pd = pytest.importorskip("pandas", reason="pandas, which reads the tables, is not installed")
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow (the extra `record`) is not installed")
    read = getattr(pd, f"read_{kind}")
    write(tmp_path, network, kind)
    joints, people = read(tmp_path / f"joints.{kind}"), read(tmp_path / f"people.{kind}")
    assert len(joints) == 17 * (FRAMES + 10) and len(people) == FRAMES + 10
    for track_id, first, count in ((1, 0, FRAMES), (4, 10, 10)):
        rows = joints[joints.track_id == track_id]
        assert rows.joint.tolist() == NAMES * count
        found = rows[["x_cam_m", "y_cam_m", "z_cam_m"]].to_numpy().reshape(count, 17, 3)
        np.testing.assert_allclose(found, expected_m(track_id, first, count), atol=1e-4)
        assert np.unique(rows.frame).tolist() == list(range(first, first + count))
        places = people[people.track_id == track_id]
        np.testing.assert_allclose(places.z_cam_m, 3.0 + (track_id == 4), atol=1e-4)
        assert places.height_m.isna().all()
    np.testing.assert_allclose(people[people.track_id == 1].time_s, np.arange(FRAMES) / 25)
    assert people.stamp_ns.iloc[-1] == 10_000_000_000 + 40_000_000 * (FRAMES - 1)


def test_parquet_is_not_there_before_it_is_complete(tmp_path, network):
    pytest.importorskip("pyarrow", reason="pyarrow (the extra `record`) is not installed")
    (writer,) = open_writers(["parquet"], tmp_path, RunInfo("a clip", "optical", RATE_HZ, network))
    writer.write(results()[0])
    assert not (tmp_path / "joints.parquet").exists()
    writer.close()
    assert (tmp_path / "joints.parquet").exists() and not list(tmp_path.glob("*.part"))


def test_trc_as_a_table(tmp_path, network):
    """No library reads TRC here; its lines are those of OpenSim's documentation."""
    write(tmp_path, network, "trc")
    for track_id, first, count in ((1, 0, FRAMES), (4, 10, 10)):
        rows = list(csv.reader((tmp_path / f"person_{track_id}.trc").open(), delimiter="\t"))
        assert rows[0] == ["PathFileType", "4", "(X/Y/Z)", f"person_{track_id}.trc"]
        assert dict(zip(rows[1], rows[2], strict=True)) == {
            "DataRate": "25", "CameraRate": "25", "NumFrames": str(count), "NumMarkers": "17", "Units": "mm",
            "OrigDataRate": "25", "OrigDataStartFrame": "1", "OrigNumFrames": str(count),
        }  # fmt: skip
        assert rows[3][:2] == ["Frame#", "Time"] and rows[3][2::3] == NAMES
        assert rows[4][2:5] == ["X1", "Y1", "Z1"] and rows[4][-1] == "Z17"
        data = np.array([[float(cell or "nan") for cell in row] for row in rows[6:]])
        np.testing.assert_allclose(data[:, 1], np.arange(first, first + count) / 25)
        x, y, z = np.moveaxis(expected_m(track_id, first, count), -1, 0)
        np.testing.assert_allclose(data[:, 2:].reshape(count, 17, 3), 1000 * np.stack((z, -y, x), -1), atol=0.01)


def test_c3d_by_another_library(tmp_path, network):
    pytest.importorskip("ezc3d", reason="ezc3d (the extra `record`), which writes C3D, is not installed")
    c3d = pytest.importorskip("c3d", reason="c3d, which reads it, is not installed")
    write(tmp_path, network, "c3d")
    for track_id, first, count in ((1, 0, FRAMES), (4, 10, 10)):
        with (tmp_path / f"person_{track_id}.c3d").open("rb") as file:
            reader = c3d.Reader(file)
            assert reader.point_rate == 25.0 and [label.strip() for label in reader.point_labels] == NAMES
            points = np.stack([points for _, points, _ in reader.read_frames()])
        x, y, z = np.moveaxis(expected_m(track_id, first, count), -1, 0)
        missing = points[..., 3] < 0
        found = np.where(missing[..., None], np.nan, points[..., :3])
        np.testing.assert_allclose(found, 1000 * np.stack((z, -x, -y), -1), atol=0.01)
        assert missing.sum() == (track_id == 1)


def test_bvh_by_another_library(tmp_path, network):
    bvh = pytest.importorskip("bvh", reason="bvh, which reads it, is not installed")
    from scipy.spatial.transform import Rotation

    write(tmp_path, network, "bvh")
    tree = bvh.Bvh((tmp_path / "person_1.bvh").read_text())
    assert tree.nframes == FRAMES and tree.frame_time == pytest.approx(0.04)
    ends = {"LeftForeArm": Joint.L_WRIST, "LeftLeg": Joint.L_ANKLE, "RightLeg": Joint.R_ANKLE, "Head": Joint.HEAD}
    starts = {"Hips": Joint.HIP, "LeftArm": Joint.L_SHOULDER, "LeftForeArm": Joint.L_ELBOW, "RightLeg": Joint.R_KNEE}

    def pose(frame: int) -> dict[Joint, np.ndarray]:
        """Forward kinematics."""
        found = {}

        def walk(name, position, turned):
            angles = [tree.frame_joint_channel(frame, name, f"{axis}rotation") for axis in "ZXY"]
            rotation = turned * Rotation.from_euler("ZXY", angles, degrees=True)
            if name in starts:
                found[starts[name]] = position
            node = tree.get_joint(name)
            for child in node.filter("JOINT"):
                walk(child.name, position + rotation.apply(tree.joint_offset(child.name)), rotation)
            for end in node.filter("End"):
                offset = [float(value) for value in end["OFFSET"]]
                if name in ends:
                    found[ends[name]] = position + rotation.apply(offset)

        root = [tree.frame_joint_channel(frame, "Hips", f"{axis}position") for axis in "XYZ"]
        walk("Hips", np.array(root), Rotation.identity())
        return found

    x, y, z = np.moveaxis(expected_m(1, 0, FRAMES), -1, 0)
    expected = 100 * np.stack((-x, -y, z), -1)
    for i in range(FRAMES):
        for joint, position in pose(i).items():
            np.testing.assert_allclose(position, expected[i, joint], atol=0.2, err_msg=f"{joint.name} in frame {i}")


def test_mp4_by_opencv(tmp_path, network):
    write(tmp_path, network, "mp4")
    capture = cv2.VideoCapture(str(tmp_path / "annotated.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == RATE_HZ and capture.get(cv2.CAP_PROP_FRAME_COUNT) == FRAMES
    for i in range(FRAMES):
        ok, image = capture.read()
        assert ok and image.shape == (480, 640, 3)
        x, y = np.rint(CAMERA.project(moving(i)[Joint.L_KNEE])).astype(int)
        assert np.ptp(image[y, x].astype(int)) > 60  # a colour on grey
        assert np.ptp(image[470, 10].astype(int)) < 20
    assert not capture.read()[0]


def test_videos_last_as_long_as_frames_of_uneven_times(tmp_path, network):
    times_s = np.cumsum(np.tile((0.04, 0.04, 0.2, 0.013, 0.027), 6)) - 0.04
    write(tmp_path, network, "mp4", times_s=times_s)
    count = cv2.VideoCapture(str(tmp_path / "annotated.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)
    assert count == pytest.approx(times_s[-1] * RATE_HZ + 1, abs=1)


def test_the_grid_interpolates_and_leaves_gaps_open():
    times_s = np.array([0.1, 0.2, 0.4, 2.0, 2.1])
    joints = np.broadcast_to(times_s[:, None, None], (5, 17, 3))
    motion = on_grid(times_s, joints, 10.0)
    assert motion.first == 1 and len(motion.joints_m) == 21
    at = np.arange(1, 22) / 10
    found = motion.joints_m[:, 5, 2]
    assert np.isnan(found[(at > 0.41) & (at < 1.99)]).all()
    known = np.isfinite(found)
    np.testing.assert_allclose(found[known], at[known])
    assert known.sum() == 6
    assert len(on_grid(times_s[:1], joints[:1], 10.0).joints_m) == 1


def test_motion_stands_on_the_floor_where_it_is_known(network):
    joints = moving(0)

    def stood(ground, **options):
        level = RunInfo("a clip", "optical", RATE_HZ, network, **options).level_from_camera(ground)
        return upright(joints, ground, level)

    level = stood(None)
    np.testing.assert_allclose(level[Joint.HIP], (3.0, 0.0, -0.1), atol=1e-6)
    # Of a camera on its side the image's right is down.
    np.testing.assert_allclose(stood(None, image_rotation=90)[Joint.HIP], (3.0, 0.1, 0.0), atol=1e-6)
    ground = Ground.of_angles(pitch_deg=20.0, height_m=1.5)
    np.testing.assert_allclose(stood(ground)[Joint.HIP], ground.place(joints[Joint.HIP]), atol=1e-9)
    told = Ground.of_camera_pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([5.0, 6.0, 1.2]))
    np.testing.assert_allclose(stood(told)[Joint.HIP], (8.0, 6.0, 1.1), atol=1e-6)


def test_a_missing_library_is_said_before_the_work(monkeypatch):
    monkeypatch.setattr("nanohtnet_ros.recording.writers.find_spec", lambda name: None)
    for name in ("parquet", "c3d"):
        with pytest.raises(UserError, match=rf"--write {name} needs .*'nanohtnet_ros\[record\]'"):
            check_writers([name])
    with pytest.raises(UserError, match="each format once"):
        check_writers(["mcap", "mcap_images"])
    assert set(FORMATS) >= {"mcap", "csv", "parquet", "trc", "c3d", "bvh", "mp4"}
