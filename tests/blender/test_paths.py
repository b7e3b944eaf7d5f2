# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera moves are real animated cameras, with the speed that was asked for."""

from __future__ import annotations

import math

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("paths.py")


def test_an_orbit_goes_round_at_one_speed(found):
    orbit = found["orbit"]
    assert orbit["length"] == pytest.approx(4 * math.pi, rel=0.01)
    assert orbit["mean_speed"] == pytest.approx(2.0, rel=0.02)
    assert orbit["fastest"] == pytest.approx(1.0, abs=0.02)  # no easing: always the same
    assert orbit["nearest"] == pytest.approx(4, abs=0.01)
    assert orbit["farthest"] == pytest.approx(4, abs=0.01)
    assert orbit["faces"] > 0.999


def test_a_dolly_eases_towards_its_target(found):
    dolly = found["dolly"]
    assert dolly["first"] == pytest.approx([4, 0, 1], abs=1e-4)
    assert dolly["last"] == pytest.approx([1, 0, 1], abs=1e-4)
    assert dolly["mean_speed"] == pytest.approx(3.0, rel=0.05)  # 0.3 m/s, units of 0.1 m
    assert dolly["fastest"] > 1.2  # eased


def test_a_crane_rises_and_looks_at_its_target(found):
    crane = found["crane"]
    assert crane["last"] == pytest.approx([4, 0, 3], abs=1e-4)
    assert crane["mean_speed"] == pytest.approx(1.0, rel=0.05)
    assert crane["faces"] > 0.999


def test_a_camera_follows_a_curve(found):
    follow = found["follow"]
    assert follow["first"] == pytest.approx([0, 5, 2], abs=1e-3)
    assert follow["last"] == pytest.approx([3, 9, 2], abs=1e-3)
    assert follow["mean_speed"] == pytest.approx(1.0, rel=0.1)
    assert follow["views"][0] == pytest.approx([1, 0, 0], abs=0.02)
    assert follow["views"][1] == pytest.approx([0, 1, 0], abs=0.02)
    assert follow["left"] == []


def test_a_path_leads_through_viewpoints(found):
    views = found["viewpoints"]
    assert views["first"] == pytest.approx([4, 0, 1], abs=1e-3)
    assert views["last"] == pytest.approx([-4, 0, 1], abs=1e-3)
    assert views["mean_speed"] == pytest.approx(1.5, rel=0.25)
    assert views["nearest"] > 2


def test_moves_are_foretold(found):
    for name in ("orbit", "dolly", "crane", "follow", "viewpoints"):
        assert found[name]["predictable"], name
        assert found[name]["foretold"] < 1e-4, name


def test_what_nobody_asked_for_stays_as_it_is(found):
    left = found["unasked"]
    for name, kept in left["moves"].items():
        assert kept == [True, 1, 250], name  # the scene's camera and its frame range are the user's
    assert left["selected"] == [left["active"]] and left["active"].startswith("Orbit Camera")


def test_impossible_moves_are_one_sentence(found):
    curve, slow, few, none = found["refused"]
    assert "Select a curve" in curve
    assert "higher speed" in slow
    assert "viewpoints" in few
    assert "add one first" in none
