# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames keep of their scene goes over whole and names what changed."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest

from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics
from backend.shared.errors import WorldError
from backend.shared.frame import MemoryFrame
from backend.shared.moment import Comparison, Moment
from backend.shared.names import Names
from backend.shared.part_names import alike
from backend.shared.scene import Background, Material, Scene
from backend.shared.tree_codec import same_tree
from backend.shared.world import World
from backend.shared.world_content import ContentReader, write_content
from tests.shared.scenes import small_scene, textured_program


def world_of(scene: Scene, moment: Moment) -> World:
    camera = Camera(intrinsics(1.0, 4, 4), np.eye(4), 4, 4)
    frame = MemoryFrame("a", "a", camera, radiance=np.ones((4, 4, 3), np.float16), moment=moment)
    return World(Anchors.empty(), [frame], 1, {}, scene)


def test_a_moment_arrives_as_it_was_sent() -> None:
    scene = small_scene()
    moment = Moment.of(scene, {one.key for one in scene.instances})
    assert moment.names() == [one.key for one in scene.instances]
    assert moment.vertices
    content, arrays = write_content(world_of(scene, moment))
    arrived = ContentReader().read(content, arrays).memory[0].moment
    assert same_tree(arrived, moment)


def compared(before: Scene, after: Scene) -> Comparison:
    return Comparison.of(after, Names.of(after), Moment.of(before))


def with_first(scene: Scene, **changes: object) -> Scene:
    """The scene with another first instance."""
    first, *rest = scene.instances
    return replace(scene, instances=(replace(first, **changes), *rest))


def test_a_comparison_tells_a_new_look_from_a_new_place_and_a_new_shape() -> None:
    scene = small_scene()
    one = scene.instances[0]
    matrix = one.matrix.copy()
    matrix[0, 3] += 1
    found = compared(scene, with_first(scene, matrix=matrix))
    assert found.moved.tolist() == [True, False] and found.looks.all() and found.shaped.all()
    found = compared(scene, with_first(scene, materials=(-1, -1)))
    assert found.looks.tolist() == [False, True] and not found.moved.any()
    mesh = scene.meshes[one.mesh]
    bent = replace(mesh, vertices=mesh.vertices * np.float32(1.01))
    meshes = tuple(bent if m is mesh else m for m in scene.meshes)
    found = compared(scene, replace(scene, meshes=meshes))
    assert found.shaped.tolist() == [False, True] and found.looks.all()
    found = compared(scene, with_first(scene, key="new"))
    assert found.place.tolist() == [-1, 1] and found.gone.tolist() == [True, False]


def test_an_objects_colour_is_part_of_its_look_where_a_material_asks_for_it() -> None:
    scene = small_scene()
    painted = with_first(scene, color=(0.1, 0.2, 0.3, 1.0), random=0.7)
    assert compared(scene, painted).looks.all()
    node = {"type": "OBJECT_INFO", "props": {}, "inputs": {}}
    program = json.dumps({"nodes": [node], "surface": {"node": 0, "out": "Color"}})
    asking = (Material("Wood", program),)
    found = compared(replace(scene, materials=asking), replace(painted, materials=asking))
    assert found.looks.tolist() == [False, True]


def test_last_bits_that_modifiers_round_otherwise_change_no_name() -> None:
    scene = small_scene()
    rng = np.random.default_rng(1)

    def rounded(values: np.ndarray, by: float) -> np.ndarray:
        return (values + by * rng.choice([-1, 0, 1], values.shape)).astype(np.float32)

    meshes = tuple(
        replace(
            mesh,
            vertices=rounded(mesh.vertices, 1e-7),
            uv={name: rounded(uv, 1 / 65536) for name, uv in mesh.uv.items()},
        )
        for mesh in scene.meshes
    )
    found = compared(scene, replace(scene, meshes=meshes))
    assert found.shaped.all() and found.looks.all()
    shifted = {name: uv + np.float32(0.01) for name, uv in scene.meshes[0].uv.items()}
    meshes = (replace(scene.meshes[0], uv=shifted), scene.meshes[1])
    assert not compared(scene, replace(scene, meshes=meshes)).looks[0]


