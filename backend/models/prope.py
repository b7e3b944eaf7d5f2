# SPDX-License-Identifier: GPL-3.0-or-later
"""Cameras as relative positional encoding (PRoPE, arXiv 2507.10496).

Half of every head's channels are groups of four that the camera's 4x4 projection P transforms:
q by P^T, k and v by P^-1, the output by P. Attention between two views then depends on
P_q P_k^-1 alone, so it is the same wherever the world's origin lies. A quarter each are rotated by
the token's x and y on the image plane (RoPE), in focal lengths, so that the encoding does not
depend on the resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..shared.camera import Camera

MAX_ANGULAR_FREQUENCY = 24.0
"""Highest RoPE frequency, radians per focal length: tells tokens 1/16 of a 60-degree view apart."""


def projection_matrix(camera: Camera, scale: float) -> np.ndarray:
    """(4, 4) float64 P = [K_n 0; 0 1] @ w2c, with K in units of the image's size.

    scale: metres that count as one unit (the world's typical depth), so that the translation's
    numbers are of order one in a doll's house and in a valley.
    """
    P = np.eye(4)
    P[:3, :3] = np.diag([1 / camera.width, 1 / camera.height, 1.0]) @ camera.K
    P[:2, 2] -= 0.5  # the principal point of a centred camera becomes 0
    w2c = camera.w2c.copy()
    w2c[:3, 3] /= scale
    return P @ w2c


@dataclass(eq=False)
class ViewEncoding:
    """What attention needs of the cameras of B views with N tokens each.

    P, P_inv: (B, 4, 4). cos, sin: (B, N, head_dim / 4): x angles first, y angles second.
    """

    P: torch.Tensor
    P_inv: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor

    def to(self, device: torch.device | str, dtype: torch.dtype) -> ViewEncoding:
        """The same on another device in another precision."""
        parts = (self.P, self.P_inv, self.cos, self.sin)
        return ViewEncoding(*(part.to(device=device, dtype=dtype) for part in parts))

    @classmethod
    def stack(cls, views: list[ViewEncoding]) -> ViewEncoding:
        """One batch of single views."""
        fields = ("P", "P_inv", "cos", "sin")
        return cls(*(torch.cat([getattr(v, f) for v in views]) for f in fields))


def encode_view(camera: Camera, grid: tuple[int, int], scale: float, head_dim: int) -> ViewEncoding:
    """The encoding of one view whose image is cut into `grid` (rows, columns) of tokens."""
    P = projection_matrix(camera, scale)
    rows, columns = grid
    x = ((np.arange(columns) + 0.5) * camera.width / columns - camera.K[0, 2]) / camera.K[0, 0]
    y = ((np.arange(rows) + 0.5) * camera.height / rows - camera.K[1, 2]) / camera.K[1, 1]
    count = head_dim // 8
    frequencies = MAX_ANGULAR_FREQUENCY ** (1.0 - np.arange(count) / max(count - 1, 1))
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    angles = np.concatenate(
        [grid_x.reshape(-1, 1) * frequencies, grid_y.reshape(-1, 1) * frequencies], axis=1
    )

    def tensor(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.astype(np.float32))[None]

    return ViewEncoding(
        tensor(P), tensor(np.linalg.inv(P)), tensor(np.cos(angles)), tensor(np.sin(angles))
    )


def transform_query(q: torch.Tensor, view: ViewEncoding) -> torch.Tensor:
    """q: (B, heads, N, D) -> the same shape, with P^T on the camera half and RoPE on the rest."""
    return _transform(q, view.P.transpose(1, 2), view.cos, view.sin)


def transform_key(k: torch.Tensor, view: ViewEncoding) -> torch.Tensor:
    """k: (B, heads, N, D), with P^-1 on the camera half and RoPE on the rest."""
    return _transform(k, view.P_inv, view.cos, view.sin)


def transform_value(v: torch.Tensor, view: ViewEncoding) -> torch.Tensor:
    """v: (B, heads, N, D), with P^-1 on the camera half; the rest rotated like a key."""
    return _transform(v, view.P_inv, view.cos, view.sin)


def transform_output(out: torch.Tensor, view: ViewEncoding) -> torch.Tensor:
    """out: (B, heads, N, D), back into the query's frame: P, and RoPE the other way round."""
    return _transform(out, view.P, view.cos, -view.sin)


def _transform(
    x: torch.Tensor, matrix: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    half = x.shape[-1] // 2
    groups = x[..., :half].unflatten(-1, (-1, 4))
    projected = torch.einsum("bij,bhngj->bhngi", matrix, groups).flatten(-2)
    first, second = x[..., half:].unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos[:, None], sin[:, None]
    rotated = torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)
    return torch.cat([projected, rotated], -1)
