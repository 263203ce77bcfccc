"""Lengths between the joints of surveyed people: means, spreads and correlations.

Of men and women: the U.S. Army's survey ANSUR II (2012; Gordon et al., NATICK/TR-15/007; public domain), 4082 men and
1986 women, computed from the individuals' measures. Landmarks lie on the skin; with H the mean stature, joint centres
are taken as

- ankle: the height of the lateral malleolus; knee: of the lateral femoral epicondyle;
- hip: 0.9 % of H above the trochanterion (0.2 % by de Leva, 1996, J Biomech 29:1231; 1.4 % by Bell et al., 1989, Hum
  Mov Sci 8:3), 0.37 of the bicristal breadth from the middle (between Bell's centres, 0.31, and what annotators mark);
- shoulder: 2.3 % of H below the acromion (2.0 % by de Leva), 0.45 of the biacromial breadth from the middle; thorax:
  0.9 % of H lower, as in CMU's recordings;
- upper arm: acromion to radiale less 2.9 % of H, which is de Leva's 0.85 of it; forearm: radiale to stylion and 0.2 %
  of H (0.154 of men's stature, as of de Leva's subjects, 29:1223; by his joints it would be 4.6 % longer);
- joint of neck and skull: 1.15 % of H below the tragion.

No publication was found for 0.45 and 1.15 %. The first six lengths add up to the stature.
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

CHILD_STATURE_M = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
CHILDREN_MM = (
    (40, 218, 220, 268, 118, 136, 64, 104, 151, 148),
    (44, 250, 250, 289, 130, 137, 68, 113, 168, 163),
    (48, 282, 280, 310, 142, 138, 72, 122, 185, 179),
    (52, 314, 310, 331, 154, 139, 76, 131, 204, 195),
    (56, 345, 339, 354, 165, 141, 81, 140, 223, 211),
    (60, 375, 368, 376, 177, 144, 87, 149, 244, 228),
)
"""Means of `LENGTHS` of children, boys and girls, of these statures (4, 5, 7, 9, 11 and 12 years old).

From the individuals' measures of Snyder et al. (1977, UM-HSRI-77-17; NIST's AnthroKids), 2490 children below 14.5
years, each measure but stature and sitting height taken of 750 to 800: its share of the stature (a quadratic in it),
over that of the 486 people from 16 to 20, times that of ANSUR II's men and women. Sphyrion, tibiale, suprasternale and
bispinous breadth stand for malleolus, epicondyle, acromion and bicristal breadth, which are taken to grow alike.
Biacromial breadths are compared with girls' and women's, since boys of 16 still grow. Joint centres are as of adults
with H the child's stature, but that of neck and skull is 0.15 of the tragion's distance from the crown below it.

Their sitting heights are within 0.9 % of the stature of those of Fredriks et al. (2005, Arch Dis Child 90:807; medians
by the R package AGD).
"""


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
    """Children of given statures: `CHILDREN_MM`, varied as women of mean stature vary. See `adult_lengths`."""
    women, mean = survey_stature(WOMEN_MM)[0], length_statistics(WOMEN_MM)[0]
    lengths = adult_lengths(WOMEN_MM, np.full(len(stature_m), women), normal) / mean
    for length, children in zip(lengths.T, np.transpose(CHILDREN_MM), strict=True):
        length *= np.interp(stature_m, CHILD_STATURE_M, children / 1000)
    lengths[:, :UPRIGHT] *= (stature_m / lengths[:, :UPRIGHT].sum(axis=1))[:, None]
    return lengths


def survey_stature(survey: tuple) -> tuple[float, float]:
    """Mean and standard deviation of a survey's statures, metres."""
    mean, covariance = length_statistics(survey)
    return float(mean[:UPRIGHT].sum()), float(covariance[:UPRIGHT, :UPRIGHT].sum() ** 0.5)
