"""What PoseCLR does in a step of the training loop, and how far it has come."""

from __future__ import annotations

from dataclasses import asdict
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nanohtnet_ros.model.person_view import look_at_person
from nanohtnet_ros.model.poseclr import (
    ContrastiveEncoder,
    MemoryBank,
    MomentumEncoders,
    PoseCLRConfig,
    info_nce,
)

HELD_OUT_SEED = 7
PROBE_RIDGE = 1e-3  # of the probe's normal equations, as a share of their mean diagonal


class ViewSource(Protocol):
    """Recorded motion from which moments are drawn."""

    def views(
        self, size: int, views: int, window_length: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(V, B, T, 17, 2) keypoints of B moments in V cameras, (B,) recordings, (B,) newest frames."""
        ...

    def batch(
        self, size: int, window_length: int, offsets: tuple[int, ...], rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """(B, T, 17, 2) keypoints and (B, n, 17, 3) root-relative joints at `offsets`."""
        ...


class PretrainTask:
    """PoseCLR of one encoder, as the training loop runs it.

    Args:
        encoder: a lifting network; see `ContrastiveEncoder`.
        network: its name, for the checkpoint.
        config: of PoseCLR.
        source: motion to learn from.
        held_out: other motion, to measure on.
        moments: how many moments of it.
    """

    def __init__(
        self,
        encoder: nn.Module,
        network: str,
        config: PoseCLRConfig,
        source: ViewSource,
        held_out: ViewSource,
        moments: int = 512,
    ) -> None:
        self.config, self.network, self.source = config, network, source
        sizes = encoder.config
        self.window_length = sizes.window_length
        self.exclusion_frames = sizes.window_length if config.exclusion_frames is None else config.exclusion_frames
        self.module = ContrastiveEncoder(encoder, config.head_features)
        self.momentum = MomentumEncoders(self.module, config)
        self.bank = MemoryBank(config.bank_size, self.module.key_width)
        self.slow = nn.ModuleDict({"momentum": self.momentum, "bank": self.bank})
        self.slow.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self.latest: tuple[Tensor, Tensor, Tensor, list[int]] | None = None
        rng = torch.Generator().manual_seed(HELD_OUT_SEED)
        self.held_out = held_out.views(moments, 2, self.window_length, rng)
        self.probe_fit = source.batch(2 * moments, self.window_length, sizes.frame_offsets, rng)
        self.probe_test = held_out.batch(moments, self.window_length, sizes.frame_offsets, rng)

    def batch(self, size: int, rng: torch.Generator) -> tuple[Tensor, ...]:
        """(B, V, T, 17, 2) views of random moments, (B,) their recordings and (B,) newest frames."""
        keypoints, sequence, frame = self.source.views(size, self.config.views, self.window_length, rng)
        return keypoints.transpose(0, 1), sequence, frame

    def query_view(self) -> int:
        """The camera that is this step's query: random, but alike in all processes."""
        return int(torch.randint(self.config.views, (), generator=torch.Generator().manual_seed(int(self.slow.step))))

    def loss(self, module: nn.Module, batch: tuple[Tensor, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """InfoNCE of a batch; `module` is ours, perhaps wrapped."""
        keypoints, sequence, frame = batch
        self.slow.to(keypoints.device)
        chosen = self.query_view()
        others = [view for view in range(self.config.views) if view != chosen]
        query = module(keypoints[:, chosen])
        keys = self.momentum.keys(keypoints.transpose(0, 1), others)
        negatives = self.bank.negatives(sequence, frame, self.exclusion_frames)
        loss = info_nce(query, keys, self.bank.keys, negatives, self.config.temperature)
        self.latest = (keys, sequence, frame, others)
        with torch.no_grad():
            similarity = torch.einsum("bd,pbd->pb", query, keys)
            best = (query @ self.bank.keys.T).masked_fill(~negatives, -1.0).amax(dim=1)
            parts = {
                "top1": (similarity > best).float().mean(),
                "positive_similarity": similarity.mean(),
                "bank_filled": self.bank.filled,
            }
        return loss, parts

    def after_step(self) -> None:
        """Let the momentum encoders follow, and put the step's keys into the bank, those of all processes."""
        if self.latest is None:
            raise RuntimeError("after_step was called before loss: there are no keys to put into the memory bank")
        keys, sequence, frame, views = self.latest
        self.latest = None
        self.momentum.follow(self.module, views)
        self.bank.put(
            gathered(keys.flatten(0, 1)), gathered(sequence.repeat(len(keys))), gathered(frame.repeat(len(keys))))
        self.slow.step += 1

    @torch.no_grad()
    def evaluate(self, average: nn.Module) -> dict[str, float]:
        """Measure the averaged encoder on held-out motion.

        Returns:
            `view_top1`: share of windows whose most similar key, among those of all held-out moments seen by another
            camera, is its own moment's; moments near it in the same recording do not count.
            `probe_mpjpe_mm`: error of a linear layer fitted to the features by least squares, on other motion.
        """
        average.eval()
        device = next(average.parameters()).device
        keypoints, sequence, frame = (x.to(device) for x in self.held_out)
        similarity = average(keypoints[0]) @ average(keypoints[1]).T
        near = (sequence == sequence[:, None]) & ((frame - frame[:, None]).abs() <= self.exclusion_frames)
        own = torch.eye(len(sequence), dtype=torch.bool, device=device)
        nearest = similarity.masked_fill(near & ~own, -1.0).argmax(dim=1)
        top1 = (nearest == torch.arange(len(nearest), device=device)).float().mean()
        return {"view_top1": round(top1.item(), 4), "probe_mpjpe_mm": round(self._probe_error_mm(average, device), 2)}

    def _probe_error_mm(self, average: ContrastiveEncoder, device: torch.device) -> float:
        fit, test = (
            probe_rows(average, *(x.to(device) for x in part)) for part in (self.probe_fit, self.probe_test))
        (x, y), (x_test, y_test) = fit, test
        gram = x.T @ x
        gram += PROBE_RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=device)
        layer = torch.linalg.solve(gram, x.T @ y)
        return 1000.0 * (x_test @ layer - y_test).norm(dim=-1).mean().item()

    def extra_state(self) -> dict[str, Tensor]:
        """Momentum encoders, memory bank and the number of steps."""
        return self.slow.state_dict()

    def load_extra_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `extra_state` gave."""
        self.slow.load_state_dict(state)

    def checkpoint(self, average: ContrastiveEncoder) -> dict:
        """The averaged encoder, to fine-tune with a new regression head."""
        state = average.encoder.state_dict()
        return {
            "config": asdict(average.encoder.config),
            "network": self.network,
            "state_dict": {name: tensor for name, tensor in state.items() if not name.startswith("fc.")},
            "pretrained": True,
        }


def probe_rows(module: ContrastiveEncoder, keypoints: Tensor, joints_m: Tensor) -> tuple[Tensor, Tensor]:
    """Features and joints, one row per window, frame and joint; the root, which is zero, is left out.

    With a person's view the joints are turned into it, as it is where the regression head works.

    Returns:
        (R, F + 1) features and a one, (R, 3) metres; float64.
    """
    if module.encoder.config.person_view:
        _, rotation = look_at_person(keypoints)
        joints_m = torch.einsum("bij,bnkj->bnki", rotation, joints_m)
    features = module.features(keypoints)[:, :, 1:].double().flatten(0, 2)
    return torch.cat((features, torch.ones_like(features[:, :1])), dim=1), joints_m[:, :, 1:].double().flatten(0, 2)


def gathered(rows: Tensor) -> Tensor:
    """(N * processes, ...) rows of all processes, in their order; alike in all."""
    if not (dist.is_available() and dist.is_initialized()):
        return rows
    parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
