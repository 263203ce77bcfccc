"""2D detectors: images to keypoints."""
