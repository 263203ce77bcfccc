import numpy as np
import pytest
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from dataclasses import replace

from nanohtnet_ros.core.camera import FOCAL_NORM
from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.core.window import WindowBuffer
from nanohtnet_ros.training.synthesis.evaluation_set import CAMERAS, NOISE
from nanohtnet_ros.training.synthesis.keypoint_noise import (
    LEAST_JOINTS,
    FieldOfView,
    Intervals,
    KeypointNoise,
    ar1_matrix,
    person_size,
    rate_matrices,
)
from nanohtnet_ros.training.synthesis.virtual_camera import project

ALWAYS = Intervals(probability=1.0, seconds=(0.2, 0.2))


@pytest.fixture
def keypoints(recorded, rng):
    """(400, 27, 17, 2) exact keypoints."""
    joints = recorded(400)
    return project(CAMERAS.place(joints[:, -1, 0], rng).view(joints), FOCAL_NORM)


class Positions:
    """Noise of which only the positions are looked at."""

    def __init__(self, noise: KeypointNoise) -> None:
        self.noise = noise

    def apply(self, *args) -> torch.Tensor:
        return self.noise.apply(*args)[..., :2]


def only(**parts) -> Positions:
    """Noise of one kind."""
    return Positions(replace(KeypointNoise.none(), **parts))


@pytest.mark.parametrize("rate_hz", [50.0, 30.0, 25.0, 15.0, 60.0])
def test_camera_rates_keep_straight_motion_and_the_newest_frame(rate_hz):
    to_camera, to_model = rate_matrices(27, rate_hz)
    line = torch.linspace(-1, 1, 27)
    np.testing.assert_allclose((to_model @ (to_camera @ line))[3:], line[3:], atol=1e-5)
    np.testing.assert_allclose(to_camera[-1], np.eye(27)[-1], atol=1e-6)
    np.testing.assert_allclose(to_camera.sum(dim=1), 1.0, atol=1e-5)
    if rate_hz == 50.0:
        np.testing.assert_allclose(to_model @ to_camera, np.eye(27), atol=1e-6)


def test_drift_has_the_memory_it_claims(rng):
    steps = torch.randn(4000, 60, generator=rng) * (1 - 0.8**2) ** 0.5
    steps[:, 0] = torch.randn(4000, generator=rng)
    drift = steps @ ar1_matrix(60, 0.8).T
    assert drift.std(dim=0).numpy() == pytest.approx(1.0, abs=0.06)
    lagged = np.corrcoef(drift[:, 30], drift[:, 31])[0, 1]
    assert lagged == pytest.approx(0.8, abs=0.03)


def test_no_noise_changes_nothing(keypoints, rng):
    seen = KeypointNoise.none().apply(keypoints, rng)
    assert torch.equal(seen[..., :2], keypoints) and (seen[..., 2] == 1).all()
    identity = torch.eye(3).expand(*keypoints.shape[:2], 3, 3)
    assert torch.equal(KeypointNoise.none().apply(keypoints, rng, 0, identity), seen)


def test_noise_scales_with_the_person(keypoints, rng):
    whole = replace(NOISE, field_of_view=FieldOfView(cut_probability=0.0, tight_probability=0.0))
    error = Positions(whole).apply(keypoints, rng) - keypoints
    size = person_size(keypoints)[:, 0, 0, 0]
    spread = error.square().mean(dim=(1, 2, 3)).sqrt()
    assert np.corrcoef(size, spread)[0, 1] > 0.4
    assert 0.02 < (spread / size).median() < 0.12


@pytest.mark.parametrize("part", ["jitter", "drift", "offset", "bone_shift", "girdle_width", "jitter_motion"])
def test_each_error_grows_with_its_own_parameter(keypoints, part):
    quiet = {"jitter": 0.0, "drift": 0.0, "offset": 0.0, "bone_shift": 0.0, "amount": 2.0}
    spread = []
    for factor in (0.5, 1.0):
        noise = only(**{**quiet, part: factor * getattr(KeypointNoise(), part)})
        error = noise.apply(keypoints, torch.Generator().manual_seed(5)) - keypoints
        spread.append(error.square().mean().sqrt().item())
    assert spread[0] > 0 and spread[1] == pytest.approx(2 * spread[0], rel=0.1)


def test_offsets_last_for_the_window_and_jitter_does_not(keypoints, rng):
    quiet = {"jitter": 0.0, "drift": 0.0, "offset": 0.0, "bone_shift": 0.0, "amount": 2.0}
    lasting = only(**{**quiet, "offset": 0.05}).apply(keypoints, rng) - keypoints
    np.testing.assert_allclose(lasting, lasting[:, :1].expand_as(lasting), atol=1e-5)
    fleeting = only(**{**quiet, "jitter": 0.05}).apply(keypoints, rng) - keypoints
    assert abs(np.corrcoef(fleeting[:, 10].flatten(), fleeting[:, 11].flatten())[0, 1]) < 0.05


