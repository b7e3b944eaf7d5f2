# SPDX-License-Identifier: GPL-3.0-or-later
"""Up, ground and scale of what COLMAP reconstructed, whichever way its cameras were held."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from backend.models.depth import DepthGuess
from backend.shared.camera import look_at
from backend.world.importers.captures import guess_depth
from backend.world.importers.gauge import gauge, picture_up, upright_turn
from tests.scenes.grounded_room import ExactDepth, grounded, viewer

ROOM = np.random.default_rng(0).uniform([-3, -3, 0], [3, 3, 2], (500, 3))
SOMEHOW = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
SOMEHOW *= np.linalg.det(SOMEHOW)


def looking(places: np.ndarray, target: tuple[float, float, float]) -> np.ndarray:
    return np.array([look_at(place, np.array(target, float)) for place in places])


def held(c2w: np.ndarray, quarter_turns: int) -> np.ndarray:
    """The camera turned about its line of sight, so that its picture is stored on its side."""
    c2w = c2w.copy()
    for _ in range(quarter_turns):
        c2w[:, :3, 0], c2w[:, :3, 1] = c2w[:, :3, 1].copy(), -c2w[:, :3, 0].copy()
    return c2w


def degrees_off(c2w: np.ndarray, ups: np.ndarray | None = None) -> float:
    """Between the room's up and that of the gauge, for a model in axes of its own."""
    moved = c2w.copy()
    moved[:, :3] = SOMEHOW @ c2w[:, :3]
    turn = upright_turn(moved, np.tile((0.0, -1.0), (len(moved), 1)) if ups is None else ups)
    _, scale = gauge(moved, ROOM @ SOMEHOW.T, turn)
    assert np.isfinite(scale) and scale > 0 and np.linalg.det(turn) == pytest.approx(1)
    return math.degrees(math.acos(np.clip((turn @ SOMEHOW)[2, 2], -1, 1)))


def one_side(count: int = 12) -> np.ndarray:
    """From a quarter of a circle down at something on a table."""
    angles = np.radians(np.linspace(-45, 45, count))
    places = np.stack([2 * np.sin(angles), -2 * np.cos(angles), np.full(count, 2.2)], axis=1)
    return looking(places, (0, 0, 0.5))


def test_a_thing_looked_down_at_from_one_side_stands_upright():
    assert degrees_off(one_side()) < 4  # the mean up of these cameras leans by 40 degrees


def test_cameras_that_all_look_the_same_way_have_their_mean_up():
    places = np.stack([np.linspace(-2, 2, 9), np.full(9, -6), np.full(9, 1.6)], axis=1)
    level = np.array([look_at(place, place + np.array([0, 1, 0])) for place in places])
    assert degrees_off(level) < 0.1


def test_cameras_that_were_held_anyhow_have_their_mean_up():
    rolled = one_side(40)
    for c2w, angle in zip(rolled, np.random.default_rng(2).normal(0, 0.9, 40), strict=True):
        x, y = c2w[:3, 0].copy(), c2w[:3, 1].copy()
        c2w[:3, 0] = x * np.cos(angle) + y * np.sin(angle)
        c2w[:3, 1] = y * np.cos(angle) - x * np.sin(angle)
    assert degrees_off(rolled) < 65


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, 3), (3, 2), (8, 1)])
def test_pictures_stored_on_their_side_do_not_tip_the_world(tmp_path, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    marked = np.zeros((8, 8, 3), np.uint8)
    marked[0] = 255  # what is up to people
    stored = np.rot90(marked, {1: 0, 6: 1, 3: 2, 8: 3}[orientation])
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.png", exif=exif)
    up = picture_up(tmp_path / "a.png")
    bright = np.argwhere(stored[..., 0] > 0).mean(axis=0)[::-1] - 3.5
    assert np.sign(bright.round()).tolist() == list(up)
    cameras = one_side()
    right, over = cameras[:, :3, 0], -cameras[:, :3, 1]
    turned = [held(cameras, t) for t in range(4)]
    seen = [t for t in turned
            if np.allclose(t[:, :3, 0] * up[0] + t[:, :3, 1] * up[1], over)]  # fmt: skip
    assert len(seen) == 1 and np.allclose(np.abs(np.cross(right, over)), np.abs(cameras[:, :3, 2]))
    assert degrees_off(seen[0], np.tile(up, (len(cameras), 1))) < 4


def test_a_damaged_picture_is_taken_as_it_lies(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert picture_up(tmp_path / "a.jpg") == (0, -1) == picture_up(tmp_path / "missing.jpg")


class Upright(ExactDepth):
    """An estimator that is wrong about pictures that lie on their side."""

    def estimate(self, rgb, camera) -> DepthGuess:
        assert -camera.c2w[2, 1] > 0.9, "up is up in the picture"
        return super().estimate(rgb, camera)


@pytest.mark.parametrize("turns", range(4))
def test_estimates_are_made_of_upright_pictures(turns):
    camera = viewer((64, 48))
    lying = type(camera)(camera.K, held(camera.c2w[None], turns)[0], 64, 48)
    truth = grounded(lying)
    found, _ = guess_depth(truth[0], lying, Upright())
    solid = np.isfinite(truth[1]) & np.isfinite(found)
    assert found.shape == truth[1].shape
    assert np.abs(np.log(found[solid] / truth[1][solid])).max() < 1e-3
