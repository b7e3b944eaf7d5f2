# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene in its light in Rendered shading: what is edited is seen, and points stay away."""

from __future__ import annotations


def test_rendered_shading_follows_what_is_edited(stage, measured):
    found = stage.play("lit")
    measured["lit viewport, seconds"] = found["seconds"]
    measured["lit viewport, moving"] = found["moving"]
    frames = found["frames"]
    assert {one["model"] for one in frames.values()} == {"lit"}
    assert {one["anchors"] for one in frames.values()} == {0}, "points were made for nothing"
    names = ["first", "material", "object", "object again", "lamp", "world"]
    assert len({frames[name]["revision"] for name in names}) == len(names)
    assert frames["orbit"]["revision"] == frames["world"]["revision"], "a world for nothing"
    red, _, blue = frames["material"]["mean"]
    assert red > 1.03 * blue > 0, "the cube is small in a grey picture, but it is red"
    assert frames["world"]["mean"][2] > 2 * frames["lamp"]["mean"][2]
    assert frames["front"]["projection"] == "ORTHO"
    assert frames["orbit"]["size"][0] == 512 < frames["sharp"]["size"][0]
    assert frames["sharp"]["revision"] == frames["orbit"]["revision"]
    assert found["after it"], "a view that moves waited for a sharp frame"
    assert found["moving"]["frames"] > 2
    assert found["problem"] == ["", "", ""]
    assert "Traceback" not in found["log"]
