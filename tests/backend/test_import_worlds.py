# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds from photos, panoramas and captures of a room whose geometry is known exactly."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from backend.data.nerfstudio import PosedFrame, write_dataset
from backend.models.depth import DepthGuess
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.camera_path import write_camera_path
from backend.shared.errors import Cancelled, InputError
from backend.shared.frame import MemoryFrame
from backend.world.exporters import export_meta, export_transforms
from backend.world.importers.captures import world_from_dataset
from backend.world.importers.meta import read_meta, world_from_meta
from backend.world.importers.panorama import (
    look_into,
    sphere_camera,
    sphere_directions,
    world_from_panorama,
)
from backend.world.importers.photo import world_from_photo
from backend.world.importers.point_cloud import world_from_ply
from backend.world.photo.blockout import build_blockout, save_blockout

from .world_room import HALF, trace

FLOOR = float(HALF[2])  # the room's centre is the origin; its floor lies this far below


def grounded(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The room's picture and depth with its floor at z = 0."""
    c2w = camera.c2w.copy()
    c2w[2, 3] -= FLOOR
    return trace(Camera(camera.K, c2w, camera.width, camera.height))


class ExactDepth:
    """An estimator that is right, up to a scale that differs from view to view."""

    name = "exact"

    def __init__(self, wrong: float = 0.0) -> None:
        self.wrong, self.calls = wrong, 0

    def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
        self.calls += 1
        depth = grounded(camera)[1] * math.exp(self.wrong * (-1) ** self.calls)
        height = camera.position[2] + camera.rays()[..., 2] * np.where(np.isinf(depth), 0, depth)
        ground = (np.abs(height) < 0.02) & np.isfinite(depth)
        return DepthGuess(depth.astype(np.float32), ground.astype(np.float32), self.name)


def viewer(size: tuple[int, int] = (160, 120)) -> Camera:
    target = np.array([0.3, 1.0, 1.0])
    return Camera(intrinsics(1.2, *size), look_at(np.array([0.0, -3.0, 1.6]), target), *size)


def off_surface(xyz: np.ndarray) -> np.ndarray:
    """(N,) metres from the nearest wall, floor or ceiling of the room."""
    return np.abs(HALF - np.abs(xyz - [0, 0, FLOOR])).min(axis=1)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rgb, _ = grounded(viewer())
    Image.fromarray(rgb).save(tmp_path / "room.png")
    return tmp_path / "room.png"


def test_photo_to_world(photo):
    said: list[tuple[float, str]] = []
    built = world_from_photo(
        photo, 1.6, viewer(), ExactDepth(), lambda part, text: said.append((part, text))
    )
    world = built.world
    assert np.median(off_surface(world.anchors.xyz)) < 0.01
    assert abs(np.percentile(world.anchors.xyz[:, 2], 1)) < 0.05  # the floor lies at z = 0
    (frame,) = world.memory
    assert np.array_equal(frame.rgb, grounded(viewer())[0])
    assert frame.camera.position[2] == 1.6
    assert np.isinf(frame.depth).any()  # the window
    assert world.revision == 1 and world.provenance["depth"] == "exact"
    fractions = [part for part, _ in said]
    assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)


def test_the_typed_height_fits(photo):
    world = world_from_photo(photo, 3.2, viewer(), ExactDepth()).world
    assert world.memory[0].camera.position[2] == 3.2


