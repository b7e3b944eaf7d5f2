# SPDX-License-Identifier: GPL-3.0-or-later
"""Lit surfaces have the radiance that formulas say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.anchors.placing import LEAST, raise_reflections
from backend.conditioning.light import film, frame
from backend.conditioning.light.grid import Grid
from backend.conditioning.light.lamps import POINTS
from backend.conditioning.light.patterns import TILE_ORDER, WIDE_ORDER
from backend.conditioning.light.shade import arriving
from backend.conditioning.light.sky import Sky
from backend.shared.scene import EVERYWHERE, GLOSSY, Background, Film, Material
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    glowing,
    lamp_at,
    lighting_of,
    matt,
    plane_mesh,
    scene_of,
    sphere_mesh,
)

ABOVE = camera_at((0, -0.01, 4), (0, 0, 0), fov=0.1)
"""Looks straight down at the origin."""


def middle(color: np.ndarray) -> float:
    """Mean of the picture's inner half."""
    h, w = color.shape[:2]
    return float(color[h // 4 : -h // 4, w // 4 : -w // 4].mean())


def seen(scene: object, camera: object = ABOVE) -> np.ndarray:
    return frame.render(lighting_of(scene), camera).color


@pytest.mark.parametrize(
    ("lamp", "irradiance"),
    [
        (lamp_at("SUN", (0, 0, 9), 3.0, angle=0.01), 3.0),
        (lamp_at("POINT", (0, 0, 2), 100.0, radius=0.1), 100 / (4 * np.pi * 4)),
        (lamp_at("SPOT", (0, 0, 2), 100.0, cone=1.0, blend=0.1), 100 / (4 * np.pi * 4)),
        # radiance P / (pi A) through the solid angle of a small square: E = P / (pi d^2)
        (lamp_at("AREA", (0, 0, 2), 100.0, size=(0.1, 0.1)), 100 / (np.pi * 4)),
        (lamp_at("AREA", (0, 0, 2), 100.0, size=(0.1, 0.1), shape="DISK"), 100 / (np.pi * 4)),
    ],
    ids=["sun", "point", "spot", "square", "disk"],
)
def test_a_lamp_lights_a_plane_by_its_formula(lamp: object, irradiance: float) -> None:
    scene = scene_of([(plane_mesh(20.0), matt((0.5, 0.5, 0.5)))], [lamp])
    assert middle(seen(scene)) == pytest.approx(0.5 * irradiance / np.pi, rel=0.02)


def test_a_sky_lights_a_plane_as_brightly_as_it_is() -> None:
    scene = scene_of([(plane_mesh(20.0), matt((0.5, 0.5, 0.5)))], sky=0.8)
    assert middle(seen(scene)) == pytest.approx(0.4, rel=0.01)


def test_a_closed_white_room_is_lit_many_times_over() -> None:
    """A lamp's light in a furnace of albedo a comes to 1 + a + ... + a^4 times itself."""
    room = box_mesh((-1, -1, 0), (1, 1, 2))
    flags = {"visible": EVERYWHERE & ~GLOSSY}
    lamp = lamp_at("POINT", (0, 0, 1), 50.0, radius=0.05)
    down = camera_at((0.3, 0.2, 1.5), (0.3, 0.21, 0), fov=0.2)
    once = middle(seen(scene_of([(plane_mesh(2.0), matt((0.5,) * 3))], [lamp], **flags), down))
    often = middle(seen(scene_of([(room, matt((0.5,) * 3))], [lamp], **flags), down))
    assert 1.5 < often / once < 2.1


def test_walls_of_any_thickness_give_the_same_bounced_light() -> None:
    # inside a wall it is dark, a hand's breadth from the room and facing the same way
    lamp = lamp_at("POINT", (0.0, 0.0, 0.2), 60.0, radius=0.1)
    camera = camera_at((0.0, 0.0, 0.0), (0.0, 0.01, 1.0))
    bare, thick, white = [], 0.05, matt((0.7, 0.7, 0.7))
    for axis in range(3):
        for side in (-1.0, 1.0):
            low, high = np.full(3, -1 - thick), np.full(3, 1 + thick)
            low[axis], high[axis] = sorted((side, side * (1 + thick)))
            bare.append((box_mesh(tuple(low), tuple(high)), white))
    walls = seen(scene_of(bare, [lamp]), camera)
    plain = seen(scene_of([(box_mesh((-1.0,) * 3, (1.0,) * 3), white)], [lamp]), camera)
    assert walls.mean() == pytest.approx(plain.mean(), rel=0.06)


def test_a_box_throws_a_shadow_and_a_red_wall_its_colour() -> None:
    parts = [
        (plane_mesh(20.0), matt((0.8, 0.8, 0.8))),
        (box_mesh((0.3, -2, 0), (0.5, 2, 2)), matt((0.9, 0.05, 0.05))),
    ]
    lit = scene_of(parts, [lamp_at("SUN", (0, 0, 9), 3.0)])
    tilted = np.array([[0.8, 0, -0.6, 0], [0, 1, 0, 0], [0.6, 0, 0.8, 0], [0, 0, 0, 1.0]])

    lit = replace(lit, lamps=(replace(lit.lamps[0], matrix=tilted),))
    color = seen(lit, camera_at((0, -0.01, 6), (0, 0, 0), 48, 0.9))
    floor_by_wall, far_floor = color[24, 24], color[24, 4]
    assert floor_by_wall[0] > 1.05 * floor_by_wall[1]
    assert far_floor.mean() > 0.3
    assert color[24, 33:36].mean() < 0.7 * far_floor.mean()


@pytest.mark.parametrize(("roughness", "low", "high"), [(0.0, 4.9, 5.1), (0.6, 0.3, 3.5)])
def test_metal_shows_what_shines_above_it_as_sharply_as_it_is_smooth(
    roughness: float, low: float, high: float
) -> None:
    metal = closure("BSDF_GLOSSY", Color=[1.0, 1, 1, 1], Roughness=roughness)
    scene = scene_of([(plane_mesh(4.0), metal), (plane_mesh(1.0, 3.0), glowing(5.0))])
    color = seen(scene, camera_at((0, -1.5, 2.0), (0, -0.75, 0), fov=0.02))
    aside = seen(scene, camera_at((0, -1.5, 2.0), (1.6, -0.75, 0), fov=0.02))
    assert low < middle(color) < high
    assert middle(aside) < (0.02 if roughness == 0 else middle(color))


def test_glass_is_looked_through_and_clear_film_leaves_alpha() -> None:
    glass = closure("BSDF_TRANSPARENT", Color=[0.5, 1.0, 0.5, 1.0])
    parts = [(plane_mesh(20.0), matt((0.5,) * 3)), (plane_mesh(0.3, 3.0), glass)]
    color = frame.render(lighting_of(scene_of(parts, sky=1.0)), ABOVE).color
    assert color[12, 12, 0] == pytest.approx(0.5 * color[12, 12, 1], rel=0.02)
    film_ = Film(transparent=True)
    scene = scene_of([(plane_mesh(0.2), matt((0.5,) * 3))], sky=1.0, film=film_)
    lit = frame.render(lighting_of(scene), camera_at((0, -0.01, 4), (0, 0, 0), 32, 0.2))
    assert lit.alpha[0, 0] == 0 and lit.alpha[16, 16] == 1
    assert (lit.color[0, 0] == 0).all()


def test_edges_are_as_smooth_as_the_filter_makes_them() -> None:
    """Half of a pixel covered is half its light, within the filter's reach."""
    scene = scene_of([(plane_mesh(2.0), glowing(1.0))])
    color = seen(scene, camera_at((1.0, -0.001, 4), (1.0, 0, 0), 33, 0.3))[16, :, 0]
    edge = np.flatnonzero((color > 0.05) & (color < 0.95))
    assert 1 <= len(edge) <= 3
    assert color[edge].mean() == pytest.approx(0.5, abs=0.2)


def test_the_filter_is_cycles_own() -> None:
    weights = film.weights(Film())
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    # Blackman and Harris at a pixel from the middle of three: 0.0556 of its peak
    at = film.curve(Film(), np.array([0.0, 1.0, 1.5, 1.6]))
    assert at[1] / at[0] == pytest.approx(0.0556, abs=2e-3) and at[3] == 0
    box = film.weights(Film("BOX", 1.0))
    assert box[1, 1].sum() == pytest.approx(1) and np.ptp(box[1, 1]) == 0


def test_samples_of_a_pixel_share_no_row_and_no_column() -> None:
    for axis in (0, 1):
        assert len({round(at[axis], 4) for at in film.OFFSETS}) == 9


def test_every_place_of_a_tile_has_a_pattern_of_its_own() -> None:
    assert sorted(TILE_ORDER.ravel()) == list(range(16))
    assert sorted(WIDE_ORDER.ravel()) == list(range(64))


def test_strips_of_large_pictures_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        (box_mesh((-2, -2, 0), (2, 2, 3)), closure("BSDF_PRINCIPLED", Roughness=0.4)),
        (box_mesh((0, 0, 0), (1, 1, 1)), closure("BSDF_GLOSSY", Roughness=0.5)),
    ]
    lighting = lighting_of(scene_of(parts, [lamp_at("AREA", (0, 0, 2.5), 50.0, size=(1.0, 1.0))]))
    camera = camera_at((-1.5, -1.5, 1.5), (0, 0, 0.5), 120)
    whole = frame.render(lighting, camera)
    monkeypatch.setattr(frame, "STRIP_PIXELS", 120 * 32)
    strips = frame.render(lighting, camera)
    np.testing.assert_array_equal(strips.triangle, whole.triangle)
    np.testing.assert_allclose(strips.color, whole.color, atol=2e-4)


def rough_ground() -> Material:
    """Grey, with bumps finer than pixels."""
    nodes: list[dict[str, object]] = [
        {"type": "TEX_NOISE", "props": {"dimensions": "3D", "normalize": True},
         "inputs": {"Scale": 20.0, "Detail": 3.0, "Roughness": 0.6, "Lacunarity": 2.0}},
        {"type": "BUMP", "props": {},
         "inputs": {"Strength": 1.0, "Distance": 0.3, "Height": {"node": 0, "out": "Fac"}}},
        {"type": "BSDF_DIFFUSE", "props": {},
         "inputs": {"Color": [0.5, 0.5, 0.5, 1.0], "Normal": {"node": 1, "out": "Normal"}}},
    ]  # fmt: skip
    program = {"nodes": nodes, "surface": {"node": 2, "out": "BSDF"}, "volume": None}
    return Material("rough", json.dumps(program))


def test_bumps_finer_than_a_pixel_are_asked_for_many_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside the mean of a picture with sixteen pixels in place of each."""
    lamps = [lamp_at("SUN", (0, 0, 9), 3.0, angle=0.01)]
    made = lighting_of(scene_of([(plane_mesh(4.0), rough_ground())], lamps))
    small, large = (camera_at((0, -3, 1.5), (0, 0, 0), size, fov=0.5) for size in (48, 192))
    truth = frame.render(made, large).color.reshape(48, 4, 48, 4, 3).mean(axis=(1, 3))

    def error() -> float:
        return float(np.abs(frame.render(made, small).color - truth).mean())

    many = error()
    monkeypatch.setattr(frame, "BUMPS", 0.0)
    assert many < 0.7 * error()


def test_a_glance_shows_about_the_same() -> None:
    parts = [(plane_mesh(4.0), matt((0.5, 0.5, 0.5)))]
    parts.append((box_mesh((-0.5, -0.5, 0), (0.5, 0.5, 1)), matt((0.8, 0.2, 0.1))))
    lamps = [lamp_at("AREA", (0.5, 0, 2.5), 80.0, size=(0.5, 0.5))]
    made = lighting_of(scene_of(parts, lamps, sky=0.3))
    camera = camera_at((0, -4, 3), (0, 0, 0.3), size=64)
    whole, glance = (frame.render(made, camera, one) for one in (False, True))
    np.testing.assert_array_equal(glance.depth, whole.depth)
    difference = np.abs(glance.color - whole.color)
    assert 0 < difference.mean() < 0.02 * whole.color.mean() + 0.01


def test_the_same_bytes_with_any_number_of_threads() -> None:
    program = (
        "import hashlib\n"
        "from tests.conditioning.light.lit_room import *\n"
        "from backend.conditioning.light import frame\n"
        "scene = scene_of([(box_mesh((-2, -2, 0), (2, 2, 3)), matt((.8, .7, .6))),"
        " (box_mesh((0, 0, 0), (1, 1, 1)), closure('BSDF_PRINCIPLED'))],"
        " [lamp_at('AREA', (0, 0, 2.5), 50., size=(1., 1.))], sky=.2)\n"
        "color = frame.render(lighting_of(scene), camera_at((-1, -1.5, 1), (0, 0, .5), 40)).color\n"
        "print(hashlib.sha256(color.tobytes()).hexdigest())\n"
    )
    made = set()
    for threads in ("1", "3"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.getcwd()}
        command = [sys.executable, "-c", program]
        made.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(made) == 1


def test_threads_that_look_at_new_cells_at_once_see_what_one_alone_would() -> None:
    parts = [(box_mesh((-2, -2, 0), (2, 2, 3)), matt((0.8, 0.7, 0.6)))]
    scene = scene_of(parts, [lamp_at("POINT", (0, 0, 2), 50.0, radius=0.1)])
    random = np.random.default_rng(0)
    looks = []
    for _ in range(64):
        ways = random.normal(size=(200, 3)).astype(np.float32)
        looks.append((np.tile(np.float32([0, 0, 1.5]), (200, 1)), ways))
    alone = lighting_of(scene)
    wanted = [alone.bounced.radiance(alone.gathered.first(*look), look[1]) for look in looks]
    shared = lighting_of(scene)
    hits = [shared.gathered.first(*look) for look in looks]
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(shared.bounced.radiance, hits, [ways for _, ways in looks])
        for one, other in zip(made, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("thickness", [0.0, 0.02])
def test_a_lamp_behind_glass_is_dimmed_as_in_cycles(thickness: float) -> None:
    """A sheet of one side lets through 0.51, a pane 0.6 of it; bright light is clamped too."""
    glass = closure("BSDF_GLASS", IOR=1.45)
    pane = plane_mesh(20.0, 1.0) if not thickness else box_mesh((-9, -9, 1), (9, 9, 1 + thickness))
    floor = (plane_mesh(20.0), matt((0.5,) * 3))
    down = camera_at((0, 0.01, 0.5), (0, 0, 0), fov=0.2)
    part = {}
    for power in (10.0, 5000.0):
        lamp = lamp_at("POINT", (0, 0, 3), power, radius=0.1)
        free, behind = (
            middle(seen(scene_of(p, [lamp]), down)) for p in ([floor], [floor, (pane, glass)])
        )
        part[power] = behind / free
    assert part[10.0] == pytest.approx(0.61 if thickness else 0.51, abs=0.05)
    assert part[5000.0] < 0.7 * part[10.0]


def test_edges_in_a_mirror_are_as_smooth_as_others() -> None:
    mirror = closure("BSDF_GLOSSY", Color=[1.0, 1.0, 1.0, 1.0], Roughness=0.0)
    # stands on its edge: what it shows is neither level nor upright
    board = plane_mesh(0.5, 2.0)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    board = replace(board, vertices=board.vertices @ turn.T)
    parts = [(plane_mesh(2.0), mirror), (board, glowing(1.0))]
    color = seen(scene_of(parts), camera_at((0, 0.6, 1.0), (0, -0.1, 0), 32, 0.9))[..., 0]
    # one sample a pixel and its neighbours' share make a few steps only
    between = color[(color > 0.1) & (color < 0.9)]
    assert (color > 0.9).any() and len(np.unique(np.round(between, 2))) > 9


def test_normals_that_would_mirror_a_view_into_the_surface_are_raised() -> None:
    random = np.random.default_rng(3)
    flat = np.tile(np.float32([0, 0, 1]), (500, 1))
    normal, incoming = (random.normal(size=(500, 3)).astype(np.float32) for _ in range(2))
    incoming[:, 2] = np.abs(incoming[:, 2]) + 0.02
    for vectors in (normal, incoming):
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = np.empty_like(normal)
    raise_reflections(normal, flat, incoming, made)
    away = 2 * (made * incoming).sum(axis=1)[:, None] * made - incoming
    least = np.minimum(0.9 * incoming[:, 2], LEAST)
    assert (away[:, 2] > least - 1e-3).all()
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    before = 2 * (normal * incoming).sum(axis=1)[:, None] * normal - incoming
    fine = before[:, 2] > least
    assert 0.1 < fine.mean() < 0.9
    np.testing.assert_array_equal(made[fine], normal[fine])
    # turned within the plane of both normals, no further than needed
    np.testing.assert_allclose(np.linalg.det(np.stack([made, normal, flat], axis=1)), 0, atol=1e-5)
    np.testing.assert_allclose(away[~fine, 2], least[~fine], atol=1e-3)


@pytest.mark.parametrize("roughness", [0.1, 0.12, 0.19])
def test_a_polished_floor_shows_a_lamp_without_speckle(roughness: float) -> None:
    """Neighbours of a narrow lobe share what they see where it is wider than they are apart."""
    floor = closure("BSDF_GLOSSY", Color=[0.5, 0.5, 0.5, 1.0], Roughness=roughness)
    parts = [(plane_mesh(8.0), floor), (box_mesh((-0.4, 1.5, 0.5), (0.4, 1.6, 1.3)), glowing(9.0))]
    color = seen(scene_of(parts), camera_at((0, -2.5, 1.2), (0, 0.2, 0), 128, 0.8))[..., 0]
    row = color[60:120, 32:96]
    edge = (row[:, 1:-1] > 0.05) & (row[:, 1:-1] < 4)
    speckle = np.abs(row[:, 1:-1] - (row[:, :-2] + row[:, 2:]) / 2)[edge]
    assert edge.sum() > 300
    assert np.mean(speckle) < 0.05 and np.percentile(speckle, 95) < 0.22


def test_where_lobes_begin_to_see_a_lamp_by_points_no_line_shows() -> None:
    """Farther from a lamp the same lobe is wide for it: the highlight goes on as before."""
    floor = closure("BSDF_GLOSSY", Color=[0.5, 0.5, 0.5, 1.0], Roughness=0.2)
    made = scene_of([(plane_mesh(8.0), floor)], [lamp_at("AREA", (0, 0, 2.4), 100.0, size=(1, 1))])
    color = seen(made, camera_at((-3, 0, 1.2), (0.5, 0, 0), 128, 0.9))[..., 0]
    bright = color[48:, 32:96]
    bend = np.abs(bright[2:] - 2 * bright[1:-1] + bright[:-2]) / np.maximum(bright[1:-1], 0.3)
    assert bright.max() > 3 and np.percentile(bend, 99.5) < 0.2


def test_a_wide_sun_leaves_no_streaks_on_a_floor_that_is_grazed() -> None:
    """From side to side the lobe is far narrower there than alpha."""
    floor = closure("BSDF_GLOSSY", Color=[0.5, 0.5, 0.5, 1.0], Roughness=0.29)
    sun = lamp_at("SUN", (0, 0, 9), 1.0, angle=0.5)
    matrix = np.eye(4)
    matrix[:3, 1:3] = [[0, 0], [-0.2, 0.98], [0.98, 0.2]]
    made = scene_of([(plane_mesh(200.0), floor)], [replace(sun, matrix=matrix)])
    row = seen(made, camera_at((0, -4, 0.4), (0, 4, 0.2), 96, 1.0))[54:60, :, 0].mean(axis=0)
    smooth = np.convolve(row, np.ones(9) / 9, "same")[30:-30]
    assert row.max() > 0.1 and np.abs(row[30:-30] / smooth - 1).max() < 0.1


def test_behind_many_clear_sheets_there_is_still_something() -> None:
    """Ten panes, as of an ice cube in a full glass, before a white wall."""
    clear = closure("BSDF_TRANSPARENT", Color=[0.98, 0.98, 0.98, 1.0])
    parts = [(plane_mesh(2.0, 0.1 * n), clear) for n in range(1, 11)]
    wall = (plane_mesh(2.0), glowing(1.0))
    assert middle(seen(scene_of([wall, *parts]))) == pytest.approx(0.98**10, abs=0.01)


@pytest.mark.parametrize(("shines", "clamp", "shown"), [(1, 10, 0.81), (100, 0, 81), (100, 10, 9)])
def test_a_mirror_in_a_mirror_shows_what_it_reflects(
    shines: float, clamp: float, shown: float
) -> None:
    """Down to the floor, up to the ceiling, and down to what shines there; Cycles shows 0.81, 81
    and, as it clamps what comes by two mirrors, 10."""
    mirror = closure("BSDF_GLOSSY", Color=[0.9, 0.9, 0.9, 1.0], Roughness=0.0)
    parts = [
        (plane_mesh(8.0), mirror),
        (box_mesh((-4, -4, 2), (4, 4, 2.1)), mirror),
        (box_mesh((-1, 2.5, 0), (1, 3.5, 0.02)), glowing(shines)),
    ]
    scene = scene_of(parts, film=Film(clamp_indirect=clamp))
    color = seen(scene, camera_at((0, -2, 1), (0, -1, 0), 16, 0.1))
    assert middle(color) == pytest.approx(shown, rel=0.12)


def test_light_gets_out_of_a_mesh_that_shines_close_by() -> None:
    """Rays begin a bit off a surface, and still end before the points that they ask about."""
    ball = sphere_mesh(0.3, (0.0, 0.0, 0.36))
    floor = (plane_mesh(6.0), matt((0.5,) * 3))
    lit = lighting_of(scene_of([floor, (ball, glowing(2.0))]))
    under = Grid(lit, camera_at((1.2, 0, 0.1), (0, 0, 0), 32, 0.4)).surface
    near = under.take(
        (np.abs(under.position[:, :2]).max(axis=1) < 0.2) & (under.position[:, 2] < 1e-4)
    )
    assert len(near) > 10
    arrives = arriving(lit, near, 0, np.zeros(len(near), np.int32), POINTS)
    np.testing.assert_allclose(arrives, 1, atol=0.05)


def test_bounced_light_is_clamped_as_cycles_does() -> None:
    lamp = lamp_at("POINT", (0, 0, 1.9), 4000.0, radius=0.05)
    parts = [(box_mesh((-1, -1, 0), (1, 1, 2)), matt((0.7,) * 3))]
    down = camera_at((0.3, 0.2, 1.5), (0.3, 0.21, 0), fov=0.2)
    bright = [
        middle(seen(scene_of(parts, [lamp], film=Film(clamp_indirect=limit)), down))
        for limit in (0.0, 10.0)
    ]
    assert bright[1] < 0.9 * bright[0]


def test_glass_shows_lamps_in_its_inside_no_brighter_than_clamping_leaves_them() -> None:
    ball = (sphere_mesh(0.5, (0.0, 0.0, 0.5), 24), closure("BSDF_GLASS", IOR=1.45))
    lamp = lamp_at("AREA", (0.5, -0.5, 3), 3000.0, size=(0.5, 0.5))
    at = camera_at((0, -2.5, 1.2), (0, 0, 0.5), 48, 0.5)
    free, clamped = (
        seen(scene_of([ball], [lamp], film=Film(clamp_indirect=limit)), at).max(axis=2)
        for limit in (0.0, 10.0)
    )
    inside = slice(24, None)  # above is what the outside reflects
    assert free[inside].max() > 30 and clamped[inside].max() < 11
    assert clamped[:24].max() > 30


def test_leaves_are_lit_from_behind() -> None:
    leaf = (plane_mesh(1.0, 1.0), closure("BSDF_TRANSLUCENT", Color=[0.4, 0.4, 0.4, 1.0]))
    for angle in (0.0, 0.01, 0.3):
        lit = scene_of([leaf], [lamp_at("SUN", (0, 0, 9), 2.0, angle=angle)])
        below = camera_at((0, -0.01, 0.2), (0, 0, 1), 24, 0.3)
        assert middle(seen(lit, below)) == pytest.approx(0.4 * 2 / np.pi, rel=0.05)


@pytest.mark.parametrize(("thickness", "part"), [(0.0, 0.456), (0.02, 0.434)])
def test_the_sky_through_glass_is_dimmed_as_in_cycles(thickness: float, part: float) -> None:
    glass = closure("BSDF_GLASS", IOR=1.45)
    pane = plane_mesh(20.0, 1.0)
    if thickness:
        pane = box_mesh((-10, -10, 1), (10, 10, 1 + thickness))
    floor = (plane_mesh(6.0), matt((0.5,) * 3))
    down = camera_at((0, 0.01, 0.3), (0, 0, 0), fov=0.2)
    free, behind = (
        middle(seen(scene_of(parts, sky=1.0), down)) for parts in ([floor], [floor, (pane, glass)])
    )
    assert behind / free == pytest.approx(part, abs=0.07)


def test_wide_lobes_see_a_blurred_sky_without_its_suns() -> None:
    random = np.random.default_rng(1)
    pixels = random.uniform(0.5, 1.5, (128, 256, 3)).astype(np.float32)
    pixels[30:33, 60:63] = 4000.0
    sky = Sky.of(Background(pixels))
    assert len(sky.suns) == 1 and [len(level) for level in sky.rest] == [128, 64, 32]
    ways = random.normal(size=(4000, 3)).astype(np.float32)
    spread = []
    for alpha in (0.001, 0.12, 0.5):
        seen_ = sky.blurred(ways, np.full(len(ways), alpha, np.float32))
        assert seen_.mean() == pytest.approx(1, abs=0.02)
        spread.append(seen_.std())
    assert spread[0] > 1.5 * spread[1] > 1.5 * 1.5 * spread[2]
    np.testing.assert_array_equal(sky.blurred(ways, np.ones(len(ways))), sky.gathered(ways))
