"""Lengths between the joints of surveyed people: means, spreads and correlations.

Of men and women: the U.S. Army's survey ANSUR II (2012; Gordon et al., NATICK/TR-15/007; public domain), 4082 men and
1986 women, computed from the individuals' measures. Landmarks lie on the skin; with H the mean stature, joint centres
are taken as

- ankle: the height of the lateral malleolus; knee: of the lateral femoral epicondyle;
- hip: 0.9 % of H above the trochanterion, 0.37 of the bicristal breadth from the middle (between Bell's centres, 0.31,
  and what annotators mark);
- shoulder: 2.3 % of H below the acromion, 0.45 of the biacromial breadth from the middle; thorax: 0.9 % of H lower,
  as in CMU's recordings;
- upper arm: acromion to radiale less 2.9 % of H; forearm: radiale to stylion and 0.2 % of H (0.162 and 0.154 of the
  stature, as de Leva, 1996, has them);
- joint of neck and skull: 1.15 % of H below the tragion.

The first six lengths add up to the stature.
"""

from __future__ import annotations

import numpy as np

LENGTHS = ("ankle", "shin", "thigh", "trunk", "neck", "skull", "hip", "shoulder", "upper_arm", "forearm")
"""`ankle` above the sole, `trunk` from hip to thorax, `neck` from there to the joint of neck and skull, `skull` on to
the crown, `hip` and `shoulder` from the middle."""

UPRIGHT = 6
"""So many of `LENGTHS`, the first, add up to the stature."""

MEN_MM = (
    (73, 419, 425, 468, 220, 151, 102, 187, 284, 271),
    (6, 25, 28, 33, 17, 6, 6, 9, 17, 15),
    (
        (1.00,),
        (0.25, 1.00),
        (0.24, 0.59, 1.00),
        (0.35, 0.28, -0.07, 1.00),
        (0.07, 0.19, 0.18, -0.07, 1.00),
        (0.10, 0.10, 0.09, 0.10, -0.09, 1.00),
        (0.37, 0.36, 0.21, 0.51, -0.02, 0.21, 1.00),
        (0.26, 0.44, 0.34, 0.29, 0.22, 0.14, 0.46, 1.00),
        (0.35, 0.76, 0.61, 0.40, 0.13, 0.12, 0.42, 0.47, 1.00),
        (0.29, 0.78, 0.60, 0.24, 0.16, 0.09, 0.30, 0.45, 0.72, 1.00),
    ),
)
WOMEN_MM = (
    (63, 403, 394, 423, 200, 145, 101, 164, 264, 245),
    (5, 26, 24, 29, 15, 7, 8, 8, 17, 15),
    (
        (1.00,),
        (0.15, 1.00),
        (0.29, 0.49, 1.00),
        (0.30, 0.21, 0.07, 1.00),
        (0.17, 0.16, 0.23, 0.04, 1.00),
        (0.11, 0.17, 0.07, 0.12, -0.18, 1.00),
        (0.23, 0.20, 0.19, 0.44, -0.02, 0.20, 1.00),
        (0.24, 0.43, 0.38, 0.28, 0.36, 0.15, 0.30, 1.00),
        (0.28, 0.76, 0.62, 0.38, 0.18, 0.16, 0.35, 0.47, 1.00),
        (0.24, 0.69, 0.64, 0.19, 0.22, 0.09, 0.16, 0.49, 0.69, 1.00),
    ),
)
"""Means, standard deviations and correlations (lower triangle) of `LENGTHS`."""

CHILD_STATURE_M = (1.0, 1.15, 1.28, 1.4, 1.5)
CHILD_LEGS = (0.44, 0.457, 0.47, 0.48, 0.485)
CHILD_SKULL_M = (0.136, 0.139, 0.141, 0.143, 0.145)
"""Of children by their stature (4, 6, 8, 10 and 12 years): all below the seat, per stature, which is 1 less the ratio
of sitting height to stature (0.56 to 0.515, after Fredriks et al., Arch Dis Child 2005, rounded; 0.525 of ANSUR II's
adults); and the skull, 0.94 to 1 of a woman's, as heads grow."""

ADULT_LEGS = 0.475


def length_statistics(survey: tuple) -> tuple[np.ndarray, np.ndarray]:
    """(10,) means and (10, 10) covariances of `LENGTHS`, metres, of `MEN_MM` or `WOMEN_MM`."""
    mean, spread, triangle = survey
    lower = np.array([[*row, *[0.0] * (len(LENGTHS) - len(row))] for row in triangle])
    correlation = lower + lower.T - np.eye(len(LENGTHS))
    spread_m = np.array(spread) / 1000
    return np.array(mean) / 1000, correlation * spread_m * spread_m[:, None]


def adult_lengths(survey: tuple, stature_m: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """People of given statures, as the survey's people of that stature differ.

    Args:
        survey: `MEN_MM` or `WOMEN_MM`.
        stature_m: (N,).
        normal: (N, 10) independent numbers of a standard normal distribution.
    Returns:
        (N, 10) `LENGTHS`, metres.
    """
    mean, covariance = length_statistics(survey)
    lengths = mean + normal @ np.linalg.cholesky(covariance).T
    with_stature = covariance[:, :UPRIGHT].sum(axis=1)
    slope = with_stature / with_stature[:UPRIGHT].sum()
    return lengths + (stature_m - lengths[:, :UPRIGHT].sum(axis=1))[:, None] * slope


def child_lengths(stature_m: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Children of given statures: women scaled to it, with shorter legs and larger heads. See `adult_lengths`."""
    women = adult_lengths(WOMEN_MM, np.full(len(stature_m), 1.63), normal)
    lengths = women * (stature_m / 1.63)[:, None]
    lengths[:, :3] *= np.interp(stature_m, CHILD_STATURE_M, CHILD_LEGS)[:, None] / ADULT_LEGS
    lengths[:, 5] = women[:, 5] * np.interp(stature_m, CHILD_STATURE_M, CHILD_SKULL_M) / 0.145
    rest = stature_m - lengths[:, [0, 1, 2, 5]].sum(axis=1)
    lengths[:, 3:5] *= (rest / lengths[:, 3:5].sum(axis=1))[:, None]
    return lengths


def survey_stature(survey: tuple) -> tuple[float, float]:
    """Mean and standard deviation of a survey's statures, metres."""
    mean, covariance = length_statistics(survey)
    return float(mean[:UPRIGHT].sum()), float(covariance[:UPRIGHT, :UPRIGHT].sum() ** 0.5)
