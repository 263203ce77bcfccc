"""Loss of a lifting network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanohtnet_ros.core.skeleton import H36M_17
from nanohtnet_ros.errors import UserError

PARENTS, CHILDREN = (list(joints) for joints in zip(*H36M_17.bones, strict=True))


@dataclass(frozen=True)
class Losses:
    """Weights of the terms of the loss; the mean joint distance has weight 1, a weight of 0 disables a term.

    Attributes:
        newest_weight: extra weight of the last output frame relative to the others, in all terms but the velocity.
        bone_length: of the mean difference of a bone's length, metres.
        velocity: of the mean difference of joints' velocities between neighbouring outputs, metres a frame.
        likelihood: of the negative log-likelihood of the joints' errors under a Laplace distribution, whose scale is
            the expected error of a network with `uncertainty`. It trains the expected error alone.
    """

    newest_weight: float = 0.0
    bone_length: float = 0.0
    velocity: float = 0.0
    likelihood: float = 0.0

    def check(self, outputs: int, uncertainty: bool) -> None:
        """Check that a network has the outputs that the terms need.

        Raises:
            UserError: it has not, or an expected error that nothing trains.
        """
        if self.velocity and outputs < 2:
            raise UserError(
                f"losses.velocity is {self.velocity}, but the network gives {outputs} frame: set it to 0, or "
                "give the network more outputs"
            )
        if bool(self.likelihood) != uncertainty:
            raise UserError(
                f"losses.likelihood is {self.likelihood} and the network's uncertainty is {str(uncertainty).lower()}: "
                "set both or neither"
            )

    def __call__(self, output: Tensor, target_m: Tensor, offsets: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch.

        Args:
            output: (B, n, 17, 3) joints in metres, or (B, n, 17, 4) with the logarithm of their expected errors.
            target_m: (B, n, 17, 3) joints relative to joint 0.
            offsets: frames of the n outputs.
        Returns:
            The weighted sum, and the terms by name, unweighted: `loss_mm` is the mean joint distance.
        """
        joints_m = without_root(output[..., :3])
        weights = torch.ones(len(offsets), device=output.device)
        weights[-1] += self.newest_weight
        weights = (weights / weights.mean())[:, None]  # (n, 1)

        distance_m = joint_distance(joints_m, target_m)  # (B, n, 16)
        total = distance = (weights * distance_m).mean()
        parts = {"loss_mm": 1000.0 * distance}
        if self.bone_length:
            error = (weights * (bone_lengths(joints_m) - bone_lengths(target_m)).abs()).mean()
            total, parts["bone_length_mm"] = total + self.bone_length * error, 1000.0 * error
        if self.velocity:
            error = joint_distance(velocity(joints_m, offsets), velocity(target_m, offsets)).mean()
            total, parts["velocity_mm"] = total + self.velocity * error, 1000.0 * error
        if self.likelihood:
            nll = (weights * laplace_nll(distance_m.detach(), output[:, :, 1:, 3])).mean()
            total, parts["likelihood"] = total + self.likelihood * nll, nll
        return total, parts


def without_root(joints_m: Tensor) -> Tensor:
    """(..., 17, 3) joints with joint 0 at zero, as users of the network set it."""
    return torch.cat((torch.zeros_like(joints_m[..., :1, :]), joints_m[..., 1:, :]), dim=-2)


def joint_distance(predicted: Tensor, target: Tensor) -> Tensor:
    """(..., 16) distances of all joints but the root; both (..., 17, 3)."""
    return (predicted - target)[..., 1:, :].norm(dim=-1)


def bone_lengths(joints_m: Tensor) -> Tensor:
    """(..., 16) lengths of the bones of (..., 17, 3)."""
    return (joints_m[..., CHILDREN, :] - joints_m[..., PARENTS, :]).norm(dim=-1)


def velocity(joints_m: Tensor, offsets: Sequence[int]) -> Tensor:
    """(B, n - 1, 17, 3) metres a frame between neighbouring outputs of (B, n, 17, 3)."""
    frames = torch.tensor(offsets, device=joints_m.device).diff()[:, None, None]
    return joints_m.diff(dim=1) / frames


def laplace_nll(error: Tensor, log_expected: Tensor) -> Tensor:
    """Negative log-likelihood, up to a constant, of errors given the logarithm of their expected size."""
    return error * torch.exp(-log_expected) + log_expected
