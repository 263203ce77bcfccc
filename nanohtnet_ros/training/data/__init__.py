"""Motion capture and recordings from files."""

FRAME_RATE_HZ = 50.0
"""Of all motion, as of Human3.6M."""
