# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies behind everything is what a camera in Cycles sees there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from backend.conditioning.light.medium import Medium

ALL = 63


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("backgrounds.py")


def test_a_constant_world_is_one_pixel(found):
    assert found["constant"] == {"pixels": [[[2, 1, 0.5]]], "visible": ALL - 4}


def test_a_picture_is_read_where_it_stands(found):
    straight = found["straight"]
    assert straight["size"] == [32, 64, 3] and straight["place"] == [31 - 25, 40]
    for name in ("straight", "turned"):
        read, seen = found[name]["bright"]
        assert read > 10 and seen == pytest.approx(read, rel=0.1), name


def test_worlds_are_read_as_cycles_shows_them(found):
    for name in ("straight", "turned", "by_cycles"):
        for read, seen in found[name]["pairs"]:
            assert read == pytest.approx(seen, rel=0.02), name


def test_worlds_that_only_cycles_evaluates_are_rendered_once(found):
    rendered = found["by_cycles"]
    assert rendered["size"] == [1024, 2048, 3]
    assert rendered["again"] and rendered["untouched"] and rendered["problems"] == []
    assert all(read[2] > 0.5 for read, _ in rendered["pairs"])


def test_thin_fog_is_as_dense_and_as_bright_as_in_cycles(found):
    albedo = dict(zip(("Absorption", "Principled", "Scatter"), (0, 1 / 1.5, 1), strict=True))
    for kind, (read, seen, color) in found["fog"].items():
        assert read == pytest.approx(seen, rel=0.03), kind  # the lens begins at 0.1
        assert color == pytest.approx(albedo[kind.removeprefix("ShaderNodeVolume")]), kind

    assert found["no_fog"] == 0


def test_a_world_that_cannot_be_rendered_is_black_and_said(found):
    assert found["failing"]["pixels"] == [[[0, 0, 0]]]
    (said,) = found["failing"]["problems"]
    assert "'Sky" in said and "No Cycles here" in said


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_what_renders_a_world_ends_with_a_killed_blender(blender, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = blender("orphaned_sky.py", tmp_path)
    assert found["running"] and found["folders"] == 1
    assert found["orphans"] == [] and found["folders after"] == 0


def test_a_box_of_fog_takes_what_it_takes_in_cycles(blender):
    found = blender("backgrounds.py")["boxed"]
    assert found["density"] == pytest.approx(0.5)
    np.testing.assert_allclose(found["middle"], 0, atol=1e-6)
    assert found["surfaces"] == ["Wall"]
    assert found["problems"] == ["The volume in 'Ball' is not shown."]
    ways = np.array(found["ways"], np.float32)
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    medium = Medium(found["density"], np.zeros(3), 0.0, np.array(found["box"]))
    left = medium.left(np.zeros((2, 3), np.float32), ways, np.full(2, np.inf))[:, 0]
    np.testing.assert_allclose(left, found["left"], rtol=0.03)
    assert left.min() < 0.7 < left.max() * 1.5
