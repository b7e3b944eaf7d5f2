# SPDX-License-Identifier: GPL-3.0-or-later
"""Mix, the colour adjustments, and colours and vectors taken apart and put together."""

from __future__ import annotations

import numpy as np

from ..evaluation import Call
from ..registry import node
from ..values import COLOR, FLOAT, VECTOR, as_float
from .blending import BLENDS
from .models import blackbody_rgb, hsl_to_rgb, hsv_to_rgb, rgb_to_hsl, rgb_to_hsv, wavelength_rgb

_INTO = {"HSV": rgb_to_hsv, "HSL": rgb_to_hsl}
_FROM = {"HSV": hsv_to_rgb, "HSL": hsl_to_rgb}


def _plain(values: np.ndarray) -> np.ndarray:
    return values


@node(
    "MIX",
    Result_Float=FLOAT,
    Result_Vector=VECTOR,
    Result_Color=COLOR,
    Result_Rotation=VECTOR,
)
def mix(call: Call) -> dict[str, np.ndarray]:
    """Of numbers, () or (N,), vectors, colours, (3,) or (N, 3); rotations are mixed as the angles
    they are."""
    kind = call.prop("data_type", "FLOAT")
    limit = call.prop("clamp_factor", True)
    share = call.float("Factor_Float", 0.5)
    share = np.clip(share, 0, 1) if limit else share
    if kind == "RGBA":
        made = _blend(call, share, "A_Color", "B_Color")
        return {"Result_Color": np.clip(made, 0, 1) if call.prop("clamp_result", False) else made}
    if kind == "FLOAT":
        a, b = call.float("A_Float"), call.float("B_Float")
        return {"Result_Float": a + share * (b - a)}
    name = "Vector" if kind == "VECTOR" else "Rotation"
    a, b = call.vector(f"A_{name}"), call.vector(f"B_{name}")
    wide = share[..., None]
    if kind == "VECTOR" and call.prop("factor_mode", "UNIFORM") == "NON_UNIFORM":
        wide = call.vector("Factor_Vector", (0.5, 0.5, 0.5))
        wide = np.clip(wide, 0, 1) if limit else wide
    return {f"Result_{name}": a + wide * (b - a)}


def _blend(call: Call, share: np.ndarray, first: str, second: str) -> np.ndarray:
    grey = (0.5, 0.5, 0.5)
    mixed = BLENDS.get(call.prop("blend_type", "MIX"), BLENDS["MIX"])
    return mixed(call.color(first, grey), call.color(second, grey), share[..., None])


@node("MIX_RGB", Color=COLOR)
def mix_rgb(call: Call) -> np.ndarray:
    """(3,) or (N, 3): the older node for colours."""
    made = _blend(call, np.clip(call.float("Fac", 0.5), 0, 1), "Color1", "Color2")
    return np.clip(made, 0, 1) if call.prop("use_clamp", False) else made


@node("HUE_SAT", Color=COLOR)
def hue_saturation(call: Call) -> np.ndarray:
    """(3,) or (N, 3): turn the hue, scale saturation and value."""
    color = call.color("Color")
    hsv = rgb_to_hsv(color)
    hue = np.mod(hsv[..., 0] + call.float("Hue", 0.5) + 0.5, 1)
    saturation = np.clip(hsv[..., 1] * call.float("Saturation", 1.0), 0, 1)
    bright = hsv[..., 2] * call.float("Value", 1.0)
    made = hsv_to_rgb(np.stack(np.broadcast_arrays(hue, saturation, bright), axis=-1))
    return np.maximum(color + (made - color) * call.float("Fac", 1.0)[..., None], 0)


@node("BRIGHTCONTRAST", Color=COLOR)
def bright_contrast(call: Call) -> np.ndarray:
    """(3,) or (N, 3), scaled about the middle, and moved."""
    bright, contrast = call.float("Bright"), call.float("Contrast")
    scale, move = 1 + contrast, bright - contrast * 0.5
    return np.maximum(call.color("Color", (1, 1, 1)) * scale[..., None] + move[..., None], 0)


