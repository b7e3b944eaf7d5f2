# SPDX-License-Identifier: GPL-3.0-or-later
"""The ray tracer's kernels against slow, readable twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.data.synth.fields import SIZE
from backend.data.synth.patterns import FAMILIES
from backend.data.synth.scene import BOX, CYLINDER, ELLIPSOID, Builder, Scene, Terrain
from backend.data.synth.terrain import TerrainField
from backend.data.synth.trace import Geometry, lamp_visibility, nearest, sun_visibility


def solids(seed: int, count: int = 12) -> Scene:
    """A scene of random turned boxes, ellipsoids and cone frustums about the origin."""
    rng = np.random.default_rng(seed)
    b = Builder("test", seed, rng)
    m = b.surface("paint")
    for _ in range(count):
        shape = int(rng.integers(0, 3))
        half = rng.uniform(0.1, 0.8, 3)
        half[1] = half[0] if shape == CYLINDER else half[1]
        b.put(
            shape, rng.normal(0, 1.5, 3), half, m, yaw=rng.uniform(0, 6),
            tilt=rng.normal(0, 0.7), roll=rng.normal(0, 0.7), taper=rng.choice([0, 0.5, 1, 1.4]),
        )  # fmt: skip
    return b.scene()


def slow_hit(scene: Scene, i: int, origin: np.ndarray, ray: np.ndarray) -> float:
    """Where a ray from outside enters primitive i: each face or root by itself, in float64."""
    o = scene.rotation[i].T @ (origin - scene.center[i]) / scene.half[i]
    d = scene.rotation[i].T @ ray / scene.half[i]
    found = []
    if scene.shape[i] == BOX:
        for axis in range(3):
            for side in (-1, 1):
                t = (side - o[axis]) / d[axis]
                p = np.delete(o + t * d, axis)
                if t > 0 and (np.abs(p) <= 1).all():
                    found.append(t)
    elif scene.shape[i] == ELLIPSOID:
        roots = np.roots([d @ d, 2 * o @ d, o @ o - 1])
        found = [r.real for r in roots if abs(r.imag) < 1e-12 and r.real > 0]
    else:
        k = scene.taper[i]
        a, b = (1 + k) / 2, (k - 1) / 2  # radius a + b z
        roots = np.roots([
            d[0] ** 2 + d[1] ** 2 - (b * d[2]) ** 2,
            2 * (o[0] * d[0] + o[1] * d[1] - (a + b * o[2]) * b * d[2]),
            o[0] ** 2 + o[1] ** 2 - (a + b * o[2]) ** 2,
        ])  # fmt: skip
        for r in roots:
            z = o[2] + r.real * d[2]
            if abs(r.imag) < 1e-12 and r.real > 0 and abs(z) <= 1 and a + b * z >= 0:
                found.append(r.real)
        for side, radius in ((-1, 1.0), (1, k)):
            t = (side - o[2]) / d[2]
            p = o + t * d
            if t > 0 and math.hypot(p[0], p[1]) <= radius:
                found.append(t)
    return min(found, default=np.inf)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_nearest_equals_the_slow_twin(seed: int, rays: int) -> None:
    scene = solids(seed)
    rng = np.random.default_rng(seed + 1)
    origin = rng.normal(size=3)
    origin *= 6 / np.linalg.norm(origin)  # outside of everything
    directions = rng.normal(0, 1.2, (rays, 3)) - origin
    t, prim = nearest(
        Geometry.of(scene, "cpu"),
        torch.tensor(origin, dtype=torch.float32),
        torch.tensor(directions, dtype=torch.float32),
    )
    t = t.tolist()
    for ray in range(0, rays, 7):
        slow = [slow_hit(scene, i, origin, directions[ray]) for i in range(len(scene.center))]
        if np.isinf(min(slow)):
            # float32 may graze what float64 just misses
            assert np.isinf(t[ray]) or slow_hit(
                scene, int(prim[ray]), origin * 0.9999, directions[ray]
            )
        elif np.isfinite(t[ray]):
            assert t[ray] == pytest.approx(min(slow), abs=2e-3)
            assert slow[int(prim[ray])] == pytest.approx(min(slow), abs=2e-3)


def test_culling_loses_nothing() -> None:
    """Rays traced in one call (shared beams) equal rays traced one by one."""
    scene = solids(3, 40)
    geometry = Geometry.of(scene, "cpu")
    rng = np.random.default_rng(0)
    origins = torch.tensor(rng.normal(0, 4, (200, 3)), dtype=torch.float32)
    directions = torch.tensor(rng.normal(size=(200, 3)), dtype=torch.float32)
    together, _ = nearest(geometry, origins, directions)
    alone = torch.cat([nearest(geometry, origins[i], directions[i : i + 1])[0] for i in range(200)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert 0.05 < float(torch.isfinite(alone).float().mean()) < 0.95


def one(shape: int, taper: float = 1.0) -> Geometry:
    b = Builder("test", 0, np.random.default_rng(0))
    b.put(shape, (0, 0, 2), (0.6, 0.6, 0.5), b.surface("paint"), taper=taper)
    return Geometry.of(b.scene(), "cpu")


@pytest.mark.parametrize("shape", [BOX, ELLIPSOID, CYLINDER])
def test_soft_shadows_equal_many_rays(shape: int) -> None:
    """Share of a sun's and of a lamp's disc that is seen, against 600 rays to points of it."""
    geometry = one(shape)
    points = torch.stack(
        [torch.linspace(-1.6, 1.6, 60), torch.full((60,), 0.1), torch.zeros(60)], 1
    )
    rng = np.random.default_rng(1)
    radius = np.sqrt(rng.random(600))[:, None]
    angle = rng.uniform(0, 2 * np.pi, 600)
    disc = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    cases = [
        (sun_visibility(geometry, points, torch.tensor([0, 0, 1.0]), 0.1), disc * 0.1 * 50, 50.0),
        (lamp_visibility(geometry, points, torch.tensor([0, 0, 5.0]), 0.3), disc * 0.3, 5.0),
    ]
    for fast, spots, height in cases:
        target = torch.tensor(np.column_stack([spots, np.full(600, height)]), dtype=torch.float32)
        # a sun is a direction, a lamp a place
        aim = target[None] - (points[:, None] if height < 10 else torch.zeros(60, 1, 3))
        t, _ = nearest(geometry, points.repeat_interleave(600, 0), aim.reshape(-1, 3))
        slow = (t.view(60, 600) > 1).float().mean(1)
        assert float((fast - slow).abs().max()) < 0.25
        assert float((fast - slow).abs().mean()) < 0.04
        assert float(fast[30]) == 0 and float(fast[0]) == 1
        assert ((fast > 0.05) & (fast < 0.95)).any()


def test_a_joint_between_boxes_lets_no_light_through() -> None:
    b = Builder("test", 0, np.random.default_rng(0))
    m = b.surface("paint")
    b.span((-1, -1, 1), (0, 1, 1.2), m)
    b.span((0, -1, 1), (1, 1, 1.2), m)
    points = torch.stack([torch.linspace(-0.3, 0.3, 40), torch.zeros(40), torch.zeros(40)], 1)
    seen = sun_visibility(Geometry.of(b.scene(), "cpu"), points, torch.tensor([0, 0, 1.0]), 0.05)
    assert float(seen.max()) < 1e-3


def test_marching_finds_the_ground_first_met() -> None:
    rng = np.random.default_rng(2)
    height = 3 * rng.random((24, 24)).astype(np.float32)
    b = Builder("test", 0, rng)
    b.ball((0, 0, -50), 1, b.surface("rock"))
    b.terrain = Terrain(height, 20.0, 2.5, (0, 0, 0), 1e6)
    scene = b.scene()
    field = TerrainField.of(scene, "cpu")
    origin = np.array([0.5, -1.0, 5.0])
    directions = np.column_stack([rng.normal(0, 1, (80, 2)), rng.uniform(-0.6, 0.05, 80)])
    limit = torch.full((80,), torch.inf)
    t = field.march(
        torch.tensor(origin, dtype=torch.float32).expand(80, 3),
        torch.tensor(directions, dtype=torch.float32),
        limit,
    ).numpy()
    wrong = 0
    for i, ray in enumerate(directions):
        steps = np.arange(0.01, 45, 0.005)
        p = origin + steps[:, None] * ray
        inside = np.abs(p[:, :2]).max(1) < 20
        under = (p[:, 2] < b.terrain.at(p[:, 0], p[:, 1])) & inside
        slow = steps[np.argmax(under)] if under.any() else np.inf
        wrong += not (slow == t[i] or abs(slow - t[i]) < 0.05)
    assert wrong <= 2  # a ridge that is only just grazed


@pytest.mark.parametrize("family", FAMILIES)
def test_textures_are_tileable_pictures(family: str) -> None:
    from backend.data.synth.textures import TextureSet

    textures = TextureSet(np.random.default_rng(4))
    textures.add(family)
    image = textures.images[0]
    assert image.shape == (SIZE, SIZE, 6) and np.isfinite(image).all()
    assert image[..., :3].min() > 0 and image[..., :3].max() <= 0.95
    assert image[..., :3].std() > 1e-3
    flat = textures.pyramid()[0]
    np.testing.assert_allclose(flat[-1], image.reshape(-1, 6).mean(0), atol=1e-3)
