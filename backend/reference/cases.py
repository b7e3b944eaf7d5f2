# SPDX-License-Identifier: GPL-3.0-or-later
"""One comparison with a reference vector: its error, its tolerance, and the measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..shared.arrays import read_npz
from ..shared.errors import InputError
from ..shared.reading import as_sentence

OFF_BY_ONE_BYTES = 16
"""Bytes of a picture that may differ, by one."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One comparison. error and tolerance are in the measure that `what` names."""

    part: str
    name: str
    error: float
    tolerance: float
    what: str = "relative error"

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # a NaN does not pass


@dataclass(frozen=True)
class Skipped:
    """A part that the folder does not hold."""

    part: str
    reason: str


def relative_error(ours: Tensor | np.ndarray, reference: np.ndarray) -> float:
    """max|ours - ref| / max|ref| in float64; infinite where the shapes (...,) differ."""
    ours = np.asarray(ours.cpu() if isinstance(ours, Tensor) else ours, np.float64)
    if ours.shape != reference.shape:
        return float("inf")
    scale = np.abs(reference).max()
    return float(np.abs(ours - reference).max() / (scale if scale > 0 else 1.0))


def byte_case(
    part: str, name: str, ours: np.ndarray, reference: np.ndarray, allowed: int = OFF_BY_ONE_BYTES
) -> Case:
    """Bytes (...,) that differ; a difference beyond one, or of shape, counts as all of them."""
    if ours.shape != reference.shape:
        return Case(part, name, float("inf"), allowed, "bytes that differ")
    difference = np.abs(ours.astype(np.int16) - reference)
    count = float(difference.size if (difference > 1).any() else np.count_nonzero(difference))
    return Case(part, name, count, allowed, "bytes that differ")


def read_arrays(path: Path) -> Arrays:
    """All arrays of an .npz. Raises InputError when it cannot be read."""
    with as_sentence(lambda why: InputError(f'"{path}" is damaged ({why}); copy it again.')):
        return read_npz(path)
