"""The line from keypoints to 3D skeletons: NumPy and OpenCV only."""
