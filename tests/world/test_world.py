# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds as folders: what comes back, and what a damaged one says."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

from backend.conditioning.anchors.lifting import lift
from backend.shared import world_writer
from backend.shared.anchors import Anchors
from backend.shared.errors import WorldError, WorldFMError
from backend.shared.frame import MemoryFrame
from backend.shared.moment import Moment
from backend.shared.tree_codec import same_tree
from backend.shared.world import World
from backend.shared.world_folder import (
    file_of,
    load_anchors,
    load_frame,
    load_world,
    save_world,
    world_hash,
)
from tests.scenes.world_room import photograph, room_camera
from tests.shared.scenes import small_scene


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
    save_world(room, tmp_path / "w")
    back = load_world(tmp_path / "w")
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
    assert world_hash(back) == world_hash(room)


def test_an_empty_world_is_a_world(tmp_path: Path) -> None:
    save_world(World(Anchors.empty(), []), tmp_path / "w")
    back = load_world(tmp_path / "w")
    assert len(back.anchors) == 0 and back.memory == []


def test_the_content_hash_sees_every_part(room: World) -> None:
    hashes = {world_hash(room)}
    anchors, frame = room.anchors, room.memory[0]
    hashes.add(
        world_hash(World(Anchors(anchors.xyz + 1, anchors.rgb, anchors.radius), room.memory))
    )
    hashes.add(world_hash(World(anchors, room.memory[:1])))
    hashes.add(world_hash(World(anchors, room.memory[::-1])))
    moved = room_camera((0, -2, 0), size=(48, 32))
    other = MemoryFrame(frame.id, frame.name, moved, frame.rgb, frame.depth)
    hashes.add(world_hash(World(anchors, [other, room.memory[1]])))
    assert len(hashes) == 5
    assert world_hash(World(anchors, room.memory, 99)) in hashes


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_saving_again_replaces_the_worlds_own_files_and_no_other(
    room: World, tmp_path: Path
) -> None:
    folder = tmp_path / "w"
    save_world(room, folder)
    for name in ("notes.txt", "memory/mine.png", "memory/0007.png"):
        (folder / name).write_text("mine")
    with pytest.raises(WorldError, match="holds a world already; tick Replace"):
        save_world(World(room.anchors, [], 8), folder)
    for revision in (8, 9, 10):
        save_world(World(room.anchors, room.memory[:1], revision), folder, overwrite=True)
        assert load_world(folder).revision == revision
        listed = json.loads((folder / "world.json").read_text())["files"]
        mine = ["memory/0007.png", "memory/mine.png", "notes.txt"]
        assert files_in(folder) == sorted([*mine, "world.json", *listed])
    assert (folder / "notes.txt").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_further_files_of_a_world_go_with_it(room: World, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    save_world(room, folder, more={"blockout.npz": lambda path: path.write_bytes(b"first")})
    assert (folder / "blockout.npz").read_bytes() == b"first"
    second = {"blockout.npz": lambda path: path.write_bytes(b"second")}
    save_world(room, folder, overwrite=True, more=second)
    assert file_of(folder, "blockout.npz").read_bytes() == b"second"
    save_world(room, folder, overwrite=True)
    assert file_of(folder, "blockout.npz") is None
    assert not list(folder.glob("blockout*"))


@pytest.mark.parametrize("again", [False, True])
def test_a_full_disk_leaves_what_was_there(
    room: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    folder = tmp_path / "w"
    if again:
        save_world(room, folder)
    before = files_in(tmp_path)

    def full(path: Path, _arrays: Any) -> None:
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(world_writer, "write_safetensors", full)
    with pytest.raises(WorldFMError, match=r"could not be written \(No space left.*free some"):
        save_world(World(room.anchors, room.memory, 8), folder, overwrite=True)
    assert files_in(tmp_path) == before
    if again:
        assert load_world(folder).revision == 7


def test_everything_a_scene_has_comes_back(room: World, tmp_path: Path) -> None:
    bright = np.linspace(0, 60, 32 * 48 * 3).astype(np.float16).reshape(32, 48, 3)
    lit = MemoryFrame("c", "lit", room.memory[0].camera, radiance=bright)
    world = World(room.anchors, [*room.memory, lit], 7, {"source": "x"}, small_scene())
    save_world(world, tmp_path / "w")
    assert same_tree(load_world(tmp_path / "w"), world)
    assert not (tmp_path / "w" / "memory" / "0002.png").exists()
    assert same_tree(load_frame(tmp_path / "w", "c"), lit)
    assert same_tree(load_anchors(tmp_path / "w"), room.anchors)
    other = World(room.anchors, [lit], 8, {}, small_scene(seed=1))
    save_world(other, tmp_path / "w", overwrite=True)
    assert same_tree(load_world(tmp_path / "w"), other)


def test_what_frames_keep_of_their_scene_comes_back(room: World, tmp_path: Path) -> None:
    scene = small_scene()
    moment = Moment.of(scene, {one.key for one in scene.instances})
    frames = [frame.seen_at(moment) for frame in room.memory]
    world = World(room.anchors, frames, 7, {}, scene)
    save_world(world, tmp_path / "w")
    back = load_world(tmp_path / "w")
    assert same_tree(back, world) and world_hash(back) == world_hash(world)
    assert same_tree(load_frame(tmp_path / "w", "a"), frames[0])
    assert moment.background is not None and len(list((tmp_path / "w").glob("moments*"))) == 1
    path = tmp_path / "w" / "moments.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(WorldError, match=r"moments.safetensors' is damaged"):
        load_world(tmp_path / "w")
    path.write_bytes(whole)
    _edit(tmp_path / "w", lambda d: d["memory"][0]["moment"]["lamps"][0].update(kind="TORCH"))
    with pytest.raises(WorldError, match="lamp 'key' is of an unknown kind"):
        load_world(tmp_path / "w")
    _edit(tmp_path / "w", lambda d: d["memory"][0]["moment"].update(keys="../x#a"))
    with pytest.raises(WorldError, match="outside"):
        load_world(tmp_path / "w")


def test_a_damaged_scene_is_named_in_one_sentence(room: World, tmp_path: Path) -> None:
    save_world(World(room.anchors, [], 7, {}, small_scene()), tmp_path / "w")
    path = tmp_path / "w" / "scene.safetensors"
    whole = path.read_bytes()
    for damage in (whole[:-5], whole[:50], b"", b"\xff" * 100):
        path.write_bytes(damage)
        with pytest.raises(WorldError, match="damaged"):
            load_world(tmp_path / "w")
    path.write_bytes(whole)
    _edit(tmp_path / "w", lambda d: d["scene"]["instances"][0].update(mesh=5))
    with pytest.raises(WorldError, match="'cube' has a mesh that does not exist"):
        load_world(tmp_path / "w")


def write_version_1(world: World, folder: Path) -> None:
    """As the first version did, its pictures by another program."""
    (folder / "memory").mkdir(parents=True)
    entries = []
    for i, frame in enumerate(world.memory):
        image, depth = f"memory/{i:04d}.png", f"memory/{i:04d}.depth.npy"
        Image.fromarray(frame.rgb).save(folder / image)
        if frame.depth is not None:
            np.save(folder / depth, frame.depth)
        entries.append({"id": frame.id, "name": frame.name, "enabled": frame.enabled,
                        "image": image, "depth": None if frame.depth is None else depth,
                        "camera": frame.camera.to_json()})  # fmt: skip
    anchors = {name: getattr(world.anchors, name) for name in ("xyz", "rgb", "radius")}
    safetensors.numpy.save_file(anchors, folder / "anchors.safetensors")
    manifest = {"format": "worldfm-world", "version": 1, "revision": world.revision,
                "units": "metres", "up": "Z", "whole": world.anchors.whole,
                "provenance": world.provenance, "memory": entries}  # fmt: skip
    (folder / "world.json").write_text(json.dumps(manifest))


def test_worlds_of_the_first_version_open_and_can_be_replaced(room: World, tmp_path: Path) -> None:
    folder = tmp_path / "w"
    write_version_1(room, folder)
    (folder / "cameras.json").write_text("mine")
    assert same_tree(load_world(folder), room)
    assert same_tree(load_frame(folder, "b"), room.memory[1])
    save_world(World(room.anchors, room.memory[1:], 8), folder, overwrite=True)
    assert load_world(folder).revision == 8 and len(load_world(folder).memory) == 1
    assert (folder / "cameras.json").read_text() == "mine"
    assert len(files_in(folder)) == 4


def test_other_programs_read_the_points(room: World, tmp_path: Path) -> None:
    save_world(room, tmp_path / "w")
    arrays = safetensors.numpy.load_file(tmp_path / "w" / "anchors.safetensors")
    np.testing.assert_array_equal(arrays["xyz"], room.anchors.xyz)
    with Image.open(tmp_path / "w" / "memory" / "0000.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), room.memory[0].rgb)


def test_a_folder_with_other_things_is_not_replaced(room: World, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(WorldError, match="is not a world; choose"):
        save_world(room, tmp_path)
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
        (
            lambda f: _edit(f, lambda d: d["memory"][0]["camera"].update(size=[9, 9])),
            "instead of",
        ),
        (lambda f: _edit(f, lambda d: d["memory"][1].update(id="a")), "same id"),
        (lambda f: _edit(f, lambda d: d["memory"][0].update(rgb="../../x.png")), "outside"),
        (lambda f: _edit(f, lambda d: d["memory"][0].update(rgb="/etc/hosts")), "outside"),
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
    save_world(room, tmp_path / "w")
    damage(tmp_path / "w")
    with pytest.raises(WorldError, match=says) as caught:
        load_world(tmp_path / "w")
    assert "\n" not in str(caught.value)


def test_a_truncated_anchors_file_is_noticed(room: World, tmp_path: Path) -> None:
    save_world(room, tmp_path / "w")
    path = tmp_path / "w" / "anchors.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WorldError, match="damaged"):
        load_world(tmp_path / "w")


def test_pickled_depth_is_refused(room: World, tmp_path: Path) -> None:
    save_world(room, tmp_path / "w")
    np.save(tmp_path / "w/memory/0000.depth.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(WorldError, match="depth of memory"):
        load_world(tmp_path / "w")
