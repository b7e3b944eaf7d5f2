# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick loops over a light's points beside slow ones that say what they mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.light import direct, film, frame, received
from backend.conditioning.light.ggx import rise, smith_lambda
from backend.conditioning.light.grid import Grid
from backend.conditioning.light.lamps import BOTH, FACING, FAR, NEAR, POINTS, SETS, STARTS, Lights
from backend.conditioning.light.samples import LEVEL, alike, sample
from backend.conditioning.light.shade import arriving
from tests.conditioning.light.lit_room import (
    box_mesh,
    camera_at,
    closure,
    lamp_at,
    lighting_of,
    plane_mesh,
    scene_of,
)

SIDE = camera_at((0, -2, 1.5), (0, 0, 0))
SHINY = closure(
    "BSDF_PRINCIPLED", Roughness=0.5, Metallic=0.0, **{"Coat Weight": 0.5, "Coat Roughness": 0.3}
)


def lobe(n_h: float, n_v: float, n_l: float, alpha2: float) -> float:
    """D G2 / (4 n_v n_l) x n_l: what reflects of light from l, but for Fresnel's factor."""
    d = n_h * n_h * (alpha2 - 1.0) + 1.0
    distribution = alpha2 / (np.pi * d * d)
    shadow = smith_lambda.py_func(n_v, alpha2) + smith_lambda.py_func(n_l, alpha2)
    return distribution / (1.0 + shadow) / (4.0 * max(n_v, 1e-4))


def told(alpha: float, size: float, n_h: float, n_v: float, arrives: float, points: float) -> float:
    """The points' part beside a lobe's rays (Veach, 1997). points: of a lamp, per its area."""
    if alpha <= received.CLEAR_ALPHA:
        return 1.0
    d = n_h * n_h * (alpha**2 - 1) + 1
    density = alpha**2 / (np.pi * d * d) / (1 + smith_lambda.py_func(n_v, alpha**2)) / 4 / n_v
    fewer = np.clip((received.DULLER - alpha / size) / (received.DULLER - received.SHARP), 0, 1)
    return 1 / (1 + received.WAYS * fewer * density * arrives / points)


def slowly(receiver: direct.Receiver, lights: Lights, i: int, n: int) -> tuple[float, float]:
    """Diffuse and specular light of one point, one light's point after the other."""
    surface, kind = receiver.surface, lights.kind[i]
    position = surface.position[n].astype(np.float64)
    normal, view = surface.lobes.normal[n].astype(np.float64), surface.incoming[n]
    away = np.linalg.norm(lights.middle[i] - position)
    size = lights.radius[i] if kind == FAR else lights.radius[i] / away
    lamp = kind in (NEAR, FACING)
    least = direct.LOOKED_AT if kind == BOTH else received.SHARP * size
    least = min(least, received.CLEAR_ALPHA) if lamp else least
    shines, coated = receiver.alpha[n] > least, receiver.coat_alpha[n] > least
    chosen = received.chosen_set.py_func(
        lights.soft[i], kind, size, receiver.alpha[n], receiver.coat_alpha[n], shines, coated
    )
    start, count, diffuse, specular = STARTS[chosen], SETS[chosen], 0.0, 0.0
    narrow = min(receiver.alpha[n] if shines else 1, receiver.coat_alpha[n] if coated else 1)
    if kind != BOTH and narrow * max(normal @ view, 1e-3) < received.DULLER * size:
        start, count = 0, POINTS
    whole = lights.area[i] if kind == FACING else np.pi * lights.radius[i] ** 2

    for k in range(start, start + count):
        place = lights.place[i, k].astype(np.float64)
        way, arrives = place, 1.0
        if kind != FAR:
            way = (place - position) / np.linalg.norm(place - position)
            near2 = lights.area[i] / (np.pi * count)
            arrives = 1 / max(((place - position) ** 2).sum(), near2)
        if kind in (FACING, BOTH):
            cosine = -way @ lights.facing[i, k]
            arrives *= abs(cosine) if kind == BOTH else max(cosine, 0)
        elif kind != FAR:
            arrives = 1 / ((lights.middle[i] - position) ** 2).sum()
        power = float(lights.power[i, k, 0]) * arrives * POINTS / count
        n_l = float(normal @ way)
        if n_l <= 0:
            continue
        smooth = surface.smooth[n].astype(np.float64)
        g = np.clip((smooth @ way) / (n_l * (smooth @ normal)), 0, 1)
        g *= 1 + g - g * g  # Chiang and others, 2019
        power *= g
        diffuse += power * n_l / np.pi
        half = (way + view) / np.linalg.norm(way + view)
        n_h, v_h, n_v = normal @ half, view @ half, max(normal @ view, 1e-3)
        f0, edge = receiver.specular[n, 0], receiver.edge[n, 0]
        fresnel = f0 + (edge - f0) * rise.py_func(v_h, receiver.ior[n])
        beside = size, n_h, n_v, arrives * g, count / whole
        alone = told(receiver.alpha[n], *beside) if lamp else 1.0
        specular += alone * power * shines * fresnel * lobe(n_h, n_v, n_l, receiver.alpha[n] ** 2)
        coat = receiver.coat[n] * (0.04 + 0.96 * rise.py_func(v_h, 1.5))
        glint = lobe(n_h, n_v, n_l, receiver.coat_alpha[n] ** 2)
        glint *= told(receiver.coat_alpha[n], *beside) if lamp else 1.0
        specular += power * coated * coat * glint
    return diffuse, specular


