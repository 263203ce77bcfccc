import dataclasses
import math

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.model.person_view import look_at_person
from nanohtnet_ros.model.poseclr import (
    ContrastiveEncoder,
    MemoryBank,
    MomentumEncoders,
    PoseCLRConfig,
    ProjectionHead,
    info_nce,
    similarities,
)
from nanohtnet_ros.model.temporal_conv import TemporalConv, TemporalConvConfig

NANO = NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=16, gcn_hidden=16)
CONV = TemporalConvConfig(window_length=9, kernel_sizes=(3, 3), channels=16)


def nano(**changes) -> ContrastiveEncoder:
    torch.manual_seed(0)
    return ContrastiveEncoder(NanoHTNet(dataclasses.replace(NANO, **changes)), 8)


def conv(**changes) -> ContrastiveEncoder:
    torch.manual_seed(0)
    return ContrastiveEncoder(TemporalConv(dataclasses.replace(CONV, **changes)), 8)


BOTH = pytest.mark.parametrize("made", [nano, conv])


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def windows(count: int, rng: torch.Generator) -> torch.Tensor:
    return 0.3 * torch.randn(count, 9, 17, 2, generator=rng)


def unit(rng: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(shape, generator=rng), dim=-1)


def test_info_nce_against_loops(rng):
    query, positives, bank = unit(rng, 4, 6), unit(rng, 3, 4, 6), unit(rng, 10, 6)
    allowed = torch.rand(4, 10, generator=rng) < 0.6
    losses = []
    for b in range(4):
        wrong = sum(math.exp(float(query[b] @ bank[k]) / 0.2) for k in range(10) if allowed[b, k])
        for p in range(3):
            right = math.exp(float(query[b] @ positives[p, b]) / 0.2)
            losses.append(-math.log(right / (right + wrong)))
    loss = info_nce(*similarities(query, positives, bank, allowed), 0.2)
    assert loss.item() == pytest.approx(sum(losses) / 12, rel=1e-5)


def test_info_nce_without_negatives_is_zero_and_its_gradient_too(rng):
    query = unit(rng, 4, 6).requires_grad_()
    nothing = torch.zeros(10, 6), torch.zeros(4, 10, dtype=torch.bool)
    loss = info_nce(*similarities(query, unit(rng, 3, 4, 6), *nothing), 0.07)
    loss.backward()
    assert loss.item() == 0.0 and (query.grad == 0).all()


def test_info_nce_pulls_positives_and_pushes_negatives(rng):
    query, positives, bank = unit(rng, 4, 6).requires_grad_(), unit(rng, 1, 4, 6), unit(rng, 10, 6)
    allowed = torch.zeros(4, 10, dtype=torch.bool)
    allowed[:, 3] = True
    info_nce(*similarities(query, positives, bank, allowed), 0.5).backward()
    step = -query.grad / query.grad.norm(dim=1, keepdim=True)
    expected = torch.nn.functional.normalize(positives[0] - bank[3], dim=1)
    torch.testing.assert_close(step, expected, atol=1e-5, rtol=0)


@BOTH
def test_keys_are_unit_vectors_of_all_joints(made, rng):
    keys = made()(windows(5, rng))
    assert keys.shape == (5, made().key_width) == (5, 17 * 8)
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(5))


def test_keys_are_unit_vectors_even_if_no_feature_is_above_zero():
    head = ProjectionHead(3, 16, 8)
    with torch.no_grad():
        head.norm_out.weight.zero_()
        head.norm_out.bias.fill_(-1.0)
    keys = head(torch.randn(2, 3, 17, 16))
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(2))


def test_the_head_by_hand(rng):
    head = ProjectionHead(2, 4, 3)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng))
    features = torch.randn(1, 2, 17, 4, generator=rng)

    def norm(x, layer):
        return (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + 1e-5) * layer.weight + layer.bias

    joints = []
    for j in range(17):
        total = torch.zeros(3)
        for frame in range(2):
            x = head.linear.weight @ norm(features[0, frame, j], head.norm_in) + head.linear.bias
            total += head.frame_weights[frame] * norm(x, head.norm_out)
        joints.append(total.clamp_min(0.0))
    key = torch.cat(joints)
    torch.testing.assert_close(head(features)[0], key / key.norm(), atol=1e-5, rtol=0)


@BOTH
def test_gradient_reaches_the_whole_query_encoder_and_nothing_else(made, rng):
    query = made()
    momentum = MomentumEncoders(query, PoseCLRConfig(views=3))
    seen = torch.stack([windows(6, rng) for _ in range(3)])
    keys = momentum.keys(seen, torch.zeros(3, 6), (1, 2))
    pairs = similarities(query(seen[0]), keys, unit(rng, 10, 136), torch.ones(6, 10, dtype=torch.bool))
    info_nce(*pairs, 0.2).backward()
    for name, parameter in query.named_parameters():
        if name.startswith("encoder.fc."):
            assert parameter.grad is None
        else:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert not keys.requires_grad and all(p.grad is None for p in momentum.parameters())


@BOTH
def test_an_encoder_with_a_persons_view_sees_it(made, rng):
    query, x = made(person_view=True).eval(), windows(3, rng)
    view, rotation = look_at_person(x, query.encoder.config.used_offset)
    features, turned = query.encoder.encode(x)
    torch.testing.assert_close(features, query.encoder.features(view))
    torch.testing.assert_close(turned, rotation)
    torch.testing.assert_close(query(x), query.head(features))
    torch.testing.assert_close(query.encoder.regress(features, rotation), query.encoder(x))
    plain = made().eval()
    torch.testing.assert_close(plain(x), plain.head(plain.encoder.features(x)))


