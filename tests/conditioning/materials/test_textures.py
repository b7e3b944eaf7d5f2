# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture lookups: a slow twin as the oracle, levels, alpha, tiles, projections, footprints."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from backend.conditioning.anchors.materials.nodes.image import box_weights
from backend.conditioning.anchors.materials.pyramid import (
    Pyramids,
    TexturePyramid,
    halve,
    srgb_to_linear,
)
from backend.shared.scene import Texture

from .surfaces import compiled, link, quad, values

EXTENSIONS = ("REPEAT", "EXTEND", "CLIP", "MIRROR")


def noise_texture(height: int, width: int, alpha: bool, half: bool = False) -> Texture:
    rng = np.random.default_rng(height * width)
    pixels = rng.integers(0, 256, (height, width, 4), dtype=np.uint8)
    if not alpha:
        pixels[..., 3] = 255
    if half:
        return Texture("half", (pixels / 64).astype(np.float16), srgb=False, has_alpha=alpha)
    return Texture("bytes", pixels, srgb=True, has_alpha=alpha)


def texel(level: np.ndarray, row: int, column: int, extension: str) -> np.ndarray:
    """One texel as it is stored, colour times alpha; the twin of the kernel's addressing."""
    place = []
    for at, size in ((row, level.shape[0]), (column, level.shape[1])):
        if extension == "REPEAT":
            at %= size
        elif extension == "EXTEND":
            at = min(max(at, 0), size - 1)
        elif extension == "MIRROR":
            at %= 2 * size
            at = at if at < size else 2 * size - 1 - at
        elif not 0 <= at < size:
            return np.zeros(4)
        place.append(at)
    return level[tuple(place)]


def slow(
    pyramid: TexturePyramid, uv: np.ndarray, width: float, extension: str, straight: bool
) -> np.ndarray:
    """What `TexturePyramid.lookup` gives at one point, written down plainly."""
    rest, table = pyramid.levels()
    deep = min(
        max(math.log2(width * math.sqrt(pyramid.size[0] * pyramid.size[1])), 0), len(table) - 1
    )
    low, result = int(deep), np.zeros(4)
    for which, share in ((low, 1 - (deep - low)), (low + 1, deep - low)):
        if share == 0:
            continue
        start, height, wide = table[which]
        level = pyramid.base if which == 0 else rest[start : start + height * wide]
        level = level.reshape(height, wide, 4).astype(float)
        decoded = which > 0 and pyramid.table.size and (straight or not pyramid.has_alpha)
        if decoded:
            level[..., :3] = pyramid.table[level[..., :3].astype(int)]
        if pyramid.table.size:
            level[..., 3] /= 255
        if pyramid.has_alpha:
            level[..., :3] *= level[..., 3:]
        x, y = uv[0] * wide - 0.5, (1 - uv[1]) * height - 0.5
        found = np.zeros(4)
        for down, right in itertools.product((0, 1), (0, 1)):
            fx, fy = x - math.floor(x), y - math.floor(y)
            weight = (fx if right else 1 - fx) * (fy if down else 1 - fy)
            found += weight * texel(level, math.floor(y) + down, math.floor(x) + right, extension)
        if straight and pyramid.has_alpha and found[3] > 0:
            found[:3] /= found[3]
        if pyramid.table.size and not decoded:
            found[:3] = np.interp(found[:3], np.arange(257), pyramid.table)
        result += share * found
    return result


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(
    ("alpha", "half", "straight"),
    [(False, False, False), (True, False, False), (True, False, True), (True, True, True)],
)
def test_the_kernel_is_its_twin(extension: str, alpha: bool, half: bool, straight: bool) -> None:
    pyramid = TexturePyramid(noise_texture(13, 8, alpha, half))
    rng = np.random.default_rng(1)
    uv = rng.uniform(-1.5, 2.5, (60, 2)).astype(np.float32)
    width = np.exp(rng.uniform(-4, 1, 60)).astype(np.float32)
    fast = pyramid.lookup(uv, width, extension, False, straight)
    twin = [slow(pyramid, a, w, extension, straight) for a, w in zip(uv, width, strict=True)]
    np.testing.assert_allclose(fast, twin, atol=2e-4)


def test_closest_takes_the_texel_under_the_point() -> None:
    texture = noise_texture(4, 4, alpha=False)
    uv = np.array([[0.3, 0.9], [1.1, 0.1]], np.float32)
    found = TexturePyramid(texture).lookup(uv, np.zeros(2, np.float32), "REPEAT", True, False)
    wanted = texture.pixels[[0, 3], [1, 0], :3]
    np.testing.assert_allclose(found[:, :3], srgb_to_linear(wanted / 255), rtol=1e-5)


