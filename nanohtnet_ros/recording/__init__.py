"""Runs over recordings, without ROS and without a clock: sources of frames, the loop, writers of results."""
