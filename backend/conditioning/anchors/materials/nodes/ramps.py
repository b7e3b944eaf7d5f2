# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour ramps and curves, as the tables that they are read as."""

from __future__ import annotations

import numpy as np

from ..evaluation import Call
from ..registry import node
from ..values import COLOR, FLOAT, VECTOR


def looked_up(table: np.ndarray, at: np.ndarray, smooth: bool = True) -> np.ndarray:
    """(..., C) rows of a (T, C) table at `at` in [0, 1], interpolated or the one before."""
    place = np.nan_to_num(np.clip(at, 0, 1)) * np.float32(len(table) - 1)
    low = np.minimum(place.astype(np.int32), len(table) - 1)
    found = table[low]
    if not smooth:
        return found
    part = (place - low)[..., None].astype(np.float32)
    return found + part * (table[np.minimum(low + 1, len(table) - 1)] - found)


def _table(call: Call, name: str, width: int) -> np.ndarray:
    table = np.asarray(call.props.get(name, []), np.float32)
    if table.ndim != 2 or not len(table) or table.shape[1] < width:
        raise ValueError(f"the table of a {call.node.type} node is broken")
    return table


@node("VALTORGB", Color=COLOR, Alpha=FLOAT)
def ramp(call: Call) -> dict[str, np.ndarray]:
    """A colour, (3,) or (N, 3), and alpha, () or (N,), of a number."""
    smooth = call.prop("interpolate", True)
    made = looked_up(_table(call, "ramp", 4), call.float("Fac", 0.5), smooth)
    return {"Color": made[..., :3], "Alpha": made[..., 3]}


def _curved(call: Call, value: np.ndarray, width: int) -> np.ndarray:
    """(..., width): each component through its own curve; straight beyond the ends if asked."""
    table = _table(call, "curve", width)
    low, high = call.prop("range", [0.0, 1.0])[:2]
    span = max(high - low, 1e-12)
    at = (value - np.float32(low)) / np.float32(span)
    made = np.stack(
        [looked_up(table[:, i : i + 1], at[..., i])[..., 0] for i in range(width)], axis=-1
    )
    if not call.prop("extrapolate", True) or len(table) < 2:
        return made
    step = np.float32(len(table) - 1)
    before = table[0] + at * (table[1] - table[0]) * step
    after = table[-1] + (at - 1) * (table[-1] - table[-2]) * step
    return np.where(at < 0, before[..., :width], np.where(at > 1, after[..., :width], made))


def _mixed(plain: np.ndarray, made: np.ndarray, share: np.ndarray) -> np.ndarray:
    return plain + (made - plain) * share


@node("CURVE_RGB", Color=COLOR)
def curve_rgb(call: Call) -> np.ndarray:
    """(3,) or (N, 3): red, green and blue by curves."""
    plain = call.color("Color", (1.0, 1.0, 1.0))
    return _mixed(plain, _curved(call, plain, 3), call.float("Fac", 1.0)[..., None])


@node("CURVE_VEC", Vector=VECTOR)
def curve_vector(call: Call) -> np.ndarray:
    """(3,) or (N, 3): X, Y and Z by curves."""
    plain = call.vector("Vector")
    return _mixed(plain, _curved(call, plain, 3), call.float("Fac", 1.0)[..., None])


@node("CURVE_FLOAT", Value=FLOAT)
def curve_float(call: Call) -> np.ndarray:
    """() or (N,): a number by a curve."""
    plain = call.float("Value", 1.0)
    made = _curved(call, plain[..., None], 1)[..., 0]
    return _mixed(plain, made, call.float("Factor", 1.0))
