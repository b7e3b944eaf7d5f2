# SPDX-License-Identifier: GPL-3.0-or-later
"""Cells around random points in one to four dimensions, compiled: Blender's Voronoi Texture.

Distances to edges after Quilez, "Voronoi edges"; octaves as Blender adds them.
"""

from __future__ import annotations

import numpy as np

from ....jit import kernel
from .hashing import lookup3_float, other, pcg

F1, F2, SMOOTH, EDGE, RADIUS = range(5)
FEATURES = {
    "F1": F1,
    "F2": F2,
    "SMOOTH_F1": SMOOTH,
    "DISTANCE_TO_EDGE": EDGE,
    "N_SPHERE_RADIUS": RADIUS,
}
METRICS = {"EUCLIDEAN": 0, "MANHATTAN": 1, "CHEBYCHEV": 2, "MINKOWSKI": 3}
_F = np.float32


@kernel
def _hash(count, older, cell, out):
    """Four numbers in [0, 1] of a cell (4,) float32; `older`: by lookup3."""
    if count == 1:
        out[0] = lookup3_float(1, cell[0], _F(0), _F(0), _F(0))
    elif not older:
        pcg(count, np.int32(cell[0]), np.int32(cell[1]), np.int32(cell[2]), np.int32(cell[3]), out)
    elif count == 2:
        out[0] = lookup3_float(2, cell[0], cell[1], _F(0), _F(0))
        out[1] = lookup3_float(3, cell[0], cell[1], _F(1), _F(0))
    elif count == 3:
        out[0] = lookup3_float(3, cell[0], cell[1], cell[2], _F(0))
        out[1] = lookup3_float(4, cell[0], cell[1], cell[2], _F(1))
        out[2] = lookup3_float(4, cell[0], cell[1], cell[2], _F(2))
    else:
        x, y, z, w = cell[0], cell[1], cell[2], cell[3]
        out[0] = lookup3_float(4, x, y, z, w)
        out[1] = lookup3_float(4, w, x, y, z)
        out[2] = lookup3_float(4, z, w, x, y)
        out[3] = lookup3_float(4, y, z, w, x)


@kernel
def _color(count, older, cell, out):
    """The colour (3,) of a cell."""
    if count == 1 or older:
        x, y, z, w = cell[0], cell[1], cell[2], cell[3]
        out[0] = lookup3_float(count, x, y, z, w)
        out[1] = other(count, x, y, z, w, 1)
        out[2] = other(count, x, y, z, w, 2)
        return
    third = np.int32(cell[2]) if count > 2 else np.int32(0)
    fourth = np.int32(cell[3]) if count > 3 else np.int32(0)
    pcg(max(count, 3), np.int32(cell[0]), np.int32(cell[1]), third, fourth, out)


@kernel
def _distance(count, metric, exponent, way):
    """Length of a way (4,)."""
    total = _F(0)
    if metric == 0 or count == 1:
        for i in range(count):
            total += way[i] * way[i]
        return np.sqrt(total)
    for i in range(count):
        side = abs(way[i])
        if metric == 1:
            total += side
        elif metric == 2:
            total = max(total, side)
        else:
            total += side**exponent
    return total ** (_F(1) / exponent) if metric == 3 else total


@kernel
def _offset(count, which, reach, base, out):
    """The `which`-th of (2 reach + 1)^count neighbours of the offset `base`, x quickest."""
    side = 2 * reach + 1
    for i in range(4):
        out[i] = base[i]
        if i < count:
            out[i] += which % side - reach
            which //= side