def test_jitter_in_pixels_is_worse_for_small_people(keypoints, rng):
    narrow = FieldOfView(
        horizontal_deg=(90.0, 90.0), width_px=(640.0, 640.0), cut_probability=0.0, tight_probability=0.0
    )
    error = only(jitter_px=1.0, field_of_view=narrow).apply(keypoints, rng) - keypoints
    relative = error.square().mean(dim=(1, 2, 3)).sqrt() / person_size(keypoints)[:, 0, 0, 0]
    size = person_size(keypoints)[:, 0, 0, 0]
    assert relative[size < size.median()].median() > 1.5 * relative[size >= size.median()].median()


def test_swaps_exchange_sides_for_a_spell(keypoints, rng):
    swapped = only(swaps=ALWAYS).apply(keypoints, rng)
    flip = H36M_17.flip_order.tolist()
    changed = (swapped != keypoints).any(dim=-1)  # (B, T, J)
    assert changed.any(dim=(1, 2)).float().mean() > 0.9
    assert torch.equal(swapped[changed], keypoints[:, :, flip][changed])
    assert not changed[:, :, [0, 7, 8, 9, 10]].any()
    assert changed.any(dim=2).sum(dim=1).max() <= 11  # 0.2 s of 50 Hz


def test_occluded_joints_are_held_or_guessed(keypoints, rng):
    held = only(occlusions=ALWAYS, missing_probability=0.0, held_probability=1.0).apply(keypoints, rng)
    changed = (held != keypoints).any(dim=-1)
    assert changed[:, 1:].any() and not changed[:, :, [0, 1, 4, 7, 8, 9, 10, 11, 14]].any()
    before = held[:, :-1][changed[:, 1:]]
    same_as_before = (held[:, 1:][changed[:, 1:]] == before).all(dim=-1)
    assert same_as_before.float().mean() > 0.8  # the others' spell began with the window: their first sight counts
    guessed = only(occlusions=ALWAYS, missing_probability=0.0, held_probability=0.0, guess=0.25).apply(keypoints, rng)
    error = ((guessed - keypoints) / person_size(keypoints))[(guessed != keypoints).any(dim=-1)]
    assert 0.15 < error.std() < 0.27


def test_what_is_out_of_the_image_is_not_seen_there(keypoints, rng):
    lens = FieldOfView(horizontal_deg=(60.0, 60.0), aspect=(0.75, 0.75), cut_probability=1.0, tight_probability=0.0)
    noise = only(field_of_view=lens, missing_probability=0.0, held_probability=0.0)
    borders, _ = lens.sample(keypoints, torch.Generator().manual_seed(1))
    assert (keypoints[:, -1, 0].abs() <= borders[:, 0, 0]).all()  # the pelvis is in the image
    assert (keypoints.abs() > borders).any()
    seen = noise.apply(keypoints, torch.Generator().manual_seed(1))
    assert (seen.abs() <= borders + 1e-6).all()
    whole = replace(lens, cut_probability=0.0, widest_deg=179.0)
    borders, _ = whole.sample(keypoints, rng)
    assert (keypoints[:, -1].abs() <= borders[:, 0]).all()


def test_lost_frames_are_bridged_and_the_newest_never_gets_lost(keypoints, rng):
    lossy = only(dropped=0.5).apply(keypoints, rng)
    assert torch.equal(lossy[:, -1], keypoints[:, -1])
    assert 0.2 < (lossy == keypoints).all(dim=(2, 3)).float().mean() < 0.7


def test_who_enters_stood_still_before(keypoints, rng):
    entered = only(entering=1.0).apply(keypoints, rng)
    assert torch.equal(entered[:, -1], keypoints[:, -1])
    first = (entered == keypoints).all(dim=(2, 3)).float().argmax(dim=1)
    for i in (0, 1, 2, 3):
        assert torch.equal(entered[i, : first[i]], keypoints[i, first[i]].expand(first[i], -1, -1))
        assert torch.equal(entered[i, first[i] :], keypoints[i, first[i] :])
    assert first.float().std() > 3


