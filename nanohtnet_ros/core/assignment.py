"""The assignment of rows to columns that costs least in all, without SciPy, whose import costs a node 50 MB."""

from __future__ import annotations

import numpy as np


def assign(cost: np.ndarray) -> list[tuple[int, int]]:
    """Pair rows and columns, each at most once, as many as there can be, so that the sum of costs is least.

    Shortest augmenting paths: Crouse, "On implementing 2D rectangular assignment algorithms", IEEE Transactions on
    Aerospace and Electronic Systems, 2016.

    Args:
        cost: (R, C), finite.
    Returns:
        Pairs of a row and a column, by rows.
    """
    if cost.shape[0] > cost.shape[1]:
        return sorted((row, column) for column, row in assign(cost.T))
    rows, columns = cost.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of, column_of = np.full(columns, -1), np.full(rows, -1)
    for first in range(rows):
        length, before = np.full(columns, np.inf), np.full(columns, -1)  # of the shortest path to each column
        done = np.zeros(columns, bool)
        row, least, visited = first, 0.0, [first]
        while True:
            through = least + cost[row] - row_price[row] - column_price
            shorter = ~done & (through < length)
            length[shorter], before[shorter] = through[shorter], row
            end = int(np.where(done, np.inf, length).argmin())
            least, done[end] = length[end], True
            if row_of[end] < 0:
                break
            row = int(row_of[end])
            visited.append(row)
        row_price[first] += least
        for row in visited[1:]:
            row_price[row] += least - length[column_of[row]]
        column_price[done] -= least - length[done]
        while True:  # exchange along the path
            row = int(before[end])
            row_of[end] = row
            column_of[row], end = end, int(column_of[row])
            if row == first:
                break
    return [(row, int(column)) for row, column in enumerate(column_of)]
