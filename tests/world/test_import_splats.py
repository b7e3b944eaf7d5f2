# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats of every kind and meshes come in as the surfaces they are; damaged ones as a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from backend.conditioning.anchors.splat_renderer import SplatCloud, rotation_matrices
from backend.pipelines.lit_seam import load_lit_pipeline
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError
from backend.shared.frame import FrameRequest
from backend.shared.harmonics import SH_C0
from backend.shared.world_folder import load_world, save_world
from backend.world.bake_splats import FROM_Z_UP, export_splats
from backend.world.importers.meshes import mesh_anchors
from backend.world.importers.point_cloud import world_from_ply
from backend.world.importers.splats import Splats, read_splats, splat_anchors, splat_kind

from .test_bakes import HALF, off_walls, room_world

KINDS = {"ply": "a.ply", "compressed.ply": "a.compressed.ply", "splat": "a.splat",
         "ksplat": "a.ksplat", "spz": "a.spz", "sog": "a.sog"}  # fmt: skip


def converted(folder, kind: str):
    import gaussforge

    world = room_world()
    export_splats(world.anchors, world.memory, folder / "made.ply")
    made = gaussforge.GaussForge().convert((folder / "made.ply").read_bytes(), "ply", kind)
    assert made.get("data"), made
    (folder / KINDS[kind]).write_bytes(made["data"])
    return folder / KINDS[kind], world


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_in_upright_in_place_and_in_colour(tmp_path, kind):
    path, world = converted(tmp_path, kind)
    assert splat_kind(path) == kind
    made = world_from_ply(path, up="-y").anchors
    xyz = made.xyz.astype(np.float64)
    assert np.median(off_walls(xyz)) < 0.03
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(world.anchors.xyz).query(xyz[::7])
    assert np.median(distance) < 0.05
    shade = world.anchors.rgb[nearest].astype(float)
    assert np.abs(shade - made.rgb[::7]).mean() < 12
    assert np.median(made.radius) == pytest.approx(np.median(world.anchors.radius), rel=0.6)


def harmonic_splats(count: int = 200) -> Anchors:
    """Splats around the origin whose colour depends on direction, up to degree 3."""
    rng = np.random.default_rng(4)
    quaternions = rng.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    scale, opacity = rng.uniform(0.02, 0.2, (count, 3)), rng.uniform(0.6, 0.95, (count, 1))
    shape = np.concatenate([scale, quaternions, opacity], axis=1).astype(np.float32)
    xyz = rng.uniform(-2, 2, (count, 3)).astype(np.float32)
    rgb = rng.integers(60, 196, (count, 3)).astype(np.uint8)
    harmonics = rng.normal(0, 18, (count, 16, 3)).round().astype(np.int8)
    harmonics[:, 0] = 0
    return Anchors(xyz, rgb, np.ones(count, np.float32), splats=shape, harmonics=harmonics)


def colours_by_place(anchors: Anchors, wanted: Anchors, camera: np.ndarray) -> np.ndarray:
    """(N, 3) what `anchors` look like from a place, in the order of `wanted`."""
    from scipy.spatial import cKDTree

    distance, nearest = cKDTree(anchors.xyz).query(wanted.xyz)
    assert np.median(distance) < 0.02
    return SplatCloud(anchors).colours(nearest, camera)


def as_the_kind_has_them(path, kind: str) -> None:
    """Sorts f_rest so that gaussforge, which writes two kinds in an order of its own, leaves them
    as those kinds' own programs do (SuperSplat, GaussianSplats3D)."""
    from plyfile import PlyData

    file = PlyData.read(str(path), mmap=False)
    rows = file["vertex"].data
    order = np.arange(45)
    if kind == "compressed.ply":  # all of red first; it would put the colours side by side
        order = order.reshape(15, 3).T.ravel()
    elif kind == "ksplat":  # degree by degree, all of red first; it would leave them as in a PLY
        bands = np.split(order.reshape(3, 15), [3, 8], axis=1)
        order = np.concatenate([band.ravel() for band in bands])
    before = rows.copy()
    for number, other in enumerate(order):
        rows[f"f_rest_{number}"] = before[f"f_rest_{other}"]
    file.write(str(path))


