# SPDX-License-Identifier: GPL-3.0-or-later
"""Values, conversions, Math, Clamp and Map Range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..evaluation import Call
from ..registry import node
from ..values import COLOR, FLOAT, VECTOR, as_float, divide

Operation = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@node("CONVERT", Value=FLOAT)
def convert(call: Call) -> np.ndarray:
    """() or (N,): a colour or vector where one number is wanted."""
    kind = COLOR if call.prop("from", "RGBA") == "RGBA" else VECTOR
    value = call.vector("Value")
    return as_float(value, kind)


@node("VALUE", Value=FLOAT)
def value(call: Call) -> np.ndarray:
    """() or (N,): a number."""
    return call.float("Value")


@node("RGB", Color=COLOR)
def rgb(call: Call) -> np.ndarray:
    """(3,) or (N, 3): a colour."""
    return call.color("Color")


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Negative bases only have whole powers, all else of them is 0."""
    whole = np.floor(b) == b
    return np.where((a < 0) & ~whole, 0, np.where(a < 0, np.abs(a), a) ** b) * np.where(
        (a < 0) & whole & (np.mod(b, 2) != 0), -1, 1
    )


def _log(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    good = (a > 0) & (b > 0)
    return np.where(good, divide(np.log(np.maximum(a, 1e-38)), np.log(np.maximum(b, 1e-38))), 0)


def _wrap(a: np.ndarray, high: np.ndarray, low: np.ndarray) -> np.ndarray:
    span = high - low
    return np.where(span != 0, a - span * np.floor(divide(a - low, span)), low)


def _pingpong(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    part = divide(a - b, b * 2)
    return np.where(b != 0, np.abs((part - np.floor(part)) * b * 2 - b), 0)


def _smooth_min(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    h = divide(np.maximum(c - np.abs(a - b), 0), c)
    return np.minimum(a, b) - h**3 * c * (1 / 6)


def _round(a: np.ndarray) -> np.ndarray:
    return np.floor(a + 0.5)


OPERATIONS: dict[str, Operation] = {
    "ADD": lambda a, b, c: a + b,
    "SUBTRACT": lambda a, b, c: a - b,
    "MULTIPLY": lambda a, b, c: a * b,
    "DIVIDE": lambda a, b, c: divide(a, b),
    "MULTIPLY_ADD": lambda a, b, c: a * b + c,
    "POWER": lambda a, b, c: _power(a, b),
    "LOGARITHM": lambda a, b, c: _log(a, b),
    "SQRT": lambda a, b, c: np.sqrt(np.maximum(a, 0)),
    "INVERSE_SQRT": lambda a, b, c: np.where(a > 0, divide(np.ones_like(a), np.sqrt(a)), 0),
    "ABSOLUTE": lambda a, b, c: np.abs(a),
    "EXPONENT": lambda a, b, c: np.exp(a),
    "MINIMUM": lambda a, b, c: np.minimum(a, b),
    "MAXIMUM": lambda a, b, c: np.maximum(a, b),
    "LESS_THAN": lambda a, b, c: a < b,
    "GREATER_THAN": lambda a, b, c: a > b,
    "SIGN": lambda a, b, c: np.sign(a),
    "COMPARE": lambda a, b, c: (a == b) | (np.abs(a - b) <= np.maximum(c, 1e-5)),
    "SMOOTH_MIN": lambda a, b, c: _smooth_min(a, b, c),
    "SMOOTH_MAX": lambda a, b, c: -_smooth_min(-a, -b, c),
    "ROUND": lambda a, b, c: _round(a),
    "FLOOR": lambda a, b, c: np.floor(a),
    "CEIL": lambda a, b, c: np.ceil(a),
    "TRUNC": lambda a, b, c: np.trunc(a),
    "FRACT": lambda a, b, c: a - np.floor(a),
    "MODULO": lambda a, b, c: np.where(b != 0, np.fmod(a, np.where(b == 0, 1, b)), 0),
    "FLOORED_MODULO": lambda a, b, c: np.where(b != 0, a - np.floor(divide(a, b)) * b, 0),
    "WRAP": _wrap,
    "SNAP": lambda a, b, c: np.floor(divide(a, b)) * b,
    "PINGPONG": lambda a, b, c: _pingpong(a, b),
    "SINE": lambda a, b, c: np.sin(a),
    "COSINE": lambda a, b, c: np.cos(a),
    "TANGENT": lambda a, b, c: np.tan(a),
    "ARCSINE": lambda a, b, c: np.arcsin(np.clip(a, -1, 1)),
    "ARCCOSINE": lambda a, b, c: np.arccos(np.clip(a, -1, 1)),
    "ARCTANGENT": lambda a, b, c: np.arctan(a),
    "ARCTAN2": lambda a, b, c: np.arctan2(a, b),
    "SINH": lambda a, b, c: np.sinh(a),
    "COSH": lambda a, b, c: np.cosh(a),
    "TANH": lambda a, b, c: np.tanh(a),
    "RADIANS": lambda a, b, c: np.radians(a),
    "DEGREES": lambda a, b, c: np.degrees(a),
}


@node("MATH", Value=FLOAT)
def math(call: Call) -> np.ndarray:
    """() or (N,) by all of Blender's operations; what has no value is 0, as there."""
    operation = OPERATIONS.get(call.prop("operation", "ADD"), OPERATIONS["ADD"])
    made = operation(
        call.float("Value", 0.5), call.float("Value_001", 0.5), call.float("Value_002", 0.5)
    )
    return np.clip(made, 0, 1) if call.prop("use_clamp", False) else made


@node("CLAMP", Result=FLOAT)
def clamp(call: Call) -> np.ndarray:
    """() or (N,), between minimum and maximum, or between two ends in either order."""
    low, high = call.float("Min"), call.float("Max", 1.0)
    if call.prop("clamp_type", "MINMAX") == "RANGE":
        low, high = np.minimum(low, high), np.maximum(low, high)
    return np.minimum(np.maximum(call.float("Value", 1.0), low), high)


@node("MAP_RANGE", Result=FLOAT, Vector=VECTOR)
def map_range(call: Call) -> dict[str, np.ndarray]:
    """Numbers, () or (N,), or vectors, (3,) or (N, 3); the names of the sockets differ."""
    if call.prop("data_type", "FLOAT") == "FLOAT_VECTOR":
        names = ("From_Min_FLOAT3", "From_Max_FLOAT3", "To_Min_FLOAT3", "To_Max_FLOAT3")
        ends = [call.vector(name, (float(i % 2),) * 3) for i, name in enumerate(names)]
        steps = call.vector("Steps_FLOAT3", (4.0, 4.0, 4.0))
        return {"Vector": _ranged(call, call.vector("Vector"), ends, steps, True)}
    names = ("From Min", "From Max", "To Min", "To Max")
    ends = [call.float(name, float(i % 2)) for i, name in enumerate(names)]
    return {
        "Result": _ranged(call, call.float("Value", 1.0), ends, call.float("Steps", 4.0), False)
    }


def _ranged(
    call: Call, of: np.ndarray, ends: list[np.ndarray], steps: np.ndarray, always: bool
) -> np.ndarray:
    low, high, to_low, to_high = ends
    kind = call.prop("interpolation_type", "LINEAR")
    part = divide(of - low, high - low)
    if kind == "STEPPED":
        part = divide(np.floor(part * (steps + 1)), steps)
    elif kind == "SMOOTHSTEP":
        part = np.clip(part, 0, 1)
        part = part * part * (3 - 2 * part)
    elif kind == "SMOOTHERSTEP":
        part = np.clip(part, 0, 1)
        part = part**3 * (part * (part * 6 - 15) + 10)
    made = to_low + part * (to_high - to_low)
    if not always:
        made = np.where(high == low, 0, made)
    if kind in ("LINEAR", "STEPPED") and call.prop("clamp", True):
        made = np.clip(made, np.minimum(to_low, to_high), np.maximum(to_low, to_high))
    return made
