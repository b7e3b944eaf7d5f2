# SPDX-License-Identifier: GPL-3.0-or-later
"""What the points of a light send to a surface: the loops that most of a picture's time goes to.

All in float32, and without branches inside, so that a compiler does several points at once.
"""

from __future__ import annotations

import math

import numpy as np

from ..jit import inlined, kernel, loose
from .lamps import BOTH, FACING, FAR, NEAR, POINTS, SETS, STARTS
from .reflection import CLEAR

SHARP, DULLER = np.float32(0.2), np.float32(0.3)
"""Lobes narrower than the first part of a lamp's size see it by reflected rays too, those wider
than the second by points alone."""
WAYS = np.float32(8)
"""Rays of a lobe that one of a lamp's points is weighed against (the balance heuristic of Veach,
1997): where the lobe is steep they tell more, in its tails the points do. In truth there are 8 to
128, as neighbours share; more leave the few of them that meet a lamp from a tail to be seen."""
CLEAR_ALPHA = np.float32(CLEAR**2)
_SETS, _STARTS = np.array(SETS), np.array(STARTS)
_0, _1, _2, _3 = (np.float32(number) for number in range(4))
_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)
_PI = np.float32(math.pi)
_TINY, _NEAR_ZERO, _BUMPED = np.float32(1e-8), np.float32(1e-4), np.float32(0.9999)
_COAT, _COAT_RISES, _COAT_IOR = np.float32(0.04), np.float32(0.96), np.float32(1.5)


@inlined
def chosen_set(soft, kind, size, alpha, coat_alpha, shines, coated):
    """Which of a light's sets of points stands for it, as large as it looks (`size`)."""
    if kind >= BOTH:
        return 4  # points of all sides
    chosen = 3
    if not soft or size < 0.02:
        chosen = 0
    elif size < 0.25:
        chosen = 1
    elif size < 0.6:
        chosen = 2
    if soft and (shines or coated):
        narrow = coat_alpha if coated else alpha
        if narrow < size:
            chosen = max(chosen, 4)
        elif narrow < 2.0 * size:
            chosen = max(chosen, 3)
        elif narrow < 6.0 * size:
            chosen = max(chosen, 2)
    return chosen


@inlined
def ways_of(alpha, size):
    """WAYS of a lobe, fewer and fewer as it becomes too wide for a lamp of this size."""
    if alpha <= CLEAR_ALPHA:
        return _0  # one way stands for all
    part = (DULLER * size - alpha) / max((DULLER - SHARP) * size, _TINY)
    return WAYS * min(max(part, _0), _1)


@inlined
def narrower(width, alpha, coat_alpha, shines, coated):
    """Whether a lobe that shows a light is narrower than `width`."""
    return (shines and alpha < width) or (coated and coat_alpha < width)


@loose
def _look(px, py, pz, kind, place, facing, axis, cone, middle, near2, start, count, ways):
    """Rows of `ways` (4, count): unit ways to points, and the part of their power that arrives
    per cosine. place, facing: (3, P). near2: squared distance below which a point no longer
    stands for its part of a surface."""
    share = np.float32(POINTS) / np.float32(count)
    if kind == FAR:
        for k in range(count):
            for c in range(3):
                ways[c, k] = place[c, start + k]
            ways[3, k] = share
        return
    for k in range(count):
        x, y, z = place[0, start + k] - px, place[1, start + k] - py, place[2, start + k] - pz
        d2 = max(x * x + y * y + z * z, _TINY)
        over = _1 / math.sqrt(d2)
        ways[0, k], ways[1, k], ways[2, k] = x * over, y * over, z * over
        ways[3, k] = share / max(d2, near2)
    if kind == NEAR:
        mx, my, mz = middle[0] - px, middle[1] - py, middle[2] - pz
        factor = share / max(mx * mx + my * my + mz * mz + cone[2], _TINY)
        for k in range(count):
            ways[3, k] = factor
        if cone[0] > np.float32(-1.5):
            for k in range(count):
                c = -(ways[0, k] * axis[0] + ways[1, k] * axis[1] + ways[2, k] * axis[2])
                t = min(max((c - cone[0]) * cone[1], _0), _1)
                ways[3, k] *= t * t * (_3 - _2 * t)
        return
    for k in range(count):
        c = -(
            ways[0, k] * facing[0, start + k]
            + ways[1, k] * facing[1, start + k]
            + ways[2, k] * facing[2, start + k]
        )
        c = abs(c) if kind == BOTH else max(c, _0)
        ways[3, k] *= c
        if cone[2] > _0:
            c = max(c, np.float32(1e-6))
            tangent = math.sqrt(max(_0, _1 - c * c)) / c
            ways[3, k] *= max(cone[2] - tangent, _0) * cone[3]


