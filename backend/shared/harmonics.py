# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours that depend on where they are seen from: real spherical harmonics up to degree 3.

Order, signs and scale are those of 3D Gaussian splats (Kerbl et al., 2023; the basis is that of
Ramamoorthi and Hanrahan, 2001, with Condon and Shortley's phase): a splat seen along the unit
vector d, from the camera to it, has the colour rgb + sum over k of basis(d)[k] * coefficient[k],
and no less than 0.
"""

from __future__ import annotations

import numpy as np

SH_C0 = 0.28209479177387814
"""Value of the constant harmonic, 1 / (2 sqrt(pi))."""
MOST_DEGREE = 3
TERMS = (1, 4, 9, 16)
"""Harmonics up to each degree."""
STEPS = 127.0
"""Steps of a coefficient of 1 as it is kept; larger ones are held at 1."""
_BLOCK = 1 << 16


def terms(x, y, z):  # type: ignore[no-untyped-def] # numbers when compiled, else arrays
    """The 16 harmonics up to degree 3 of the unit vector (x, y, z)."""
    xx, yy, zz = x * x, y * y, z * z
    return (
        SH_C0 + 0 * x,
        -0.4886025119029199 * y,
        0.4886025119029199 * z,
        -0.4886025119029199 * x,
        1.0925484305920792 * x * y,
        -1.0925484305920792 * y * z,
        0.31539156525252005 * (2 * zz - xx - yy),
        -1.0925484305920792 * x * z,
        0.5462742152960396 * (xx - yy),
        -0.5900435899266435 * y * (3 * xx - yy),
        2.890611442640554 * x * y * z,
        -0.4570457994644658 * y * (4 * zz - xx - yy),
        0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
        -0.4570457994644658 * x * (4 * zz - xx - yy),
        1.445305721320277 * z * (xx - yy),
        -0.5900435899266435 * x * (xx - 3 * yy),
    )


def basis(directions: np.ndarray, degree: int) -> np.ndarray:
    """(N, (degree + 1)^2) values of the harmonics for unit vectors (N, 3)."""
    values = terms(*np.asarray(directions, np.float64).T)
    return np.stack(values[: TERMS[degree]], axis=1)


def degree_of(terms: int) -> int:
    """The degree of so many harmonics. Raises ValueError when no degree has as many."""
    if terms not in TERMS:
        raise ValueError(f"{terms} harmonics are of no degree")
    return TERMS.index(terms)


def kept(coefficients: np.ndarray) -> np.ndarray:
    """int8 of coefficients (...,) in steps of 1 / STEPS; what is not finite is 0."""
    return np.rint(np.clip(np.nan_to_num(coefficients), -1, 1) * STEPS).astype(np.int8)


def turned_harmonics(harmonics: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(N, K, 3) int8 of splats that are turned, or mirrored, by an orthogonal matrix (3, 3).

    Within a degree, what a turned one is of those before follows from enough directions: the turned
    harmonics at d are those before at the direction that is turned to d.
    """
    degree = degree_of(harmonics.shape[1])
    directions = np.random.default_rng(0).normal(size=(64, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    before, after = basis(directions @ rotation, degree), basis(directions, degree)
    change = np.linalg.lstsq(after, before, rcond=None)[0].astype(np.float32)
    out = np.empty_like(harmonics)
    for start in range(0, len(harmonics), _BLOCK):
        block = harmonics[start : start + _BLOCK].astype(np.float32)
        out[start : start + _BLOCK] = np.clip(np.rint(change @ block), -STEPS, STEPS)
    return out
