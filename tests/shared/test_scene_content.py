# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds as JSON and arrays: what comes back, and what damage is noticed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics
from backend.shared.errors import WorldError
from backend.shared.frame import MemoryFrame
from backend.shared.scene import Film, Instance, Lamp, Material, Scene
from backend.shared.tree_codec import same_tree
from backend.shared.world import World
from backend.shared.world_content import ContentReader, write_content
from tests.shared.scenes import small_scene, textured_program

finite = st.floats(-1e6, 1e6)
unit = st.floats(0, 1)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
"""No name in Blender has half of a surrogate pair or a zero in it."""


@st.composite
def scenes(draw) -> Scene:
    scene = small_scene(draw(st.integers(0, 5)))
    matrix = np.array(draw(st.lists(finite, min_size=16, max_size=16))).reshape(4, 4)
    instances = st.builds(
        Instance,
        TEXTS,
        TEXTS,
        st.integers(0, 1),
        st.just(matrix),
        st.lists(st.integers(-1, 0), max_size=3).map(tuple),
        st.integers(0, 63),
        st.booleans(),
        st.booleans(),
        st.tuples(unit, unit, unit, unit),
        unit,
    )
    lamps = st.builds(
        Lamp,
        TEXTS,
        st.sampled_from(["SUN", "POINT", "SPOT", "AREA"]),
        st.just(matrix),
        st.tuples(finite, finite, finite),
        unit,
        size=st.tuples(unit, unit),
        soft_falloff=st.booleans(),
    )
    return replace(
        scene,
        instances=tuple(draw(st.lists(instances, max_size=4))),
        lamps=tuple(draw(st.lists(lamps, max_size=3))),
        background=draw(st.sampled_from([None, scene.background])),
        film=draw(st.builds(Film, width=st.floats(0.1, 10), transparent=st.booleans())),
        fog_density=draw(unit),
    )


def seen() -> MemoryFrame:
    camera = Camera(intrinsics(1.0, 4, 3), np.eye(4), 4, 3)
    depth = np.array([[0, np.inf, 1, 2]] * 3, np.float32)
    return MemoryFrame("a", "View ä", camera, np.full((3, 4, 3), 7, np.uint8), depth)


@settings(max_examples=40, deadline=None)
@given(scenes())
def test_every_world_comes_back_bit_for_bit(scene: Scene) -> None:
    world = World(Anchors.empty(), [seen()], 2**50, {"source": "x"}, scene)
    assert same_tree(ContentReader().read(*write_content(world)), world)


def test_what_is_equal_is_one_object_for_one_reader() -> None:
    reader, world = ContentReader(), World(Anchors.empty(), [seen()], 1, {}, small_scene())
    first, second = (reader.read(*write_content(world)) for _ in range(2))
    assert first.memory[0] is second.memory[0]
    assert first.scene.meshes == second.scene.meshes
    assert first.scene.textures == second.scene.textures
    assert first.scene.materials == second.scene.materials
    assert first.scene.background is second.scene.background


def changed(change: dict[str, Any], number: int = 0) -> Scene:
    """The small scene with fields of an item (`list.field`) or of itself changed."""
    scene = small_scene()
    for name, value in change.items():
        part, _, of = name.partition(".")
        if not of:
            scene = replace(scene, **{part: value})
            continue
        items = list(getattr(scene, part))
        items[number] = replace(items[number], **{of: value})
        scene = replace(scene, **{part: tuple(items)})
    return scene


