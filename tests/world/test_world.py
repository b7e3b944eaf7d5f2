# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds as folders: what comes back, and what a damaged one says."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.conditioning.anchors.lifting import lift
from backend.shared.anchors import Anchors
from backend.shared.errors import WorldError, WorldFMError
from backend.shared.frame import MemoryFrame
from backend.world import world as module
from backend.world.world import World
from tests.scenes.world_room import photograph, room_camera


@pytest.fixture
def room() -> World:
    seen = photograph(room_camera(size=(48, 32)), "a")
    blind = MemoryFrame("b", "späte Ansicht", seen.camera, 255 - seen.rgb, None, enabled=False)
    return World(lift(seen), [seen, blind], 7, {"source": "test", "scene": "Zimmer"})


def _edit(folder: Path, change: Any) -> None:
    data = json.loads((folder / "world.json").read_text())
    change(data)
    (folder / "world.json").write_text(json.dumps(data))


def test_what_is_saved_comes_back_bit_for_bit(room: World, tmp_path: Path) -> None:
    room.save(tmp_path / "w")
    back = World.load(tmp_path / "w")
    assert back.revision == 7 and back.provenance == room.provenance
    for name in ("xyz", "rgb", "radius"):
        np.testing.assert_array_equal(getattr(back.anchors, name), getattr(room.anchors, name))
    for mine, theirs in zip(room.memory, back.memory, strict=True):
        assert (mine.id, mine.name, mine.enabled) == (theirs.id, theirs.name, theirs.enabled)
        np.testing.assert_array_equal(mine.rgb, theirs.rgb)
        np.testing.assert_array_equal(mine.camera.c2w, theirs.camera.c2w)
        np.testing.assert_array_equal(mine.camera.K, theirs.camera.K)
    np.testing.assert_array_equal(back.memory[0].depth, room.memory[0].depth)
    assert back.memory[1].depth is None
    assert back.content_hash() == room.content_hash()


def test_an_empty_world_is_a_world(tmp_path: Path) -> None:
    World(Anchors.empty(), []).save(tmp_path / "w")
    back = World.load(tmp_path / "w")
    assert len(back.anchors) == 0 and back.memory == []


def test_the_content_hash_sees_every_part(room: World) -> None:
    hashes = {room.content_hash()}
    anchors, frame = room.anchors, room.memory[0]
    hashes.add(
        World(Anchors(anchors.xyz + 1, anchors.rgb, anchors.radius), room.memory).content_hash()
    )
    hashes.add(World(anchors, room.memory[:1]).content_hash())
    hashes.add(World(anchors, room.memory[::-1]).content_hash())
    moved = room_camera((0, -2, 0), size=(48, 32))
    other = MemoryFrame(frame.id, frame.name, moved, frame.rgb, frame.depth)
    hashes.add(World(anchors, [other, room.memory[1]]).content_hash())
    assert len(hashes) == 5
    assert World(anchors, room.memory, 99).content_hash() in hashes


def test_saving_again_replaces_and_leaves_nothing_behind(room: World, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    room.save(folder)
    World(room.anchors, room.memory[:1], 8).save(folder)
    assert World.load(folder).revision == 8
    assert not (folder / "memory" / "0001.png").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_a_worlds_folder_keeps_what_is_not_the_worlds(room: World, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    more = {"blockout.npz": lambda path: path.write_bytes(b"meshes")}
    room.save(folder, more)
    theirs = ["notes.txt", "cameras.json", "frames/0000.png", "memory/0000.png.bak"]
    for name in theirs:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    World(room.anchors, room.memory[:1], 8).save(folder)
    World(room.anchors, room.memory[:1], 9).save(folder)
    back = World.load(folder)
    assert back.revision == 9 and np.array_equal(back.memory[0].rgb, room.memory[0].rgb)
    for name in theirs:
        assert (folder / name).read_text() == name
    assert sum(path.is_file() for path in folder.rglob("*")) == len(theirs) + 4


def test_a_full_disk_keeps_the_previous_world(
    room: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "w"
    room.save(folder)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_safetensors", full)
    with pytest.raises(WorldFMError, match=r"could not be written \(No space left.*free some"):
        World(room.anchors, [], 8).save(folder)
    assert World.load(folder).revision == 7
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_a_folder_with_other_things_is_not_replaced(room: World, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(WorldError, match="is not a world; choose"):
        room.save(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "world.json").unlink(), "is not a world"),
        (lambda f: (f / "world.json").write_text('{"version": 1'), "damaged"),
        (lambda f: (f / "world.json").write_text("[]"), "no version"),
        (lambda f: _edit(f, lambda d: d.update(version=99)), "newer version.*update WorldFM"),
        (lambda f: _edit(f, lambda d: d.pop("memory")), "damaged.*memory"),
        (lambda f: _edit(f, lambda d: d.update(memory=3)), "damaged"),
        (lambda f: _edit(f, lambda d: d["memory"][0].pop("camera")), "damaged.*camera"),
        (lambda f: _edit(f, lambda d: d["memory"][0]["camera"].update(size=[9, 9])), "resize"),
        (lambda f: _edit(f, lambda d: d["memory"][1].update(id="a")), "same id"),
        (lambda f: _edit(f, lambda d: d["memory"][0].update(image="../../x.png")), "outside"),
        (lambda f: _edit(f, lambda d: d["memory"][0].update(image="/etc/hosts")), "outside"),
        (lambda f: _edit(f, lambda d: d["memory"][0].update(depth="../x.npy")), "outside"),
        (lambda f: (f / "anchors.safetensors").unlink(), "anchors.safetensors' is missing"),
        (lambda f: (f / "anchors.safetensors").write_bytes(b"x" * 100), "damaged"),
        (lambda f: (f / "memory/0000.png").unlink(), "picture of memory frame 'a' is missing"),
        (lambda f: (f / "memory/0000.png").write_bytes(b"no picture"), "cannot be decoded"),
        (lambda f: (f / "memory/0000.png").write_bytes(b""), "cannot be decoded"),
        (lambda f: (f / "memory/0000.depth.npy").write_bytes(b"no"), "depth of memory.*damaged"),
        (lambda f: (f / "memory/0000.depth.npy").unlink(), "depth of memory.*missing"),
    ],
)
def test_damage_is_named_in_one_sentence(
    room: World, tmp_path: Path, damage: Any, says: str
) -> None:
    room.save(tmp_path / "w")
    damage(tmp_path / "w")
    with pytest.raises(WorldError, match=says) as caught:
        World.load(tmp_path / "w")
    assert "\n" not in str(caught.value)


def test_a_truncated_anchors_file_is_noticed(room: World, tmp_path: Path) -> None:
    room.save(tmp_path / "w")
    path = tmp_path / "w" / "anchors.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WorldError, match="damaged"):
        World.load(tmp_path / "w")


def test_pickled_depth_is_refused(room: World, tmp_path: Path) -> None:
    room.save(tmp_path / "w")
    np.save(tmp_path / "w/memory/0000.depth.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(WorldError, match="depth of memory"):
        World.load(tmp_path / "w")


def test_older_versions_are_brought_up_step_by_step(
    room: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.save(tmp_path / "w")
    monkeypatch.setattr(module, "VERSION", 3)
    monkeypatch.setattr(
        module,
        "_UPGRADES",
        {
            1: lambda d: {**d, "version": 2, "revision": d["revision"] + 1},
            2: lambda d: {**d, "version": 3, "revision": d["revision"] * 10},
        },
    )
    assert World.load(tmp_path / "w").revision == 80
