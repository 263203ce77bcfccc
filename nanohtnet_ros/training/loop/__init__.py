"""The optimisation loop, its folder of checkpoints, and several processes."""
