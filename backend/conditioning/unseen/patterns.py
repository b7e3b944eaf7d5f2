# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures that repeat: tiles, bricks, boards, wallpaper, windows of a facade.

What a memory frame shows of a plane is laid flat, and its detail (what differs from the blurred
texture, as a ratio) is compared with itself, displaced in every direction (masked correlation,
Padfield 2010). Two displacements span a lattice; all periods that were seen, folded into one,
make a tile. How well other periods foretell each one says how far the tile can be trusted, and by
that factor it is faded: what does not repeat adds nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ...shared.frame import MemoryFrame
from .planes import OFF_PLANE, Plane

GRID = 144
"""Texels along the longer side of a flattened texture, at most."""
NEAR_PART = 0.3
"""Part of a plane's pixels that show it at least as finely as a texel does."""
MOST_PIXELS = 300_000
"""Of a larger picture only every second, third ... row and column is looked at."""
LEAST_PIXELS = 400
COARSEST = 3.5
"""Texels that a pixel may cover and still tell of detail."""
BLUR = 0.12
"""Standard deviation of the blur that detail is told by, as part of the shorter side."""
LEAST_OVERLAP = 0.12
"""Part of the texture that must meet its displaced self for the comparison to count."""
LEAST_PEAK = 0.2
CANDIDATES = 8
"""Displacements that lattices are tried from."""
LEAST_SINE = 0.35
"""Sine of the angle between two displacements that span a lattice."""
LEAST_TRUST = 0.25
"""Part of the detail's variance that other periods must foretell."""
MOST_CELLS = 96
"""Cells along a side of the folded tile."""
DARK = 0.04
"""Added to colours in [0, 1] before their logarithm."""
BORDER = 1e-6
"""Periods and cells that a texel may lack of a border and still counts as beyond it: displacements
are whole texels at first, so that many texels lie on borders but for what arithmetic rounds off."""


@dataclass(eq=False)
class Pattern:
    """The detail of a plane's texture, repeated without end.

    levels: (L, A * B, 3) natural logarithms of ratios; each level is blurred over twice as many
    cells as the one before, the last is 0. shape: (A, B), cells along the sides of the tile.
    to_periods: (2, 2) from metres across the plane to periods; corner: (2,) metres, where one
    begins. texel: metres that a cell of the first level is wide. trust: part of the variance that
    other periods foretell, 0 to 1.
    """

    levels: torch.Tensor
    shape: tuple[int, int]
    to_periods: torch.Tensor
    corner: torch.Tensor
    texel: float
    trust: float

    def to(self, device: torch.device) -> Pattern:
        """The same on another device."""
        levels, to_periods, corner = (
            part.to(device) for part in (self.levels, self.to_periods, self.corner)
        )
        return Pattern(levels, self.shape, to_periods, corner, self.texel, self.trust)

    def at(self, across: torch.Tensor, footprint: torch.Tensor) -> torch.Tensor:
        """(N, 3) log ratios at places (N, 2) in metres for pixels `footprint` (N,) metres wide."""
        sides = self.levels.new_tensor(self.shape)
        place = ((across - self.corner) @ self.to_periods).remainder(1) * sides - 0.5
        level = torch.log2(footprint / self.texel).round().clamp(0, len(self.levels) - 1).long()
        low = place.floor()
        share = place - low
        result = torch.zeros(len(across), 3, device=across.device)
        for i in (0, 1):
            for j in (0, 1):
                a = (low[:, 0].long() + i) % self.shape[0]
                b = (low[:, 1].long() + j) % self.shape[1]
                weight = (share[:, 0] if i else 1 - share[:, 0]) * (
                    share[:, 1] if j else 1 - share[:, 1]
                )
                result += weight[:, None] * self.levels[level, a * self.shape[1] + b]
        return result


def to_log(color: torch.Tensor) -> torch.Tensor:
    """Colours (..., H, W) in [-1, 1] to logarithms, in which light is added to a texture."""
    return torch.log(DARK + ((color + 1) / 2).clamp(0, 1))


