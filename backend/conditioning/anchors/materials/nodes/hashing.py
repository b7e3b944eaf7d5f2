# SPDX-License-Identifier: GPL-3.0-or-later
"""The hashes that Blender's procedural textures are made of, compiled.

Bob Jenkins' lookup3 (public domain), and PCG in two to four dimensions after Jarzynski and Olano,
"Hash Functions for GPU Rendering", JCGT 2020, on 31 bits.
"""

from __future__ import annotations

import numpy as np

from ....jit import inlined, kernel

_SEED = 0xDEADBEEF + 13
_U = np.uint32


@inlined
def _turn(x, bits):
    return _U(_U(x << _U(bits)) | _U(x >> _U(32 - bits)))


@inlined
def _final(a, b, c):
    c = _U(_U(c ^ b) - _turn(b, 14))
    a = _U(_U(a ^ c) - _turn(c, 11))
    b = _U(_U(b ^ a) - _turn(a, 25))
    c = _U(_U(c ^ b) - _turn(b, 16))
    a = _U(_U(a ^ c) - _turn(c, 4))
    b = _U(_U(b ^ a) - _turn(a, 14))
    return _U(_U(c ^ b) - _turn(b, 24))


@kernel
def _mix(a, b, c):
    a = _U(_U(a - c) ^ _turn(c, 4))
    c = _U(c + b)
    b = _U(_U(b - a) ^ _turn(a, 6))
    a = _U(a + c)
    c = _U(_U(c - b) ^ _turn(b, 8))
    b = _U(b + a)
    a = _U(_U(a - c) ^ _turn(c, 16))
    c = _U(c + b)
    b = _U(_U(b - a) ^ _turn(a, 19))
    a = _U(a + c)
    c = _U(_U(c - b) ^ _turn(b, 4))
    return a, _U(b + a), c


@inlined
def lookup3_three(x, y, z):
    """`lookup3` of three, for loops that compilers do several rounds of at once."""
    start = _U(_SEED + 12)
    return _final(_U(start + x), _U(start + y), _U(start + z))


@kernel
def lookup3(count, x, y, z, w):
    """Of the first `count` (1 to 4) of four uint32, as uint32."""
    start = _U(_SEED + 4 * count)
    a, b, c = _U(start + x), start, start
    if count > 1:
        b = _U(b + y)
    if count > 2:
        c = _U(c + z)
    if count > 3:
        a, b, c = _mix(a, b, c)
        a = _U(a + w)
    return _final(a, b, c)


@kernel
def lookup3_float(count, x, y, z, w):
    """Of the bits of the first `count` of four float32, in [0, 1]."""
    h = lookup3(
        count,
        np.float32(x).view(np.uint32),
        np.float32(y).view(np.uint32),
        np.float32(z).view(np.uint32),
        np.float32(w).view(np.uint32),
    )
    return np.float32(h) * np.float32(1.0 / 4294967295.0)


@kernel
def pcg(count, x, y, z, w, out):
    """Write `count` (2 to 4) numbers in [0, 1] of as many int32 to `out` (4,) float32."""
    k, m = np.int32(1664525), np.int32(1013904223)
    x, y = np.int32(x * k + m), np.int32(y * k + m)
    z, w = np.int32(z * k + m), np.int32(w * k + m)
    for step in range(2):
        if count == 2:
            x = np.int32(x + y * k)
            y = np.int32(y + x * k)
        elif count == 3:
            x = np.int32(x + np.int32(y * z))
            y = np.int32(y + np.int32(z * x))
            z = np.int32(z + np.int32(x * y))
        else:
            x = np.int32(x + np.int32(y * w))
            y = np.int32(y + np.int32(z * x))
            z = np.int32(z + np.int32(x * y))
            w = np.int32(w + np.int32(y * z))
        if step == 0:
            x, y = np.int32(x ^ (x >> 16)), np.int32(y ^ (y >> 16))
            z, w = np.int32(z ^ (z >> 16)), np.int32(w ^ (w >> 16))
    unit = np.float32(1.0 / 2147483647.0)
    out[0] = np.float32(x & 0x7FFFFFFF) * unit
    out[1] = np.float32(y & 0x7FFFFFFF) * unit
    out[2] = np.float32(z & 0x7FFFFFFF) * unit
    out[3] = np.float32(w & 0x7FFFFFFF) * unit


@kernel
def white(count, at, value, color):
    """Fill (N,) and (N, 3) with noise of the first `count` of (N, 4) float32."""
    for n in range(len(at)):
        x, y, z, w = at[n, 0], at[n, 1], at[n, 2], at[n, 3]
        value[n] = lookup3_float(count, x, y, z, w)
        color[n, 0] = value[n]
        for i in range(1, 3):
            color[n, i] = other(count, x, y, z, w, i)


@kernel
def other(count, x, y, z, w, which):
    """The second or third (`which`) component of a colour of `count` numbers."""
    extra = np.float32(which)
    if count == 1:
        return lookup3_float(2, x, extra, extra, extra)
    if count == 2:
        return lookup3_float(3, x, y, extra, extra)
    if count == 3:
        return lookup3_float(4, x, y, z, extra)
    if which == 1:
        return lookup3_float(4, z, x, w, y)
    return lookup3_float(4, w, z, y, x)
