# SPDX-License-Identifier: GPL-3.0-or-later
"""One comparison with a reference vector: its error, its tolerance, and the measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from torch import Tensor

from ..shared.errors import InputError

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
    """max|ours - ref| / max|ref| in float64; infinite where the shapes differ."""
    ours = np.asarray(ours.cpu() if isinstance(ours, Tensor) else ours, np.float64)
    if ours.shape != reference.shape:
        return float("inf")
    scale = np.abs(reference).max()
    return float(np.abs(ours - reference).max() / (scale if scale > 0 else 1.0))


def byte_case(
    part: str, name: str, ours: np.ndarray, reference: np.ndarray, allowed: int = OFF_BY_ONE_BYTES
) -> Case:
    """Bytes that differ; a difference beyond one, or of shape, counts as all of them."""
    if ours.shape != reference.shape:
        return Case(part, name, float("inf"), allowed, "bytes that differ")
    difference = np.abs(ours.astype(np.int16) - reference)
    count = float(difference.size if (difference > 1).any() else np.count_nonzero(difference))
    return Case(part, name, count, allowed, "bytes that differ")


def read_arrays(path: Path) -> Arrays:
    """All arrays of an .npz. Raises InputError when it cannot be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f'"{path}" is damaged ({error}); copy it again.') from error
