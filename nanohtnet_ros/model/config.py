"""Sizes and switches of the lifting network."""

from __future__ import annotations

from dataclasses import dataclass

from nanohtnet_ros.errors import UserError
from nanohtnet_ros.model.network_config import NetworkConfig


@dataclass(frozen=True)
class NanoHTNetConfig(NetworkConfig):
    """Everything that `NanoHTNet` needs to be built.

    The defaults are the published network's. Names follow the paper (arXiv 2501.15763) where it has one.

    Attributes:
        window_length: T, input frames.
        kept_frames: n, kept DCT coefficients and output frames.
        joints: J.
        channels: C, a multiple of 6 * heads (thirds and halves are split over the heads).
        layers: L, mixers in each stream.
        mlp_hidden: hidden width of every MLP.
        gcn_hidden: hidden width of the graph convolutions.
        joint_features: h, features per joint that each stream hands to the last linear.
        heads: attention heads.
        drop_path: stochastic depth of the first and the last mixer; linear between.
        dropout_spatial: dropout in the spatial stream's MLPs.
        dropout_temporal: dropout in the temporal stream's MLPs and in every attention projection.
        swap_arm_tokens: in the three-joint branch, write the left arm's part token to the right arm and the other
            way round. For checkpoints of code that mixed up the two; the authors' published code (commit 901020e)
            does not, nor do our networks.
        person_view: turn and scale the window to the person before the network and turn the joints back after
            it (see `person_view.py`). Not in the paper; a published checkpoint was trained without.
        zero_root: output exactly zero for joint 0. A published checkpoint gives a value near zero that its users
            overwrite.
        output_offsets: which frames the n outputs are, as offsets from the window's newest frame (0), ascending.
            None: the n frames centred on the window's middle, as published.
        uncertainty: give a fourth value per joint, the natural logarithm of its expected error in metres.
    """

    window_length: int = 243
    kept_frames: int = 9
    output_offsets: tuple[int, ...] | None = None
    joints: int = 17
    channels: int = 240
    layers: int = 3
    mlp_hidden: int = 256
    gcn_hidden: int = 384
    joint_features: int = 8
    heads: int = 8
    drop_path: tuple[float, float] = (0.1, 0.3)
    dropout_spatial: float = 0.15
    dropout_temporal: float = 0.1
    swap_arm_tokens: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels % (6 * self.heads):
            raise UserError(
                f"channels is {self.channels}, expected a multiple of {6 * self.heads}: "
                f"its thirds and halves are split over {self.heads} heads"
            )
        if self.joints != 17:
            raise UserError(f"joints is {self.joints}, expected 17: the part level is written for Human3.6M's limbs")
