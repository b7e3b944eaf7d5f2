# SPDX-License-Identifier: GPL-3.0-or-later
"""Gradient noise in one to four dimensions and its fractals, compiled.

Ken Perlin's improved noise over lookup3, scaled and repeated as Blender does it; the fractals
are those of Musgrave, "Texturing and Modeling: A Procedural Approach".
"""

from __future__ import annotations

import numpy as np

from ....jit import inlined, kernel
from .hashing import lookup3, lookup3_float, lookup3_three

FBM, MULTIFRACTAL, HYBRID, RIDGED, HETERO = range(5)
TYPES = {
    "FBM": FBM,
    "MULTIFRACTAL": MULTIFRACTAL,
    "HYBRID_MULTIFRACTAL": HYBRID,
    "RIDGED_MULTIFRACTAL": RIDGED,
    "HETERO_TERRAIN": HETERO,
}
_SCALES = (0.25, 0.6616, 0.982, 0.8344)
_F, _U = np.float32, np.uint32
_REPEATS = _F(100_000)
_BLOCK = 128


@kernel
def _gradient(count, h, x, y, z, w):
    """The product of one of the lattice's gradients with the way to the point."""
    if count == 1:
        steep = _F(1 + (h & 7))
        return -steep * x if h & 8 else steep * x
    if count == 2:
        h &= 7
        u, v = (x, _F(2) * y) if h < 4 else (y, _F(2) * x)
    elif count == 3:
        h &= 15
        u = x if h < 8 else y
        v = y if h < 4 else (x if h == 12 or h == 14 else z)
    else:
        h &= 31
        u = x if h < 24 else y
        v = y if h < 16 else z
        s = z if h < 8 else w
        total = (-u if h & 1 else u) + (-v if h & 2 else v)
        return total + (-s if h & 4 else s)
    return (-u if h & 1 else u) + (-v if h & 2 else v)


@inlined
def _fade(t):
    return t * t * t * (t * (t * _F(6) - _F(15)) + _F(10))


@inlined
def _cell(p):
    """Lattice place (repeating after 100,000) and the rest."""
    corrected = _F(0.5) if abs(p) >= 1000000 else _F(0)
    p = p - _REPEATS * np.trunc(p / _REPEATS) + corrected
    low = np.floor(p)
    return np.int32(low), _F(p - low)


@inlined
def _steep3(h, x, y, z):
    """`_gradient` in three dimensions, without branches."""
    h = _U(h & _U(15))
    u = x if h < _U(8) else y
    v = y if h < _U(4) else (x if _U(h | _U(2)) == _U(14) else z)
    return (-u if _U(h & _U(1)) else u) + (-v if _U(h & _U(2)) else v)


@inlined
def _line3(ix, iy, iz, x, y, z, share):
    """Two corners of a cell side by side, and what is between them by `share`."""
    low = _steep3(lookup3_three(ix, iy, iz), x, y, z)
    high = _steep3(lookup3_three(_U(ix + _U(1)), iy, iz), x - _F(1), y, z)
    return low + (high - low) * share


@inlined
def _noise3(x, y, z):
    """`noise` in three dimensions of finite numbers, without branches: several at once."""
    ix, fx = _cell(x)
    iy, fy = _cell(y)
    iz, fz = _cell(z)
    ux, uy, uz = _fade(fx), _fade(fy), _fade(fz)
    cx, cy, cz = _U(ix), _U(iy), _U(iz)
    dy, dz = _U(cy + _U(1)), _U(cz + _U(1))
    gy, gz = fy - _F(1), fz - _F(1)
    near = _line3(cx, cy, cz, fx, fy, fz, ux)
    near += (_line3(cx, dy, cz, fx, gy, fz, ux) - near) * uy
    far = _line3(cx, cy, dz, fx, fy, gz, ux)
    far += (_line3(cx, dy, dz, fx, gy, gz, ux) - far) * uy
    return _F(_SCALES[2]) * (near + (far - near) * uz)


