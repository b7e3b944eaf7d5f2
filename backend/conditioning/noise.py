# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaussian noise that sticks to surfaces.

A frame model that starts from noise of the pixel grid shimmers when the camera moves. Here noise
is a function of the surface point: random values on a lattice in world space, interpolated, in
octaves of cell size 2^k metres of which the two around the size of a pixel are mixed. A pixel
without a surface uses its direction instead. Integer hashes make it the same on every device.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
import torch.nn.functional as F

from .view import View

_AXES = (73856093, 19349663, 83492791)  # Teschner et al. 2003, "Optimized Spatial Hashing"
_MIX = (-4658895280553007687, -7723592293110705685)  # Stafford's Mix13 for splitmix64, signed
_SPREAD = 2654435761  # Knuth's multiplicative hash
_PER_HASH = 8

FINER = 0.5
"""Octaves by which the grain is finer than a pixel: neighbouring pixels hardly correlate."""


def _quantiles() -> torch.Tensor:
    """(256,) values of a standard normal at equal steps of probability, scaled to variance 1."""
    values = [NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)]
    scale = math.sqrt(sum(v * v for v in values) / 256)
    return torch.tensor([v / scale for v in values], dtype=torch.float32)


_TABLE = _quantiles()


@torch.no_grad()
def world_noise(view: View, depth: torch.Tensor, seed: int, channels: int) -> torch.Tensor:
    """(C, H, W) float32, each value ~N(0, 1): a function of the surface point, not of the pixel.

    depth: (H, W) z-depth of the view; where it isn't finite and positive, noise is a function of
    the direction. The same seed gives the same field for all cameras; its grain follows the size
    of a pixel at the point's distance.
    """
    rays = view.rays.reshape(-1, 3)
    flat = depth.reshape(-1)
    surface = torch.isfinite(flat) & (flat > 0)
    length = rays.norm(dim=1)
    reach = torch.where(surface, flat, 1.0 / length)
    distance = length * reach
    place = rays.T.contiguous() * reach + view.eye[:, None] * surface
    grain = torch.log2(distance / float(view.camera.K[0, 0])) - FINER
    octave = grain.floor()
    mix = (grain - octave) * (math.pi / 2)
    salt = _salts(seed, surface)
    fine = _lattice(place, octave, salt, channels)
    coarse = _lattice(place, octave + 1, salt, channels)
    noise = fine * torch.cos(mix) + coarse * torch.sin(mix)
    return noise.view(channels, *depth.shape)


def latent_noise(
    view: View, depth: torch.Tensor, stride: int, channels: int, seed: int
) -> torch.Tensor:
    """(C, H / stride, W / stride) noise locked to the surfaces that latent cells show.

    depth: (H, W) metres, +inf = sky, no pixel unknown. H and W must be multiples of `stride`.
    """
    height, width = (side // stride for side in depth.shape)
    sky = F.avg_pool2d(torch.isinf(depth).float()[None], stride)[0]
    finite = depth.nan_to_num(posinf=0.0)[None]
    coarse = F.avg_pool2d(finite, stride)[0] / (1 - sky).clamp(min=1e-6)
    coarse = torch.where(sky > 0.5, torch.inf, coarse)
    smaller = View(view.camera.resized(width, height), view.device)
    return world_noise(smaller, coarse, seed, channels)


def _salts(seed: int, surface: torch.Tensor) -> torch.Tensor:
    """(N,) int64: one number for surfaces, another for directions."""
    start = torch.tensor([2 * seed, 2 * seed + 1], dtype=torch.int64, device=surface.device)
    return _hash(start)[surface.long()]


def _hash(x: torch.Tensor) -> torch.Tensor:
    """Mixes the bits of int64 values; multiplication wraps alike on every device."""
    x = (x ^ _shifted(x, 30)) * _MIX[0]
    x = (x ^ _shifted(x, 27)) * _MIX[1]
    return x ^ _shifted(x, 31)


def _shifted(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Right shift without the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _lattice(
    place: torch.Tensor, octave: torch.Tensor, salt: torch.Tensor, channels: int
) -> torch.Tensor:
    """(C, N) noise of the lattice with cells of 2 ** octave, interpolated over tetrahedra.

    place: (3, N). The four corners of a cell's tetrahedron lie on the way from its lowest to its
    highest corner along the axes in falling order of the fraction; dividing by the weights' norm
    keeps variance 1.
    """
    scaled = place * torch.exp2(-octave)
    cell = scaled.floor()
    x, y, z = (scaled - cell).unbind()
    largest, smallest = torch.maximum(torch.maximum(x, y), z), torch.minimum(torch.minimum(x, y), z)
    middle = x + y + z - largest - smallest
    weights = torch.stack([1 - largest, largest - middle, middle - smallest, smallest])
    weights /= weights.square().sum(dim=0).sqrt_()
    a, b, c = (_wrapped(axis * _SPREAD) for axis in _AXES)
    column, row, layer = cell.to(torch.int64).unbind()
    first = (column * a).add_(row * b).add_(layer * c).add_(octave.to(torch.int64) * 40503)
    first += salt
    along_largest = torch.where(x == largest, a, torch.where(y == largest, b, c))
    along_smallest = torch.where(z == smallest, c, torch.where(y == smallest, b, a))
    last = first + _wrapped(a + b + c)
    corners = torch.stack([first, first + along_largest, last - along_smallest, last])
    table = _TABLE.to(place.device)
    parts = []
    for start in range(0, channels, _PER_HASH):
        bits = _hash(corners + start * 97)
        for channel in range(min(_PER_HASH, channels - start)):
            values = table[(bits >> (8 * channel)) & 255]  # (4, N)
            parts.append((values * weights).sum(dim=0))
    return torch.stack(parts)


def _wrapped(value: int) -> int:
    """`value` as the signed 64 bits that tensors compute with."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
