# SPDX-License-Identifier: GPL-3.0-or-later
"""Values at points of triangles, from those of their corners; compiled.

Every function lets go of the interpreter's lock: points come in chunks, in several threads.
"""

from __future__ import annotations

import numpy as np

from ..jit import kernel


@kernel
def of_corners(corners, triangle, u, v, out):
    """out (N, C) from corners (T, 3, C) at u, v (N,) of triangles (N,)."""
    for n in range(len(triangle)):
        t, b, c = triangle[n], u[n], v[n]
        a = np.float32(1) - b - c
        for i in range(corners.shape[2]):
            out[n, i] = a * corners[t, 0, i] + b * corners[t, 1, i] + c * corners[t, 2, i]


@kernel
def of_vertices(vertices, triangles, triangle, u, v, out):
    """out (N, C) from vertices (V, C) and triangles (T, 3), at u, v (N,) of those numbered (N,)."""
    for n in range(len(triangle)):
        t, b, c = triangle[n], u[n], v[n]
        a = np.float32(1) - b - c
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for d in range(vertices.shape[1]):
            out[n, d] = a * vertices[i, d] + b * vertices[j, d] + c * vertices[k, d]


@kernel
def edges(vertices, triangles, turn, triangle, first, second):
    """first, second (N, 3): from the first corner to the others, times turn (3, 3)."""
    for n in range(len(triangle)):
        t = triangle[n]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for row in range(3):
            a, b = np.float32(0), np.float32(0)
            for d in range(3):
                a += turn[row, d] * (vertices[j, d] - vertices[i, d])
                b += turn[row, d] * (vertices[k, d] - vertices[i, d])
            first[n, row], second[n, row] = a, b


@kernel
def layer_scale(vertices, triangles, turn, corners, triangle, width, out):
    """out (N,): width times the square root of a triangle's area in a layer over its own."""
    e, f = np.zeros(3, np.float32), np.zeros(3, np.float32)
    for n in range(len(triangle)):
        t = triangle[n]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        for row in range(3):
            e[row] = f[row] = 0
            for d in range(3):
                e[row] += turn[row, d] * (vertices[j, d] - vertices[i, d])
                f[row] += turn[row, d] * (vertices[k, d] - vertices[i, d])
        x, y, z = e[1] * f[2] - e[2] * f[1], e[2] * f[0] - e[0] * f[2], e[0] * f[1] - e[1] * f[0]
        true = np.sqrt(x * x + y * y + z * z)
        au, av = corners[t, 1, 0] - corners[t, 0, 0], corners[t, 1, 1] - corners[t, 0, 1]
        bu, bv = corners[t, 2, 0] - corners[t, 0, 0], corners[t, 2, 1] - corners[t, 0, 1]
        area = abs(au * bv - av * bu)
        out[n] = width[n] * np.sqrt(area / max(true, np.float32(1e-20)))


@kernel
def layer_axes(first, second, corners, triangle, along, across):
    """along, across (N, 3): unit directions in which a layer's coordinates grow."""
    for n in range(len(triangle)):
        t = triangle[n]
        au, av = corners[t, 1, 0] - corners[t, 0, 0], corners[t, 1, 1] - corners[t, 0, 1]
        bu, bv = corners[t, 2, 0] - corners[t, 0, 0], corners[t, 2, 1] - corners[t, 0, 1]
        sign = np.float32(1) if au * bv - av * bu >= 0 else np.float32(-1)
        length, breadth = np.float32(0), np.float32(0)
        for i in range(3):
            along[n, i] = (first[n, i] * bv - second[n, i] * av) * sign
            across[n, i] = (second[n, i] * au - first[n, i] * bu) * sign
            length += along[n, i] * along[n, i]
            breadth += across[n, i] * across[n, i]
        length = max(np.sqrt(length), np.float32(1e-20))
        breadth = max(np.sqrt(breadth), np.float32(1e-20))
        for i in range(3):
            along[n, i] /= length
            across[n, i] /= breadth


@kernel
def shifts(first, second, flat, width, axis, way, shift):
    """Ways (N, 3) of `width` in a triangle's plane along one of two directions at right angles.

    shift (N, 2): what they are in barycentric coordinates, least squares in the plane.
    """
    for n in range(len(first)):
        d11 = d12 = d22 = np.float32(0)
        for i in range(3):
            d11 += first[n, i] * first[n, i]
            d12 += first[n, i] * second[n, i]
            d22 += second[n, i] * second[n, i]
        size = width[n] / max(np.sqrt(d11), np.float32(1e-20))
        if axis == 0:
            for i in range(3):
                way[n, i] = first[n, i] * size
        else:
            for i in range(3):
                j, k = (i + 1) % 3, (i + 2) % 3
                way[n, i] = (flat[n, j] * first[n, k] - flat[n, k] * first[n, j]) * size
        p1 = p2 = np.float32(0)
        for i in range(3):
            p1 += way[n, i] * first[n, i]
            p2 += way[n, i] * second[n, i]
        det = max(d11 * d22 - d12 * d12, np.float32(1e-30))
        shift[n, 0] = (d22 * p1 - d12 * p2) / det
        shift[n, 1] = (d11 * p2 - d12 * p1) / det