@kernel
def noise(count, x, y, z, w):
    """Signed noise, about -1 to 1, of the first `count` coordinates."""
    if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z) and np.isfinite(w)):
        return _F(0)
    ix, fx = _cell(x)
    iy, fy = _cell(y) if count > 1 else (np.int32(0), _F(0))
    iz, fz = _cell(z) if count > 2 else (np.int32(0), _F(0))
    iw, fw = _cell(w) if count > 3 else (np.int32(0), _F(0))
    ux, uy, uz, uw = _fade(fx), _fade(fy), _fade(fz), _fade(fw)
    total = _F(0)
    for corner in range(1 << count):
        a, b, c, d = corner & 1, (corner >> 1) & 1, (corner >> 2) & 1, corner >> 3
        share = ux if a else _F(1) - ux
        if count > 1:
            share *= uy if b else _F(1) - uy
        if count > 2:
            share *= uz if c else _F(1) - uz
        if count > 3:
            share *= uw if d else _F(1) - uw
        h = lookup3(
            count, np.uint32(ix + a), np.uint32(iy + b), np.uint32(iz + c), np.uint32(iw + d)
        )
        total += share * _gradient(count, h, fx - a, fy - b, fz - c, fw - d)
    return _F(_SCALES[count - 1]) * total


@kernel
def fbm(count, x, y, z, w, detail, roughness, lacunarity, normalize):
    """Octaves added; `normalize`: to 0 to 1."""
    size, amplitude, most, total = _F(1), _F(1), _F(0), _F(0)
    for _ in range(int(detail) + 1):
        total += amplitude * noise(count, size * x, size * y, size * z, size * w)
        most += amplitude
        amplitude *= roughness
        size *= lacunarity
    rest = detail - np.floor(detail)
    if rest == 0:
        return _F(0.5) * total / most + _F(0.5) if normalize else total
    more = total + amplitude * noise(count, size * x, size * y, size * z, size * w)
    if normalize:
        total = _F(0.5) * total / most + _F(0.5)
        more = _F(0.5) * more / (most + amplitude) + _F(0.5)
    return total + (more - total) * rest


@kernel
def _multi(count, x, y, z, w, detail, roughness, lacunarity):
    value, power, size = _F(1), _F(1), _F(1)
    for _ in range(int(detail) + 1):
        value *= power * noise(count, size * x, size * y, size * z, size * w) + _F(1)
        power *= roughness
        size *= lacunarity
    rest = detail - np.floor(detail)
    if rest != 0:
        value *= rest * power * noise(count, size * x, size * y, size * z, size * w) + _F(1)
    return value


@kernel
def _hetero(count, x, y, z, w, detail, roughness, lacunarity, offset):
    power, size = roughness, lacunarity
    value = offset + noise(count, x, y, z, w)
    rest = detail - np.floor(detail)
    for i in range(1, int(detail) + 2):
        share = _F(1) if i <= int(detail) else rest
        if share == 0:
            break
        here = noise(count, size * x, size * y, size * z, size * w)
        value += share * (here + offset) * power * value
        power *= roughness
        size *= lacunarity
    return value


@kernel
def _hybrid(count, x, y, z, w, detail, roughness, lacunarity, offset, gain):
    power, value, weight, size = _F(1), _F(0), _F(1), _F(1)
    rest = detail - np.floor(detail)
    for i in range(int(detail) + 2):
        share = _F(1) if i <= int(detail) else rest
        if share == 0 or not weight > 0.001:
            break
        weight = min(weight, _F(1))
        signal = (noise(count, size * x, size * y, size * z, size * w) + offset) * power
        power *= roughness
        value += share * weight * signal
        weight *= gain * signal
        size *= lacunarity
    return value


@kernel
def _ridged(count, x, y, z, w, detail, roughness, lacunarity, offset, gain):
    power, size = roughness, lacunarity
    signal = offset - abs(noise(count, x, y, z, w))
    signal *= signal
    value = signal
    for _ in range(int(detail)):
        weight = min(max(signal * gain, _F(0)), _F(1))
        signal = offset - abs(noise(count, size * x, size * y, size * z, size * w))
        signal *= signal * weight
        value += signal * power
        power *= roughness
        size *= lacunarity
    return value


@kernel
def _fractal(kind, normalize, count, x, y, z, w, settings):
    detail, roughness, lacunarity = settings[0], settings[1], settings[2]
    offset, gain = settings[3], settings[4]
    if kind == 1:
        return _multi(count, x, y, z, w, detail, roughness, lacunarity)
    if kind == 2:
        return _hybrid(count, x, y, z, w, detail, roughness, lacunarity, offset, gain)
    if kind == 3:
        return _ridged(count, x, y, z, w, detail, roughness, lacunarity, offset, gain)
    if kind == 4:
        return _hetero(count, x, y, z, w, detail, roughness, lacunarity, offset)
    return fbm(count, x, y, z, w, detail, roughness, lacunarity, normalize)