@node("GAMMA", Color=COLOR)
def gamma(call: Call) -> np.ndarray:
    """(3,) or (N, 3): a power of what is above 0."""
    color = call.color("Color", (1.0, 1.0, 1.0))
    power = call.float("Gamma", 1.0)[..., None]
    return np.where(color > 0, np.maximum(color, 0) ** power, color)


@node("INVERT", Color=COLOR)
def invert(call: Call) -> np.ndarray:
    """(3,) or (N, 3): 1 - colour, in part."""
    color = call.color("Color", (0.0, 0.0, 0.0))
    return color + call.float("Fac", 1.0)[..., None] * (1 - 2 * color)


@node("RGBTOBW", Val=FLOAT)
def luminance(call: Call) -> np.ndarray:
    """() or (N,): a colour's luminance."""
    return as_float(call.color("Color", (0.5, 0.5, 0.5)), COLOR)


@node("SEPARATE_COLOR", Red=FLOAT, Green=FLOAT, Blue=FLOAT)
def separate_color(call: Call) -> dict[str, np.ndarray]:
    """Into RGB, HSV or HSL, () or (N,) each."""
    made = _INTO.get(call.prop("mode", "RGB"), _plain)(call.color("Color"))
    return {name: made[..., i] for i, name in enumerate(("Red", "Green", "Blue"))}


@node("COMBINE_COLOR", Color=COLOR)
def combine_color(call: Call) -> np.ndarray:
    """(3,) or (N, 3) from RGB, HSV or HSL."""
    return _FROM.get(call.prop("mode", "RGB"), _plain)(_stacked(call, "Red", "Green", "Blue"))


def _stacked(call: Call, *names: str) -> np.ndarray:
    return np.stack(np.broadcast_arrays(*(call.float(name) for name in names)), axis=-1)


@node("SEPRGB", "SEPHSV", R=FLOAT, G=FLOAT, B=FLOAT, H=FLOAT, S=FLOAT, V=FLOAT)
def separate_old(call: Call) -> dict[str, np.ndarray]:
    """The nodes of older files: () or (N,) each."""
    hsv = call.node.type == "SEPHSV"
    color = call.color("Color" if hsv else "Image")
    made = rgb_to_hsv(color) if hsv else color
    return {name: made[..., i] for i, name in enumerate("HSV" if hsv else "RGB")}


@node("COMBRGB", "COMBHSV", Image=COLOR, Color=COLOR)
def combine_old(call: Call) -> dict[str, np.ndarray]:
    """The nodes of older files: (3,) or (N, 3)."""
    if call.node.type == "COMBHSV":
        return {"Color": hsv_to_rgb(_stacked(call, "H", "S", "V"))}
    return {"Image": _stacked(call, "R", "G", "B")}


@node("SEPXYZ", X=FLOAT, Y=FLOAT, Z=FLOAT)
def separate_xyz(call: Call) -> dict[str, np.ndarray]:
    """A vector's components, () or (N,) each."""
    made = call.vector("Vector")
    return {name: made[..., i] for i, name in enumerate("XYZ")}


@node("COMBXYZ", Vector=VECTOR)
def combine_xyz(call: Call) -> np.ndarray:
    """(3,) or (N, 3): a vector of three numbers."""
    return _stacked(call, "X", "Y", "Z")


@node("BLACKBODY", Color=COLOR)
def blackbody(call: Call) -> np.ndarray:
    """(3,) or (N, 3): the colour of heat in kelvins."""
    return blackbody_rgb(call.float("Temperature", 6500.0))


@node("WAVELENGTH", Color=COLOR)
def wavelength(call: Call) -> np.ndarray:
    """(3,) or (N, 3): the colour of a wavelength in nanometres."""
    return wavelength_rgb(call.float("Wavelength", 500.0))


@node("SHADERTORGB", Color=COLOR, Alpha=FLOAT)
def shader_to_rgb(call: Call) -> dict[str, np.ndarray]:
    """EEVEE's alone: Cycles has black there, (3,), of alpha 1, ()."""
    return {"Color": np.zeros(3, np.float32), "Alpha": np.ones((), np.float32)}