@pytest.mark.parametrize("kind", ["ply", "compressed.ply", "ksplat", "spz", "sog"])
def test_colour_by_direction_comes_in_with_every_kind_that_has_it(tmp_path, kind):
    import gaussforge

    wanted = harmonic_splats()
    export_splats(wanted, [], tmp_path / "made.ply")
    as_the_kind_has_them(tmp_path / "made.ply", kind)
    made = gaussforge.GaussForge().convert((tmp_path / "made.ply").read_bytes(), "ply", kind)
    (tmp_path / KINDS[kind]).write_bytes(made["data"])
    again = world_from_ply(tmp_path / KINDS[kind], up="-y").anchors
    flat = world_from_ply(tmp_path / KINDS[kind], up="-y", degree=0).anchors
    assert flat.harmonics is None
    for place in ([0.0, -6, 0], [5, 1, 2], [0, 0, 7]):
        camera = np.array(place)
        truth = SplatCloud(wanted).colours(np.arange(len(wanted)), camera)
        error, without = (
            np.abs(colours_by_place(a, wanted, camera) - truth).mean() for a in (again, flat)
        )
        assert error < 0.5 * without and error < ROUGH[kind], (error, without)


ROUGH = {"ply": 0.005, "compressed.ply": 0.02, "ksplat": 0.02, "spz": 0.04, "sog": 0.04}
"""Mean error of a colour in [0, 1] that the kind's own rounding leaves."""


def test_harmonics_come_back_as_they_went_and_no_more_than_asked(tmp_path):
    wanted = harmonic_splats()
    export_splats(wanted, [], tmp_path / "a.ply")
    again = world_from_ply(tmp_path / "a.ply").anchors
    assert np.abs(again.harmonics.astype(int) - wanted.harmonics)[:, 1:].max() <= 2
    for degree in (1, 2):
        part = world_from_ply(tmp_path / "a.ply", degree=degree).anchors.harmonics
        assert np.abs(part.astype(int) - again.harmonics[:, : (degree + 1) ** 2]).max() <= 1


def test_base_colours_beyond_white_are_kept_where_direction_may_darken_them(tmp_path):
    one = harmonic_splats(1)
    bright = np.zeros((1, 4, 3), np.int8)
    bright[0, 0] = 100
    anchors = Anchors(one.xyz, np.full((1, 3), 250, np.uint8), one.radius, splats=one.splats,
                      harmonics=bright)  # fmt: skip
    export_splats(anchors, [], tmp_path / "a.ply")
    again = world_from_ply(tmp_path / "a.ply").anchors
    assert (again.rgb == 255).all()
    seen = SplatCloud(again).colours(np.zeros(1, int), np.array([0.0, -9, 0]))
    assert seen == pytest.approx(250 / 255 + 100 / 127 * SH_C0, abs=2e-3)


def nerfstudio_rgb(path, both: bool) -> np.ndarray:
    """What `ns-export gaussian-splat --ply-color-mode rgb` writes; both: with harmonics beside."""
    from plyfile import PlyData, PlyElement

    names = ["x", "y", "z", "opacity", "scale_0", "scale_1", "scale_2",
             "rot_0", "rot_1", "rot_2", "rot_3"]  # fmt: skip
    fields = [(n, "<f4") for n in names] + [(n, "u1") for n in ("red", "green", "blue")]
    fields += [(f"f_dc_{i}", "<f4") for i in range(3)] if both else []
    rows = np.zeros(20, fields)
    rng = np.random.default_rng(0)
    for name in "xyz":
        rows[name] = rng.uniform(-1, 1, 20)
    for i in range(3):
        rows[f"scale_{i}"] = np.log(0.1)
    rows["opacity"], rows["rot_0"] = 2.0, 1.0
    for i, name in enumerate(("red", "green", "blue")):
        rows[name] = 40 + 60 * i + np.arange(20)
        if both:
            rows[f"f_dc_{i}"] = 0.4
    PlyData([PlyElement.describe(rows, "vertex")], byte_order="<").write(str(path))
    return np.stack([rows[c] for c in ("red", "green", "blue")], 1)


@pytest.mark.parametrize("both", [False, True])
def test_splats_with_red_green_and_blue(tmp_path, both):
    rgb = nerfstudio_rgb(tmp_path / "a.ply", both)
    assert splat_kind(tmp_path / "a.ply") == "ply"
    made = world_from_ply(tmp_path / "a.ply", colours="rgb").anchors
    assert np.array_equal(made.rgb, rgb) and made.are_splats.all()
    plain = world_from_ply(tmp_path / "a.ply").anchors
    if both:  # harmonics are what splats are trained with
        assert (plain.rgb == round((0.5 + 0.4 * SH_C0) * 255)).all()
    else:
        assert np.array_equal(plain.rgb, rgb)
        with pytest.raises(InputError, match="no colours as spherical harmonics"):
            world_from_ply(tmp_path / "a.ply", colours="sh")