NAN = float("nan")
MESH = small_scene().meshes[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"meshes.vertices": np.full_like(MESH.vertices, NAN)}, "not finite"),
        ({"meshes.vertices": MESH.vertices.astype(np.float16)}, "array of float16"),
        ({"meshes.triangles": MESH.triangles + len(MESH.vertices)}, "corners do not exist"),
        ({"meshes.triangles": MESH.triangles - len(MESH.vertices)}, "corners do not exist"),
        ({"meshes.triangles": MESH.triangles.astype(np.float32)}, "array of float32"),
        ({"meshes.slots": MESH.slots - 9}, "negative material slot"),
        ({"meshes.uv": {"x": MESH.colors["Col"]}}, r"array of float32 \(12, 3, 4\)"),
        ({"meshes.normals": MESH.normals + np.float32(np.inf)}, "not finite"),
        ({"meshes.bounds": np.zeros((1, 3), np.float32)}, "array of float32"),
        ({"instances.mesh": 2}, "'cube' has a mesh that does not exist"),
        ({"instances.mesh": -1}, "'cube' has a mesh that does not exist"),
        ({"instances.materials": (0, 1)}, "'cube' has a material that does not exist"),
        ({"instances.matrix": np.eye(3)}, "'cube' has an array"),
        ({"instances.matrix": np.full((4, 4), NAN)}, "not finite"),
        ({"instances.color": (1.0,)}, "no RGBA"),
        ({"textures.pixels": np.zeros((4, 4, 3), np.uint8)}, "picture 'wood' has an array"),
        ({"textures.pixels": np.zeros((0, 4, 4), np.uint8)}, "picture 'wood' has an array"),
        ({"textures.pixels": np.full((4, 4, 4), NAN, np.float16)}, "not finite"),
        ({"materials.program": "{"}, "'Wood' has a program that cannot be read"),
        ({"materials.program": "[]"}, "'Wood' has a program that cannot be read"),
        ({"materials.program": "[" * 100_000}, "'Wood' has a program that cannot be read"),
        ({"materials.program": json.dumps(textured_program(2))}, "names a picture it lacks"),
        (
            {"materials.program": '{"nodes": [{"inputs": {"x": {"node": 0}}}]}'},
            "'Wood' has a program that cannot be read",
        ),
        ({"lamps.kind": "TORCH"}, "'key' is of an unknown kind"),
        ({"lamps.matrix": np.full((4, 4), np.inf)}, "not finite"),
        ({"film": Film(filter="TENT")}, "unknown pixel filter"),
        ({"film": Film(width=0.0)}, "unknown pixel filter"),
        ({"background": replace(small_scene().background, pixels=np.zeros((2, 3)))}, "float64"),
    ],
)
def test_a_scene_that_cannot_be_used_is_told_in_one_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    written = write_content(World(Anchors.empty(), [], 1, {}, changed(change)))
    with pytest.raises(WorldError, match=sentence) as told:
        ContentReader().read(*written)
    assert str(told.value).count("\n") == 0 and str(told.value).endswith(".")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fog_density": NAN}, r"scene\.fog_density is nan"),
        ({"lamps.power": (1.0, np.inf, 1.0)}, r"scene\.lamps\.0\.power\.1 is inf"),
        ({"instances.random": object()}, "cannot be sent"),
        ({"meshes.triangles": MESH.triangles.astype(np.int64)}, "of type int64"),
    ],
)
def test_a_scene_that_cannot_be_written_is_told_in_one_sentence(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(WorldError, match=sentence):
        write_content(World(Anchors.empty(), [], 1, {}, changed(change)))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_content_is_refused_or_read_and_never_anything_else(data: st.DataObject) -> None:
    content, arrays = write_content(World(Anchors.empty(), [seen()], 1, {}, small_scene()))
    tree = json.loads(content.tobytes())
    at: Any = tree
    while isinstance(at, (dict, list)) and at:  # down to any place, which is then replaced
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            junk = [
                None,
                -1,
                10**400,
                1.5,
                "x",
                [],
                {},
                [[]],
                {"dtype": "<f8", "shape": [2], "hex": "00"},
            ]
            at[key] = data.draw(st.sampled_from(junk))
            break
        at = at[key]
    damaged = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    with contextlib.suppress(WorldError):
        ContentReader().read(damaged, arrays)


def test_an_array_under_a_name_of_another_shape_is_refused() -> None:
    world = World(Anchors.empty(), [seen()], 1, {}, small_scene())
    content, arrays = write_content(world)
    for name in arrays:
        if arrays[name].size:
            wrong = {**arrays, name: arrays[name][None]}
            with pytest.raises(WorldError):
                ContentReader().read(content, wrong)
        with pytest.raises(WorldError):
            ContentReader().read(content, {k: v for k, v in arrays.items() if k != name})


def test_materials_share_what_they_are_named_by() -> None:
    twice = (Material("a", json.dumps(textured_program(1))),) * 2
    world = World(Anchors.empty(), [], 1, {}, changed({"materials": twice}))
    back = ContentReader().read(*write_content(world))
    assert back.scene.materials[0] is back.scene.materials[1]
