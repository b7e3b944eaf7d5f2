# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture Memory takes what is missing, as sharp as surfaces are, and leaves the scene alone."""

from __future__ import annotations


def test_captures_are_what_was_asked(blender):
    found = blender("captures.py")
    still = found["still"]
    assert still["count"] == 1 and still["kept"]
    assert still["blur"] < 0.5  # of 255: what blurs a picture is left out

    assert found["layers"]["differ"] > 20

    gaps = found["gaps"]
    assert 1 < gaps["first"] <= 20
    assert gaps["again"] <= 1  # nearly nothing is missing any more
    frames, least = gaps["coverage"]
    assert frames > 5 and least > 0.8
    assert gaps["undisturbed"]
    assert gaps["names"][1].startswith("Gap ")

    again = found["again"]
    assert again == {"count": 1, "changed": True, "same camera": True, "same lens": True,
                     "name": again["name"]}  # fmt: skip
    assert found["parallel"]["kind"] == "ORTHO"