@kernel
def _feature(count, older, feature, metric, at, exponent, randomness, smooth, work, result):
    """One octave at `at` (4,). result: distance, colour (3), position (4).

    work: (8, 4) scratch.
    """
    floor, local, offset, cell, random, way, best, second = (
        work[0],
        work[1],
        work[2],
        work[3],
        work[4],
        work[5],
        work[6],
        work[7],
    )
    for i in range(4):
        floor[i] = np.floor(at[i]) if i < count else _F(0)
        local[i] = at[i] - floor[i]
        best[i] = _F(0)
    result[:] = _F(0)
    reach = 2 if feature == 2 else 1
    near, next_near = _F(np.inf), _F(np.inf)
    h = _F(-1)
    zero = np.zeros(4, np.float32)
    for which in range((2 * reach + 1) ** count):
        _offset(count, which, reach, zero, offset)
        for i in range(4):
            cell[i] = floor[i] + offset[i]
        _hash(count, older, cell, random)
        for i in range(count):
            random[i] = offset[i] + random[i] * randomness
            way[i] = random[i] - local[i]
        far = _distance(count, metric, exponent, way)
        if feature == 2:
            _smooth(count, older, cell, random, far, smooth, h, way, result)
            h = _F(1)
        elif far < near:
            next_near, near = near, far
            for i in range(4):
                second[i], best[i] = best[i], cell[i]
        elif far < next_near:
            next_near = far
            for i in range(4):
                second[i] = cell[i]
    if feature == 2:
        for i in range(count):
            result[4 + i] += floor[i]
        return
    chosen = second if feature == 1 else best
    result[0] = next_near if feature == 1 else near
    _hash(count, older, chosen, random)
    for i in range(count):
        result[4 + i] = chosen[i] + random[i] * randomness
    _color(count, older, chosen, random)
    for i in range(3):
        result[1 + i] = random[i]


@kernel
def _smooth(count, older, cell, point, far, smooth, before, color, result):
    """Blend one more cell into `result`; before: negative for the first."""
    h = _F(1)
    if before >= 0:
        t = min(max(_F(0.5) + _F(0.5) * (result[0] - far) / smooth, _F(0)), _F(1))
        h = t * t * (_F(3) - _F(2) * t)
    less = smooth * h * (_F(1) - h)
    result[0] += (far - result[0]) * h - less
    less /= _F(1) + _F(3) * smooth
    for i in range(count):
        result[4 + i] += (point[i] - result[4 + i]) * h - less
    _color(count, older, cell, color)
    for i in range(3):
        result[1 + i] += (color[i] - result[1 + i]) * h - less


@kernel
def _edge(count, older, at, randomness, work):
    """Distance to the nearest cell's edge."""
    floor, local, offset, cell, random, near = (
        work[0],
        work[1],
        work[2],
        work[3],
        work[4],
        work[5],
    )
    zero = np.zeros(4, np.float32)
    for i in range(4):
        floor[i] = np.floor(at[i]) if i < count else _F(0)
        local[i] = at[i] - floor[i]
    least, found = _F(np.inf), _F(np.inf)
    for turn in range(2):
        for which in range(3**count):
            _offset(count, which, 1, zero, offset)
            for i in range(4):
                cell[i] = floor[i] + offset[i]
            _hash(count, older, cell, random)
            length, apart, half = _F(0), _F(0), _F(0)
            for i in range(count):
                random[i] = offset[i] + random[i] * randomness - local[i]
                length += random[i] * random[i]
                if turn:
                    step = random[i] - near[i]
                    apart += step * step
                    half += (random[i] + near[i]) * _F(0.5) * step
            if turn == 0 and length < least:
                least = length
                for i in range(count):
                    near[i] = random[i]
            elif turn and apart > 0.0001:
                found = min(found, half / np.sqrt(apart))
    return found


@kernel
def _edge_line(at, randomness):
    """In one dimension edges lie half way to the neighbours of the own cell."""
    low = np.floor(at)
    local = at - low
    middle = lookup3_float(1, low, _F(0), _F(0), _F(0)) * randomness
    left = _F(-1) + lookup3_float(1, low - _F(1), _F(0), _F(0), _F(0)) * randomness
    right = _F(1) + lookup3_float(1, low + _F(1), _F(0), _F(0), _F(0)) * randomness
    return min(abs((middle + left) * _F(0.5) - local), abs((middle + right) * _F(0.5) - local))