LAMPS = {
    "sun": lamp_at("SUN", (0, 0, 9), 3.0, angle=0.3),
    "point": lamp_at("POINT", (0.4, 0, 2), 100.0, radius=0.3),
    "square": lamp_at("AREA", (0.3, 0.2, 1.2), 100.0, size=(1.0, 0.5)),
}


@pytest.mark.parametrize("bumped", [False, True])
@pytest.mark.parametrize("rough", [0.2, 0.5])
@pytest.mark.parametrize("name", LAMPS)
def test_points_of_lights_send_together_what_they_send_one_by_one(
    name: str, rough: float, bumped: bool
) -> None:
    coat = {"Coat Weight": 0.5, "Coat Roughness": 0.3}
    shiny = closure("BSDF_PRINCIPLED", Roughness=rough, Metallic=0.0, **coat)
    made = lighting_of(scene_of([(plane_mesh(4.0), shiny)], [LAMPS[name]]))
    surface = Grid(made, SIDE).surface
    if bumped:
        tilt = np.random.default_rng(0).uniform(-0.7, 0.7, surface.smooth.shape)
        smooth = surface.smooth + tilt.astype(np.float32)
        smooth /= np.linalg.norm(smooth, axis=1, keepdims=True)
        surface = replace(surface, smooth=smooth)
    receiver = direct.Receiver.of(surface)
    found = direct.receive(receiver, made.lights, 0)
    assert found.diffuse.max() > 0.1 and found.specular.max() > 0.01
    for n in range(0, len(receiver.surface), 7):
        diffuse, specular = slowly(receiver, made.lights, 0, n)
        assert found.diffuse[n, 0] == pytest.approx(diffuse, rel=1e-3, abs=1e-6)
        assert found.specular[n, 0] == pytest.approx(specular, rel=5e-3, abs=1e-5)


