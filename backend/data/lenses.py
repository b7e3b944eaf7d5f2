# SPDX-License-Identifier: GPL-3.0-or-later
"""Lenses of captures, and pictures taken through them made straight (by COLMAP's formulas)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..shared.errors import InputError

if TYPE_CHECKING:
    import pycolmap

MAX_SIDE = 65_535
FOCAL_RANGE = (0.02, 500.0)
"""Focal lengths that a lens can have, in the picture's longer sides."""
MOST_BENT = 1e3
"""Coefficients of distortion larger than this are no lens."""
MOST_PIXELS = 64_000_000
"""Of a straightened picture: a wide fisheye asks for many."""
_PINHOLES = {"SIMPLE_PINHOLE": 1, "PINHOLE": 2}


@dataclass(frozen=True)
class Lens:
    """A camera model by COLMAP's name and parameters; pixel centres at +0.5."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]

    def scaled(self, width: int, height: int) -> Lens:
        """The same lens before a picture of `width` x `height` pixels."""
        if (width, height) == (self.width, self.height):
            return self
        camera = self.colmap()
        camera.rescale(width, height)
        return Lens(self.model, width, height, tuple(float(p) for p in camera.params))

    def colmap(self) -> pycolmap.Camera:
        """COLMAP's own object of it."""
        import pycolmap

        return pycolmap.Camera(
            model=self.model, width=self.width, height=self.height, params=list(self.params)
        )

    def pinhole(self) -> np.ndarray | None:
        """(3, 3) K, or None where the lens bends lines."""
        focals = _PINHOLES.get(self.model)
        if focals is None:
            return None
        fx, fy = self.params[0], self.params[focals - 1]
        cx, cy = self.params[focals:]
        return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class Straight:
    """K (3, 3) and size of the pinhole picture; x, y: (H, W) float32 where its pixels are found in
    the lens's picture, for cv2.remap; None = the picture is one of a pinhole already."""

    K: np.ndarray
    width: int
    height: int
    x: np.ndarray | None = None
    y: np.ndarray | None = None

    def colours(self, rgb: np.ndarray) -> np.ndarray:
        """(H, W, C) of the pinhole, interpolated."""
        if self.x is None:
            return rgb
        return cv2.remap(rgb, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def values(self, values: np.ndarray, outside: float) -> np.ndarray:
        """(H, W) of the pinhole, never mixed with what stands beside it."""
        if self.x is None:
            return values
        return cv2.remap(values, self.x, self.y, cv2.INTER_NEAREST,
                         borderMode=cv2.BORDER_CONSTANT, borderValue=outside)  # fmt: skip


def check_lens(lens: Lens, name: str) -> None:
    """Raises InputError for numbers that no lens has, before anything is computed with them."""
    longest = max(lens.width, lens.height)
    if not (1 <= lens.width <= MAX_SIDE and 1 <= lens.height <= MAX_SIDE):
        raise InputError(
            f"The camera of '{name}' is {lens.width} x {lens.height} pixels, which no picture has; "
            "export the capture again."
        )
    if not all(math.isfinite(p) and abs(p) < 1e9 for p in lens.params):
        raise InputError(
            f"The camera of '{name}' has numbers that are not finite; export the capture again."
        )
    try:
        camera = lens.colmap()
        if not camera.verify_params():
            raise ValueError(f"{len(lens.params)} parameters")
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"The camera of '{name}' is no '{lens.model}' that can be read ({error}); "
            "undistort the pictures first."
        ) from error
    if camera.is_spherical():
        raise InputError(
            f"The pictures of this capture are panoramas ('{name}'); make worlds of them one by "
            "one with New World from Panorama, or export perspective pictures."
        )
    focals = [lens.params[i] for i in camera.focal_length_idxs()]
    bent = [lens.params[i] for i in camera.extra_params_idxs()]
    low, high = (f * longest for f in FOCAL_RANGE)
    if not all(low < f < high for f in focals) or any(abs(b) > MOST_BENT for b in bent):
        raise InputError(
            f"The camera of '{name}' has a lens that cannot be (focal length "
            f"{', '.join(f'{f:g}' for f in focals)} pixels); export the capture again."
        )


@lru_cache(maxsize=2)
def straighten(lens: Lens) -> Straight:
    """The pinhole of the same focal length that sees no more than the lens saw, and the way to it.

    Raises InputError where no pinhole of a sensible size does.
    """
    K = lens.pinhole()
    if K is not None:
        return Straight(K, lens.width, lens.height)
    import pycolmap

    camera = lens.colmap()
    try:
        pinhole = pycolmap.undistort_camera(pycolmap.UndistortCameraOptions(), camera)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"Pictures of a {lens.model} lens cannot be undistorted; undistort them first."
        ) from error
    width, height = pinhole.width, pinhole.height
    K = np.array(pinhole.calibration_matrix(), np.float64)
    if min(width, height) < 2 or width * height > MOST_PIXELS or not np.isfinite(K).all():
        raise InputError(
            f"The lens ({lens.model}) bends its pictures too much to be made straight; "
            "undistort them first."
        )
    x = np.empty((height, width), np.float32)
    y = np.empty_like(x)
    columns = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
    rays = np.ones((width, 3))
    rays[:, 0] = columns
    for row in range(height):
        rays[:, 1] = (row + 0.5 - K[1, 2]) / K[1, 1]
        x[row], y[row] = (np.asarray(camera.img_from_cam(rays)) - 0.5).T
    return Straight(K, width, height, x, y)