def test_blockout_has_a_floor_walls_and_the_photos_uvs(photo):
    camera = viewer((480, 360))
    _, depth = grounded(camera)
    height = camera.position[2] + camera.rays()[..., 2] * np.where(np.isinf(depth), 0, depth)
    ground = ((np.abs(height) < 0.02) & np.isfinite(depth)).astype(np.float32)
    meshes = {m.name: m for m in build_blockout(depth, ground, camera)}
    assert "Ground" in meshes and "Wall 01" in meshes
    assert np.abs(meshes["Ground"].verts[:, 2]).max() < 0.1
    for mesh in meshes.values():
        uv, _ = camera.project(mesh.verts.astype(np.float64))
        wanted = np.stack([uv[:, 0] / 480, 1 - uv[:, 1] / 360], axis=1)
        assert np.allclose(mesh.uvs, wanted, atol=1e-3)
        assert mesh.faces.min() == 0 and mesh.faces.max() == len(mesh.verts) - 1
    wall = meshes["Wall 01"].verts
    assert min(wall[:, 0].std(), wall[:, 1].std()) < 0.02  # flat along one of the axes
    total = sum(len(m.faces) for m in meshes.values())
    assert total > 5000  # nearly all of the picture's 96 x 72 cells, two triangles each


def test_blockout_faces_look_at_the_camera(tmp_path):
    camera = viewer()
    _, depth = grounded(camera)
    meshes = build_blockout(depth, np.zeros_like(depth), camera)
    for mesh in meshes:
        a, b, c = (mesh.verts[mesh.faces[:, i]] for i in range(3))
        toward = (np.cross(b - a, c - a) * (camera.position - a)).sum(axis=1)
        assert (toward > 0).mean() > 0.95
    save_blockout(meshes, tmp_path / "b.npz")
    with np.load(tmp_path / "b.npz", allow_pickle=False) as data:
        assert data["names"].tolist() == [m.name for m in meshes]
        assert np.array_equal(data["faces0"], meshes[0].faces)


def test_cancel_stops_at_once(photo):
    def stop(part: float, text: str) -> None:
        if part > 0.3:
            raise Cancelled("The work was stopped.")

    with pytest.raises(Cancelled):
        world_from_photo(photo, 1.6, viewer(), ExactDepth(), stop)


@pytest.mark.parametrize("height", [0.0, -1.0, float("nan"), float("inf")])
def test_heights_that_cannot_be(photo, height):
    with pytest.raises(InputError, match="more than 0"):
        world_from_photo(photo, height, viewer(), ExactDepth())


def test_a_camera_of_another_shape_is_refused(photo):
    with pytest.raises(InputError, match="match this photo's own camera"):
        world_from_photo(photo, 1.6, viewer((160, 90)), ExactDepth())


def test_a_photo_of_nothing_but_sky(photo):
    class Sky(ExactDepth):
        def estimate(self, rgb: np.ndarray, camera: Camera) -> DepthGuess:
            shape = rgb.shape[:2]
            return DepthGuess(np.full(shape, np.inf, np.float32), np.zeros(shape), "sky")

    with pytest.raises(InputError, match="nothing but sky"):
        world_from_photo(photo, 1.6, viewer(), Sky())


def test_a_photo_without_lines_or_exif_is_taken_with_a_usual_lens(tmp_path):
    noise = np.random.default_rng(0).normal(0, 1, (96, 128)).astype(np.float32)
    clouds = np.clip(127 + 900 * cv2.GaussianBlur(noise, (0, 0), 9), 0, 255).astype(np.uint8)
    assert clouds.std() > 15
    Image.fromarray(clouds).save(tmp_path / "fog.png")
    built = world_from_photo(tmp_path / "fog.png", 1.6, depth=ExactDepth())
    assert any("a level" in note and "is assumed" in note for note in built.notes)
    right, forward = built.camera.c2w[:3, 0], built.camera.c2w[:3, 2]
    assert abs(right[2]) < 1e-6 and abs(forward[2]) < 1e-6
    assert built.camera.K[0, 0] == pytest.approx(built.match.focal)
    assert len(built.world.anchors)


# ---------------------------------------------------------------------------- panoramas