def test_lens_size_and_entering_keep_to_the_frame_that_is_used(keypoints, rng):
    borders, _ = FieldOfView(
        horizontal_deg=(20.0, 20.0), widest_deg=179.0, cut_probability=0.0, tight_probability=0.0
    ).sample(keypoints, rng, -13)
    inside = (keypoints.abs() <= borders).all(dim=-1).all(dim=-1)  # (B, T)
    assert inside[:, 13].all() and not inside[:, -1].all()
    np.testing.assert_allclose(person_size(keypoints, -13), person_size(keypoints[:, :14]))
    entered = only(entering=1.0).apply(keypoints, rng, -13)
    assert torch.equal(entered[:, 13:], keypoints[:, 13:]) and not torch.equal(entered[:, 0], keypoints[:, 0])


def test_intervals_have_their_probability_and_length(rng):
    spell = Intervals(probability=0.3, seconds=(0.1, 0.4)).sample(4000, 81, rng)
    has = spell.any(dim=1)
    assert 0.25 < has.float().mean() < 0.35
    length = spell[has].sum(dim=1)
    assert length.max() <= 21 and 7 < length.float().mean() < 13
    assert spell[:, 0].any() and spell[:, -1].any()


def test_tight_borders_pass_through_the_person(keypoints, rng):
    lens = FieldOfView(horizontal_deg=(10.0, 10.0), cut_probability=0.0, tight_probability=1.0, upper_probability=0.0)
    borders, _ = lens.sample(keypoints, rng)
    outside = (keypoints[:, -1].abs() > borders[:, 0]).any(dim=-1)
    assert not outside[:, 0].any() and outside.any(dim=1).float().mean() > 0.8
    assert (outside.sum(dim=1) <= 17 - LEAST_JOINTS).all()
    upper, _ = replace(lens, upper_probability=1.0).sample(keypoints, rng)
    outside = (keypoints[:, -1].abs() > upper[:, 0]).any(dim=-1)
    assert not outside[:, 8].any() and outside[:, 0].any()


def test_a_desk_hides_what_is_below_its_edge(keypoints, rng):
    noise = only(desk_probability=1.0, desk_edge=(0.5, 0.5), missing_probability=1.0).noise
    y, confidence = keypoints[:, -1, :, 1], noise.apply(keypoints, rng)[:, -1, :, 2]
    edge = (y.amin(dim=1) + y.amax(dim=1)) / 2
    assert torch.equal(confidence == 0, y > edge[:, None])


def test_missing_joints_are_filled_as_a_nodes_window_fills_them(keypoints):
    """`core.window` on what the detector gives, against the synthesis' own."""
    noise = only(occlusions=Intervals(1.0, (0.1, 3.0)), missing_probability=1.0, camera_rates_hz=(25.0,)).noise
    seen = noise.apply(keypoints[:200], torch.Generator().manual_seed(2))
    missing = seen[:, :, :, 2] == 0
    assert 0.05 < missing.float().mean() < 0.4 and missing.all(dim=1).any()
    for exact, given, lacking in zip(keypoints[:200], seen, missing, strict=True):
        buffer = WindowBuffer(27, 50.0)
        rays = torch.nn.functional.normalize(torch.cat((exact / FOCAL_NORM, torch.ones(27, 17, 1)), dim=-1), dim=-1)
        for frame in range(0, 27, 2):
            known = ~lacking[frame]
            buffer.push(
                frame * 20_000_000, np.where(known[:, None], rays[frame], np.nan), known.numpy().astype(np.float32)
            )
        window = buffer.window()
        np.testing.assert_allclose(given[..., :2], window.keypoints_norm, atol=1e-5)
        np.testing.assert_allclose(given[..., 2], window.confidence, atol=1e-5)


def test_keypoints_are_turned_after_they_are_detected(keypoints, rng):
    turn = torch.tensor(Rotation.from_euler("xyz", (20.0, 0.0, 15.0), degrees=True).as_matrix(), dtype=torch.float32)
    level = turn.expand(*keypoints.shape[:2], 3, 3)
    seen = NOISE.apply(keypoints, torch.Generator().manual_seed(3))
    turned = NOISE.apply(keypoints, torch.Generator().manual_seed(3), 0, level)
    rays = torch.cat((seen[:, -1, :, :2] / FOCAL_NORM, torch.ones(len(seen), 17, 1)), dim=-1) @ turn.T
    np.testing.assert_allclose(turned[:, -1, :, :2], rays[..., :2] / rays[..., 2:] * FOCAL_NORM, atol=2e-4)
    assert torch.equal(turned[..., 2], seen[..., 2])


def test_people_behind_the_camera_are_not_seen(keypoints, rng):
    behind = torch.zeros(keypoints.shape[:3], dtype=torch.bool)
    behind[:, :, 16] = True
    seen = only(missing_probability=1.0).noise.apply(keypoints, rng, 0, None, behind)
    assert torch.equal(seen[..., 2] == 0, behind)
