# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene in its light in Rendered shading: what is edited is seen, and points stay away."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter


@pytest.fixture(scope="module")
def found(stage, measured):
    found = stage.play("lit")
    measured["lit viewport, seconds"] = found["seconds"]
    measured["lit viewport, moving"] = found["moving"]
    return found


def test_every_frame_is_lit_and_no_points_are_made(found):
    frames = found["frames"]
    assert {one["model"] for one in frames.values()} == {"lit"}
    assert {one["anchors"] for one in frames.values()} == {0}, "points were made for nothing"
    assert found["problem"] == ["", "", ""]
    assert "Traceback" not in found["log"]


def test_edits_are_another_world_and_an_orbit_is_none(found):
    frames = found["frames"]
    names = ["first", "material", "object", "object again", "lamp", "world"]
    assert len({frames[name]["revision"] for name in names}) == len(names)
    assert frames["orbit"]["revision"] == frames["world"]["revision"], "a world for nothing"


def test_rendered_shading_follows_what_is_edited(found):
    frames = found["frames"]
    red, _, blue = frames["material"]["mean"]
    assert red > 1.03 * blue > 0, "the cube is small in a grey picture, but it is red"
    assert frames["world"]["mean"][2] > 2 * frames["lamp"]["mean"][2]


def test_rendered_shading_follows_the_view(found):
    assert found["frames"]["front"]["projection"] == "ORTHO"
    assert found["moving"]["frames"] > 2


def test_a_viewport_at_rest_becomes_sharp(found):
    frames = found["frames"]
    assert frames["orbit"]["size"][0] == 512 < frames["sharp"]["size"][0]
    assert frames["sharp"]["revision"] == frames["orbit"]["revision"]
    assert found["after it"], "a view that moves waited for a sharp frame"


def test_what_is_behind_is_shown_before_a_frame_of_it_comes(found):
    assert found["turned"] == [False, True]
    file = next(name for name in found["pictures"] if name.endswith("lit-turned.png"))
    screen = np.asarray(Image.open(file).convert("RGB")).astype(int)
    seen = screen[300:600, 400:900].reshape(-1, 3)
    red, _, blue = np.median(seen, axis=0)
    assert blue > red + 30, "the sky is behind"
    assert (seen[:, 0] > seen[:, 2] + 60).mean() < 0.02, "the red cube of the last frame stayed"


def test_an_orbit_leaves_no_second_cube_beside_the_first(found):
    file = next(name for name in found["pictures"] if name.endswith("lit-orbited.png"))
    screen = np.asarray(Image.open(file).convert("RGB")).astype(int)
    left, top, right, bottom = (round(place) for place in found["cube"])
    red = Image.fromarray(screen[..., 0] > screen[..., 2] + 40).convert("L")
    red = np.asarray(red.filter(ImageFilter.MinFilter(7))) > 0  # no axes, grid or outline
    red = red[150:850, 60:1250]
    beside = red.copy()
    beside[top - 230 : bottom - 70, left - 140 : right + 20] = False
    assert (red & ~beside).sum() > 1000, "the cube is not where it was"
    assert beside.sum() < 100, "a second cube"