@kernel
def _seed(which, count, axis):
    """Where another, independent noise begins: 100 to 200 aside."""
    if count == 1:
        return _F(100) + _F(100) * lookup3_float(1, _F(which), _F(0), _F(0), _F(0))
    if axis >= count:
        return _F(0)
    return _F(100) + _F(100) * lookup3_float(2, _F(which), _F(axis), _F(0), _F(0))


@kernel
def _shifted(count, x, y, z, w, which):
    return (
        x + _seed(which, count, 0),
        y + _seed(which, count, 1),
        z + _seed(which, count, 2),
        w + _seed(which, count, 3),
    )


@kernel
def noise_texture(kind, normalize, count, at, settings, colored, out):
    """The Noise Texture: out (N, 3), of which all but the first only where `colored`.

    at: (N, 4). settings: (N, 6) detail, roughness, lacunarity, offset, gain, distortion.
    """
    if kind == FBM and count == 3 and not settings[:, 5].any():
        for i in range(3 if colored else 1):
            moved = at.copy()
            for axis in range(3 if i else 0):
                moved[:, axis] += _seed(2 + i, 3, axis)
            fbm3(moved, settings, normalize, out[:, i])
        return
    for n in range(len(at)):
        x, y, z, w = at[n, 0], at[n, 1], at[n, 2], at[n, 3]
        bend = settings[n, 5]
        if bend != 0:
            ax, ay, az, aw = x, y, z, w
            for axis in range(count):
                sx, sy, sz, sw = _shifted(count, ax, ay, az, aw, axis)
                way = noise(count, sx, sy, sz, sw) * bend
                if axis == 0:
                    x += way
                elif axis == 1:
                    y += way
                elif axis == 2:
                    z += way
                else:
                    w += way
        out[n, 0] = _fractal(kind, normalize, count, x, y, z, w, settings[n])
        if colored:
            for i in range(1, 3):
                sx, sy, sz, sw = _shifted(count, x, y, z, w, count - 1 + i)
                out[n, i] = _fractal(kind, normalize, count, sx, sy, sz, sw, settings[n])


@kernel
def _noises(x, y, z, out):
    for j in range(len(out)):
        out[j] = _noise3(x[j], y[j], z[j])


@kernel
def fbm3(at, settings, normalize, out):
    """`fbm` in three dimensions: out (N,). settings: (N, 3) or more detail, roughness, lacunarity.

    Where all points have the same settings it goes octave by octave over many of them.
    """
    alike = True
    for n in range(1, len(at)):
        alike &= settings[n, 0] == settings[0, 0]
        alike &= (settings[n, 1] == settings[0, 1]) & (settings[n, 2] == settings[0, 2])
    if not alike:
        for n in range(len(at)):
            s = settings[n]
            out[n] = fbm(3, at[n, 0], at[n, 1], at[n, 2], _F(0), s[0], s[1], s[2], normalize)
        return
    for first in range(0, len(at), _BLOCK):
        last = min(first + _BLOCK, len(at))
        _octaves(at[first:last], settings[first], normalize, out[first:last])


@kernel
def _octaves(at, settings, normalize, out):
    """`fbm3` of up to a block of points with the same settings."""
    x, y, z = np.zeros(_BLOCK, _F), np.zeros(_BLOCK, _F), np.zeros(_BLOCK, _F)
    here, total = np.zeros(_BLOCK, _F), np.zeros(_BLOCK, _F)
    detail, count = settings[0], len(at)
    whole = int(detail)
    rest = detail - _F(whole)
    size, amplitude, most = _F(1), _F(1), _F(0)
    for octave in range(whole + (2 if rest > 0 else 1)):
        for j in range(count):
            x[j], y[j], z[j] = size * at[j, 0], size * at[j, 1], size * at[j, 2]
        _noises(x, y, z, here)
        if octave <= whole:
            total += amplitude * here
            most += amplitude
            amplitude *= settings[1]
            size *= settings[2]
    for j in range(count):
        less = more = total[j]
        if rest > 0:
            more = less + amplitude * here[j]
        if normalize:
            less = _F(0.5) * less / most + _F(0.5)
            more = _F(0.5) * more / (most + (amplitude if rest > 0 else _F(0))) + _F(0.5)
        known = np.isfinite(at[j, 0]) and np.isfinite(at[j, 1]) and np.isfinite(at[j, 2])
        out[j] = less + (more - less) * rest if known else (_F(0.5) if normalize else _F(0))
