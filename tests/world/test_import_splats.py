# SPDX-License-Identifier: GPL-3.0-or-later
"""Splats of every kind and meshes come in as the surfaces they are; damaged ones as a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from backend.shared.errors import InputError
from backend.world.bake_splats import FROM_Z_UP, export_splats
from backend.world.importers.meshes import mesh_anchors
from backend.world.importers.point_cloud import world_from_ply
from backend.world.importers.splats import read_splats, splat_anchors, splat_kind

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


def test_spz_has_y_up(tmp_path):
    path, _ = converted(tmp_path, "spz")
    plain, turned = world_from_ply(path).anchors.xyz, world_from_ply(path, up="y").anchors.xyz
    assert np.array_equal(plain, turned)


def test_a_large_splat_is_a_patch_along_its_own_axes(tmp_path):
    from backend.world.importers.splats import Splats

    half = np.sqrt(0.5)
    small = np.tile([[0.05, 0.05, 0.005]], (40, 1))
    splats = Splats(
        xyz=np.concatenate([np.zeros((1, 3)), np.linspace([5, 5, 5], [6, 6, 6], 40)]),
        scale=np.concatenate([[[1.0, 0.5, 0.001]], small]).astype(np.float32),
        rotation=np.tile([[half, half, 0, 0]], (41, 1)),  # a quarter turn about x
        opacity=np.ones(41),
        rgb=np.full((41, 3), 200, np.uint8),
    )
    anchors, origin = splat_anchors(splats, "z", 2.0)
    assert not origin.any()
    patch = anchors.xyz[np.linalg.norm(anchors.xyz, axis=1) < 5]
    assert len(patch) > 20
    assert np.abs(patch[:, 1]).max() < 0.02  # its thin axis lies along y after the turn
    assert 2.0 < np.abs(patch[:, 0]).max() <= 3.0 and 1.0 < np.abs(patch[:, 2]).max() <= 1.5


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
        box.visual = trimesh.visual.TextureVisuals(uv=uv, image=picture)
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
    world = world_from_ply(tmp_path / f"a.{ending}")
    assert len(world.anchors) > 1_000_000


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