def from_log(value: torch.Tensor) -> torch.Tensor:
    """The inverse of `to_log`: (..., H, W) logarithms to colours."""
    return (torch.exp(value) - DARK).clamp(0, 1) * 2 - 1


@dataclass(eq=False)
class SeenPixels:
    """A memory frame's pixels with a surface: points (N, 3), log colours (N, 3), reach (N,) metres
    from the camera, rays (N, 3) of length 1 and the width (N,) of a pixel across the ray."""

    points: torch.Tensor
    color: torch.Tensor
    ray: torch.Tensor
    reach: torch.Tensor
    width: torch.Tensor


def seen_pixels(frame: MemoryFrame) -> SeenPixels:
    """Of a frame that has depth; on the CPU, like all that looks for patterns, since sums over
    cells have no fixed order on a GPU and the same world has to give the same bytes."""
    assert frame.depth is not None
    step = max(1, math.ceil(math.sqrt(frame.depth.size / MOST_PIXELS)))
    thin = (slice(None, None, step), slice(None, None, step))
    depth = torch.from_numpy(frame.depth[thin].copy())
    solid = torch.isfinite(depth) & (depth > 0)
    ray = torch.from_numpy(frame.camera.rays()[thin].copy())[solid]
    rgb = torch.from_numpy(frame.rgb[thin].copy())[solid]
    eye = torch.tensor(frame.camera.position, dtype=torch.float32)
    length = ray.norm(dim=1)
    reach = depth[solid] * length
    width = step * reach / float(frame.camera.K[0, 0])
    points = eye + ray * depth[solid][:, None]
    return SeenPixels(points, to_log(rgb.float() / 127.5 - 1), ray / length[:, None], reach, width)


def find_pattern(plane: Plane, seen: SeenPixels) -> Pattern | None:
    """What repeats on a plane, or None."""
    texture = _flattened(plane, seen)
    if texture is None:
        return None
    blurred = _blur(torch.cat([texture.color * texture.known, texture.known]), texture.softness)
    smooth = blurred[:3] / blurred[3:].clamp(min=1e-3)
    detail = (texture.color - smooth) * texture.known
    steps = _displacements(detail, texture.known)
    lattice = _best_lattice(_Texels.of(detail, texture.known), steps)
    if lattice is None:
        return None
    return _pattern(lattice, texture)


@dataclass(eq=False)
class _Texture:
    """color (3, h, w) logs, known (1, h, w), the first corner (2,) and a texel's side in metres."""

    color: torch.Tensor
    known: torch.Tensor
    corner: torch.Tensor
    texel: float

    @property
    def softness(self) -> float:
        return BLUR * min(self.known.shape[1:]) + 1


def _flattened(plane: Plane, seen: SeenPixels) -> _Texture | None:
    on = plane.distance(seen.points).abs() < OFF_PLANE * seen.reach
    cosine = -(seen.ray[on] @ plane.normal)
    footprint = seen.width[on] / cosine.clamp(min=1e-3)
    place, color = plane.across(seen.points[on]), seen.color[on]
    if len(place) < LEAST_PIXELS:
        return None
    # a floor may reach to the horizon: what is near tells what it looks like
    texel = 0.8 * float(footprint.quantile(NEAR_PART))
    near = footprint < COARSEST * texel
    low, high = place[near].quantile(place.new_tensor([0.01, 0.99]), dim=0)
    half = (0.5 * (high - low)).clamp(max=0.5 * GRID * texel)
    low, high = 0.5 * (low + high) - half, 0.5 * (low + high) + half
    kept = near & ((place > low) & (place < high)).all(1)
    columns, rows = (max(8, math.ceil(side / texel)) for side in (high - low).tolist())
    cell = ((place[kept] - low) / texel).long()
    index = cell[:, 1].clamp(max=rows - 1) * columns + cell[:, 0].clamp(max=columns - 1)
    sums = torch.zeros(rows * columns, 4, device=place.device)
    sums.index_add_(0, index, F.pad(color[kept], (0, 1), value=1.0))
    known = sums[:, 3] > 0
    mean = sums[:, :3] / sums[:, 3:].clamp(min=1)
    image, mask = mean.T.view(3, rows, columns), known.view(1, rows, columns).float()
    return _Texture(*_pinholes_closed(image, mask), low, texel)


