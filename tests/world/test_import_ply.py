# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY files: what we write, what splat trainers write, and what attackers write."""

from __future__ import annotations

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from backend.conditioning.anchors.spacing import point_radii
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.world_folder import load_world, save_world
from backend.world.exporters import export_ply
from backend.world.importers.point_cloud import world_from_ply
from backend.world.origin import recall
from tests.scenes.ply import points_of


def cloud(count: int = 500) -> Anchors:
    rng = np.random.default_rng(0)
    return Anchors(
        rng.normal(size=(count, 3)).astype(np.float32),
        rng.integers(0, 256, (count, 3), dtype=np.uint8),
        rng.uniform(0.01, 0.1, count).astype(np.float32),
    )


def write(path, vertices: dict[str, np.ndarray], faces: np.ndarray | None = None, text=False):
    rows = np.empty(len(next(iter(vertices.values()))), [(n, v.dtype) for n, v in vertices.items()])
    for name, values in vertices.items():
        rows[name] = values
    elements = [PlyElement.describe(rows, "vertex")]
    if faces is not None:
        listed = np.empty(len(faces), [("vertex_indices", "O")])
        listed["vertex_indices"] = list(faces)
        elements.append(PlyElement.describe(listed, "face"))
    PlyData(elements, text=text).write(str(path))


def positions(xyz: np.ndarray) -> dict[str, np.ndarray]:
    return {axis: xyz[:, i].astype(np.float32) for i, axis in enumerate("xyz")}


def test_out_and_in_again_is_exact(tmp_path):
    export_ply(cloud(), tmp_path / "a.ply")
    back = points_of(tmp_path / "a.ply")
    assert np.array_equal(back.xyz, cloud().xyz)
    assert np.array_equal(back.rgb, cloud().rgb)
    assert np.array_equal(back.radius, cloud().radius)
    assert [p.name for p in tmp_path.iterdir()] == ["a.ply"]


@pytest.mark.parametrize("text", [False, True])
def test_meshes_give_their_vertices(tmp_path, text):
    xyz = cloud(40).xyz
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    write(tmp_path / "a.ply", positions(xyz), faces, text)
    back = points_of(tmp_path / "a.ply")
    assert np.allclose(back.xyz, xyz, atol=1e-5)
    assert (back.rgb == 160).all()


def test_quads_are_read_too(tmp_path):
    write(tmp_path / "a.ply", positions(cloud(40).xyz), np.array([[0, 1, 2, 3]], np.int32))
    assert len(points_of(tmp_path / "a.ply")) == 40


def test_gaussian_splats(tmp_path):
    xyz = cloud(4).xyz
    wanted = np.array([0.12, 0.4, 0.6, 0.9])
    splat = positions(xyz)
    for i in range(3):
        splat[f"f_dc_{i}"] = ((wanted - 0.5) / 0.28209479177387814).astype(np.float32)
    splat["opacity"] = np.array([4, 4, -9, 4], np.float32)
    write(tmp_path / "a.ply", splat)
    back = points_of(tmp_path / "a.ply")
    seen = [0, 1, 3]
    assert np.array_equal(back.rgb[:, 0], np.round(wanted[seen] * 255).astype(np.uint8))
    # trainers write y down: their -y is our z
    assert np.allclose(back.xyz[:, 2], -xyz[seen, 1])
    assert np.allclose(back.xyz[:, 0], xyz[seen, 0])


def test_axes_scale_and_points_that_are_not_finite(tmp_path):
    xyz = cloud(10).xyz.copy()
    xyz[3, 1] = np.nan
    xyz[4, 0] = np.inf
    write(tmp_path / "a.ply", positions(xyz))
    back = points_of(tmp_path / "a.ply", up="y", scale=2.0)
    keep = np.setdiff1d(np.arange(10), [3, 4])
    assert np.allclose(back.xyz, 2 * xyz[keep][:, [0, 2, 1]] * [1, -1, 1])


