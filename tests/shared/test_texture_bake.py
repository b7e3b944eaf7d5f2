# SPDX-License-Identifier: GPL-3.0-or-later
"""Baking: texels against a slow loop, occlusion, blending, seams."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import MemoryFrame
from backend.shared.texture_bake import bake, fill_seams, look, polygon_atlas, rasterise

PLANE = np.array([[[-1.0, 0, -1], [1, 0, -1], [1, 0, 1]], [[-1.0, 0, -1], [1, 0, 1], [-1, 0, 1]]])
PLANE_UV = np.array([[[0.0, 0], [1, 0], [1, 1]], [[0.0, 0], [1, 1], [0, 1]]])


def frame(name: str, colour: tuple[int, int, int], place: tuple[float, float, float], size=64,
          depth: np.ndarray | None = None) -> MemoryFrame:  # fmt: skip
    """A flat picture of the plane y = 0 with its exact depth."""
    camera = Camera(intrinsics(0.9, size, size), look_at(np.array(place), np.zeros(3)), size, size)
    if depth is None:
        depth = (-camera.position[1] / camera.rays()[..., 1]).astype(np.float32)
    rgb = np.broadcast_to(np.array(colour, np.uint8), (size, size, 3)).copy()
    return MemoryFrame(name, name, camera, rgb, depth)


def slow_texels(corners: np.ndarray, uvs: np.ndarray, size: int) -> dict[int, np.ndarray]:
    """Texel centres strictly inside a triangle, one by one."""
    found = {}
    for corner, uv in zip(corners, uvs, strict=True):
        edges = np.stack([uv[1] - uv[0], uv[2] - uv[0]], axis=1)
        if abs(np.linalg.det(edges)) < 1e-12:
            continue
        for row in range(size):
            for column in range(size):
                centre = np.array([(column + 0.5) / size, (row + 0.5) / size])
                b, c = np.linalg.solve(edges, centre - uv[0])
                if b > 1e-6 and c > 1e-6 and b + c < 1 - 1e-6:
                    weights = np.array([1 - b - c, b, c])
                    found[row * size + column] = weights @ corner
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_texels_agree_with_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    corners, uvs = rng.normal(size=(1, 3, 3)), rng.uniform(0, 1, (1, 3, 2))
    texels = rasterise(corners, uvs, 12)
    fast = dict(zip(texels.index.tolist(), texels.xyz, strict=True))
    slow = slow_texels(corners, uvs, 12)
    assert set(slow) <= set(fast)  # thin triangles also get the texels their border touches
    for index, xyz in slow.items():
        assert np.allclose(fast[index], xyz, atol=1e-9)


def test_a_texture_takes_the_frames_colours():
    texels = rasterise(PLANE, PLANE_UV, 32)
    assert len(texels.index) == 32 * 32
    *_, (rgb, weight) = bake(texels, [frame("a", (200, 100, 50), (0, -4, 0))], 32)
    seen = weight > 0
    assert seen.mean() > 0.9
    assert np.allclose(rgb[seen], np.array([200, 100, 50]) / 255, atol=1e-6)


def test_texture_row_zero_is_the_bottom():
    texels = rasterise(PLANE, PLANE_UV, 32)
    painted = frame("a", (0, 0, 0), (0, -4, 0))
    painted.rgb[:32] = 255  # the upper half of the picture is white
    *_, (rgb, _) = bake(texels, [painted], 32)
    assert rgb[28, 16].mean() > 0.9 and rgb[3, 16].mean() < 0.1


def test_what_hides_behind_something_is_not_painted():
    blocked = frame("a", (200, 100, 50), (0, -4, 0))
    depth = blocked.depth.copy()
    depth[:, :32] = 2.0  # a nearer thing on the left
    blocked = frame("a", (200, 100, 50), (0, -4, 0), depth=depth)
    *_, (_, weight) = bake(rasterise(PLANE, PLANE_UV, 32), [blocked], 32)
    assert not (weight[:, :14] > 0).any() and (weight[4:-4, 18:] > 0).all()


def test_the_straighter_and_nearer_look_counts_more():
    texels = rasterise(PLANE, PLANE_UV, 16)
    straight, slanted = frame("a", (255, 0, 0), (0, -3, 0)), frame("b", (0, 255, 0), (5, -3, 0))
    *_, (rgb, _) = bake(texels, [straight, slanted], 16)
    middle = rgb[8, 8]
    assert middle[0] > 0.7 and middle[1] > 0.0
    w_straight, _ = look(texels, straight)
    w_slanted, _ = look(texels, slanted)
    assert w_straight.mean() > 2 * w_slanted.mean()


def test_sky_unknown_and_frames_without_depth_give_nothing():
    texels = rasterise(PLANE, PLANE_UV, 16)
    for value in (np.inf, 0.0):
        empty = frame("a", (9, 9, 9), (0, -3, 0), depth=np.full((64, 64), value, np.float32))
        assert not look(texels, empty)[0].any()
    blind = frame("a", (9, 9, 9), (0, -3, 0))
    blind = MemoryFrame("b", "b", blind.camera, blind.rgb, None)
    *_, (rgb, weight) = bake(texels, [blind], 16)
    assert not weight.any() and not rgb.any()


def test_seams_are_filled_from_their_surroundings():
    rgb = np.zeros((17, 23, 3), np.float32)
    known = np.zeros((17, 23), bool)
    known[4:9, 5:12] = True
    rgb[known] = (0.2, 0.4, 0.6)
    filled = fill_seams(rgb, known)
    assert np.allclose(filled, [0.2, 0.4, 0.6], atol=1e-5)
    assert np.array_equal(fill_seams(rgb, known & False), rgb)


def test_every_polygon_of_an_atlas_has_its_own_place():
    totals = np.array([3, 4, 5, 4, 6, 3, 4])
    uv = polygon_atlas(totals)
    assert uv.min() > 0 and uv.max() < 1
    start = 0
    boxes = []
    for total in totals:
        part = uv[start : start + total]
        area = 0.5 * np.sum(
            part[:, 0] * np.roll(part[:, 1], -1) - np.roll(part[:, 0], -1) * part[:, 1]
        )
        assert area > 0.005  # not folded over, facing up
        boxes.append((*part.min(axis=0), *part.max(axis=0)))
        start += total
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]
