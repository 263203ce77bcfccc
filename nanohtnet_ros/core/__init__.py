"""The line from keypoints to 3D skeletons: NumPy, OpenCV and SciPy only."""