def _pinholes_closed(image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Texels that no pixel fell on, between others that have one."""
    for _ in range(2):
        around = 9 * F.avg_pool2d(torch.cat([image * mask, mask])[None], 3, 1, 1)[0]
        hole = ((mask == 0) & (around[3:] >= 4)).float()
        image = torch.lerp(image, around[:3] / around[3:].clamp(min=1), hole)
        mask = torch.maximum(mask, hole)
    return image, mask


def _blur(image: torch.Tensor, sigma: float) -> torch.Tensor:
    radius = math.ceil(3 * sigma)
    taps = torch.arange(-radius, radius + 1, device=image.device) / sigma
    kernel = torch.exp(-0.5 * taps.square())
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    image = F.conv2d(image[:, None], kernel, padding=(0, radius))
    return F.conv2d(image, kernel.transpose(2, 3), padding=(radius, 0))[:, 0]


def _correlation(detail: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """(2 h, 2 w) normalised correlation of the detail with itself, displaced by (y, x), which wrap
    to negative ones; -1 where too little overlaps."""
    size = [2 * side for side in known.shape[1:]]
    parts = torch.cat([detail, known, detail.square().sum(0, keepdim=True)])
    spectrum = torch.fft.rfft2(parts, size)
    mask, energy = spectrum[3], spectrum[4]
    products = torch.stack(
        [
            (spectrum[:3].conj() * spectrum[:3]).sum(0),
            mask.conj() * mask,
            energy.conj() * mask,
            mask.conj() * energy,
        ]
    )
    alike, overlap, own, other = torch.fft.irfft2(products, size)
    value = alike / (own * other).clamp(min=1e-9).sqrt()
    return torch.where(overlap > LEAST_OVERLAP * known.sum(), value, -1.0)


def _displacements(detail: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """(K, 2) displacements (x, y) in texels at which the detail looks most like itself."""
    value = _correlation(detail, known)
    height, width = value.shape
    y = torch.fft.fftfreq(height, 1 / height, device=value.device)[:, None].expand_as(value)
    x = torch.fft.fftfreq(width, 1 / width, device=value.device)[None].expand_as(value)
    radius = torch.hypot(x, y)
    ring = radius.round().long()
    around = torch.zeros(int(ring.max()) + 1, 2, device=value.device)
    pairs = torch.stack([value.clamp(min=-1), torch.ones_like(value)], -1)
    around.index_add_(0, ring.flatten(), pairs.flatten(0, 1))
    falling = (around[:, 0] / around[:, 1] < 0.25).nonzero().flatten()
    lobe = float(falling[0]) if len(falling) else 3.0
    peak = F.max_pool2d(value[None, None], 5, 1, 2)[0, 0] == value
    half = (y > 0) | ((y == 0) & (x > 0))
    chosen = peak & half & (value > LEAST_PEAK) & (radius > max(3.0, 0.9 * lobe))
    steps = torch.stack([x[chosen], y[chosen]], dim=1)
    merit = value[chosen] - 0.3 * radius[chosen] / max(height, width)
    return steps[merit.argsort(descending=True)[:CANDIDATES]]


@dataclass(eq=False)
class _Texels:
    """Known texels: place (N, 2) x and y, detail (N, 3)."""

    place: torch.Tensor
    detail: torch.Tensor

    @classmethod
    def of(cls, detail: torch.Tensor, known: torch.Tensor) -> _Texels:
        y, x = known[0].nonzero().unbind(1)
        return cls(torch.stack([x, y], 1) + 0.5, detail[:, y, x].T.contiguous())


@dataclass(eq=False)
class _Lattice:
    """steps (2, 2): two displacements in texels. trust, gain: see `_folded`. tile (A * B, 3)."""

    steps: torch.Tensor
    shape: tuple[int, int]
    trust: float
    gain: float
    tile: torch.Tensor


def _folded(texels: _Texels, steps: torch.Tensor) -> _Lattice:
    """All periods in one tile; what the others tell of each.

    trust: squared correlation between the detail and what other periods foretell. gain: the
    factor by which their mean has to be multiplied to miss the detail least.
    """
    first, second = (int(s.norm().round().clamp(2, MOST_CELLS)) for s in steps)
    shape = first, second
    periods = texels.place.double() @ torch.linalg.inv(steps.double())
    copy = (periods + BORDER).floor()
    inside = ((periods - copy) * copy.new_tensor(shape) + BORDER).long()
    cell = inside[:, 0].clamp(max=shape[0] - 1) * shape[1] + inside[:, 1].clamp(max=shape[1] - 1)
    copy = (copy - copy.amin(0)).long()
    number = copy[:, 0] * (copy[:, 1].max() + 1) + copy[:, 1]
    values = F.pad(texels.detail, (0, 1), value=1.0)
    cells = shape[0] * shape[1]
    total = values.new_zeros(cells, 4).index_add_(0, cell, values)
    key, which = torch.unique(number * cells + cell, return_inverse=True)
    own = values.new_zeros(len(key), 4).index_add_(0, which, values)[which]
    others = total[cell] - own
    predicted = torch.where(others[:, 3:] > 0, others[:, :3] / others[:, 3:].clamp(min=1), 0.0)
    both, power = (texels.detail * predicted).sum(), predicted.square().sum().clamp(min=1e-9)
    gain = float((both / power).clamp(0, 1))
    explained = both.clamp(min=0).square() / (power * texels.detail.square().sum()).clamp(min=1e-9)
    return _Lattice(steps, shape, float(explained), gain, total[:, :3] / total[:, 3:].clamp(min=1))


def _best_lattice(texels: _Texels, steps: torch.Tensor) -> _Lattice | None:
    """The pair of displacements that foretells most, made exact; None if none tells enough."""
    best: _Lattice | None = None
    for i in range(len(steps)):
        for j in range(i + 1, len(steps)):
            pair = steps[[i, j]]
            if not _spans(pair):
                continue
            lattice = _folded(texels, pair)
            if best is None or lattice.trust > best.trust + 0.01:
                best = lattice
    if best is None or best.trust < 0.5 * LEAST_TRUST:
        return None
    best = _refined(texels, best)
    return best if best.trust >= LEAST_TRUST else None


def _spans(steps: torch.Tensor) -> bool:
    """Whether two displacements (2, 2) lie far enough from parallel to be a lattice's."""
    lengths = steps.norm(dim=1)
    area = torch.linalg.det(steps).abs()
    return bool((area >= LEAST_SINE * lengths.prod()) & (lengths.min() >= 2))


def _refined(texels: _Texels, lattice: _Lattice) -> _Lattice:
    """Moved by parts of a texel for as long as it foretells more."""
    move = 0.5
    while move > 0.03:
        before = lattice.trust
        for place in range(4):
            for sign in (-1, 1):
                steps = lattice.steps.clone()
                steps.view(-1)[place] += sign * move
                if not _spans(steps):
                    continue
                other = _folded(texels, steps)
                if other.trust > lattice.trust + 1e-4:
                    lattice = other
        if lattice.trust == before:
            move /= 2
    return lattice


def _pattern(lattice: _Lattice, texture: _Texture) -> Pattern:
    tile = (lattice.gain * lattice.tile).T.view(1, 3, *lattice.shape)
    levels = [tile]
    while 2 ** len(levels) < min(lattice.shape):
        wide = 2 ** len(levels)
        pads = ((wide - 1) // 2, wide // 2) * 2
        levels.append(F.avg_pool2d(F.pad(tile, pads, mode="circular"), wide, 1))
    levels.append(torch.zeros_like(tile))
    return Pattern(
        levels=torch.cat(levels).flatten(2).transpose(1, 2).contiguous(),
        shape=lattice.shape,
        to_periods=torch.linalg.inv(lattice.steps) / texture.texel,
        corner=texture.corner,
        texel=texture.texel,
        trust=lattice.trust,
    )
