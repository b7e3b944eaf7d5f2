# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from elsewhere inside Blender: points, folders, photo matches, kept frames, textures."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from backend.conditioning.anchors.splat_renderer import SplatCloud, rotation_matrices
from backend.data.nerfstudio import write_dataset
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import MemoryFrame
from backend.shared.trust import Trust
from backend.shared.world import World
from backend.shared.world_folder import save_world
from backend.world.bake_splats import export_splats
from backend.world.exporters import export_meta, export_ply
from tests.scenes.grounded_room import capture
from tests.scenes.world_room import trace
from tests.world.test_import_panorama import room_panorama
from tests.world.test_photo_distortion import bent_picture

SIZE = (300, 200)


def fspy_project(camera: Camera) -> bytes:
    state = {
        "cameraParameters": {
            "principalPoint": {"x": 0.1, "y": -0.05},
            "horizontalFieldOfView": 2 * math.atan(SIZE[0] / 2 / camera.K[0, 0]),
            "cameraTransform": {"rows": camera.c2w_opengl().tolist()},
            "imageWidth": SIZE[0],
            "imageHeight": SIZE[1],
        }
    }
    text = json.dumps(state).encode()
    return struct.pack("<4sIII", b"fspy", 1, len(text), 0) + text


def lines_of(camera: Camera) -> list[list[float]]:
    """Two lines along x and two along y, in parts of the photo."""
    found = []
    for axis in (0, 1):
        for z in (-0.5, 0.9):
            start = np.array([-0.4, 0.2, z])
            end = start + np.eye(3)[axis]
            uv, _ = camera.project(np.stack([start, end]))
            found.append([axis, *(uv / SIZE).ravel().tolist()])
    return found


