# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchor points: the explicit 3D part of a world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import WorldError
from .harmonics import TERMS


@dataclass(frozen=True, eq=False)
class Anchors:
    """Coloured surface points.

    xyz: (N, 3) float32, metres, world space. rgb: (N, 3) uint8 sRGB; (0, 0, 0) = a point whose
    colour is unknown (geometry only), so that a true black is stored as (1, 1, 1).
    radius: (N,) float32, metres: half the distance to the neighbouring points of the same
    surface, so that a renderer can close the gaps between them; 0 = a point by itself.
    whole: no surface is missing (a scene's own geometry), so that nothing means sky.
    splats: (N, 8) float32 where they are Gaussian splats: standard deviations along their own axes
    in metres, rotation as a quaternion w, x, y, z, opacity in [0, 1]; one of opacity 0 is a point.
    harmonics: (N, K, 3) int8 where their colour depends on the direction that they are seen in:
    what is added to rgb / 255, in world axes, K = 4, 9 or 16 (see `harmonics.py`).
    """

    xyz: np.ndarray
    rgb: np.ndarray
    radius: np.ndarray
    whole: bool = False
    splats: np.ndarray | None = None
    harmonics: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = self.xyz.shape[0] if self.xyz.ndim else -1
        if self.xyz.shape != (n, 3) or self.rgb.shape != (n, 3) or self.radius.shape != (n,):
            raise WorldError("Anchor arrays do not agree: xyz and rgb are (N, 3), radius is (N,).")
        for name, dtype in (("xyz", np.float32), ("rgb", np.uint8), ("radius", np.float32)):
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            object.__setattr__(self, name, array)
        if self.splats is not None:
            if self.splats.shape != (n, 8):
                raise WorldError("Anchor arrays do not agree: splats are (N, 8).")
            array = np.ascontiguousarray(self.splats, dtype=np.float32)
            object.__setattr__(self, "splats", array)
        if self.harmonics is not None:
            shape = self.harmonics.shape
            if len(shape) != 3 or shape[0] != n or shape[1] not in TERMS[1:] or shape[2] != 3:
                raise WorldError(
                    "Anchor arrays do not agree: harmonics are (N, 4, 3), (N, 9, 3) or (N, 16, 3)."
                )
            array = np.ascontiguousarray(self.harmonics, dtype=np.int8)
            object.__setattr__(self, "harmonics", array)

    def __len__(self) -> int:
        return len(self.xyz)

    @classmethod
    def empty(cls) -> Anchors:
        """No points."""
        return cls(
            np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32)
        )

    @classmethod
    def concatenate(cls, parts: list[Anchors]) -> Anchors:
        """All points of `parts`, in order."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([p.xyz for p in parts]),
            np.concatenate([p.rgb for p in parts]),
            np.concatenate([p.radius for p in parts]),
            any(p.whole for p in parts),
            _joined_splats(parts),
            _joined_harmonics(parts),
        )

    def uncoloured(self) -> Anchors:
        """The same points as geometry alone: of no known colour, and with no surface missing."""
        return Anchors(self.xyz, np.zeros_like(self.rgb), self.radius, whole=True)

    def finite(self) -> Anchors:
        """Without the points that have NaN or infinite coordinates."""
        keep = np.isfinite(self.xyz).all(axis=1)
        return self if keep.all() else self.only(keep)

    def only(self, keep: np.ndarray) -> Anchors:
        """The points that `keep`, (N,) bool, marks."""
        splats = None if self.splats is None else self.splats[keep]
        harmonics = None if self.harmonics is None else self.harmonics[keep]
        points = self.xyz[keep], self.rgb[keep], self.radius[keep]
        return Anchors(*points, self.whole, splats, harmonics)

    def arrays(self) -> tuple[np.ndarray, ...]:
        """All there is of them but `whole`, (N, ...) each."""
        every = (self.xyz, self.rgb, self.radius, self.splats, self.harmonics)
        return tuple(array for array in every if array is not None)

    @property
    def are_splats(self) -> np.ndarray:
        """(N,) bool: which are drawn as splats."""
        return np.zeros(len(self), bool) if self.splats is None else self.splats[:, 7] > 0


def _joined_splats(parts: list[Anchors]) -> np.ndarray | None:
    if all(part.splats is None for part in parts):
        return None
    points = (np.zeros((len(p), 8), np.float32) if p.splats is None else p.splats for p in parts)
    return np.concatenate(list(points))


def _joined_harmonics(parts: list[Anchors]) -> np.ndarray | None:
    terms = max(0 if p.harmonics is None else p.harmonics.shape[1] for p in parts)
    if not terms:
        return None
    joined = np.zeros((sum(map(len, parts)), terms, 3), np.int8)
    start = 0
    for part in parts:
        if part.harmonics is not None:
            joined[start : start + len(part), : part.harmonics.shape[1]] = part.harmonics
        start += len(part)
    return joined


def turned(quaternions: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(N, 4) quaternions w, x, y, z followed by a rotation (3, 3)."""
    w, x, y, z = quaternion_of(rotation)
    a, b, c, d = quaternions.T.astype(np.float64)
    rows = [w * a - x * b - y * c - z * d, w * b + x * a + y * d - z * c,
            w * c - x * d + y * a + z * b, w * d + x * c - y * b + z * a]  # fmt: skip
    return np.stack(rows, axis=1).astype(np.float32)


def quaternion_of(rotation: np.ndarray) -> np.ndarray:
    """(4,) unit quaternion w, x, y, z of a rotation (3, 3).

    The eigenvector of Bar-Itzhack's matrix (2000), which exists for every rotation.
    """
    r = np.asarray(rotation, np.float64)
    matrix = np.array([
        [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
        [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
        [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1]],
    ])  # fmt: skip
    vector = np.linalg.eigh(matrix)[1][:, -1]
    return vector if vector[0] >= 0 else -vector
