# SPDX-License-Identifier: GPL-3.0-or-later
"""A photo's camera: what a match is, and the solver for axes that a person has drawn.

Square pixels throughout. The world's axes are those of what is in the photo, z up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .camera import Camera
from .errors import InputError

DEFAULT_FOCAL = 0.87
"""Focal length by the longer side where nothing is known: 60 degrees across."""

DISTORTION = "distortion"
"""Key in the provenance of a world whose photo was made straight."""
MOST_DISTORTION = 0.3
"""Largest coefficient of a photo's lens, either way."""


@dataclass(frozen=True, eq=False)
class CameraMatch:
    """focal: pixels. principal: (2,) pixels. rotation: (3, 3) camera (OpenCV) to world axes.

    width, height: of the photo. confidence: 0 (assumed) to 1 (every line agrees).
    focal_known: whether lines or EXIF fixed the focal length. notes: sentences for the user.
    distortion: that the photo was made straight with before (`find_distortion`), 0 = as it was.
    """

    focal: float
    principal: np.ndarray
    rotation: np.ndarray
    width: int
    height: int
    confidence: float
    focal_known: bool
    notes: list[str] = field(default_factory=list)
    distortion: float = 0.0

    def camera(self, camera_height: float) -> Camera:
        """The camera standing `camera_height` metres above the origin."""
        K = np.array([[self.focal, 0, self.principal[0]], [0, self.focal, self.principal[1]],
                      [0, 0, 1.0]])  # fmt: skip
        c2w = np.eye(4)
        c2w[:3, :3] = self.rotation
        c2w[2, 3] = camera_height
        return Camera(K, c2w, self.width, self.height)

    @property
    def pitch(self) -> float:
        """Radians above the horizon that the camera looks."""
        return math.asin(np.clip(self.rotation[2, 2], -1, 1))

    @property
    def roll(self) -> float:
        """Radians that the horizon leans."""
        return math.atan2(-self.rotation[2, 0], -self.rotation[2, 1])


def default_focal(width: int, height: int, focal_35mm: float | None) -> float:
    """Pixels: from EXIF's 35 mm equivalent (by the diagonal, 43.27 mm) or a 60 degree guess."""
    if focal_35mm:
        return focal_35mm / 43.2666 * math.hypot(width, height)
    return DEFAULT_FOCAL * max(width, height)


def level_match(width: int, height: int, focal_35mm: float | None, notes: list[str]) -> CameraMatch:
    """A level camera facing +y: what is assumed when a photo has no lines to go by."""
    rotation = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    focal = default_focal(width, height, focal_35mm)
    centre = np.array([width / 2, height / 2])
    return CameraMatch(focal, centre, rotation, width, height, 0.0, focal_35mm is not None, notes)


def upright(axes: np.ndarray) -> np.ndarray:
    """(3, 3) rotation camera to world from three orthogonal directions in the camera's frame.

    axes: (3, 3), rows = directions, sign and order free. The one nearest to the picture's up
    becomes z, and of the others the one that the camera looks along most becomes y.
    """
    up = int(np.argmax(np.abs(axes[:, 1])))
    z = axes[up] * (-1.0 if axes[up, 1] > 0 else 1.0)
    rest = [axes[i] for i in range(3) if i != up]
    y = max(rest, key=lambda axis: abs(axis[2]))
    y = y * (1.0 if y[2] > 0 else -1.0)
    return np.stack([np.cross(y, z), y, z])


def vanishing_point(lines: np.ndarray) -> np.ndarray:
    """(3,) homogeneous point nearest to all lines. lines: (N, 4) x1 y1 x2 y2, N >= 2."""
    ends = np.ones((2, len(lines), 3))
    ends[0, :, :2], ends[1, :, :2] = lines[:, :2], lines[:, 2:]
    normals = np.cross(ends[0], ends[1])
    length = np.hypot(*(lines[:, 2:] - lines[:, :2]).T)
    normals *= (length / np.linalg.norm(normals, axis=1).clip(1e-12))[:, None]
    return np.linalg.svd(normals)[2][-1]


