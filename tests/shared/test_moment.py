# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory frames keep of their scene goes over whole and names what changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics
from backend.shared.errors import WorldError
from backend.shared.frame import MemoryFrame
from backend.shared.moment import Moment, Names
from backend.shared.scene import Scene
from backend.shared.tree_codec import same_tree
from backend.shared.world import World
from backend.shared.world_content import ContentReader, write_content
from tests.shared.scenes import small_scene


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


def test_names_tell_a_new_look_from_a_new_place() -> None:
    scene = small_scene()
    one, names = scene.instances[0], Names(scene)
    matrix = one.matrix.copy()
    matrix[0, 3] += 1
    moved = replace(one, matrix=matrix)
    np.testing.assert_array_equal(names.look(moved), names.look(one))
    painted = replace(one, color=(0.1, 0.2, 0.3, 1.0))
    assert not np.array_equal(names.look(painted), names.look(one))
    mesh = scene.meshes[one.mesh]
    bent = replace(mesh, vertices=mesh.vertices * 2)
    meshes = tuple(bent if m is mesh else m for m in scene.meshes)
    later = Names(replace(scene, meshes=meshes))
    np.testing.assert_array_equal(later.look(one), names.look(one))
    assert not np.array_equal(later.shape(one), names.shape(one))


def test_a_picture_that_changed_is_another_look() -> None:
    scene = small_scene()
    textures = tuple(replace(t, pixels=np.zeros_like(t.pixels)) for t in scene.textures)
    later = replace(scene, textures=textures)
    looks = [[tuple(Names(s).look(one)) for one in s.instances] for s in (scene, later)]
    assert looks[0] != looks[1]


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