def shown(texture: Texture) -> np.ndarray:
    """(H, W, 4) linear colours times alpha within each texel, as pixels are interpolated: at its
    four points of Gauss."""
    codes, (height, width) = texture.pixels / 255, texture.pixels.shape[:2]
    codes[..., :3] *= codes[..., 3:]
    codes, aside, total = (
        np.pad(codes, ((1, 1), (1, 1), (0, 0)), mode="edge"),
        0.5 - 0.5 / 3**0.5,
        0,
    )
    for down, right in itertools.product((-1, 1), (-1, 1)):
        found = np.zeros((height, width, 4))
        for y, x in itertools.product((0, 1), (0, 1)):
            weight = (aside if y else 1 - aside) * (aside if x else 1 - aside)
            row, column = 1 + y * down, 1 + x * right
            found += weight * codes[row : row + height, column : column + width]
        alpha = found[..., 3:]
        colors = srgb_to_linear(found[..., :3] / np.maximum(alpha, 1e-6)) * alpha
        total = total + np.concatenate([colors, alpha], axis=2) / 4
    return total


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (16, 16), (600, 31)])
def test_the_smallest_level_is_the_mean_of_what_is_shown(
    shape: tuple[int, int], alpha: bool
) -> None:
    texture = noise_texture(*shape, alpha)
    wanted = shown(texture).mean(axis=(0, 1))
    np.testing.assert_allclose(TexturePyramid(texture).mean(), wanted, rtol=2e-3)


def test_from_afar_a_picture_is_as_light_as_near() -> None:
    """Neighbours that differ are darker between them; so is their mean, at every level."""
    texture = noise_texture(64, 64, alpha=False)
    pyramid = TexturePyramid(texture)
    uv = np.random.default_rng(4).random((40000, 2), dtype=np.float32)
    near, *far = (
        pyramid.lookup(uv, np.full(len(uv), wide / 64, np.float32), "REPEAT", False, False)
        for wide in (0, 2, 4, 8)
    )
    for levels in far:
        np.testing.assert_allclose(levels.mean(axis=0), near.mean(axis=0), rtol=0.01)
    plain = srgb_to_linear(texture.pixels[..., :3] / 255).mean()
    assert near[:, :3].mean() < 0.95 * plain


def test_halving_odd_sizes_keeps_the_mean() -> None:
    image = np.random.default_rng(2).random((7, 5, 4), dtype=np.float32)
    made = halve(image)
    assert made.shape == (3, 2, 4)
    np.testing.assert_allclose(made.mean(axis=(0, 1)), image.mean(axis=(0, 1)), rtol=1e-5)


def test_pyramids_are_made_once_a_texture_and_go_with_it() -> None:
    texture = noise_texture(4, 4, alpha=False)
    pyramids = Pyramids()
    assert pyramids.of(texture) is pyramids.of(texture)
    assert pyramids.of(noise_texture(4, 4, alpha=False)) is not pyramids.of(texture)


def test_not_a_number_looks_up_nothing() -> None:
    found = TexturePyramid(noise_texture(4, 4, alpha=False)).lookup(
        np.array([[np.nan, 0.5], [0.5, np.inf]], np.float32),
        np.full(2, np.nan, np.float32),
        "REPEAT",
        False,
        False,
    )
    np.testing.assert_array_equal(found, 0)


def test_a_texture_shows_upright_on_the_square() -> None:
    texture = noise_texture(8, 8, alpha=False)
    shown = values(("TEX_IMAGE", {"texture": 0}, {}), out="Color", textures=(texture,))
    wanted = srgb_to_linear(texture.pixels[::-1, :, :3] / 255).reshape(-1, 3)
    np.testing.assert_allclose(shown, wanted, atol=1e-5)


def test_mapping_makes_the_footprint_larger() -> None:
    """Eight times as many repeats as points: each sees the mean, not one texel of it."""
    texture = noise_texture(8, 8, alpha=False)
    shown = values(
        ("TEX_COORD", {}, {}),
        ("MAPPING", {}, {"Vector": link(0, "UV"), "Scale": [8.0, 8.0, 8.0]}),
        ("TEX_IMAGE", {"texture": 0}, {"Vector": link(1, "Vector")}),
        out="Color",
        textures=(texture,),
    )
    mean = TexturePyramid(texture).mean()[:3]
    np.testing.assert_allclose(shown, np.tile(mean, (64, 1)), atol=4e-3)


