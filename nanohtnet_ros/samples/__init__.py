"""Clips with ground truth that the package ships, windows of them, and videos as frames."""
