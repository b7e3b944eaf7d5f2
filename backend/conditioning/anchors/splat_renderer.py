# SPDX-License-Identifier: GPL-3.0-or-later
"""Anchors that are Gaussian splats, seen by a camera: blended front to back.

Each ellipsoid becomes an ellipse on the picture (Zwicker et al., "EWA splatting", 2002, in the form
of Kerbl et al., "3D Gaussian Splatting", 2023): its covariance goes through the camera's rotation
and the projection's derivative at its centre, and is widened by a third of a pixel. Splats are
sorted by depth once a picture; every band of rows is blended on its own, so that the result is the
same on any number of threads. Where colour depends on direction, it is that of the direction from
the camera to the splat's centre (`shared/harmonics.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...shared.anchors import Anchors
from ...shared.camera import Camera
from ...shared.harmonics import STEPS, terms
from ..jit import kernel
from ..threads import in_pieces

WIDER = 0.3
"""Square pixels by which every ellipse is widened, as its trainers do."""

REACH = 3.0
"""Standard deviations to which an ellipse is drawn."""

FAINTEST = 1 / 255
"""Opacity on a pixel below which a splat is left out there."""

DENSEST = 0.99
"""Opacity on a pixel that no splat exceeds, so that what is behind keeps a share."""

FULL = 1e-3
"""Share of the light from behind at which a pixel is finished."""

HALF = 0.5
"""Share at which the surface is said to be: its depth is that of the splat that passes it."""

NEAR = 0.05
"""Metres before the camera below which no splat is drawn."""

ASIDE = 1.3
"""Tangents beyond the picture's border at which the projection's derivative is held."""

BAND = 32
"""Rows that are blended together."""


@dataclass(frozen=True, eq=False)
class SplatRender:
    """rgb: (H, W, 3) float32, times alpha. alpha: (H, W) float32. depth: (H, W) float32 metres, 0
    where less than half is covered."""

    rgb: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


class Ellipses(NamedTuple):
    """Splats on a picture, nearest first. centre: (M, 2) pixels. conic: (M, 3) a, b, c of
    a x^2 + 2 b x y + c y^2. box: (M, 4) int32 first and last column and row. depth: (M,) metres.
    opacity: (M,). rgb: (M, 3) in [0, 1]."""

    centre: np.ndarray
    conic: np.ndarray
    box: np.ndarray
    depth: np.ndarray
    opacity: np.ndarray
    rgb: np.ndarray


class SplatCloud:
    """Splats of `anchors` prepared for many views."""

    def __init__(self, anchors: Anchors) -> None:
        if anchors.splats is None:
            raise ValueError("these anchors are no splats")
        self.xyz = anchors.xyz.astype(np.float64)
        self.rgb = anchors.rgb.astype(np.float32) / 255
        self.harmonics = anchors.harmonics
        self.opacity = np.clip(anchors.splats[:, 7], 0, 1)
        axes = rotation_matrices(anchors.splats[:, 3:7]) * anchors.splats[:, None, :3]
        self.covariance = axes @ axes.transpose(0, 2, 1)

    def __len__(self) -> int:
        return len(self.xyz)

    def ellipses(self, camera: Camera) -> Ellipses:
        """What of them `camera` sees."""
        local = self.xyz @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        ahead = local[:, 2] > NEAR
        x, y, z = local[ahead].T
        fx, fy, cx, cy = camera.K[[0, 1, 0, 1], [0, 1, 2, 2]]
        # far aside the derivative grows beyond all sense: it is held near the border
        tx = np.clip(x / z, -ASIDE * cx / fx, ASIDE * (camera.width - cx) / fx)
        ty = np.clip(y / z, -ASIDE * cy / fy, ASIDE * (camera.height - cy) / fy)
        jacobian = np.zeros((len(z), 2, 3))
        jacobian[:, 0, 0], jacobian[:, 0, 2] = fx / z, -fx * tx / z
        jacobian[:, 1, 1], jacobian[:, 1, 2] = fy / z, -fy * ty / z
        turned = jacobian @ camera.w2c[:3, :3]
        flat = turned @ self.covariance[ahead] @ turned.transpose(0, 2, 1)
        a, b, c = flat[:, 0, 0] + WIDER, flat[:, 0, 1], flat[:, 1, 1] + WIDER
        area = np.maximum(a * c - b * b, 1e-12)
        conic = np.stack([c / area, -b / area, a / area], axis=1)
        centre = np.stack([fx * x / z + cx, fy * y / z + cy], axis=1)
        reach = REACH * np.sqrt(np.stack([a, c], axis=1))
        size = np.array([camera.width, camera.height])
        first = np.ceil(np.clip(centre - reach - 0.5, 0, size)).astype(np.int32)
        last = np.floor(np.clip(centre + reach - 0.5, -1, size - 1)).astype(np.int32)
        opacity = self.opacity[ahead]
        keep = (first <= last).all(axis=1) & (opacity >= FAINTEST) & np.isfinite(conic).all(axis=1)
        order = np.flatnonzero(keep)
        order = order[np.argsort(z[order], kind="stable")]
        box = np.concatenate([first, last], axis=1)[order]
        columns = (centre, conic, z, opacity)
        centre, conic, z, opacity = (np.ascontiguousarray(v[order], np.float32) for v in columns)
        rgb = self.colours(np.flatnonzero(ahead)[order], camera.position)
        return Ellipses(centre, conic, box, z, opacity, rgb)

    def colours(self, numbers: np.ndarray, position: np.ndarray) -> np.ndarray:
        """(M, 3) float32 of the splats with these numbers (M,), seen from `position` (3,)."""
        rgb = self.rgb[numbers]
        harmonics = self.harmonics
        if harmonics is None:
            return rgb

        def add(rows: slice) -> None:
            _add_harmonics(numbers[rows], self.xyz, position, harmonics, rgb[rows])

        in_pieces(add, len(numbers))
        return rgb


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """(N, 3, 3) of (N, 4) quaternions w, x, y, z of any length but none."""
    q = quaternions.astype(np.float64)
    w, x, y, z = (q / np.maximum(np.linalg.norm(q, axis=1, keepdims=True), 1e-12)).T
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]  # fmt: skip
    return np.stack(rows, axis=1).reshape(-1, 3, 3)


def render_splats(
    cloud: SplatCloud, camera: Camera, before: np.ndarray | None = None
) -> SplatRender:
    """`cloud` seen by `camera`. before: (H, W) metres that hide what is behind, 0 = nothing."""
    height, width = camera.height, camera.width
    limit = np.full((height, width), np.inf, np.float32)
    if before is not None:
        limit = np.where(before > 0, before, np.inf).astype(np.float32)
    rgb = np.zeros((height, width, 3), np.float32)
    through = np.ones((height, width), np.float32)
    depth = np.zeros((height, width), np.float32)
    seen = cloud.ellipses(camera)

    def blend(rows: slice) -> None:
        here = np.flatnonzero((seen.box[:, 1] < rows.stop) & (seen.box[:, 3] >= rows.start))
        _blend(here, rows.start, rows.stop, *seen, limit, rgb, through, depth)

    in_pieces(blend, height, BAND)
    return SplatRender(rgb, 1 - through, depth)


_terms = kernel(terms)


@kernel
def _add_harmonics(
    numbers: np.ndarray,
    xyz: np.ndarray,
    position: np.ndarray,
    harmonics: np.ndarray,
    rgb: np.ndarray,
) -> None:
    """What the directions (M,) of the splats `numbers` add to rgb (M, 3)."""
    for i, n in enumerate(numbers):
        x, y, z = xyz[n, 0] - position[0], xyz[n, 1] - position[1], xyz[n, 2] - position[2]
        length = max(np.sqrt(x * x + y * y + z * z), 1e-12)
        value = _terms(x / length, y / length, z / length)
        for c in range(3):
            added = 0.0
            for k in range(harmonics.shape[1]):
                added += value[k] * harmonics[n, k, c]
            rgb[i, c] = max(rgb[i, c] + added / STEPS, 0.0)


@kernel
def _blend(
    here: np.ndarray,
    row: int,
    end: int,
    centre: np.ndarray,
    conic: np.ndarray,
    box: np.ndarray,
    depth: np.ndarray,
    opacity: np.ndarray,
    colour: np.ndarray,
    limit: np.ndarray,
    rgb: np.ndarray,
    through: np.ndarray,
    surface: np.ndarray,
) -> None:
    """The splats `here`, nearest first, over the rows from `row` to before `end`."""
    for n in here:
        for v in range(max(box[n, 1], row), min(box[n, 3] + 1, end)):
            y = np.float32(v) + np.float32(0.5) - centre[n, 1]
            for u in range(box[n, 0], box[n, 2] + 1):
                light = through[v, u]
                if light < FULL or depth[n] > limit[v, u]:
                    continue
                x = np.float32(u) + np.float32(0.5) - centre[n, 0]
                power = conic[n, 0] * x * x + 2 * conic[n, 1] * x * y + conic[n, 2] * y * y
                alpha = min(np.float32(DENSEST), opacity[n] * np.exp(np.float32(-0.5) * power))
                if alpha < FAINTEST:
                    continue
                for i in range(3):
                    rgb[v, u, i] += light * alpha * colour[n, i]
                through[v, u] = light * (1 - alpha)
                if light > HALF and through[v, u] <= HALF:
                    surface[v, u] = depth[n]