def test_samples_of_a_pixel_that_show_the_same_are_looked_at_once() -> None:
    parts = [(plane_mesh(2.0), SHINY), (box_mesh((-0.3, -0.3, 0), (0.3, 0.3, 0.5)), SHINY)]
    made = lighting_of(scene_of(parts, sky=1.0))
    row, column = (a.ravel() for a in np.mgrid[:24, :24])
    samples = sample(made, SIDE, film.sample_positions(row, column), 1 / film.SIDE)
    first = alike(made, samples, np.zeros(len(samples.ways), bool))
    triangle, flat = samples.hits.triangle, made.geometry.flat
    owner = np.where(triangle < 0, -1, made.geometry.owner[triangle])
    each = film.SIDE**2
    assert (first // each == np.arange(len(first)) // each).all()
    np.testing.assert_array_equal(owner[first], owner)
    met = triangle >= 0
    turn = np.einsum("ni,ni->n", flat[triangle[first[met]]], flat[triangle[met]])
    assert (turn > LEVEL).all()
    inner = (owner.reshape(-1, each) == 0).all(axis=1)  # pixels that show the plane alone
    assert inner.any() and all(len(set(one)) == 1 for one in first.reshape(-1, each)[inner])
    varied = alike(made, samples, np.ones(len(samples.ways), bool))
    np.testing.assert_array_equal(varied, np.arange(len(varied)))


def test_shadows_are_foretold_only_where_all_around_agree() -> None:
    parts = [(plane_mesh(6.0), SHINY), (box_mesh((-0.3, -0.3, 0.3), (0.3, 0.3, 0.6)), SHINY)]
    made = lighting_of(scene_of(parts, [lamp_at("AREA", (0, 0, 2), 50.0, size=(0.5, 0.5))]))
    grid = Grid(made, camera_at((0, -3, 3), (0, 0, 0), size=64))
    known = grid._foretold(0)
    every = arriving(made, grid.surface, 0, np.zeros(len(known), np.int32), POINTS)[:, 0]
    assert (known == 1).any() and (known < 0).any()
    np.testing.assert_allclose(known[known >= 0], every[known >= 0], atol=0.03)


@pytest.mark.parametrize("roughness", [0.12, 0.2, 0.25])
def test_rays_and_points_show_together_what_a_lamp_sends_to_a_polished_floor(
    roughness: float,
) -> None:
    """Beside a sum over 160,000 points of the lamp."""
    gloss = closure("BSDF_GLOSSY", Color=[0.5, 0.5, 0.5, 1.0], Roughness=roughness)
    lamp = lamp_at("AREA", (0, 0, 2.4), 100.0, size=(1, 1))
    eye = camera_at((-3, 0, 1.2), (0.5, 0, 0), 96, 0.9)
    made = lighting_of(scene_of([(plane_mesh(8.0), gloss)], [lamp]))
    color = frame.render(made, eye).color[..., 0]
    grid = Grid(made, eye)
    receiver, rows = direct.Receiver.of(grid.surface), []
    sent = 100 / np.pi / 400**2
    x, y = (axis.ravel() - 0.49875 for axis in np.mgrid[0:1:0.0025, 0:1:0.0025])
    place = np.stack([x, y, np.full(x.size, 2.4)], axis=1)
    inside = slice(film.MARGIN, -film.MARGIN)
    number = np.full(grid.shape, -1)
    number.ravel()[grid.met] = np.arange(len(grid.met))
    for n in number[inside, inside][60:96:5, 30:60:5].ravel():
        way = place - grid.surface.position[n]
        far = np.linalg.norm(way, axis=1)
        way /= far[:, None]
        view, alpha = grid.surface.incoming[n].astype(np.float64), receiver.alpha[n] ** 2
        half = way + view
        half /= np.linalg.norm(half, axis=1)[:, None]
        d = half[:, 2] ** 2 * (alpha - 1) + 1
        masking = 1 + smith_lambda.py_func(view[2], alpha)
        masking += 0.5 * (np.sqrt(1 + alpha * (1 - way[:, 2] ** 2) / way[:, 2] ** 2) - 1)
        lobe = alpha / (np.pi * d * d) / masking / (4 * view[2])
        rows.append(receiver.specular[n, 0] * (lobe * sent * way[:, 2] / far**2).sum())
    shown = color[60:96:5, 30:60:5].ravel()
    assert max(rows) > 1
    off = np.abs(shown - rows)
    # where the lobe is steep few rays tell
    assert np.median(off / np.array(rows)) < 0.02 and off.max() < 0.25 * max(rows)