@kernel
def _radius(count, older, at, randomness, work):
    """Half the way from the nearest point to the point nearest to that."""
    floor, local, offset, cell, random, point, base = (
        work[0],
        work[1],
        work[2],
        work[3],
        work[4],
        work[5],
        work[6],
    )
    for i in range(4):
        floor[i] = np.floor(at[i]) if i < count else _F(0)
        local[i] = at[i] - floor[i]
        base[i] = _F(0)
    result = _F(0)
    for turn in range(2):
        start = base.copy()
        least = _F(np.inf)
        for which in range(3**count):
            if turn and which == (3**count) // 2:
                continue
            _offset(count, which, 1, start, offset)
            for i in range(4):
                cell[i] = floor[i] + offset[i]
            _hash(count, older, cell, random)
            far = _F(0)
            for i in range(count):
                random[i] = offset[i] + random[i] * randomness
                step = random[i] - (point[i] if turn else local[i])
                far += step * step
            if far < least:
                least = far
                if turn == 0:
                    for i in range(4):
                        base[i] = offset[i]
        if turn == 0:
            for i in range(4):
                cell[i] = floor[i] + base[i]
            _hash(count, older, cell, random)
            for i in range(count):
                point[i] = base[i] + random[i] * randomness
        result = np.sqrt(least) * _F(0.5)
    return result


@kernel
def _octaves(count, older, feature, metric, at, s, work, one, place, result):
    """Octaves of F1, F2 or smooth F1; s: the point's settings."""
    detail, roughness, lacunarity = s[0], s[1], s[2]
    smooth, exponent, randomness = s[3], s[4], s[5]
    amplitude, most, size = _F(1), _F(0), _F(1)
    kind = 0 if feature == 2 and smooth == 0 else feature
    result[:] = _F(0)
    alone = detail == 0 or roughness == 0
    rest = detail - np.floor(detail)
    for octave in range(int(np.ceil(detail)) + 1):
        for i in range(4):
            place[i] = at[i] * size
        _feature(count, older, kind, metric, place, exponent, randomness, smooth, work, one)
        if alone:
            result[:] = one
            return _F(1)
        share = _F(1) if octave <= detail else rest
        most += share * amplitude
        for i in range(4):
            result[i] += share * amplitude * one[i]
        for i in range(4, 8):
            result[i] += share * amplitude * (one[i] / size - result[i])
        size *= lacunarity
        amplitude *= roughness
    return most


@kernel
def _edge_octaves(count, older, at, s, reach, work, place, normalize):
    """Octaves of the distance to edges."""
    detail, roughness, lacunarity, randomness = s[0], s[1], s[2], s[5]
    amplitude, most, size, found = _F(1), reach, _F(1), _F(8)
    rest = detail - np.floor(detail)
    for octave in range(int(np.ceil(detail)) + 1):
        for i in range(4):
            place[i] = at[i] * size
        if count == 1:
            one = _edge_line(place[0], randomness)
        else:
            one = _edge(count, older, place, randomness, work)
        if detail == 0 or roughness == 0:
            found = one
            break
        less = found + (min(found, one / size) - found) * amplitude
        small = most + (reach / size - most) * amplitude
        if octave <= detail:
            found, most = less, small
        elif rest != 0:
            most += (small - most) * rest
            found += (min(found, less) - found) * rest
        size *= lacunarity
        amplitude *= roughness
    return found / most if normalize else found


@kernel
def voronoi_texture(count, older, feature, metric, normalize, at, settings, out):
    """The Voronoi Texture: out (N, 8) distance or radius, colour (3), position (4).

    at: (N, 4). settings: (N, 6) detail, roughness, lacunarity, smoothness, exponent, randomness.
    """
    work = np.zeros((8, 4), np.float32)
    one, place = np.zeros(8, np.float32), np.zeros(4, np.float32)
    corner = np.zeros(4, np.float32)
    for n in range(len(at)):
        s = settings[n]
        half = _F(0.5) + _F(0.5) * s[5]
        out[n, :] = _F(0)
        usable = True
        for i in range(4):
            usable = usable and abs(at[n, i]) < 1e9
        if not usable:
            continue
        if feature == 4:
            out[n, 0] = _radius(count, older, at[n], s[5], work)
        elif feature == 3:
            out[n, 0] = _edge_octaves(count, older, at[n], s, half, work, place, normalize)
        else:
            most = _octaves(count, older, feature, metric, at[n], s, work, one, place, out[n])
            if normalize:
                corner[:] = half
                reach = _distance(count, metric, s[4], corner) * _F(2 if feature == 1 else 1)
                out[n, 0] /= most * reach
                for i in range(1, 4):
                    out[n, i] /= most