@loose
def unshaded(ways, count, n, s, same):
    """Leave of light in `ways` (4, count) what bumps do not shade themselves: normal n, (3,),
    without bumps s, (3,), and `same` their cosine (Chiang and others, 2019, as Cycles has it)."""
    for k in range(count):
        lx, ly, lz = ways[0, k], ways[1, k], ways[2, k]
        n_l = n[0] * lx + n[1] * ly + n[2] * lz
        s_l = s[0] * lx + s[1] * ly + s[2] * lz
        g = min(max(s_l / (max(n_l, _TINY) * same), _0), _1)
        ways[3, k] *= g * (_1 + g - g * g) if n_l > _0 else _1


@loose
def _lambda(cosine, alpha2):
    """Lambda of Smith's masking function at a cosine to the normal."""
    c2 = cosine * cosine
    return _HALF * (math.sqrt(_1 + alpha2 * (_1 - c2) / max(c2, _TINY)) - _1)


@loose
def _rise(cosine, ior, front):
    """`ggx.rise`, of both kinds; front: what an index reflects at the front."""
    c = min(max(cosine, _0), _1)
    m = _1 - c
    metal = m * m * m * m * m
    g = math.sqrt(max(ior * ior - _1 + c * c, _TINY))
    a, b = (g - c) / (g + c), (c * (g + c) - _1) / (c * (g - c) + _1)
    clear = max(_HALF * a * a * (_1 + b * b) - front, _0) / (_1 - front)
    return clear if ior > _1 else metal


@loose
def _reflect(
    ways, power, start, count, n, v, n_v, alpha2, ior, f0, edge, strength, beside, area, out
):  # fmt: skip
    """Add radiance that a lobe reflects from points to `out` (3,). strength: of the lobe. beside:
    rays of the lobe, see WAYS; area: of the light."""
    front = (ior - _1) / (ior + _1)
    front *= front
    view = _lambda(n_v, alpha2)
    beside *= area / (np.float32(POINTS) * (_1 + view))
    even0 = even1 = even2 = rise0 = rise1 = rise2 = _0
    for k in range(count):
        lx, ly, lz = ways[0, k], ways[1, k], ways[2, k]
        n_l = n[0] * lx + n[1] * ly + n[2] * lz
        above = n_l > _0
        n_l = max(n_l, _0)
        hx, hy, hz = lx + v[0], ly + v[1], lz + v[2]
        over = _1 / max(math.sqrt(hx * hx + hy * hy + hz * hz), np.float32(1e-6))
        n_h = (n[0] * hx + n[1] * hy + n[2] * hz) * over
        v_h = (v[0] * hx + v[1] * hy + v[2] * hz) * over
        # n_h * n_h near one: the difference is taken of the crossed parts, which float32 knows
        cx, cy, cz = n[1] * hz - n[2] * hy, n[2] * hx - n[0] * hz, n[0] * hy - n[1] * hx
        off = (cx * cx + cy * cy + cz * cz) * over * over
        d = off + n_h * n_h * alpha2
        distribution = alpha2 / (_PI * d * d)
        masking = _1 / (_1 + view + _lambda(n_l, alpha2))
        dense = distribution * _QUARTER / max(n_v, _NEAR_ZERO) * ways[3, k]
        lobe = dense * masking / (_1 + beside * dense) if above else _0
        risen = lobe * _rise(v_h, ior, front)
        p0, p1, p2 = power[0, start + k], power[1, start + k], power[2, start + k]
        even0 += lobe * p0
        even1 += lobe * p1
        even2 += lobe * p2
        rise0 += risen * p0
        rise1 += risen * p1
        rise2 += risen * p2
    out[0] += strength * (f0[0] * even0 + (edge[0] - f0[0]) * rise0)
    out[1] += strength * (f0[1] * even1 + (edge[1] - f0[1]) * rise1)
    out[2] += strength * (f0[2] * even2 + (edge[2] - f0[2]) * rise2)


