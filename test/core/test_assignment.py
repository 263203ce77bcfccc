"""Against SciPy's solver."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from nanohtnet_ros.core.assignment import assign


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (5, 5), (4, 9), (9, 4), (20, 20), (30, 28), (0, 3), (3, 0)])
@pytest.mark.parametrize("kind", ["random", "small numbers", "equal"])
def test_it_costs_as_little_as_can_be(shape, kind):
    rng = np.random.default_rng(sum(shape))
    for _ in range(20):
        cost = {
            "random": rng.normal(size=shape),
            "small numbers": rng.integers(-2, 2, shape).astype(float),  # many ways cost the same
            "equal": np.ones(shape),
        }[kind]
        pairs = assign(cost)
        assert len(pairs) == min(shape)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
        rows, columns = linear_sum_assignment(cost)
        assert sum(cost[pair] for pair in pairs) == pytest.approx(cost[rows, columns].sum(), abs=1e-12)
        if kind == "random":
            assert pairs == list(zip(rows.tolist(), columns.tolist(), strict=True))