@BOTH
def test_keys_depend_on_confidence_and_level(made, rng):
    query = made(person_view=True, confidence=True, level=True).eval()
    x, known = torch.cat((windows(3, rng), torch.ones(3, 9, 17, 1)), dim=-1), torch.ones(3)
    with torch.no_grad():
        for parameter in query.encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    doubtful = x.clone()
    doubtful[:, :, 3, 2] = 0.2
    for other in (query(x, 0 * known), query(doubtful, known)):
        assert (query(x, known) - other).abs().max() > 1e-4
    torch.testing.assert_close(query(x, 0 * known), query(x))
    momentum = MomentumEncoders(query, PoseCLRConfig(views=2))
    keys = momentum.keys(torch.stack((x, doubtful)), torch.stack((known, 0 * known)), (0, 1))
    torch.testing.assert_close(keys, torch.stack((query(x, known), query(doubtful, 0 * known))))


def changed(query: ContrastiveEncoder) -> ContrastiveEncoder:
    with torch.no_grad():
        for tensor in query.state_dict().values():
            tensor.add_(1)
    return query


@BOTH
def test_the_shared_encoder_follows_exactly(made):
    query = made()
    momentum = MomentumEncoders(query, PoseCLRConfig(views=3, momentum=0.9))
    assert len(momentum.encoders) == 1
    before = {name: tensor.clone() for name, tensor in query.state_dict().items()}
    for _ in range(2):
        momentum.follow(changed(query), (1, 2))
    for name, tensor in momentum.encoders[0].state_dict().items():
        if tensor.is_floating_point():  # 0.9 (0.9 w + 0.1 (w + 1)) + 0.1 (w + 2)
            torch.testing.assert_close(tensor, before[name] + 0.29, atol=1e-5, rtol=0)
        else:
            assert tensor == before[name] + 2


def test_encoders_per_view_follow_when_their_view_gave_keys(rng):
    query = nano()
    momentum = MomentumEncoders(query, PoseCLRConfig(views=3, momentum_encoders="per_view", momentum=0.9))
    before = query.head.linear.bias.detach().clone()
    momentum.follow(changed(query), (0, 2))
    moved = [encoder.head.linear.bias - before for encoder in momentum.encoders]
    torch.testing.assert_close(moved[0], torch.full((8,), 0.1))
    assert (moved[1] == 0).all() and torch.equal(moved[2], moved[0])


def test_each_view_is_encoded_by_its_own_encoder(rng):
    momentum = MomentumEncoders(nano(), PoseCLRConfig(views=3, momentum_encoders="per_view"))
    with torch.no_grad():
        for encoder in momentum.encoders:
            encoder.head.linear.weight.normal_(generator=rng)
    seen = torch.stack([windows(2, rng) for _ in range(3)])
    keys = momentum.keys(seen, torch.zeros(3, 2), (0, 2))
    torch.testing.assert_close(keys[0], momentum.encoders[0](seen[0]))
    torch.testing.assert_close(keys[1], momentum.encoders[2](seen[2]))
    assert not torch.allclose(keys[1], momentum.encoders[0](seen[2]))


def test_momentum_encoders_stay_in_evaluation_mode(rng):
    momentum = MomentumEncoders(nano(dropout_spatial=0.5), PoseCLRConfig(views=2)).train()
    seen = windows(2, rng)[None]
    keys = [momentum.keys(seen, torch.zeros(1, 2), (0,)) for _ in range(2)]
    assert torch.equal(*keys)


@pytest.mark.parametrize("seed", range(20))
def test_the_bank_never_gives_a_query_its_own_moment(seed):
    """Keys are told apart by their content here: each spells out the moment that it shows."""
    rng = torch.Generator().manual_seed(seed)
    size, exclusion = int(torch.randint(5, 40, (), generator=rng)), int(torch.randint(0, 6, (), generator=rng))
    bank, history = MemoryBank(size, 2), []
    for _ in range(12):
        count = int(torch.randint(1, 6, (), generator=rng))
        sequence = torch.randint(3, (count,), generator=rng)
        frame = torch.randint(30, (count,), generator=rng)
        allowed = bank.negatives(sequence, frame, exclusion)
        for b in range(count):
            given = sorted(tuple(key) for key in bank.keys[allowed[b]].long().tolist())
            wanted = sorted(
                (s, f) for s, f in history[-size:] if s != sequence[b] or abs(f - int(frame[b])) > exclusion
            )
            assert given == wanted
        bank.put(torch.stack((sequence, frame), dim=1).float(), sequence, frame)
        history += zip(sequence.tolist(), frame.tolist(), strict=True)
        assert bank.filled.item() == pytest.approx(min(1.0, len(history) / size))


def test_a_step_too_large_for_the_bank_is_refused(rng):
    with pytest.raises(ValueError, match="one step gives 5 keys, the memory bank holds 4: raise bank_size"):
        MemoryBank(4, 2).put(unit(rng, 5, 2), torch.zeros(5).long(), torch.zeros(5).long())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 1}, "views is 1, expected 2 or more"),
        ({"momentum_encoders": "own"}, "expected 'shared' or 'per_view'"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"bank_size": 0}, "bank_size is 0"),
        ({"exclusion_frames": -1}, "exclusion_frames is -1"),
        ({"temperature": 0.0}, "temperature is 0.0"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PoseCLRConfig(**change)
