import math

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.training.losses import Losses

OFFSETS = (-4, -1, 0)


def poses(B=2, n=3, seed=0):
    joints = torch.randn(B, n, 17, 3, generator=torch.Generator().manual_seed(seed))
    joints[:, :, 0] = 0.0
    return joints


def test_ten_millimetres_off_are_ten_millimetres_of_loss_and_the_root_is_left_out():
    target = poses()
    output = target + torch.tensor([0.0, 0.006, 0.008])
    output[:, :, 0] = 5.0
    loss, parts = Losses()(output, target, OFFSETS)
    assert float(loss) == pytest.approx(0.010, rel=1e-4) and float(parts["loss_mm"]) == pytest.approx(10.0, rel=1e-4)
    assert list(parts) == ["loss_mm"]


def test_the_newest_frame_counts_more():
    target = poses()
    output = target.clone()
    output[:, -1, :, 0] += 0.010
    output[:, 0, :, 0] += 0.001
    assert float(Losses()(output, target, OFFSETS)[0]) == pytest.approx((0.010 + 0.001) / 3, rel=1e-3)
    loss = Losses(newest_weight=2.0)(output, target, OFFSETS)[0]
    assert float(loss) == pytest.approx((3 * 0.010 + 0.001) / 5, rel=1e-3)


def test_bone_lengths_against_a_slow_implementation():
    output, target = poses(seed=1), poses(seed=2)
    expected = []
    for b in range(2):
        for f in range(3):
            for parent, child in H36M_17.bones:
                length = math.dist(output[b, f, parent].tolist(), output[b, f, child].tolist())
                true = math.dist(target[b, f, parent].tolist(), target[b, f, child].tolist())
                expected.append(abs(length - true))
    plain = Losses()(output, target, OFFSETS)[0]
    loss, parts = Losses(bone_length=0.5)(output, target, OFFSETS)
    mean = sum(expected) / len(expected)
    assert float(parts["bone_length_mm"]) == pytest.approx(1000 * mean, rel=1e-4)
    assert float(loss - plain) == pytest.approx(0.5 * mean, rel=1e-4)


def test_velocity_is_per_frame_between_neighbouring_outputs():
    target = poses()
    output = target.clone()
    output[:, 0] += 0.030  # 3 frames before the middle one
    output[:, 2] += 0.007  # 1 frame after it
    plain = Losses()(output, target, OFFSETS)[0]
    loss, parts = Losses(velocity=2.0)(output, target, OFFSETS)
    mean = math.sqrt(3) * (0.030 / 3 + 0.007 / 1) / 2
    assert float(parts["velocity_mm"]) == pytest.approx(1000 * mean, rel=1e-3)
    assert float(loss - plain) == pytest.approx(2 * mean, rel=1e-3)


def test_the_likelihood_is_best_where_the_expected_error_is_the_mean_error():
    target = poses()
    joints = target + torch.tensor([0.0, 0.03, 0.04])

    def nll(expected_m):
        output = torch.cat((joints, torch.full_like(joints[..., :1], math.log(expected_m))), dim=-1)
        return float(Losses(likelihood=1.0)(output, target, OFFSETS)[1]["likelihood"])

    assert nll(0.05) == pytest.approx(1.0 + math.log(0.05), rel=1e-4)
    assert nll(0.05) < min(nll(0.04), nll(0.06))


def test_the_likelihood_trains_the_expected_errors_alone():
    target = poses()
    output = torch.cat((poses(seed=3), torch.zeros(2, 3, 17, 1)), dim=-1).requires_grad_()

    def gradient(losses):
        return torch.autograd.grad(losses(output, target, OFFSETS)[0], output)[0]

    plain, with_it = gradient(Losses()), gradient(Losses(likelihood=0.1))
    assert torch.equal(plain[..., :3], with_it[..., :3])
    assert not plain[..., 3].any() and with_it[:, :, 1:, 3].all()


def test_terms_that_the_network_cannot_serve_are_errors():
    with pytest.raises(ValueError, match=r"losses.velocity is 1.0, but the network gives 1 frame"):
        Losses(velocity=1.0).check(outputs=1, uncertainty=False)
    with pytest.raises(ValueError, match=r"likelihood is 1.0 .*uncertainty is false: set both or neither"):
        Losses(likelihood=1.0).check(outputs=3, uncertainty=False)
    with pytest.raises(ValueError, match=r"likelihood is 0.0 and the network's uncertainty is true"):
        Losses().check(outputs=3, uncertainty=True)
    Losses(velocity=1.0, likelihood=1.0).check(outputs=3, uncertainty=True)