def test_float_colours(tmp_path):
    vertices = positions(cloud(3).xyz)
    for name in ("red", "green", "blue"):
        vertices[name] = np.array([0.0, 0.5, 1.0], np.float32)
    write(tmp_path / "a.ply", vertices)
    assert points_of(tmp_path / "a.ply").rgb[:, 0].tolist() == [0, 128, 255]


def header(*lines: str) -> bytes:
    return "\n".join(["ply", "format binary_little_endian 1.0", *lines, "end_header\n"]).encode()


def test_a_million_properties_are_refused_at_once(tmp_path):
    lines = "".join(f"property float p{i}\n" for i in range(1_000_000))
    (tmp_path / "a.ply").write_text(f"ply\nformat ascii 1.0\nelement vertex 1\n{lines}end_header\n")
    with pytest.raises(InputError, match="positions and colours only"):
        points_of(tmp_path / "a.ply")


XYZ = ("property float x", "property float y", "property float z")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a PLY"),
        (b"ply\n" + b"comment x\n" * 20_000, "header of more than 64 kB"),
        (b"ply\nformat ascii 1.0\n", "without an end"),
        (header("element vertex 3", *(f"property float p{i}" for i in range(2000))), "properties"),
        (header("element vertex 1000000", *XYZ) + bytes(100), "shorter than its header"),
        (header("element vertex 99999999999999", *XYZ), "claims|shorter"),
        (header("element vertex -5", *XYZ), "damaged PLY header"),
        (header("element vertex 0", *XYZ), "no usable points"),
        (header("element vertex 1", "property float x") + bytes(4), "no vertex positions"),
        (header("element face 1", "property float x") + bytes(4), "cannot be read as PLY"),
        (header("element vertex 1", "property banana x") + bytes(9), "cannot be read as PLY"),
        (header("element vertex 1", *XYZ) + b"\xff" * 12, "no usable points"),
    ],
)
def test_lying_headers(tmp_path, data, said):
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(InputError, match=said):
        points_of(tmp_path / "a.ply")


def test_radii_are_half_the_spacing_of_a_plane():
    x, y = np.meshgrid(np.arange(80) * 0.05, np.arange(80) * 0.05)
    radii = point_radii(np.stack([x, y, 0 * x], -1).reshape(-1, 3).astype(np.float32))
    assert 0.02 < np.median(radii) < 0.035


def test_radii_follow_the_local_density():
    rng = np.random.default_rng(1)
    dense, sparse = rng.uniform(0, 1, (8000, 2)), rng.uniform((3, 0), (4, 1), (500, 2))
    flat = np.concatenate([dense, sparse])
    radii = point_radii(np.column_stack([flat, np.zeros(len(flat))]).astype(np.float32))
    assert np.median(radii[8000:]) > 2 * np.median(radii[:8000])


def test_coordinates_of_a_map_keep_their_detail(tmp_path):
    """Doubles far from the origin: rows a centimetre apart stay a centimetre apart, both ways."""
    x, y = np.meshgrid(np.arange(20) * 0.01, np.arange(20) * 0.01)
    xyz = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    xyz = xyz + np.array([432_100.37, 5_412_345.21, 340.5])
    vertices = {axis: xyz[:, i] for i, axis in enumerate("xyz")}
    write(tmp_path / "a.ply", vertices)
    world = world_from_ply(tmp_path / "a.ply")
    origin = recall(world.provenance)
    assert np.abs(world.anchors.xyz + origin - xyz).max() < 1e-4
    assert np.abs(world.anchors.xyz).max() < 10
    save_world(world, tmp_path / "world")
    kept = load_world(tmp_path / "world")
    export_ply(kept.anchors, tmp_path / "b.ply", recall(kept.provenance))
    back = PlyData.read(str(tmp_path / "b.ply"))["vertex"]
    assert np.abs(np.stack([back[a] for a in "xyz"], 1) - xyz).max() < 1e-4
    export_ply(cloud(), tmp_path / "near.ply")
    assert not recall(world_from_ply(tmp_path / "near.ply").provenance).any()
