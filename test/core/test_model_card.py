"""Model cards of any content."""

import contextlib
import json
import random
from pathlib import Path

import nanohtnet_ros
from nanohtnet_ros.core.model_card import ModelCard
from nanohtnet_ros.errors import UserError

CARD = next(Path(nanohtnet_ros.__file__).parent.glob("models/nano*.json"))
VALUES = [None, True, -1, 0, 0.5, 10**30, float("inf"), float("nan"), "x", "", "81", [], [1], [None], {}, {"a": 1}]


def test_no_card_ends_in_a_traceback(tmp_path):
    whole, content, rng = CARD.read_bytes(), json.loads(CARD.read_text()), random.Random(0)
    cards = [json.dumps({**content, key: value}).encode() for key in content for value in VALUES]
    cards += [json.dumps({k: v for k, v in content.items() if k != key}).encode() for key in content]
    cards += [json.dumps(value).encode() for value in VALUES] + [whole[: rng.randrange(len(whole))] for _ in range(50)]
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.randrange(len(whole))] = rng.randrange(256)
        cards.append(bytes(damaged))
    path = tmp_path / "card.json"
    for card in cards:
        path.write_bytes(card)
        with contextlib.suppress(UserError):
            assert ModelCard.load(path).window_length >= 1