def test_colours_that_are_not_there_are_one_sentence(tmp_path):
    export_splats(harmonic_splats(3), [], tmp_path / "a.ply")
    with pytest.raises(InputError, match="no colours as red, green and blue"):
        world_from_ply(tmp_path / "a.ply", colours="rgb")


def test_spz_has_y_up(tmp_path):
    path, _ = converted(tmp_path, "spz")
    plain, turned = world_from_ply(path).anchors.xyz, world_from_ply(path, up="y").anchors.xyz
    assert np.array_equal(plain, turned)


def test_a_splat_keeps_its_shape_and_opacity():
    half = np.sqrt(0.5)
    splats = Splats(
        xyz=np.array([[1.0, 2.0, 3.0]]),
        scale=np.array([[1.0, 0.5, 0.001]], np.float32),
        rotation=np.array([[half, half, 0, 0]]),  # a quarter turn about x
        opacity=np.array([0.4]),
        rgb=np.full((1, 3), 200, np.uint8),
    )
    anchors, origin = splat_anchors(splats, "-y", 2.0)
    assert not origin.any()
    assert np.allclose(anchors.xyz, [[2, 6, -4]])
    axes = rotation_matrices(anchors.splats[:, 3:7])[0] * anchors.splats[0, :3]
    assert np.allclose(np.abs(axes[:, 0]), [2, 0, 0], atol=1e-5)
    # what pointed along the file's z lies along its own y there, which is up: -z here
    assert np.allclose(np.abs(axes[:, 1]), [0, 1, 0], atol=1e-5)
    assert np.allclose(np.abs(axes[:, 2]), [0, 0, 0.002], atol=1e-5)
    assert anchors.splats[0, 7] == pytest.approx(0.4)
    assert anchors.radius[0] == pytest.approx(np.sqrt(2.0))