def test_a_missing_picture_is_pink_and_named() -> None:
    material = compiled(
        ("TEX_IMAGE", {"texture": -1}, {}), ("BSDF_DIFFUSE", {}, {"Color": link(0, "Color")})
    )
    assert "missing" in material.problems[0]
    np.testing.assert_allclose(material.evaluate(quad()).diffuse, np.tile([1, 0, 1], (64, 1)))


def test_colours_are_times_alpha_unless_alpha_is_used_too() -> None:
    pixels = np.full((2, 2, 4), (255, 255, 255, 51), np.uint8)
    textures = (Texture("a", pixels, srgb=False, has_alpha=True),)
    image = ("TEX_IMAGE", {"texture": 0}, {})
    np.testing.assert_allclose(values(image, out="Color", textures=textures), 0.2, rtol=1e-4)
    both = compiled(
        image,
        ("BSDF_PRINCIPLED", {}, {"Base Color": link(0, "Color"), "Alpha": link(0, "Alpha")}),
        textures=textures,
    )
    lobes = both.evaluate(quad())
    np.testing.assert_allclose(lobes.diffuse, 0.2, rtol=1e-4)
    np.testing.assert_allclose(lobes.transparent, 0.8, rtol=1e-4)
    packed = ("TEX_IMAGE", {"texture": 0, "premultiply": False}, {})
    np.testing.assert_allclose(values(packed, out="Color", textures=textures), 1, rtol=1e-4)


def test_a_picture_without_alpha_keeps_a_material_opaque() -> None:
    for alpha in (False, True):
        material = compiled(
            ("TEX_IMAGE", {"texture": 0}, {}),
            ("BSDF_PRINCIPLED", {}, {"Alpha": link(0, "Alpha")}),
            textures=(noise_texture(4, 4, alpha),),
        )
        assert material.opaque is not alpha


def test_tiles_stand_beside_and_above_each_other() -> None:
    def plain(value: int, tile: int) -> Texture:
        return Texture("t", np.full((2, 2, 4), value, np.uint8), srgb=False, tile=tile)

    shown = values(
        ("UVMAP", {"uv_map": "Twice"}, {}),
        (
            "TEX_IMAGE",
            {"texture": 0, "tiles": {"1001": 0, "1002": 1, "1011": 2}},
            {"Vector": link(0, "UV")},
        ),
        out="Color",
        textures=(plain(0, 1001), plain(51, 1002), plain(102, 1011)),
    ).reshape(8, 8, 3)
    np.testing.assert_allclose(shown[:4, :4], 0, atol=1e-6)
    np.testing.assert_allclose(shown[:4, 4:], 0.2, rtol=1e-4)
    np.testing.assert_allclose(shown[4:, :4], 0.4, rtol=1e-4)
    np.testing.assert_allclose(shown[4:, 4:], np.tile([1, 0, 1], (4, 4, 1)), err_msg="no such tile")


@pytest.mark.parametrize("blend", [0.0, 0.3, 1.0])
def test_box_weights_add_up(blend: float) -> None:
    side = np.abs(np.random.default_rng(3).normal(size=(200, 3)))
    weights = box_weights(side, blend)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert ((weights == 0) | (weights == 1)).all() == (blend == 0)


@pytest.mark.parametrize("projection", ["FLAT", "BOX", "SPHERE", "TUBE"])
def test_projections_of_one_colour_are_that_colour(projection: str) -> None:
    texture = Texture("grey", np.full((4, 4, 4), 102, np.uint8), srgb=False)
    props = {"texture": 0, "projection": projection, "projection_blend": 0.2}
    shown = values(
        ("TEX_COORD", {}, {}),
        ("TEX_IMAGE", props, {"Vector": link(0, "Object")}),
        out="Color",
        textures=(texture,),
    )
    np.testing.assert_allclose(shown, 0.4, rtol=1e-4)


def test_an_objects_scale_bends_the_normals_of_a_map() -> None:
    """As Cycles 5.0 shows a plane of the scale (4, 2, 1) in its normal pass."""
    points = quad(matrix=np.diag([4.0, 2.0, 1.0, 1.0]))
    found = values(("NORMAL_MAP", {}, {"Color": [0.6, 0.4, 0.9, 1.0]}), out="Normal", points=points)
    expected = np.tile([0.061898, -0.123797, 0.990375], (len(points), 1))
    np.testing.assert_allclose(found, expected, atol=1e-4)
