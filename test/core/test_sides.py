import numpy as np
import pytest

from nanohtnet_ros.core.poses import Keypoints
from nanohtnet_ros.core.sides import BELIEVED_AFTER_S, GROUPS, SideKeeper
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import NS_PER_S

from factories import STANDING_M

STRAIGHT = np.arange(17)
ARMS, LEGS = STRAIGHT.copy(), STRAIGHT.copy()
for order, sides in zip((ARMS, LEGS), GROUPS, strict=True):
    order[sides] = sides[::-1]


def turned(camera, degrees: float) -> Keypoints:
    """The standing person, turned about their long axis, 3 m away."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    joints = STANDING_M @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + (0, 0, 3.0)
    return Keypoints(camera.project(joints).astype(np.float32), np.ones(17, np.float32))


def orders(keeper: SideKeeper, frames: list[Keypoints], hz: float) -> list[tuple[np.ndarray, np.ndarray]]:
    return [keeper.update(frame, round((i + 1) / hz * NS_PER_S)) for i, frame in enumerate(frames)]


@pytest.mark.parametrize("hz", [10, 30, 60])
@pytest.mark.parametrize("exchanged", [H36M_17.flip_order, ARMS, LEGS], ids=["all", "arms", "legs"])
def test_a_spell_of_exchanged_sides_is_put_right(camera, hz, exchanged):
    true = [turned(camera, 20 * np.sin(i / hz)) for i in range(2 * hz)]
    spell = range(hz, hz + max(1, int(0.4 * hz)))
    seen = [person.ordered(exchanged) if i in spell else person for i, person in enumerate(true)]
    for i, (order, mended) in enumerate(orders(SideKeeper(), seen, hz)):
        np.testing.assert_array_equal(order, exchanged if i in spell else STRAIGHT)
        np.testing.assert_array_equal(mended, STRAIGHT)


@pytest.mark.parametrize("hz", [10, 30, 60])
def test_turning_round_is_no_exchange(camera, hz):
    frames = [turned(camera, 180 * i / hz) for i in range(4 * hz)]
    assert all((order == STRAIGHT).all() for order, _ in orders(SideKeeper(), frames, hz))


def test_a_wrong_start_is_mended_and_said_once(camera):
    frames = [turned(camera, 10)] * 30
    seen = [frame.ordered(H36M_17.flip_order) if i < 5 else frame for i, frame in enumerate(frames)]
    answers = orders(SideKeeper(), seen, 30)
    assert (answers[6][0] == H36M_17.flip_order).all(), "continuity comes first"
    assert all((order == STRAIGHT).all() for order, _ in answers[12:])
    told = [i for i, (_, mended) in enumerate(answers) if (mended != STRAIGHT).any()]
    assert len(told) == 1 and (answers[told[0]][1] == H36M_17.flip_order).all()


def test_what_a_detector_says_for_long_is_believed(camera):
    hz, frame = 30, turned(camera, 10)
    seen = [frame] * (4 * hz) + [frame.ordered(H36M_17.flip_order)] * (4 * hz)
    straight = [(order == STRAIGHT).all() for order, _ in orders(SideKeeper(), seen, hz)]
    after_s = (straight.index(True, 4 * hz) - 4 * hz) / hz
    assert 0.8 * BELIEVED_AFTER_S < after_s < 1.2 * BELIEVED_AFTER_S


def test_a_slip_of_one_frame_does_not_confuse(camera):
    frame = turned(camera, 10)
    between = Keypoints((frame.xy_px + frame.xy_px[ARMS]) / 2, frame.confidence)
    seen = [frame] * 20 + [between] + [frame.ordered(H36M_17.flip_order)] * 5 + [frame] * 5
    answers = [order for order, _ in orders(SideKeeper(), seen, 30)]
    assert all((order == H36M_17.flip_order).all() for order in answers[21:26])
    assert all((order == STRAIGHT).all() for order in answers[26:])


def test_unknown_joints_do_not_count(camera):
    known = ~np.isin(np.arange(17), GROUPS[1])  # no legs
    frame = turned(camera, 10).of(known)
    seen = [frame] * 20 + [turned(camera, 10).ordered(H36M_17.flip_order).of(known)] * 5
    order = orders(SideKeeper(), seen, 30)[-1][0]
    np.testing.assert_array_equal(order[GROUPS[0]], GROUPS[0][::-1])


def test_several_people_are_judged_as_each_alone(camera):
    rng, hz = np.random.default_rng(0), 30
    spells = [STRAIGHT, H36M_17.flip_order, ARMS, LEGS]
    alone, together = [SideKeeper() for _ in spells], [SideKeeper() for _ in spells]
    exchanged = 0
    for i in range(2 * hz):
        who = [
            p for p in range(4) if p == 0 or (i >= 5 * p and rng.random() < 0.9)
        ]  # they come one after another, and are missed
        spell = hz <= i < 1.5 * hz
        seen = [turned(camera, i).ordered(spells[p] if spell else STRAIGHT).of(rng.random(17) < 0.95) for p in who]
        stamp_ns = round((i + 1) / hz * NS_PER_S)
        expected = [alone[p].update(frame, stamp_ns) for p, frame in zip(who, seen, strict=True)]
        xy_px = np.array([frame.xy_px for frame in seen])
        found = SideKeeper.together([together[p] for p in who], xy_px, stamp_ns)
        np.testing.assert_array_equal(np.swapaxes(found, 0, 1), expected)
        exchanged += int((found[0] != STRAIGHT).any(axis=1).sum())
    assert exchanged > hz / 2
