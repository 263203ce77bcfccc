import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn

from nanohtnet_ros.model.nanohtnet import NanoHTNet, NanoHTNetConfig
from nanohtnet_ros.training.loop.optimisation import LoopConfig, learning_rate_factor, optimizer_for, update_average
from nanohtnet_ros.training.loop.precision import chosen_precision, run_mixers_in_half

TINY = NanoHTNetConfig(window_length=9, kept_frames=3, channels=48, layers=1, mlp_hidden=8, gcn_hidden=8)


def test_the_cosine_rises_then_falls_to_zero():
    config = LoopConfig(samples=1000, batch_size=1, warmup_steps=50)
    factors = [learning_rate_factor(step, config) for step in range(1001)]
    assert factors[0] < 0.05 and max(factors) > 0.99 and factors[1000] == pytest.approx(0.0)
    assert np.argmax(factors) in range(45, 60)


def test_the_papers_schedule_halves_after_so_many_samples():
    config = LoopConfig(samples=1000, batch_size=10, schedule="halving", halving_samples=300, warmup_steps=0)
    factors = [learning_rate_factor(step, config) for step in (0, 29, 30, 59, 60, 99)]
    assert factors == [1.0, 1.0, 0.5, 0.5, 0.25, 0.125]


def test_adamw_decays_matrices_only_and_the_papers_adam_is_amsgrad_without_decay():
    module = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    module[0].bias.requires_grad_(False)
    decayed, others = optimizer_for(module, LoopConfig(weight_decay=0.3)).param_groups
    assert decayed["params"] == [module[0].weight] and decayed["weight_decay"] == 0.3
    assert len(others["params"]) == 2 and others["weight_decay"] == 0.0
    (group,) = optimizer_for(module, LoopConfig(optimizer="adam", learning_rate=5e-4)).param_groups
    assert (group["amsgrad"], group["weight_decay"], group["lr"]) == (True, 0, 5e-4)


def test_the_average_follows_the_parameters_and_takes_over_running_statistics():
    module = nn.BatchNorm1d(2)
    average = copy.deepcopy(module)
    module(torch.randn(50, 2) + 3.0)
    with torch.no_grad():
        module.weight += 1.0
    update_average(average, module, 0.9)
    assert torch.allclose(average.weight, torch.tensor(1.1)) and torch.equal(average.running_mean, module.running_mean)
    assert average.num_batches_tracked == 1


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"batch_size": 0}, {"save_every": 0}, {"evaluate_every": -1}])
def test_amounts_have_to_be_positive(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is {value}, expected 1 or more"):
        LoopConfig(**wrong)


def test_shards_have_to_divide_the_batch():
    with pytest.raises(ValueError, match="shards is 3, expected a divisor of the batch size 128"):
        LoopConfig(shards=3)
    assert replace(LoopConfig(), shards=4).shards == 4


@pytest.mark.parametrize(("precision", "dtype"), [("bfloat16", torch.bfloat16), ("float16", torch.float16)])
def test_mixers_run_in_half_precision_and_the_rest_in_float32(precision, dtype):
    torch.manual_seed(0)
    model = NanoHTNet(TINY).eval()
    keypoints = torch.randn(2, 9, 17, 2)
    expected = model(keypoints)
    seen = {}
    run_mixers_in_half(model, precision)
    for name in ("patch_embed", "Transformer.blocks.0.mlp.fc1", "Transformer", "fcn_spa", "fc"):
        model.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: seen.update({name: out.dtype})
        )
    joints = model(keypoints)
    assert seen.pop("Transformer.blocks.0.mlp.fc1") == dtype and set(seen.values()) == {torch.float32}
    assert 0.0 < (joints - expected).abs().max() < 0.05


def test_a_copy_of_a_network_in_half_precision_runs_its_own_weights():
    model = NanoHTNet(TINY).eval()
    run_mixers_in_half(model, "bfloat16")
    twin = copy.deepcopy(model)
    keypoints = torch.randn(2, 9, 17, 2)
    before = twin(keypoints)
    with torch.no_grad():
        model.Transformer.Temporal_norm.weight.zero_()
    assert torch.equal(twin(keypoints), before) and not torch.equal(model(keypoints), before)


def test_half_precision_without_mixers_is_an_error():
    with pytest.raises(ValueError, match="Linear has none: set precision to float32"):
        run_mixers_in_half(nn.Linear(2, 2), "bfloat16")
    run_mixers_in_half(nn.Linear(2, 2), "float32")


@pytest.mark.parametrize("supported", [True, False])
def test_auto_is_float32_where_the_cpu_has_no_bfloat16(supported, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    assert chosen_precision("auto", torch.device("cpu")) == ("bfloat16" if supported else "float32")
    assert chosen_precision("auto", torch.device("cuda")) == "bfloat16"
    assert chosen_precision("float16", torch.device("cpu")) == "float16"
