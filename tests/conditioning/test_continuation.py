# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds a picture: mirrored, softened, on the ground that goes on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.conditioning.unseen.continuation import Panorama, panorama_of
from backend.shared.camera import Camera, facing, intrinsics
from backend.shared.frame import MemoryFrame

HEIGHT = 1.6
SIZE = (240, 160)


def outdoors(pitch: float = 0.0, yaw: float = 0.7) -> MemoryFrame:
    """A striped plain under a sky, from above it."""
    c2w = np.eye(4)
    c2w[:3, :3], c2w[:3, 3] = facing(yaw, pitch), (3.0, -2.0, HEIGHT)
    camera = Camera(intrinsics(1.2, *SIZE), c2w, *SIZE)
    rays = camera.rays()
    ground = rays[..., 2] < -1e-3
    depth = np.where(ground, HEIGHT / np.maximum(-rays[..., 2], 1e-3), np.inf)
    points = camera.position + rays * np.where(ground, depth, 0)[..., None]
    stripes = 120 + 60 * np.sin(2 * points[..., 0])
    rgb = np.where(ground[..., None], stripes[..., None] * [0.5, 1, 0.4], [90, 140, 230])
    return MemoryFrame("a", "a", camera, rgb.astype(np.uint8), depth.astype(np.float32))


@pytest.fixture(scope="module")
def around() -> Panorama:
    found = panorama_of(outdoors())
    assert found is not None
    return found


def elevations(around: Panorama) -> np.ndarray:
    rows = len(around.reach)
    return (0.5 - (np.arange(rows) + 0.5) / rows) * math.pi


def test_the_picture_itself_is_where_it_was(around):
    frame = outdoors()
    for camera, rgb, depth in around.views()[:1]:
        own = MemoryFrame("b", "b", camera, rgb, depth)
        point = camera.position + camera.rays()[300, 224] * 3.0  # in front, below the horizon
        (here,), (there,) = (f.camera.project(point[None])[0].astype(int) for f in (own, frame))
        assert (
            np.abs(own.rgb[here[1], here[0]].astype(int) - frame.rgb[there[1], there[0]]).max() < 12
        )
        assert depth[here[1], here[0]] == 0, "what is seen is nobody's to imagine"


@pytest.mark.parametrize("pitch", [0.0, -0.3, 0.25])
def test_ground_and_sky_go_on_all_around(pitch):
    found = panorama_of(outdoors(pitch))
    elevation = elevations(found)[:, None]
    reach = np.broadcast_to(found.reach, found.reach.shape)
    below, above = (elevation < -0.05) & (reach > 0), (elevation > 0.05) & (reach > 0)
    heights = np.where(np.isfinite(reach), reach, 0) * np.sin(elevation)
    assert np.isinf(reach[above]).mean() > 0.99
    off = np.abs(heights[below & np.isfinite(reach)] + HEIGHT)
    assert np.percentile(off, 99) < 0.05
    assert np.isfinite(reach[below]).mean() > 0.99
    blue, green = found.rgb[..., 2].astype(int), found.rgb[..., 1].astype(int)
    assert (blue > green)[above & (elevation > 0.3)].mean() > 0.95
    assert (green > blue)[below & (elevation < -0.3)].mean() > 0.95


def test_nothing_ends_at_the_border(around):
    """The change across the picture's border is like that inside it."""
    rows, columns = np.nonzero(around.seen[:, :-1] & ~around.seen[:, 1:])
    grey = around.rgb.astype(int).mean(axis=-1)
    across = np.abs(grey[rows, columns] - grey[rows, columns + 1])
    inside = np.abs(grey[rows, columns] - grey[rows, columns - 1])
    assert np.median(across) <= np.median(inside) + 4
    assert np.percentile(across, 95) < np.percentile(inside, 95) + 12


def test_it_is_softer_the_farther_it_is(around):
    elevation = elevations(around)
    band = (elevation < -0.25) & (elevation > -0.35)
    step = np.abs(np.diff(around.rgb[band].astype(int).mean(axis=-1), axis=1)).mean(axis=0)
    middle, columns = around.seen.shape[1] // 2, around.seen.shape[1]
    seen = np.flatnonzero(around.seen[band].all(axis=0))
    beside = step[seen[-1] + 4 : seen[-1] + 64].mean()
    behind = np.r_[step[:64], step[columns - 65 :]].mean()
    assert step[middle - 64 : middle + 64].mean() > 0.5
    assert behind < 0.5 * beside


def test_views_look_to_all_sides_and_agree(around):
    views = around.views()
    ways = np.array([camera.c2w[:3, 2] for camera, _, _ in views])
    assert np.allclose(ways @ ways.T, np.round(ways @ ways.T), atol=1e-9)
    assert np.allclose(ways.sum(axis=0), 0, atol=1e-9)
    point = around.position + around.to_world @ np.array([10.0, 10.0, -0.5])
    colors = []
    for camera, rgb, _ in (views[0], views[1]):  # seen by the front and by the right one
        uv = camera.project(point[None])[0][0].astype(int)
        colors.append(rgb[uv[1], uv[0]].astype(int))
    assert np.abs(colors[0] - colors[1]).max() < 10


def test_what_cannot_be_continued_is_not():
    frame = outdoors()
    assert panorama_of(MemoryFrame("c", "c", frame.camera, frame.rgb)) is None
    tiny = Camera(intrinsics(0.004, 16, 16), frame.camera.c2w, 16, 16)
    blank = np.zeros((16, 16, 3), np.uint8)
    assert panorama_of(MemoryFrame("d", "d", tiny, blank, np.ones((16, 16), np.float32))) is None