def test_splats_come_back_as_they_went(tmp_path):
    rng = np.random.default_rng(0)
    quaternions = rng.normal(size=(50, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    shape = np.concatenate(
        [np.exp(rng.uniform(-4, 0, (50, 3))), quaternions, rng.uniform(0.1, 0.9, (50, 1))], axis=1
    ).astype(np.float32)
    rgb = rng.integers(1, 256, (50, 3)).astype(np.uint8)
    xyz = rng.uniform(-2, 2, (50, 3)).astype(np.float32)
    export_splats(Anchors(xyz, rgb, np.ones(50, np.float32), splats=shape), [], tmp_path / "a.ply")
    again = world_from_ply(tmp_path / "a.ply").anchors
    assert np.allclose(again.xyz, xyz, atol=1e-5)
    assert np.abs(again.rgb.astype(int) - rgb).max() <= 1
    assert np.allclose(again.splats[:, :3], shape[:, :3], rtol=1e-4)
    assert np.allclose(again.splats[:, 7], shape[:, 7], atol=1e-4)
    for one, two in zip(
        *(rotation_matrices(s[:, 3:7]) for s in (again.splats, shape)), strict=True
    ):
        assert np.allclose(one, two, atol=1e-4)


@pytest.mark.parametrize("kind", ["splat", "ksplat", "spz", "sog", "compressed.ply", "ply"])
@pytest.mark.parametrize("how", ["cut", "noise", "empty"])
def test_damaged_splats_are_one_sentence(tmp_path, kind, how):
    rng = np.random.default_rng(1)
    path, _ = converted(tmp_path, kind)
    whole = path.read_bytes()
    head = whole.find(b"end_header") + 11 if "ply" in kind else 0
    body = {
        "cut": whole[head : head + (len(whole) - head) // 3 + 5],
        "noise": rng.integers(0, 256, 4003, dtype=np.uint8).tobytes(),
        "empty": b"",
    }[how]
    path.write_bytes(whole[:head] + body)
    with pytest.raises(InputError) as caught:
        read_splats(path, kind)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def cube(folder, ending: str):
    import trimesh

    box = trimesh.creation.box((2, 2, 2))
    if ending == "ply":
        box.visual.vertex_colors = np.tile([[200, 30, 40, 255]], (8, 1))
    else:
        picture = Image.new("RGB", (8, 8), (20, 210, 60))
        uv = np.random.default_rng(0).uniform(0, 1, (len(box.vertices), 2))
        material = trimesh.visual.material.SimpleMaterial(image=picture)
        if ending == "glb":  # from the simple one trimesh would make a factor of 0.4
            material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
        box.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    box.export(folder / f"a.{ending}")
    return folder / f"a.{ending}"


@pytest.mark.parametrize(("ending", "colour"), [("ply", (200, 30, 40)), ("obj", (20, 210, 60)),
                                                ("glb", (20, 210, 60))])  # fmt: skip
def test_meshes_are_surfaces(tmp_path, ending, colour):
    anchors, _ = mesh_anchors(cube(tmp_path, ending), None, 1.5, most=20_000)
    away = np.abs(anchors.xyz).max(axis=1)
    assert np.abs(away - 1.5).max() < 1e-4  # on the faces, not only at the corners
    assert 15_000 < len(anchors) < 25_000
    assert np.abs(anchors.rgb.astype(int) - colour).mean() < 8


@pytest.mark.parametrize(("ending", "colour"), [("ply", (200, 30, 40)), ("obj", (20, 210, 60)),
                                                ("glb", (20, 210, 60))])  # fmt: skip
def test_meshes_become_scenes_that_are_lit(tmp_path, ending, colour):
    world = world_from_ply(cube(tmp_path, ending), up="z", scale=0.5)
    assert not len(world.anchors) and world.scene is not None
    assert world.scene.triangle_count() == 12
    assert np.abs(world.scene.meshes[0].vertices).max() == pytest.approx(0.5)
    save_world(world, tmp_path / "world")  # as it is read: checked
    again = load_world(tmp_path / "world")
    assert again.scene is not None
    view = Camera(intrinsics(0.6, 64, 64), look_at(np.array([2.0, -1.5, 1.2]), np.zeros(3)), 64, 64)
    pipeline = load_lit_pipeline()
    assert pipeline is not None
    reply = pipeline.render(pipeline.prepare(again), FrameRequest(view, mode="lit", draft=True))
    middle = reply.rgb[24:40, 24:40].reshape(-1, 3).astype(float)
    # an open convex thing in an even light of 1 shows its colour
    assert np.abs(np.median(middle, axis=0) - colour).max() < 14
    assert np.isinf(reply.depth[2, 2]) or reply.depth[2, 2] == 0
    assert 1.5 < reply.depth[32, 32] < 3.0


def test_a_photo_of_a_mesh_on_a_map_has_its_depth(tmp_path):
    import trimesh

    place = np.array([400_000.0, 5_000_000.0, 100.0])
    # most vertices are in one place, most triangles in the other
    loose, fine = (trimesh.creation.box((2, 2, 2)) for _ in range(2))
    loose, fine = loose.subdivide(), fine.subdivide().subdivide()
    loose.unmerge_vertices()
    fine.apply_translation([0, 20, 0])
    both = trimesh.util.concatenate([loose, fine])
    both.apply_translation(place)
    both.export(tmp_path / "a.obj")
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    c2w = look_at(place - np.array([0.0, 5.0, 0.0]), place)
    camera = Camera(intrinsics(0.6, 64, 64), c2w, 64, 64)
    world = world_from_ply(tmp_path / "a.obj", up="z", photo=(tmp_path / "a.png", camera))
    assert world.memory[0].depth[32, 32] == pytest.approx(4.0, abs=0.05)
    assert world.scene.viewpoints == (world.memory[0].camera,)


def test_meshes_with_corners_that_are_nowhere_are_one_sentence(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 0 nan 0\nv 0 1 0\nf 1 2 3\nf 1 2 4\n"
    (tmp_path / "a.obj").write_text(text)
    with pytest.raises(InputError) as caught:
        world_from_ply(tmp_path / "a.obj")
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.mark.parametrize("name", ["a.obj", "a.glb", "a.gltf", "a.ply"])
def test_damaged_meshes_are_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"f 1 2 3\n" + bytes(range(200)))
    with pytest.raises(InputError) as caught:
        mesh_anchors(tmp_path / name, None, 1.0)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_mesh_reads_nothing_outside_of_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    path = cube(tmp_path / "in", "obj")
    picture = next(p for p in (tmp_path / "in").iterdir() if p.suffix == ".png")
    picture.rename(tmp_path / "secret.png")
    material = next((tmp_path / "in").glob("*.mtl"))
    text = "\n".join(
        "map_Kd ../secret.png" if line.startswith("map_Kd") else line
        for line in material.read_text().splitlines()
    )
    material.write_text(text)
    anchors, _ = mesh_anchors(path, None, 1.0, most=5_000)
    assert np.abs(anchors.rgb.astype(int) - (20, 210, 60)).mean() > 20


def test_the_rooms_axes(tmp_path):
    """Files with y down come in standing on their floor."""
    path, _ = converted(tmp_path, "ply")
    xyz = world_from_ply(path).anchors.xyz
    assert np.percentile(xyz[:, 2], 3) == pytest.approx(-HALF[2], abs=0.1)
    assert np.allclose(FROM_Z_UP @ [0, 0, 1], [0, -1, 0])