def room_panorama(width: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """The room around (0, 0, 1.4) and the exact distances."""
    rgb = np.zeros((width // 2, width, 3), np.uint8)
    distance = np.zeros((width // 2, width), np.float32)
    directions = sphere_directions(width, width // 2)
    for yaw, pitch in ((0, 0), (0.5, 0), (1, 0), (1.5, 0), (0, 0.5), (0, -0.5)):
        camera = sphere_camera(yaw * np.pi, pitch * np.pi, math.radians(92), 256, 1.4)
        picture, depth = grounded(camera)
        uv, z = camera.project(directions.reshape(-1, 3) + np.array([0, 0, 1.4]))
        inside = (z > 0) & (uv >= 0).all(axis=1) & (uv < 256).all(axis=1)
        x, y = uv[inside].astype(int).T
        rgb.reshape(-1, 3)[inside] = picture[y, x]
        per_depth = np.linalg.norm(camera.rays(), axis=2)
        distance.reshape(-1)[inside] = (depth * per_depth)[y, x]
    return rgb, distance


def test_views_into_a_panorama_look_where_they_should():
    directions = sphere_directions(256, 128)
    camera = sphere_camera(0.7, -0.4, 1.2, 64, 1.0)
    seen = look_into(directions, camera)
    rays = camera.rays() / np.linalg.norm(camera.rays(), axis=2, keepdims=True)
    assert np.abs(seen - rays).max() < 0.002
    behind = look_into(directions, sphere_camera(np.pi, 0, 1.2, 64, 1.0))  # across the seam
    rays = sphere_camera(np.pi, 0, 1.2, 64, 1.0).rays()
    rays /= np.linalg.norm(rays, axis=2, keepdims=True)
    assert np.abs(behind - rays).max() < 0.002


@pytest.mark.parametrize("wrong", [0.0, 0.15])
def test_panorama_to_world(tmp_path, wrong):
    rgb, distance = room_panorama()
    Image.fromarray(rgb).save(tmp_path / "room.png")
    world = world_from_panorama(tmp_path / "room.png", 1.4, ExactDepth(wrong))
    away = np.linalg.norm(world.anchors.xyz - [0, 0, 1.4], axis=1)
    assert np.median(off_surface(world.anchors.xyz)) < (0.03 if wrong == 0 else 0.12)
    assert away.min() > 0.4  # the ball is 0.418 m away
    assert len(world.memory) == 6
    for frame in world.memory:
        exact = grounded(frame.camera)[1]
        solid = np.isfinite(exact) & np.isfinite(frame.depth)
        error = np.abs(frame.depth[solid] / exact[solid] - 1)
        assert np.median(error) < (0.02 if wrong == 0 else 0.06)
    up = next(f for f in world.memory if f.camera.c2w[2, 2] > 0.9)
    assert np.isfinite(up.depth).all()  # the ceiling
    assert np.isfinite(distance).any()


def test_panoramas_that_are_not_two_to_one(tmp_path):
    Image.fromarray(np.zeros((100, 150, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="twice as wide as high"):
        world_from_panorama(tmp_path / "a.png", 1.6, ExactDepth())


# ---------------------------------------------------------------------------- captures


def capture(count: int = 4, depth: bool = True) -> list[PosedFrame]:
    frames = []
    for i in range(count):
        place = np.array([0.8 * math.sin(i), -2.5 + 0.5 * i, 1.5])
        camera = Camera(intrinsics(1.2, 96, 72), look_at(place, np.array([0, 2.0, 1.2])), 96, 72)
        rgb, exact = grounded(camera)
        frames.append(PosedFrame(camera, rgb, exact if depth else None, f"{i:04d}"))
    return frames


def test_nerfstudio_datasets_in_and_out(tmp_path):
    write_dataset(tmp_path / "in", capture())
    world = world_from_dataset(tmp_path / "in")
    assert np.percentile(off_surface(world.anchors.xyz), 60) < 0.01
    assert len(world.memory) == 4
    export_transforms(world.memory, tmp_path / "out")
    again = world_from_dataset(tmp_path / "out" / "transforms.json")
    assert np.array_equal(again.memory[2].rgb, world.memory[2].rgb)
    assert np.array_equal(again.anchors.xyz, world.anchors.xyz)


def test_pictures_without_depth_need_points(tmp_path):
    write_dataset(tmp_path / "in", capture(2, depth=False))
    with pytest.raises(InputError, match="neither depth images nor a point cloud"):
        world_from_dataset(tmp_path / "in")


def test_estimates_are_fitted_to_the_captures_points(tmp_path):
    from backend.shared.anchors import Anchors
    from backend.world.exporters import export_ply
    from backend.world.lifting import lift

    frames = capture(3, depth=False)
    exact = [lift(MemoryFrame("a", "a", f.camera, f.rgb, grounded(f.camera)[1])) for f in frames]
    points = Anchors.concatenate(exact)
    some = np.random.default_rng(0).permutation(len(points))[:800]
    write_dataset(tmp_path / "in", frames)
    export_ply(
        Anchors(points.xyz[some], points.rgb[some], points.radius[some]), tmp_path / "in" / "p.ply"
    )
    path = tmp_path / "in" / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ply_file_path": "p.ply"}))
    world = world_from_dataset(tmp_path / "in", ExactDepth(wrong=0.5))
    frame = world.memory[1]
    truth = grounded(frame.camera)[1]
    solid = np.isfinite(truth)
    error = np.abs(np.log(frame.depth[solid] / truth[solid]))
    assert np.median(error) < 0.1  # the estimator was off by a factor of 1.65


def test_point_clouds_outside_the_dataset_are_refused(tmp_path):
    write_dataset(tmp_path / "in", capture(1))
    path = tmp_path / "in" / "transforms.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ply_file_path": "../p.ply"}))
    with pytest.raises(InputError, match="outside its folder"):
        world_from_dataset(tmp_path / "in")


def test_folders_that_are_no_capture(tmp_path):
    with pytest.raises(InputError, match=r"neither a transforms\.json nor a COLMAP model"):
        world_from_dataset(tmp_path)


def colmap_folder(folder: Path, params: list[float], model: str) -> list[Camera]:
    """A COLMAP model of the room, in a gauge of its own: y down and half the size."""
    pycolmap = pytest.importorskip("pycolmap")
    to_colmap = 0.5 * np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    (folder / "images").mkdir(parents=True)
    model_folder = folder / "sparse" / "0"
    model_folder.mkdir(parents=True)
    lines = []
    cameras = [f.camera for f in capture(3)]
    for i, frame in enumerate(capture(3), start=1):
        Image.fromarray(frame.rgb).save(folder / "images" / f"{i}.png")
        c2w = frame.camera.c2w
        turn = (to_colmap / 0.5 @ c2w[:3, :3]).T
        rigid = pycolmap.Rigid3d(pycolmap.Rotation3d(turn), -turn @ to_colmap @ c2w[:3, 3])
        x, y, z, w = rigid.rotation.quat
        numbers = " ".join(repr(float(v)) for v in (w, x, y, z, *rigid.translation))
        seen = " ".join(f"10 10 {n + 1}" for n in range(400)) if i == 1 else ""
        lines.append(f"{i} {numbers} 1 {i}.png\n{seen}\n")
    (model_folder / "images.txt").write_text("".join(lines))
    (model_folder / "cameras.txt").write_text(f"1 {model} 96 72 {' '.join(map(repr, params))}\n")
    rng = np.random.default_rng(0)
    points = []
    for n in range(400):
        face, sign = rng.integers(3), rng.choice([-1, 1])
        xyz = rng.uniform(-HALF, HALF)
        xyz[face] = sign * HALF[face]
        xyz = to_colmap @ (xyz + np.array([0, 0, FLOOR]))
        points.append(f"{n + 1} {xyz[0]} {xyz[1]} {xyz[2]} 120 80 40 0.5 1 {n}\n")
    (model_folder / "points3D.txt").write_text("".join(points))
    return cameras


def test_colmap_models(tmp_path):
    focal = float(capture(1)[0].camera.K[0, 0])
    cameras = colmap_folder(tmp_path, [focal, focal, 48, 36], "PINHOLE")
    world = world_from_dataset(tmp_path, ExactDepth())
    assert len(world.memory) == 3
    # the gauge: z up, the floor at 0, the cameras' median height 1.6 m instead of 1.5
    scale = 1.6 / 1.5
    for frame, camera in zip(world.memory, cameras, strict=True):
        assert frame.camera.position[2] == pytest.approx(1.5 * scale, rel=0.05)
        assert frame.camera.c2w[2, 2] == pytest.approx(camera.c2w[2, 2], abs=0.12)  # mean up
        assert frame.camera.K[0, 0] == pytest.approx(focal)
    apart = np.linalg.norm(world.memory[0].camera.position - world.memory[2].camera.position)
    wanted = np.linalg.norm(cameras[0].position - cameras[2].position) * scale
    assert apart == pytest.approx(wanted, rel=0.05)


def test_colmap_lenses_with_distortion_are_undistorted(tmp_path):
    focal = float(capture(1)[0].camera.K[0, 0])
    colmap_folder(tmp_path, [focal, 48, 36, -0.12, 0.02], "RADIAL")
    world = world_from_dataset(tmp_path, ExactDepth())
    assert len(world.memory) == 3
    # barrel distortion: undistorted pictures have another size or focal length than the originals
    frame = world.memory[0]
    assert (frame.camera.width, frame.camera.height) != (96, 72) or frame.camera.K[0, 0] != focal


def test_colmap_pictures_that_are_missing_or_outside(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    os.remove(tmp_path / "images" / "2.png")
    with pytest.raises(InputError, match=r"'2.png' of the COLMAP model is missing"):
        world_from_dataset(tmp_path, ExactDepth())
    text = tmp_path / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace(" 2.png", " ../../2.png"))
    with pytest.raises(InputError, match="outside its folder"):
        world_from_dataset(tmp_path, ExactDepth())


def test_colmap_models_that_name_a_picture_twice(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    text = tmp_path / "sparse" / "0" / "images.txt"
    text.write_text(text.read_text().replace(" 2.png", " 1.png"))
    with pytest.raises(InputError, match="twice"):
        world_from_dataset(tmp_path, ExactDepth())


@pytest.mark.parametrize(
    ("name", "at"),
    [("cameras.bin", 0), ("images.bin", 0), ("points3D.bin", 0),
     ("images.bin", 8 + 64 + len("1.png") + 1), ("points3D.bin", 8 + 43)],
)  # fmt: skip
def test_colmap_models_that_claim_more_than_they_hold(tmp_path, name, at):
    pycolmap = pytest.importorskip("pycolmap")
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    place = tmp_path / "sparse" / "0"
    pycolmap.Reconstruction(str(place)).write_binary(str(place))
    for text in place.glob("*.txt"):
        text.unlink()
    assert len(world_from_dataset(tmp_path, ExactDepth()).memory) == 3
    whole = (place / name).read_bytes()
    (place / name).write_bytes(whole[:at] + (2**40).to_bytes(8, "little") + whole[at + 8 :])
    with pytest.raises(InputError, match=f"'{name}' is shorter than it says"):
        world_from_dataset(tmp_path, ExactDepth())


def test_damaged_colmap_models(tmp_path):
    colmap_folder(tmp_path, [80, 80, 48, 36], "PINHOLE")
    (tmp_path / "sparse" / "0" / "cameras.txt").write_text("1 BANANA 96 72 80\n")
    with pytest.raises(InputError, match="COLMAP model"):
        world_from_dataset(tmp_path, ExactDepth())


# ---------------------------------------------------------------------------- meta.json


def test_meta_json_in_and_out(tmp_path):
    camera = viewer((128, 96))
    rgb, depth = grounded(camera)
    c2w = camera.c2w.copy()
    forward = c2w[:3, 2] * [1, 1, 0]
    level = look_at(c2w[:3, 3], c2w[:3, 3] + forward)
    photo = MemoryFrame("p", "p", Camera(camera.K, level, 128, 96), rgb, depth)
    path = [Camera(camera.K, look_at(np.array([x, -2.5, 1.5]), np.array([0, 2.0, 1])), 128, 96)
            for x in (0.0, 0.4)]  # fmt: skip
    export_meta(photo, path, tmp_path, "room")
    given = read_meta(tmp_path / "meta.json", camera_height=1.6)
    assert given.image == tmp_path / "room.png"
    assert given.photo.c2w[:3, 2] == pytest.approx([1, 0, 0])
    # relative to the photo nothing has changed
    for before, after in zip(path, given.path, strict=True):
        relative = np.linalg.inv(photo.camera.c2w) @ before.c2w
        assert np.allclose(np.linalg.inv(given.photo.c2w) @ after.c2w, relative, atol=1e-9)
        assert np.allclose(after.K, before.K)
    world, cameras = world_from_meta(tmp_path / "meta.json", ExactDepth())
    assert len(world.anchors) and len(cameras) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image": "../secret.png"}, "not in its folder"),
        ({"image": "/etc/passwd"}, "not in its folder"),
        ({"K": [[1, 2], [3, 4]]}, "K as 3x3"),
        ({"c2w": [1, 2]}, "K as 3x3 and c2w"),
        ({"c2w": [[[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]}, "cannot be rendered"),
        ({"K": "x"}, "needs name, image, K"),
    ],
)
def test_damaged_meta_json(tmp_path, change, said):
    (tmp_path / "a.png").write_bytes(b"")
    good = {
        "name": "a",
        "image": "a.png",
        "K": [[50, 0, 48], [0, 50, 36], [0, 0, 1]],
        "c2w": [np.eye(4).tolist()],
    }
    (tmp_path / "meta.json").write_text(json.dumps(good | change))
    with pytest.raises(InputError, match=said):
        read_meta(tmp_path / "meta.json")


def test_the_reference_demo(tmp_path):
    demo = Path(os.environ.get("WORLDFM_REFERENCE_DEMO", "")) / "meta.json"
    if not demo.is_file():
        pytest.skip("set WORLDFM_REFERENCE_DEMO to the folder of the reference's demo input")
    given = read_meta(demo)
    ahead = [float(given.photo.c2w[:3, 2] @ camera.c2w[:3, 2]) for camera in given.path]
    assert max(ahead) > 0.9  # some of the path looks where the picture does


# ---------------------------------------------------------------------------- points and paths


def test_a_point_cloud_with_its_photo(tmp_path, photo):
    from backend.world.exporters import export_ply
    from backend.world.lifting import lift

    rgb, depth = grounded(viewer())
    export_ply(lift(MemoryFrame("a", "a", viewer(), rgb, depth)), tmp_path / "a.ply")
    world = world_from_ply(tmp_path / "a.ply", photo=(photo, viewer()))
    (frame,) = world.memory
    solid = np.isfinite(depth) & (frame.depth > 0)
    assert solid.mean() > 0.8
    assert np.median(np.abs(frame.depth[solid] / depth[solid] - 1)) < 0.01


def test_camera_paths_are_read_back(tmp_path):
    from backend.shared.camera_path import read_camera_path

    cameras = [f.camera for f in capture(3)]
    write_camera_path(tmp_path / "path.json", cameras)
    for before, after in zip(cameras, read_camera_path(tmp_path / "path.json"), strict=True):
        assert np.allclose(before.c2w, after.c2w) and np.allclose(before.K, after.K)
    with pytest.raises(InputError, match="empty"):
        write_camera_path(tmp_path / "none.json", [])
    assert not (tmp_path / "none.json").exists()
