# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras, pinhole and orthographic: K, c2w and the projection that everything else uses.

World: right-handed, Z up, metres. Camera: OpenCV (+X right, +Y down, +Z forward).
Pixels: the image's corner is (0, 0), pixel centres lie at +0.5.

A point (x, y, z) of camera space lies on pixel K @ (x/z, y/z, 1) of a pinhole camera and on
K @ (x, y, 1) of an orthographic one, whose focal lengths are pixels a metre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .errors import CameraError
from .reading import as_sentence

MAX_SIZE = 8192
"""Longest side in pixels that a frame may have."""

Projection = Literal["PERSP", "ORTHO"]

_GL_TO_CV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Camera:
    """A posed camera.

    K: (3, 3) float64, pixels. c2w: (4, 4) float64, rigid. width, height: pixels.
    projection: "PERSP", a pinhole, or "ORTHO", parallel rays, with K in pixels a metre.
    near, far: z-depths, metres, that surfaces are seen between.
    Raises CameraError when a matrix is not finite, not rigid or the size is out of range.
    """

    K: np.ndarray
    c2w: np.ndarray
    width: int
    height: int
    projection: Projection = "PERSP"
    near: float = 0.0
    far: float = math.inf

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", np.array(self.K, dtype=np.float64))
        object.__setattr__(self, "c2w", np.array(self.c2w, dtype=np.float64))
        object.__setattr__(self, "width", int(self.width))
        object.__setattr__(self, "height", int(self.height))
        _check(self)

    @property
    def w2c(self) -> np.ndarray:
        """(4, 4) world to camera; the exact inverse of a rigid c2w."""
        rotation = self.c2w[:3, :3].T
        w2c = np.eye(4)
        w2c[:3, :3] = rotation
        w2c[:3, 3] = -rotation @ self.c2w[:3, 3]
        return w2c

    @property
    def position(self) -> np.ndarray:
        """(3,) the camera's centre in world space."""
        return self.c2w[:3, 3]

    def resized(self, width: int, height: int) -> Camera:
        """The same view at another pixel size (aspect may change with it)."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return replace(self, K=scale @ self.K, width=width, height=height)

    def cropped(self, x: int, y: int, width: int, height: int) -> Camera:
        """The window of `width` x `height` pixels whose top left corner is (x, y)."""
        shift = np.array([[1.0, 0, -x], [0, 1.0, -y], [0, 0, 1.0]])
        return replace(self, K=shift @ self.K, width=width, height=height)

    @property
    def is_orthographic(self) -> bool:
        """Whether rays are parallel."""
        return self.projection == "ORTHO"

    def rays(self) -> np.ndarray:
        """(H, W, 3) float32 world-space directions through pixel centres, with camera z = 1.

        A point at z-depth d on a pixel is `origins() + d * rays()`; a pinhole's rays all begin at
        `position`.
        """
        # a skewed K is refused in _check, so rows and columns separate
        local = np.zeros((self.height, self.width, 3))
        local[..., 2] = 1.0
        if not self.is_orthographic:
            local[..., 0], local[..., 1] = self._plane()
        return (local @ self.c2w[:3, :3].T).astype(np.float32)

    def origins(self) -> np.ndarray:
        """(H, W, 3) float32 (orthographic) or (1, 1, 3) world-space points where rays begin."""
        if not self.is_orthographic:
            return self.position.astype(np.float32)[None, None]
        local = np.zeros((self.height, self.width, 3))
        local[..., 0], local[..., 1] = self._plane()
        return (local @ self.c2w[:3, :3].T + self.position).astype(np.float32)

    def _plane(self) -> tuple[np.ndarray, np.ndarray]:
        """x (1, W) and y (H, 1) of pixel centres on the plane z = 1, or of any z: orthographic."""
        x = (np.arange(self.width) + 0.5 - self.K[0, 2]) / self.K[0, 0]
        y = (np.arange(self.height) + 0.5 - self.K[1, 2]) / self.K[1, 1]
        return x[None, :], y[:, None]

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (N, 2) and z-depths (N,) of world points (N, 3); depths <= 0 lie behind."""
        local = points @ self.w2c[:3, :3].T + self.w2c[:3, 3]
        z = local[:, 2].copy()
        if self.is_orthographic:
            local[:, 2] = 1.0
            return (local @ self.K.T)[:, :2], z
        with np.errstate(divide="ignore", invalid="ignore"):
            uv = (local @ self.K.T)[:, :2] / z[:, None]
        return uv, z

    def within(
        self, points: np.ndarray, margin: float = 0.0, nearest: float = 1e-6
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`project`, and (N,) bool: which points fall into the picture.

        margin: pixels from its border inwards. nearest: metres that they must be ahead.
        """
        uv, z = self.project(points)
        with np.errstate(invalid="ignore"):
            inside = (z > nearest) & (uv >= margin).all(axis=1)
            inside &= (uv < [self.width - margin, self.height - margin]).all(axis=1)
        return uv, z, inside

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers; `from_json` gives the camera back bit for bit."""
        data = {
            "K": self.K.tolist(),
            "c2w": self.c2w.tolist(),
            "size": [self.width, self.height],
        }
        if self.is_orthographic:
            data["projection"] = self.projection
        if self.near > 0:
            data["near"] = self.near
        if self.far < math.inf:
            data["far"] = self.far
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Camera:
        """The inverse of `to_json`. Raises CameraError naming what is missing or wrong."""
        with as_sentence(
            lambda why: CameraError(
                f"A camera needs K (3x3), c2w (4x4) and size [width, height]: {why}."
            )
        ):
            width, height = data["size"]
            K, c2w = np.array(data["K"], float), np.array(data["c2w"], float)
            near, far = float(data.get("near", 0.0)), float(data.get("far", math.inf))
            return cls(K, c2w, width, height, data.get("projection", "PERSP"), near, far)

    @classmethod
    def from_opengl(
        cls,
        K: np.ndarray,
        c2w: np.ndarray,
        width: int,
        height: int,
        projection: Projection = "PERSP",
    ) -> Camera:
        """From a (4, 4) c2w with OpenGL axes (+Y up, -Z forward), as Blender and nerfstudio have.

        K: (3, 3), pixels. c2w: metres.
        """
        return cls(K, np.asarray(c2w, dtype=np.float64) @ _GL_TO_CV, width, height, projection)

    def c2w_opengl(self) -> np.ndarray:
        """(4, 4) c2w with OpenGL axes (+Y up, -Z forward)."""
        return self.c2w @ _GL_TO_CV


def intrinsics(fov_x: float, width: int, height: int) -> np.ndarray:
    """(3, 3) K with square pixels, a centred principal point and `fov_x` radians across."""
    focal = 0.5 * width / np.tan(0.5 * fov_x)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def look_at(
    position: np.ndarray, target: np.ndarray, up: tuple[float, float, float] = (0, 0, 1)
) -> np.ndarray:
    """(4, 4) c2w at `position` facing `target`, OpenCV axes, `up` upwards in the picture."""
    forward = np.asarray(target, float) - np.asarray(position, float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(up, float))
    length = float(np.linalg.norm(right))
    if length < 1e-6:  # looking along `up`: any right will do
        right, length = np.array([1.0, 0.0, 0.0]), 1.0
    right /= length
    c2w = np.eye(4)
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2] = right, np.cross(forward, right), forward
    c2w[:3, 3] = position
    return c2w