@loose
def _scatter(ways, power, start, count, n, behind, front_out, back_out):
    """Add irradiance / pi of both sides to (3,) each."""
    a0 = a1 = a2 = b0 = b1 = b2 = _0
    for k in range(count):
        n_l = (n[0] * ways[0, k] + n[1] * ways[1, k] + n[2] * ways[2, k]) * ways[3, k] / _PI
        p0, p1, p2 = power[0, start + k], power[1, start + k], power[2, start + k]
        ahead, back = max(n_l, _0), max(-n_l, _0)
        a0 += ahead * p0
        a1 += ahead * p1
        a2 += ahead * p2
        b0 += back * p0
        b1 += back * p1
        b2 += back * p2
    front_out[0] += a0
    front_out[1] += a1
    front_out[2] += a2
    if behind:
        back_out[0] += b0
        back_out[1] += b1
        back_out[2] += b2


@kernel
def receive_points(
    position, smooth, normal, shine, incoming, specular, edge, alpha, ior, coat, coat_alpha,
    kind, soft, place, facing, power, radius, axis, cone, middle, area, narrowest, behind,
    out_diffuse, out_specular, out_behind,
):  # fmt: skip
    """Add what a light sends to N points to the outputs, (N, 3) each: see `direct.Received`.

    position to edge: (N, 3). alpha to coat_alpha: (N,). place, facing, power: (3, P). axis, middle:
    (3,). cone: (4,). narrowest: alpha of lobes that see the light by points, as part of its size
    (> 0) or, where it shines by itself, as it is (< 0).
    """
    ways = np.empty((4, POINTS), np.float32)
    four, one = np.full(3, _COAT), np.full(3, _COAT + _COAT_RISES)
    for i in range(position.shape[0]):
        px, py, pz = position[i, 0], position[i, 1], position[i, 2]
        n, r, v = normal[i], shine[i], incoming[i]
        n_v = max(r[0] * v[0] + r[1] * v[1] + r[2] * v[2], np.float32(1e-3))
        size = radius
        if kind != FAR:
            x, y, z = middle[0] - px, middle[1] - py, middle[2] - pz
            size = radius / max(math.sqrt(x * x + y * y + z * z), np.float32(1e-6))
        least = -narrowest if narrowest < _0 else narrowest * size
        beside = coat_beside = _0
        if kind in (FACING, NEAR):
            least = min(least, CLEAR_ALPHA)
            beside = ways_of(alpha[i], size)
            coat_beside = ways_of(coat_alpha[i], size)
        shines = specular[i, 0] + specular[i, 1] + specular[i, 2] > _0 and alpha[i] > least
        coated = coat[i] > _0 and coat_alpha[i] > least
        chosen = chosen_set(soft, kind, size, alpha[i], coat_alpha[i], shines, coated)
        start, count = _STARTS[chosen], _SETS[chosen]
        # from side to side a lobe narrows as the view grazes: by few points floors get streaks
        width = SHARP * size if kind >= BOTH else DULLER * size / n_v
        if soft and narrower(width, alpha[i], coat_alpha[i], shines, coated):
            start, count = 0, POINTS
        near2 = np.float32(area / (math.pi * count))
        whole = np.float32(math.pi) * radius * radius if kind == NEAR else area
        _look(px, py, pz, kind, place, facing, axis, cone, middle, near2, start, count, ways)
        s = smooth[i]
        same = s[0] * n[0] + s[1] * n[1] + s[2] * n[2]
        if same < _BUMPED:
            unshaded(ways, count, n, s, max(same, _NEAR_ZERO))
        _scatter(ways, power, start, count, n, behind, out_diffuse[i], out_behind[i])
        if shines:
            _reflect(
                ways, power, start, count, r, v, n_v, alpha[i] * alpha[i], ior[i], specular[i],
                edge[i], _1, beside, whole, out_specular[i],
            )  # fmt: skip
        if coated:
            _reflect(
                ways, power, start, count, r, v, n_v, coat_alpha[i] * coat_alpha[i], _COAT_IOR,
                four, one, coat[i], coat_beside, whole, out_specular[i],
            )  # fmt: skip
