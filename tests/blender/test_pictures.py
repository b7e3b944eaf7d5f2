# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of materials arrive as textures: every kind, at the right frame, named where missing."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("pictures.py")


def test_images_of_every_kind_become_textures(found):
    kinds = found["kinds"]
    assert kinds["bytes"] == kinds["expected"] and kinds["shared"]
    assert kinds["flags"] == {
        "Plain": [True, True, "uint8"],
        "Cut": [True, True, "uint8"],
        "Data": [False, False, "uint8"],
        "Bright": [False, False, "float16"],
    }
    assert kinds["bright"] == [5, 0.5, 0.25, 1]


def test_alpha_is_premultiplied_where_blender_does_so(found):
    kinds = found["kinds"]
    assert kinds["premultiply"]["Plain"] and not kinds["premultiply"]["Cut"]
    assert not kinds["premultiply"]["Data"]


def test_missing_images_are_pink_and_said(found):
    kinds = found["kinds"]
    assert kinds["missing"] == [-1, -1]
    (said,) = kinds["problems"]
    assert "'Missing'" in said and "'gone.png'" in said and "pink" in said


def test_tiled_images_are_read_tile_by_tile(found):
    tiles = found["tiles"]
    expected = {"1001": [51, 1001], "1002": [153, 1002], "1011": [204, 1011]}
    assert tiles["disk"] == expected and tiles["packed"] == expected and tiles["left"] == 0
    assert set(tiles["gone"]) == {"1001", "1011"}


def test_sequences_show_the_picture_of_the_frame(found):
    assert found["sequence"] == {"1": 51, "5": 51, "6": 102, "7": 153, "8": 153, "cyclic": 51}


def test_large_images_are_halved_in_light_and_colour_spaces_said(found):
    large = found["large"]
    assert large["size"] == [2, 3001, 4]
    assert large["grey"] == [188, 188, 188, 255]  # half the light, not half the code
    (said,) = large["problems"]
    assert "'ACEScg'" in said and "'Strange'" in said