def facing(yaw: float, pitch: float, roll: float = 0.0) -> np.ndarray:
    """(3, 3) rotation of a c2w, OpenCV axes, in radians.

    yaw: to the right of the world's +y. pitch: up. roll: the camera's own turn, clockwise.
    """
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=1)


def about_vertical(angle: float) -> np.ndarray:
    """(3, 3) turn about the world's z by `angle` radians, counterclockwise seen from above."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _check(camera: Camera) -> None:
    K, c2w = camera.K, camera.c2w
    if K.shape != (3, 3) or c2w.shape != (4, 4):
        raise CameraError(f"K must be 3x3 and c2w 4x4, not {K.shape} and {c2w.shape}.")
    if not (np.isfinite(K).all() and np.isfinite(c2w).all()):
        raise CameraError(
            "The camera's matrix has values that are not finite; clear its transform."
        )
    if not (1 <= camera.width <= MAX_SIZE and 1 <= camera.height <= MAX_SIZE):
        raise CameraError(
            f"A frame of {camera.width} x {camera.height} pixels cannot be rendered; "
            f"choose a resolution from 1 to {MAX_SIZE} pixels a side."
        )
    if not 0 <= camera.near < camera.far:
        raise CameraError(
            f"A camera sees from {camera.near} to {camera.far} metres; "
            "clip start must lie before clip end."
        )
    if camera.projection not in ("PERSP", "ORTHO"):
        raise CameraError(f"A camera's projection is PERSP or ORTHO, not {camera.projection!r}.")
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise CameraError("The camera's focal length must be positive.")
    if abs(K[0, 1]) > 1e-6 * K[0, 0] or np.abs(K[[1, 2, 2], [0, 0, 1]]).max() > 1e-9:
        raise CameraError("A skewed camera matrix is not supported; remove the skew from K.")
    rotation = c2w[:3, :3]
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > 1e-3 or np.linalg.det(rotation) < 0:
        raise CameraError("c2w must be a rotation and a translation, without scale or mirroring.")