def splats_of(anchors: Anchors) -> Anchors:
    """Ellipsoids in place of points, each turned and as dense as it likes."""
    rng = np.random.default_rng(1)
    quaternions = rng.normal(size=(len(anchors), 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    scale = np.tile([[0.3, 0.2, 0.1]], (len(anchors), 1))
    shape = np.concatenate([scale, quaternions, rng.uniform(0.2, 0.9, (len(anchors), 1))], axis=1)
    harmonics = rng.integers(-40, 41, (len(anchors), 16, 3)).astype(np.int8)
    harmonics[:, 0] = 0
    return Anchors(anchors.xyz, anchors.rgb, anchors.radius, splats=shape.astype(np.float32),
                   harmonics=harmonics)  # fmt: skip


def seen_from(rows: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Colours of splats as a script inside Blender told of them."""
    xyz, rgb, shape, harmonics = np.split(rows, [3, 6, 14], axis=1)
    cloud = SplatCloud(Anchors(xyz, rgb, np.ones(len(rows)), splats=shape,
                               harmonics=harmonics.reshape(-1, 16, 3)))  # fmt: skip
    return cloud.colours(np.arange(len(rows)), place)


def rotations(rows: np.ndarray) -> np.ndarray:
    return rotation_matrices(rows[:, 9:13])


@pytest.fixture(scope="module")
def folder(shared_blender, tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    anchors = Anchors(
        rng.uniform(-1, 1, (50, 3)).astype(np.float32),
        rng.integers(0, 256, (50, 3), dtype=np.uint8),
        np.full(50, 0.02, np.float32),
    )
    export_ply(anchors, made / "cloud.ply")
    camera = Camera(intrinsics(1.0, 8, 6), look_at(np.array([0, -3, 1.0]), np.zeros(3)), 8, 6)
    picture = np.full((6, 8, 3), (10, 120, 230), np.uint8)
    depth = np.full((6, 8), 2.5, np.float32)
    trust = Trust(0.4, (21.0, 17.0)).record()
    memory = [MemoryFrame("a", "a", camera, picture, depth)]
    save_world(World(anchors, memory, 1, trust), made / "world")
    photo = Camera(intrinsics(1.0, *SIZE), look_at(np.array([-3, -4, 1.8]), np.zeros(3)), *SIZE)
    (made / "project.fspy").write_bytes(fspy_project(photo))
    view = Camera(intrinsics(1.2, 240, 160), look_at(np.array([0, -3, 0.2]), np.zeros(3)), 240, 160)
    Image.fromarray(trace(view)[0]).save(made / "room.png")
    Image.fromarray(bent_picture(-0.12)).save(made / "bent.png")
    export_splats(splats_of(anchors.only(np.arange(5))), [], made / "splats.ply")
    trimesh.creation.box((1, 1, 1)).export(made / "mesh.ply")
    (made / "lines.json").write_text(json.dumps(lines_of(photo)))
    return made, anchors, photo


@pytest.fixture(scope="module")
def found(shared_blender, folder):
    return shared_blender("worlds.py", folder[0])


def test_points_come_through_the_backend_and_the_file_as_they_are(found, folder):
    anchors = folder[1]
    assert np.allclose(found["points"], anchors.xyz, atol=1e-6)
    assert np.array_equal(found["colours"], anchors.rgb)
    assert found["moved"] == pytest.approx(2.0, abs=1e-5)
    assert found["revision_changed"] and found["same_after_load"]


def test_points_are_drawn_at_once(found, folder):
    anchors = folder[1]
    alone, both = ["cloud Points"], ["Twin", "cloud Points"]
    assert found["drawn"] == [alone, both, alone]
    places, colours = map(np.array, found["dots"])
    assert np.allclose(places, anchors.xyz, atol=1e-6)
    assert np.allclose(colours[:, :3] * 255, anchors.rgb, atol=0.5)
    assert found["fewer dots"] == 17  # every third


def test_memory_and_trust_of_a_world_come_with_it(found):
    assert found["memory_mean"] == [10, 120, 230] and found["memory_depth"] == 2.5
    assert found["trust"] == Trust(0.4, (19.0,)).sentences()


def test_worlds_that_cannot_be_read_are_one_sentence(found):
    assert "not a world" in found["damaged"]
    assert "does not exist" in found["no_ply"]


@pytest.fixture
def true_splats(folder):
    """(5, 62) in the order of their places: place, colour, shape, harmonics."""
    splats = splats_of(folder[1].only(np.arange(5)))
    columns = [splats.xyz, splats.rgb, splats.splats, splats.harmonics.reshape(len(splats), -1)]
    truth = np.concatenate(columns, axis=1)
    return truth[np.lexsort(truth[:, 2::-1].T)]


def test_splats_keep_shape_colour_and_opacity(found, true_splats):
    truth, given = true_splats, np.array(found["splats"])
    assert np.allclose(
        given[:, [0, 1, 2, 6, 7, 8, 13]], truth[:, [0, 1, 2, 6, 7, 8, 13]], atol=1e-4
    )
    assert np.abs(given[:, 3:6] - truth[:, 3:6]).max() <= 1
    assert np.allclose(rotations(given), rotations(truth), atol=1e-4)
    place = np.array([0.5, -4.0, 1.0])
    colours = seen_from(truth, place)
    assert np.abs(seen_from(given, place) - colours).max() < 0.03  # steps of 1/127, rounded twice
    assert found["first degree"] == 4
    assert "is a mesh; use File > Import" in found["mesh"]


def test_splats_turn_and_grow_with_their_object(found, true_splats):
    truth, moved = true_splats, np.array(found["turned splats"])
    quarter = np.array([[0, -1.0, 0], [1, 0, 0], [0, 0, 1]])
    places = 2 * truth[:, :3] @ quarter.T
    order = np.lexsort(places[:, ::-1].T)
    assert np.allclose(moved[:, :3], places[order], atol=1e-4)
    assert np.allclose(moved[:, 6:9], 2 * truth[:, 6:9], atol=1e-4)
    assert np.allclose(rotations(moved), quarter @ rotations(truth)[order], atol=1e-4)
    place = np.array([0.5, -4.0, 1.0])
    colours = seen_from(truth, place)
    assert np.abs(seen_from(moved, 2 * quarter @ place) - colours[order]).max() < 0.04


def test_blenders_own_splats_are_read(found, true_splats):
    if found["native splats"] is None:
        pytest.skip("Blender has splats of its own from 5.3 on")
    truth, native = true_splats, np.array(found["native splats"])
    assert np.allclose(native[:, [0, 1, 2, 13]], truth[:, [0, 1, 2, 13]], atol=1e-4)
    assert np.allclose(native[:, 6:9], truth[:, 6:9], rtol=1e-3)
    assert np.abs(native[:, 3:6] - truth[:, 3:6]).max() <= 2
    assert np.allclose(rotations(native), rotations(truth), atol=1e-3)
    place = np.array([0.5, -4.0, 1.0])
    assert np.abs(seen_from(native, place) - seen_from(truth, place)).max() < 0.03


def test_an_fspy_project_becomes_its_camera(found, folder):
    photo = folder[2]
    fspy = found["fspy"]
    assert fspy["size"] == list(SIZE)
    assert fspy["K"][0][0] == pytest.approx(photo.K[0, 0], rel=1e-5)
    assert fspy["K"][0][2] == pytest.approx(150 + 0.1 * 150, rel=1e-5)
    assert fspy["K"][1][2] == pytest.approx(100 + 0.05 * 150, rel=1e-5)
    assert np.allclose(fspy["c2w"], photo.c2w, atol=1e-5)


def test_lines_of_a_photo_become_its_camera(found, folder):
    photo = folder[2]
    solved = found["solved"]
    assert solved["K"][0][0] == pytest.approx(photo.K[0, 0], rel=1e-3)
    assert np.allclose(np.array(solved["c2w"])[2, :3], photo.c2w[2, :3], atol=1e-3)
    assert np.allclose(np.array(solved["c2w"])[:3, 3], photo.position, atol=1e-5)
    assert max(found["agreeing"]) < 1e-4, "handles begin where the camera is not"
    assert found["size"] == [300, 200]


def test_lines_that_tell_no_camera_are_a_sentence(found):
    assert found["untouched"]
    assert "matched to a photo" in found["unmatched"]
    assert "JSON list" in found["bad_lines"]


def test_kept_frames_grow_the_world(found):
    # the new third continues the known wall 4 m in front of the camera
    assert "Depth of Field" in found["blurred"]
    assert found["kept"] == found["kept_twice"] == 1
    assert found["new_points"] == 24 * 48
    assert found["new_depth"] == pytest.approx([0, 0], abs=0.5)
    assert found["live"] == [[64, 48], [200, 40, 90]]


def test_memory_is_baked_into_textures(found):
    assert found["baked"] == [200, 40, 90]
    assert found["packed"]
    # the old slot (here an empty one) stays; every face shows the new one
    assert found["materials"] == [[None, "Plane WorldFM"], [1], ["WorldFM Material Before"]]
    slots, red = found["unseen"]
    assert slots == 2 and red > 200  # sides that no frame saw have their base colour


def test_a_photo_becomes_points_a_blockout_and_a_camera(found):
    # everything in one collection
    assert {"room Camera", "room Points"} <= set(found["photo_objects"])
    assert len(found["photo_objects"]) > 2
    blockout = set(found["photo_objects"]) - {"room Camera", "room Points"}
    assert set(found["photo_hidden"]) == blockout


def test_a_photo_that_its_lens_bent_is_shown_straight(found):
    assert found["bent"] == pytest.approx(-0.12, rel=0.1)
    assert found["bent_picture"] == [True, 640, 480]
    assert found["bent_apart"] < 0.01, "its world remembers what stands behind its camera"
    assert found["bent_texture"] == ["bent Straight.001"]
    assert found["bent_lie"] == 0.0


def test_a_photos_world_has_its_memory_and_the_height_that_was_typed_in(found):
    assert found["photo_camera"]["size"] == [240, 160]
    assert found["photo_place"][2] == pytest.approx(2.4, rel=1e-5)  # 1.2 m in units of 0.5 m
    assert found["photo_memory"] == 1
    assert 20_000 < found["photo_anchors"] <= 240 * 160
    assert found["second_height"] == pytest.approx(4.8, rel=1e-5)
    assert "does not exist" in found["no_photo"]


def test_a_photo_is_shown_at_once_and_stays_shown(found):
    assert found["photo_shown"] == ["WORLDFM", "room Camera", 240, 160, False]
    assert found["photo_edge"] < 0.1, "overlays draw points without any edge as black dots"
    assert found["still_shown"] == found["photo_shown"]


def test_a_photo_in_a_scene_in_use_puts_it_aside(found):
    aside = found["aside"]
    before, after = aside["before"], aside["after"]
    assert before["seen"] == ["Cube", "world Points"] and before["memory"] == [True]
    assert {"room Camera", "room Points"} < set(after["seen"])
    assert not {"Cube", "Unused", "world Points"} & set(after["seen"])
    assert after["memory"] == [False, True] and after["render"] == ["WORLDFM", 240]


def test_what_a_photo_put_aside_comes_back(found):
    aside = found["aside"]
    before, after = aside["before"], aside["after"]
    assert set(aside["back"]["seen"]) == set(before["seen"]) | set(after["seen"])
    assert after["objects"] == aside["back"]["objects"] > before["objects"] == 3
    assert aside["undone"] == before


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    made = tmp_path_factory.mktemp("made")
    Image.fromarray(room_panorama(256)[0]).save(made / "room.png")
    frames = capture(2)
    write_dataset(made / "capture", frames)
    listing = made / "capture" / "transforms.json"
    listed = json.loads(listing.read_text())
    listed["frames"].append({**listed["frames"][0], "file_path": "gone.png"})
    listing.write_text(json.dumps(listed))
    photo = MemoryFrame("p", "p", frames[0].camera, frames[0].rgb, frames[0].depth)
    export_meta(photo, [frame.camera for frame in frames], made / "meta", "room")
    rng = np.random.default_rng(0)
    count = 100_000
    anchors = Anchors(
        rng.uniform(-1, 1, (count, 3)).astype(np.float32),
        rng.integers(0, 256, (count, 3), dtype=np.uint8),
        np.full(count, 0.02, np.float32),
    )
    save_world(World(anchors, [photo], 1), made / "large")
    return made


@pytest.fixture(scope="module")
def sourced(shared_blender, sources):
    return shared_blender("sources.py", sources)


def test_a_panorama_becomes_points_and_views(sourced):
    assert 10_000 < sourced["panorama"]["points"] <= 256 * 128
    assert sourced["panorama"]["low"] == pytest.approx(0, abs=0.4)
    assert len(sourced["panorama"]["memory"]) == 6


def test_a_capture_becomes_points_and_memory(sourced):
    assert sourced["capture"]["points"] == pytest.approx(2 * 96 * 72, rel=0.1)
    assert sourced["capture"]["low"] == pytest.approx(0, abs=0.02)
    assert sourced["capture"]["memory"] == [[72, 96, 3]] * 2
    assert any("gone.png" in note for note in sourced["capture notes"]), "what was left out is kept"


def test_a_meta_file_becomes_memory_and_a_path(sourced):
    assert sourced["meta"]["memory"] == [[72, 96, 3]]
    name, place = sourced["meta_path"]
    assert name == "meta Path"
    # the second camera stands as far from the first as in the capture, 1.6 m high
    first, second = (frame.camera.position for frame in capture(2))
    assert math.dist(place, (0, 0, 1.6)) == pytest.approx(np.linalg.norm(second - first), rel=1e-4)


def test_sources_that_are_not_there_are_one_sentence_and_leave_nothing(sourced):
    assert "does not exist" in sourced["no panorama"]
    assert "does not exist" in sourced["no capture"] and "does not exist" in sourced["no meta"]
    assert sourced["nothing left"] == 0


def test_points_of_an_unsaved_file_do_not_move(sourced):
    assert "Save this file first" in sourced["unsaved"]
    assert "Save this file first" in sourced["unsaved move"]


def test_points_move_into_a_folder_and_come_back_with_the_file(sourced):
    assert sourced["moved"] and sourced["undone"] == [True, 100_000]
    assert sourced["listed"].startswith("//scene worlds/large Points ")
    assert sourced["preview"] == 20_000
    assert sourced["images"] < 96 * 72 * 3  # a thumbnail, without depth
    assert sourced["smaller"] < 0.5
    assert sourced["loaded"] and sourced["copied"]


def test_a_folder_of_points_follows_its_file_elsewhere(sourced):
    elsewhere = sourced["elsewhere"]
    assert elsewhere["after a copy"] == elsewhere["after a failure"] == [True, True, True]
    assert "no such folder" in elsewhere["refused"] and elsewhere["relative"]
    for name in ("after Save As", "copy loaded", "scene loaded"):
        assert elsewhere[name] == [False, True, True], name


def test_points_whose_folder_is_gone_or_another_are_one_sentence(sourced):
    for name in ("missing", "too long"):
        kind, said = sourced[name]
        assert kind == "WorldError" and "is missing; put it back beside this file" in said
    assert "another world" in sourced["another"]


def test_points_that_are_found_again_are_shown_again(sourced):
    assert sourced["told"], "viewports would not read the world that was found"
    assert sourced["found"] and sourced["back"]


def test_points_are_opened_into_the_file_once(sourced):
    assert "Select the points" in sourced["twice"] or "poll" in sourced["twice"]
    assert sourced["opened"] == ["large Points_001"]  # the first is in the file


def test_a_damaged_folder_of_points_is_one_sentence(sourced):
    assert sourced["damaged"][0] == "WorldError" and "is damaged" in sourced["damaged"][1]


def test_a_file_does_not_have_windows_call_another_computer(blender):
    found = blender("shares.py")
    assert len(found["said"]) == 2
    assert all("another computer" in said for said in found["said"])
    assert found["model"] == "room" and found["none"]
    assert found["chosen"].endswith("room") and found["beside"]
