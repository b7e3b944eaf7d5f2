# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a frame: where it is cut, which pixels are drawn how near, and what is behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.extension import extension_part

relief = extension_part("viewport.relief")
camera = extension_part("backend.shared.camera")

WIDTH, HEIGHT = 192, 144
CAMERA = camera.Camera(camera.intrinsics(1.0, WIDTH, HEIGHT), np.eye(4), WIDTH, HEIGHT)
RED, GREEN, BLUE = (np.array([*colour, 1], np.float32) for colour in np.eye(3))


def made(depth: np.ndarray, rgba: np.ndarray | None = None, view=CAMERA):
    colours = np.ones((*depth.shape, 4), np.float32) if rgba is None else rgba
    return relief.Relief.of(depth.astype(np.float32), colours.astype(np.float32), view)


def scene(*boxes: tuple[slice, slice, float, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Depth and colours of a red wall 10 m away, and of what stands before it."""
    depth, rgba = np.full((HEIGHT, WIDTH), 10.0), np.tile(RED, (HEIGHT, WIDTH, 1))
    for rows, columns, far, colour in boxes:
        depth[rows, columns], rgba[rows, columns] = far, colour
    return depth, rgba


def cells(mesh) -> tuple[np.ndarray, np.ndarray]:
    """(C, 4, 4) vertices of the nearer layer of each cut cell, and of the farther one."""
    cut = mesh.vertices[mesh.vertices[:, 3] != 0].reshape(2, -1, 4, 4)
    assert (cut[0, ..., 3] > 0).all() and (cut[1, ..., 3] < 0).all()
    assert np.array_equal(cut[0, ..., :2], cut[1, ..., :2])
    return cut[0], cut[1]


def behind(mesh) -> tuple[np.ndarray, np.ndarray]:
    """Heights and colours of the backdrop, (R, C) and (R, C, 4)."""
    columns, rows = mesh.behind_size
    return mesh.behind[:, 2].reshape(rows, columns), mesh.behind_rgba[:rows, :columns]


def test_a_floor_at_a_grazing_angle_is_whole_up_to_the_sky():
    below = np.arange(HEIGHT)[:, None] - HEIGHT * 0.7  # row 0 is at the bottom
    floor = np.where(below < 0, 100 / np.minimum(below, -0.5) * -1, 0)
    mesh = made(np.broadcast_to(floor, (HEIGHT, WIDTH)))
    near, _ = cells(mesh)
    assert (np.abs(near[..., 1] - 0.7) < 0.05).all(), "cut where there is no step"


def test_a_silhouette_is_as_sharp_as_the_picture_and_nothing_is_between():
    mesh = made(scene((slice(50, 101), slice(70, 121), 2.0, GREEN))[0])
    near, far = cells(mesh)
    assert np.allclose(near[..., 2], 1 / 2) and np.allclose(far[..., 2], 1 / 10)
    assert ((near[..., 3] > 1 / 10) & (near[..., 3] < 1 / 2)).all()
    before = mesh.heights[:HEIGHT, :WIDTH] > 0.3
    assert before[49:102, 70:121].all(), "its mixed outline goes with it"
    assert before.sum() == 51 * 51 + 4 * 51
    shared = mesh.vertices[mesh.triangles[: len(mesh.triangles) - 4 * len(near)]]
    assert np.ptp(shared[..., 2], axis=1).max() < 1e-6, "a stretched triangle is left"


def test_each_step_is_cut_wherever_it_meets_a_cell():
    rng = np.random.default_rng(3)
    for _ in range(20):
        row, column = rng.integers(10, 60, 2)
        tall, wide = rng.integers(5, 60, 2)
        mesh = made(scene((slice(row, row + tall), slice(column, column + wide), 3.0, GREEN))[0])
        near, _ = cells(mesh)
        shared = mesh.vertices[mesh.triangles[: len(mesh.triangles) - 4 * len(near)]]
        assert np.ptp(shared[..., 2], axis=1).max() < 1e-6


def test_behind_a_table_is_the_wall_and_not_what_its_window_shows():
    table = (slice(60, 80), slice(60, 72), 2.0, GREEN)
    garden = (slice(60, 100), slice(84, 120), 60.0, BLUE)
    heights, colours = behind(made(*scene(table, garden)))
    at = np.array([70, 66]) * np.array(heights.shape) // [HEIGHT, WIDTH]
    assert heights[tuple(at)] == pytest.approx(1 / 10, rel=1e-3)
    assert colours[tuple(at)] == pytest.approx(RED)
    assert not (colours[..., 1] > 0.01).any(), "some of the table stayed"


def test_parallel_views_and_skies_are_cut_alike():
    depth, rgba = scene((slice(50, 100), slice(70, 120), 2.0, GREEN))
    depth[:, 150:] = 0
    parallel = replace(CAMERA, projection="ORTHO")
    assert parallel.is_orthographic
    near, far = cells(made(depth, rgba, parallel))
    box = near[..., 0].max(1) < 0.7
    assert np.allclose(near[box][..., 2], -2) and np.allclose(far[box][..., 2], -10)
    assert np.allclose(near[~box][..., 2], -10) and (far[~box][..., 2] < -1e8).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 700)])
def test_a_viewport_of_hardly_any_pixels_has_a_shape_too(shape):
    mesh = made(np.full(shape, 4.0))
    assert np.allclose(mesh.vertices[:, 2], 1 / 4) and len(mesh.triangles)
