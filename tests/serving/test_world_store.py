# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds by content: shared arrays and objects, what travels after a change, what is let go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.client.snapshot import Snapshot
from backend.serving.world_store import MAX_WORLDS, StoredWorld, WorldStore
from backend.shared.errors import BackendError, WorldError
from backend.shared.messages import PutArray
from backend.shared.scene import Scene
from backend.shared.world import World
from tests.client.conftest import anchors, memory
from tests.shared.scenes import small_scene


def put(store: WorldStore, snapshot: Snapshot) -> tuple[StoredWorld, tuple[str, ...]]:
    """What was sent by content: (the world, the arrays that travelled)."""
    names = store.put(snapshot.manifest())
    for name in names:
        store.add(PutArray(name, snapshot.array(name)))
    stored = store.get(snapshot.wire_key, snapshot.revision)
    assert stored is not None
    return stored, names


def test_the_store_shares_arrays_and_lets_the_oldest_world_go() -> None:
    store, points = WorldStore(), anchors(10)
    first = Snapshot("w", World(points, [memory(1)], 1))
    names = store.put(first.manifest())
    assert len(names) == 6 and store.get(first.wire_key, 1) is None
    for name in names:
        store.add(PutArray(name, first.array(name)))
    world = store.get(first.wire_key, 1)
    assert world is not None and store.get(first.wire_key, 2) is None
    assert store.get(first.wire_key, 1) is world  # the same object: prepared once
    before = world.assemble()
    second = Snapshot("w", World(points, [memory(1), memory(2)], 2))
    newer, names = put(store, second)
    assert len(names) == 2  # the new picture, for the depths are equal, and what names it
    assert newer.assemble().memory[0] is before.memory[0]
    for number in range(MAX_WORLDS):
        store.put(Snapshot(str(number), World(points, [], 1)).manifest())
    assert store.get(first.wire_key, 1) is None
    assert np.array_equal(world.assemble().memory[0].rgb, memory(1).rgb)  # still whole
    with pytest.raises(BackendError, match="damaged"):
        store.add(PutArray(names[0], np.zeros(3, np.float32)))


def _changed(scene: Scene, name: str, number: int, **changes: object) -> Scene:
    """The scene with one item of one of its lists changed."""
    items = list(getattr(scene, name))
    items[number] = replace(items[number], **changes)
    return replace(scene, **{name: tuple(items)})


def test_only_what_changed_travels_and_the_rest_stays_the_same_object() -> None:
    store, scene = WorldStore(), small_scene()
    first = put(store, Snapshot("w", World(anchors(5), [], 1, {}, scene)))[0].assemble()
    moved = np.eye(4)
    moved[:3, 3] = 1, 2, 3
    vertices = scene.meshes[1].vertices + np.float32(1)
    changes = {
        "instances": ({"matrix": moved}, 1),
        "lamps": ({"power": (9.0, 9.0, 9.0)}, 1),
        "meshes": ({"vertices": vertices}, 2),
    }
    for name, (change, travels) in changes.items():
        changed = _changed(scene, name, len(getattr(scene, name)) - 1, **change)
        later, names = put(store, Snapshot("w", World(anchors(5), [], 2, {}, changed)))
        assert len(names) == travels, name
        assert later.assemble().scene.meshes[0] is first.scene.meshes[0]
        assert later.assemble().scene.textures[0] is first.scene.textures[0]
        assert later.assemble().scene.materials[0] is first.scene.materials[0]
        assert later.assemble().scene.background is first.scene.background
    assert later.assemble().scene.meshes[1] is not first.scene.meshes[1]


def test_a_world_that_cannot_be_used_says_why_when_it_is_assembled() -> None:
    scene = _changed(small_scene(), "instances", 0, mesh=7)
    stored, _ = put(WorldStore(), Snapshot("w", World(anchors(5), [], 1, {}, scene)))
    with pytest.raises(WorldError, match="the object 'cube' has a mesh that does not exist"):
        stored.assemble()


def test_content_that_is_no_world_is_refused_in_one_sentence() -> None:
    store, snapshot = WorldStore(), Snapshot("w", World(anchors(5), [], 1))
    manifest = snapshot.manifest()
    for content in (b"", b"[]", b"{}", b'{"anchors": {}}', b"[" * 100_000, b'{"anchors":NaN}'):
        array = np.frombuffer(content, np.uint8)
        name = PutArray("", array)
        from backend.shared.content import content_hash

        bad = replace(manifest, key=str(content), content=content_hash(array))
        store.put(bad)
        for one in (*manifest.arrays, bad.content):
            store.add(PutArray(one, name.array if one == bad.content else snapshot.array(one)))
        stored = store.get(bad.key, 1)
        assert stored is not None
        with pytest.raises(WorldError, match="arrived damaged"):
            stored.assemble()
