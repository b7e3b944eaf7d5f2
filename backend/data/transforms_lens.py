# SPDX-License-Identifier: GPL-3.0-or-later
"""Lens and place of one frame of a transforms.json, in the words of several programs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ..shared.errors import InputError
from ..shared.reading import MALFORMED, reason
from .lenses import Lens
from .pictures import check_picture_size

_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])
_RADIAL = ("k1", "k2", "k3", "k4", "k5", "k6")
_PANORAMAS = ("EQUIRECTANGULAR", "OMNIDIRECTIONALSTEREO_L", "OMNIDIRECTIONALSTEREO_R", "VR180")
_NGP_PANORAMAS, _NGP_OTHERS = ("equirectangular", "latlong"), ("orthographic", "ftheta_p0")
"""Entries by which instant-ngp tells lenses apart."""
_KNOWN = ("", "PERSPECTIVE", "PINHOLE", "SIMPLE_PINHOLE", "RADIAL", "SIMPLE_RADIAL", "OPENCV",
          "FULL_OPENCV", "OPENCV_FISHEYE", "FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE",
          "THIN_PRISM_FISHEYE")  # fmt: skip
"""Lenses that are read as what they are."""


def lens_of(merged: dict[str, Any], picture: Path, listed: str) -> Lens:
    """merged: the frame's own values over those of the file. Raises InputError naming `listed`."""
    model = str(merged.get("camera_model") or "").upper()[:40]
    model = model or next((k.upper() for k in (*_NGP_PANORAMAS, *_NGP_OTHERS) if merged.get(k)), "")
    if any(name in model for name in (*_PANORAMAS, "LATLONG")):
        raise InputError(
            f"'{listed}' is a panorama ({model}); make worlds of panoramas one by one with New "
            "World from Panorama, or export perspective pictures."
        )
    if model not in _KNOWN:
        raise InputError(
            f"'{listed}' was taken through a lens ({model}) that is not known here; export "
            "perspective pictures."
        )
    try:
        # where no size is stated the numbers speak of the stored picture
        size: tuple[Any, Any] = merged.get("w"), merged.get("h")
        width, height = (int(size[0]), int(size[1])) if all(size) else check_picture_size(picture)
        if not _has_focal(merged, "x") and "camera_angle_y" in merged:
            fx = fy = _focal(merged, "y", height)
        else:
            fx = _focal(merged, "x", width)
            fy = _focal(merged, "y", height) if _has_focal(merged, "y") else fx
        cx, cy = float(merged.get("cx", width / 2)), float(merged.get("cy", height / 2))
        radial = [float(merged.get(k) or 0.0) for k in _RADIAL]
        p1, p2, sx1, sy1 = (float(merged.get(k) or 0.0) for k in ("p1", "p2", "sx1", "sy1"))
    except MALFORMED as error:
        raise _incomplete(listed, error) from error
    pinhole = (fx, fy, cx, cy)
    if model == "THIN_PRISM_FISHEYE":
        k1, k2, k3, k4 = radial[:4]
        return Lens(model, width, height, (*pinhole, k1, k2, p1, p2, k3, k4, sx1, sy1))
    if merged.get("is_fisheye") or "FISHEYE" in model:
        return Lens("OPENCV_FISHEYE", width, height, (*pinhole, *radial[:4]))
    k1, k2, k3, k4, k5, k6 = radial
    if model == "FULL_OPENCV" or (k3 and not k4):
        return Lens("FULL_OPENCV", width, height, (*pinhole, k1, k2, p1, p2, k3, k4, k5, k6))
    if k4 or k5 or k6:
        raise InputError(
            f"'{listed}' was taken through a lens with a distortion (k4) that is not known here; "
            "undistort the pictures first."
        )
    if any((k1, k2, p1, p2)):
        return Lens("OPENCV", width, height, (*pinhole, k1, k2, p1, p2))
    return Lens("PINHOLE", width, height, pinhole)


def _incomplete(listed: str, error: Exception) -> InputError:
    return InputError(
        f"The camera of '{listed}' is incomplete in transforms.json ({reason(error)}); it needs "
        "fl_x, fl_y, cx, cy and a 4x4 transform_matrix."
    )


def _has_focal(merged: dict[str, Any], axis: str) -> bool:
    return f"fl_{axis}" in merged or f"camera_angle_{axis}" in merged


def _focal(merged: dict[str, Any], axis: str, length: int) -> float:
    if f"fl_{axis}" not in merged and f"camera_angle_{axis}" in merged:
        return 0.5 * length / math.tan(0.5 * float(merged[f"camera_angle_{axis}"]))
    return float(merged[f"fl_{axis}"])


def pose_of(entry: dict[str, Any], listed: str) -> np.ndarray:
    """(4, 4) c2w with OpenCV axes. Raises InputError naming `listed`."""
    try:
        c2w = np.array(entry["transform_matrix"], dtype=np.float64)
    except MALFORMED as error:
        raise _incomplete(listed, error) from error
    if c2w.shape == (3, 4):
        c2w = np.vstack([c2w, [0, 0, 0, 1]])
    if c2w.shape != (4, 4):
        raise InputError(f"The transform_matrix of '{listed}' must be 4x4, not {c2w.shape}.")
    if not np.isfinite(c2w).all():
        raise InputError(f"The transform_matrix of '{listed}' has numbers that are not finite.")
    return c2w @ _GL_TO_CV
