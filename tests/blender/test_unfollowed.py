# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes are baked, and what names a bake: all that its value depends on, and nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from backend.conditioning.anchors.materials import CompiledMaterial  # noqa: F401 - registers nodes
from backend.conditioning.anchors.materials.closures import is_known
from backend.conditioning.anchors.materials.registry import NODES
from tests.extension import extension_part

unfollowed = extension_part("scene_sync.unfollowed")

NODES_OF_ALL = [
    {"type": "TEX_IMAGE", "props": {"tiles": {"0": 0}}, "inputs": {}},
    {"type": "AMBIENT_OCCLUSION", "props": {"only_local": False, "samples": 16},
     "inputs": {"Color": {"node": 0, "out": "Color"}, "Distance": 1.0}},
    {"type": "BEVEL", "props": {"samples": 4}, "inputs": {"Radius": 0.05}},
    {"type": "BSDF_PRINCIPLED", "props": {}, "inputs": {"Roughness": 0.5}},
]  # fmt: skip


def key(nodes: list[dict[str, Any]], number: int = 1, out: str = "Color", picture: str = "a"):
    return unfollowed.wanted(nodes, number, out, ("Node", out), lambda i: picture).key


def changed(number: int, part: str, name: str, value: object) -> list[dict[str, Any]]:
    nodes = copy.deepcopy(NODES_OF_ALL)
    nodes[number][part][name] = value
    return nodes


def test_a_change_of_what_it_depends_on_is_another_bake():
    first = key(NODES_OF_ALL)
    for other in (
        key(changed(1, "inputs", "Distance", 2.0)),
        key(changed(1, "props", "samples", 8)),
        key(changed(0, "props", "interpolation", "Closest")),
        key(NODES_OF_ALL, out="AO"),
        key(NODES_OF_ALL, picture="painted"),
        key(NODES_OF_ALL, number=2),
    ):
        assert other != first
    assert key(changed(2, "inputs", "Radius", 1.0)) == first
    assert key(changed(3, "inputs", "Roughness", 0.1)) == first
    moved = [{"type": "VALUE", "props": {}, "inputs": {}}, *copy.deepcopy(NODES_OF_ALL)]
    moved[2]["inputs"]["Color"]["node"] = 1
    assert key(moved, number=2) == first  # wherever it stands in the program


def test_what_looks_around_is_one_objects_own():
    def found(nodes, number):
        return unfollowed.wanted(nodes, number, "x", ("Node", "x"), lambda i: "")

    occlusion = found(NODES_OF_ALL, 1)
    assert occlusion.around and occlusion.own and occlusion.title == "Ambient Occlusion"
    local = found(changed(1, "props", "only_local", True), 1)
    assert not local.around and not local.own
    behind = changed(1, "inputs", "Distance", {"node": 4, "out": "AO"})
    behind.append(changed(1, "props", "only_local", True)[1])
    assert found(behind, 1).around and found(behind, 1).own
    bevel = found(NODES_OF_ALL, 2)
    assert bevel.normal and not bevel.around and not bevel.own
    place = {"Vector": {"node": 0, "out": "Position"}}
    here = [
        {"type": "NEW_GEOMETRY", "props": {}, "inputs": {}},
        {"type": "TEX_GABOR", "props": {}, "inputs": place},
    ]
    assert found(here, 1).own and not found(here, 1).around


def test_which_bake_fits():
    bakes = [
        unfollowed.Bake("coarse", frozenset("ab")),
        unfollowed.Bake("fine", frozenset("a")),
    ]
    assert unfollowed.fitting(bakes, "fine", ["a"]) == 1
    assert unfollowed.fitting(bakes, "coarse", ["a"]) == 0
    assert unfollowed.fitting(bakes, "fine", ["a", "b"]) is None
    assert unfollowed.fitting(bakes, "other", ["a"]) is None
    assert unfollowed.fitting([], "fine", ["a"]) is None


@pytest.mark.parametrize("kind", sorted({**unfollowed.BAKED, **unfollowed.NEVER}))
def test_nothing_is_baked_that_is_followed(kind):
    assert not is_known(kind) or NODES[kind].instead


def test_all_that_is_taken_for_something_else_is_named():
    named = {**unfollowed.BAKED, **unfollowed.NEVER}
    assert [kind for kind, node in NODES.items() if node.instead and kind not in named] == []
    for kind, out in unfollowed.BAKED_OUTPUTS:
        assert out in NODES[kind].outputs