def test_a_picture_that_changed_is_another_look_and_its_number_is_none() -> None:
    scene = small_scene()
    textures = tuple(replace(t, pixels=np.zeros_like(t.pixels)) for t in scene.textures)
    assert not compared(scene, replace(scene, textures=textures)).looks[0]
    program = json.loads(scene.materials[0].program)
    program["nodes"][0]["props"] = {"texture": 0, "tiles": {"1001": 0}}
    tiled = replace(scene, materials=(Material("Wood", json.dumps(program)),))
    program["nodes"][0]["props"] = {"texture": 1, "tiles": {"1001": 1}}
    later = replace(
        scene,
        materials=(Material("Wood", json.dumps(program)),),
        textures=(scene.textures[1], scene.textures[0]),
    )
    assert compared(tiled, later).looks.all()


def test_names_are_found_once_and_go_with_what_they_name() -> None:
    mesh = small_scene().meshes[0]
    names = weakref.ref(mesh.names)
    assert mesh.names is names()
    grown = replace(mesh, vertices=2 * mesh.vertices)
    assert not alike(grown.names.shape[None], mesh.names.shape[None])
    assert grown.names.rest == mesh.names.rest
    del mesh
    gc.collect()
    assert names() is None


def test_a_program_is_named_by_the_pictures_that_a_scene_has_now() -> None:
    names = Material("Wood", json.dumps(textured_program(0))).names
    first, other = names.of(("wood", "sun")), names.of(("oak", "sun"))
    assert first != other and names.of(("wood", "sun")) == first


def test_a_world_is_named_by_its_shader_whatever_stands_in_for_its_picture() -> None:
    scene = small_scene()
    grey = replace(scene.background, pixels=np.ones((1, 1, 3), np.float32))
    assert Names.of(replace(scene, background=grey)).sky != Names.of(scene).sky
    names = [
        Names.of(replace(scene, background=replace(sky, identity="same"))).sky
        for sky in (grey, scene.background)
    ]
    assert names[0] == names[1]


def test_more_vertices_than_are_kept_leave_the_largest_out(monkeypatch) -> None:
    scene = small_scene()
    keys = {one.key for one in scene.instances}
    monkeypatch.setattr("backend.shared.moment.MOST_VERTICES", len(scene.meshes[1].vertices))
    moment = Moment.of(scene, keys)
    assert moment.vertices_of(0) is None
    kept, own = moment.vertices_of(1), scene.meshes[1].vertices
    np.testing.assert_allclose(kept, own, atol=2**-16 * np.abs(own).max())


def test_a_large_sky_is_kept_small() -> None:
    pixels = np.random.default_rng(0).uniform(0, 5, (512, 1024, 3)).astype(np.float32)
    kept = Moment.of(replace(small_scene(), background=Background(pixels))).background
    assert kept.pixels.shape == (128, 256, 3)
    np.testing.assert_allclose(kept.pixels.mean(), pixels.mean(), rtol=1e-3)


@pytest.mark.parametrize(
    "broken",
    [
        {"matrices": np.zeros((1, 4, 4))},
        {"keys": np.zeros(0, np.uint8)},
        {"matrices": np.full((2, 4, 4), np.nan)},
        {"looks": np.zeros((2, 2), np.float32)},
        {"vertices": {"a": np.zeros((3, 2), np.float32)}},
    ],
    ids=["fewer", "nameless", "not numbers", "another kind", "flat"],
)
def test_a_moment_that_does_not_fit_together_is_refused(broken: dict[str, object]) -> None:
    scene = small_scene()
    two = replace(scene, instances=(scene.instances[0],) * 2)
    with pytest.raises(WorldError, match="capture it again"):
        replace(Moment.of(two), **broken)