def solve_axes(
    lines: Mapping[str, np.ndarray],
    width: int,
    height: int,
    focal: float | None = None,
    free_principal: bool = False,
) -> CameraMatch:
    """The camera from lines drawn along one to three of the scene's axes.

    lines: "x", "y", "z" (z up) -> (N, 4) pixels, N >= 2 of each. One axis needs `focal` (or takes
    the usual 60 degrees) and keeps the horizon level; two give the focal length; three with
    `free_principal` also give the principal point. Raises InputError when no camera fits.
    """
    usable = {name: np.asarray(value, float) for name, value in lines.items() if len(value) >= 2}
    if not usable or not set(usable) <= {"x", "y", "z"}:
        raise InputError("Draw at least two lines along one of the axes x, y or z.")
    points = {name: vanishing_point(_centred(value, width, height)) for name, value in
              usable.items()}  # fmt: skip
    offset = np.zeros(2)
    if free_principal and len(points) == 3:
        offset = _orthocentre([_finite(p) for p in points.values()])
        shift = np.array([[1, 0, -offset[0]], [0, 1, -offset[1]], [0, 0, 1.0]])
        points = {name: shift @ p for name, p in points.items()}
    known = focal is not None
    if len(points) >= 2:
        solved = _focal_from(list(points.values()))
        known = known or solved is not None
        focal = solved if focal is None else focal
    focal = focal if focal is not None else default_focal(width, height, None)
    return CameraMatch(
        focal=float(focal),
        principal=np.array([width / 2, height / 2]) + offset,
        rotation=_rotation_from(points, focal),
        width=width,
        height=height,
        confidence=1.0,
        focal_known=known,
        notes=[] if known else ["The lines do not fix the focal length; type it in."],
    )


def _centred(lines: np.ndarray, width: int, height: int) -> np.ndarray:
    return lines - np.array([width, height, width, height]) / 2


def _finite(point: np.ndarray) -> np.ndarray:
    if abs(point[2]) < 1e-9 * np.linalg.norm(point[:2]):
        raise InputError(
            "Lines of one axis are parallel in the photo; the principal point cannot be free then."
        )
    return point[:2] / point[2]


def _orthocentre(p: list[np.ndarray]) -> np.ndarray:
    """The principal point of three orthogonal directions (Caprile and Torre, 1990)."""
    rows = np.stack([p[1] - p[2], p[2] - p[0]])
    if abs(np.linalg.det(rows)) < 1e-6:
        raise InputError("The three vanishing points lie on one line; move the handles apart.")
    return np.linalg.solve(rows, np.array([rows[0] @ p[0], rows[1] @ p[1]]))


def _focal_from(points: list[np.ndarray]) -> float | None:
    """Least-squares focal over all pairs, -(u . v) / (u_z v_z) = f^2; None at infinity."""
    numerator = denominator = 0.0
    for i in range(len(points)):
        for j in range(i):
            u, v = (p / np.linalg.norm(p) for p in (points[i], points[j]))
            numerator -= (u[:2] @ v[:2]) * (u[2] * v[2])
            denominator += (u[2] * v[2]) ** 2
    if denominator < 1e-18 or abs(numerator) > 1e10 * denominator:
        return None
    if numerator <= 0:
        raise InputError(
            "No camera sees these lines at right angles; check which lines belong to which axis."
        )
    return math.sqrt(numerator / denominator)


def _rotation_from(points: Mapping[str, np.ndarray], focal: float) -> np.ndarray:
    """(3, 3) camera to world with rows x, y, z in the camera's frame, orthogonal."""
    rows = {}
    for name, point in points.items():
        direction = np.array([point[0] / focal, point[1] / focal, point[2]])
        direction /= np.linalg.norm(direction)
        ahead = -direction[1] if name == "z" else direction[2]
        if name != "z" and abs(direction[2]) < 1e-6:
            ahead = direction[0]
        rows[name] = direction * (1.0 if ahead >= 0 else -1.0)
    if "z" not in rows and len(rows) == 1:  # keep the horizon level
        (direction,) = rows.values()
        up = np.array([0.0, -1.0, 0.0])
        up -= direction * (up @ direction)
        rows["z"] = up / np.linalg.norm(up)
    if len(rows) == 1:  # only the verticals: face along y
        forward = np.array([0.0, 0.0, 1.0])
        forward -= rows["z"] * (forward @ rows["z"])
        rows["y"] = forward / np.linalg.norm(forward)
    basis = _complete(rows)
    u, _, vt = np.linalg.svd(basis)
    basis = u @ vt
    return basis if basis[2, 1] < 0 else np.diag([-1.0, 1.0, -1.0]) @ basis


def _complete(rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """x, y, z as rows of a right-handed basis; x or y turns round where the drawn ones do not."""
    x, y, z = rows.get("x"), rows.get("y"), rows.get("z")
    if x is not None and y is not None and z is not None:
        x = x if np.linalg.det(np.stack([x, y, z])) > 0 else -x
        return np.stack([x, y, z])
    if z is None:
        assert x is not None and y is not None, "two directions make a basis"
        z = np.cross(x, y)
        if z[1] > 0:
            x, z = -x, -z
        return np.stack([x, y, z])
    if x is None:
        assert y is not None
        return np.stack([np.cross(y, z), y, z])
    return np.stack([x, np.cross(z, x), z])
