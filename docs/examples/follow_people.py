"""Who is where, and who waves or points: a script that watches a running pose_node.

python3 follow_people.py
"""

import numpy as np
from nanohtnet_ros.msg import Gesture, PersonState

from nanohtnet_ros.client import watch_people
from nanohtnet_ros.core.skeleton import Joint

POSTURES = {getattr(PersonState, name): name.lower() for name in ("STANDING", "SITTING", "LYING")}

for frame in watch_people("pose_node", states=True):
    for person in frame.people:
        if person.root_m is None:
            continue
        wrist = person.joints_m[Joint.R_WRIST]
        print(
            f"{frame.stamp_ns / 1e9:.2f} s, {person.track_id} at {np.round(person.root_m, 2)} m in {frame.frame_id}, "
            f"right hand at {np.round(wrist, 2)}, {POSTURES.get(person.state.posture, '')}"
        )
        for gesture in person.state.gestures:
            if gesture.gesture == Gesture.WAVING:
                print(f"  waves ({gesture.confidence:.0%})")
