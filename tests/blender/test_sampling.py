# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of Blender's side that need no Blender: points on triangles, EXR files."""

from __future__ import annotations

import struct

import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.extension import extension_part

sampling = extension_part("scene_sync.sampling")
cameras = extension_part("backend.shared.camera")


def guide(x: float = 0.0, y: float = -4.0, z: float = 1.0, directed: bool = True):
    place = np.array([x, y, z])
    c2w = cameras.look_at(place, np.zeros(3))
    return sampling.Guide(cameras.Camera(cameras.intrinsics(1.0, 64, 48), c2w, 64, 48), directed)


def some_triangles(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(-2, 1.2, (count, 1, 1))
    return (rng.normal(size=(count, 1, 3)) * 3 + rng.normal(size=(count, 3, 3)) * size).astype(
        np.float32
    )


def spacing_of_one(centre: np.ndarray, radius: float, guides: list) -> float:
    """The slow twin of the density rule, for one sphere."""
    wanted = []
    for one in guides:
        camera = one.camera
        distance = max(np.linalg.norm(centre - camera.position) - radius, sampling.NEAREST)
        spacing = distance * sampling.PIXELS_APART / camera.K[0, 0]
        if one.directed:
            # rays through points of the sphere: does one of them hit the picture (and its margin)?
            x, y, z = camera.w2c[:3, :3] @ centre + camera.w2c[:3, 3]
            half_w, half_h = 32 / camera.K[0, 0] * 1.15, 24 / camera.K[1, 1] * 1.15
            sides = [
                (half_w * z - abs(x)) / np.hypot(half_w, 1),
                (half_h * z - abs(y)) / np.hypot(half_h, 1),
                z,
            ]
            spacing *= 1 if min(sides) > -radius else sampling.UNSEEN
        wanted.append(spacing)
    return min(wanted)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30))
def test_split_keeps_areas_and_rates_each_piece_as_the_slow_twin_does(seed, count):
    triangles = some_triangles(seed, count)
    guides = [guide(), guide(3, 2, 2), guide(-8, 0, 1, directed=False)]
    pieces = sampling.split(triangles, guides)
    whole = np.linalg.norm(
        np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
    )
    parts = np.bincount(pieces.parent, pieces.area, minlength=count)
    assert np.allclose(parts, whole / 2, rtol=1e-3, atol=1e-6)
    assert (np.diff(pieces.parent) >= 0).all()

    # corners say where a piece lies in its parent
    u, v = pieces.corners[..., :1], pieces.corners[..., 1:]
    a, b, c = (triangles[pieces.parent][:, None, i] for i in range(3))
    assert np.allclose(a + u * (b - a) + v * (c - a), pieces.xyz, atol=1e-3)

    for i in np.random.default_rng(seed).integers(0, len(pieces.xyz), 5):
        centre = pieces.xyz[i].mean(axis=0).astype(float)
        radius = float(np.linalg.norm(pieces.xyz[i] - centre, axis=1).max())
        slow = spacing_of_one(centre, radius, guides)
        edge = spacing_of_one(centre, radius * 1.001 + 1e-5, guides)
        assert min(slow, edge) * 0.99 <= pieces.spacing[i] <= max(slow, edge) * 1.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(1.0, 4.0))
def test_points_lie_on_their_triangles_as_dense_as_wanted(seed, coarser):
    triangles = some_triangles(seed, 8)
    pieces = sampling.split(triangles, [guide(0, -30, 5, directed=False)])
    points = sampling.sample(pieces, coarser, seed)
    u, v = points.uv[:, :1], points.uv[:, 1:]
    assert (points.uv >= -1e-5).all() and (points.uv.sum(axis=1) <= 1 + 1e-5).all()
    a, b, c = (triangles[points.parent][:, i] for i in range(3))
    assert np.allclose(a + u * (b - a) + v * (c - a), points.xyz, atol=1e-2)
    # a lattice's points in a triangle differ from its area by what its border cuts
    spacing = pieces.spacing * coarser
    sides = np.linalg.norm(np.roll(pieces.xyz, 1, axis=1) - pieces.xyz, axis=2).sum(axis=1)
    wanted = pieces.wanted() / coarser**2
    assert abs(len(points.xyz) - wanted) <= 1 + (1 + sides / spacing).sum()
    again = sampling.sample(pieces, coarser, seed)
    assert np.array_equal(points.xyz, again.xyz)
    if len(points.xyz) > 10:
        assert not np.array_equal(points.xyz, sampling.sample(pieces, coarser, seed + 1).xyz)


def test_many_arrays_split_as_each_does_alone():
    parts = [some_triangles(seed, 1 + seed) for seed in range(6)]
    guides = [guide(), guide(1, 1, 1)]
    for one, together in zip(parts, sampling.split_all(parts, guides), strict=True):
        alone = sampling.split(one, guides)
        assert np.array_equal(alone.xyz, together.xyz)
        assert np.array_equal(alone.parent, together.parent)
        assert np.array_equal(alone.spacing, together.spacing)


def test_triangles_without_area_give_no_points():
    flat = np.zeros((3, 3, 3), np.float32)
    flat[1, 1] = [1, 0, 0]
    pieces = sampling.split(flat, [guide()])
    assert len(pieces.xyz) == 0
    assert len(sampling.sample(pieces, 1.0, 0).xyz) == 0


def test_points_fill_a_square_without_holes():
    square = np.array([[[0, 0, 0], [1, 0, 0], [1, 1, 0]], [[0, 0, 0], [1, 1, 0], [0, 1, 0]]])
    points = sampling.sample(sampling.split(square, [guide(0.5, 0.5, 5)]), 1.0, 3)
    spacing = float(points.spacing.max())
    grid = np.stack(np.meshgrid(*[np.linspace(0.02, 0.98, 40)] * 2), -1).reshape(-1, 1, 2)
    nearest = np.linalg.norm(grid - points.xyz[None, :, :2], axis=2).min(axis=1)
    assert nearest.max() < 1.5 * spacing


def slow_lattice(triangle: np.ndarray, spacing: float, offset: np.ndarray) -> list[np.ndarray]:
    """The lattice's points in one triangle, each looked at by itself."""
    axes = sampling._plane_axes(triangle[None])[0]
    corners = triangle @ axes.T / spacing - offset
    plane = triangle[0] - axes.T @ (axes @ triangle[0])
    (low_x, low_y), (high_x, high_y) = np.floor(corners.min(0)), np.ceil(corners.max(0))
    found = []
    for y in np.arange(low_y, high_y + 1):
        for x in np.arange(low_x, high_x + 1):
            sides = []
            for i in range(3):
                (ax, ay), (bx, by) = corners[i - 2], corners[i - 1]
                sides.append((bx - ax) * (y - ay) - (by - ay) * (x - ax))
            if min(sides) >= 0 or max(sides) <= 0:
                found.append(plane + axes.T @ (np.add((x, y), offset) * spacing))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_lattice_has_the_points_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    triangles = rng.normal(size=(4, 3, 3)) * rng.choice([1.0, 1.0, 0.05], (4, 1, 3))
    spacing, offset = rng.uniform(0.1, 0.3, 4), rng.random(2)
    piece, u, v = sampling._lattice(np.arange(4), triangles, spacing, offset)
    assert (np.diff(piece) >= 0).all()
    for i, triangle in enumerate(triangles):
        a, b, c = triangle
        mine = piece == i
        points = a + u[mine, None] * (b - a) + v[mine, None] * (c - a)
        slow = slow_lattice(triangle, spacing[i], offset)
        assert len(points) == len(slow)
        if slow:
            assert np.abs(points - np.array(slow)).max() < 1e-4


def test_a_lattice_goes_on_over_the_triangles_of_a_plane():
    corners = np.array([[0, 0, 1], [3, 0, 1], [3, 2, 1], [0, 2, 1]], float)
    middle = np.array([1.1, 0.7, 1.0])
    fan = np.array([[corners[i], corners[i - 3], middle] for i in range(4)])
    fan[1] = fan[1][::-1]  # seen from behind: the same plane
    flat = sampling.split(fan.astype(np.float32), [guide(1.5, 1, 9, directed=False)])
    spacing = np.full(len(flat.xyz), 0.1, np.float32)
    even = sampling.Pieces(flat.xyz, flat.parent, flat.corners, flat.area, spacing)
    xyz = sampling.sample(even, 1.0, 5).xyz.astype(float)
    assert abs(len(xyz) - 600) < 15
    apart = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) + np.eye(len(xyz))
    assert np.abs(apart.min(axis=1) - 0.1).max() < 1e-4


def test_exr_reads_what_openexr_wrote(tmp_path):
    exr = extension_part("scene_sync.exr")
    rng = np.random.default_rng(0)
    channels = {
        "ViewLayer.Combined.R": rng.normal(size=(7, 5)).astype(np.float32),
        "ViewLayer.Depth.Z": np.full((7, 5), 1e10, np.float32),
        "half": rng.normal(size=(7, 5)).astype(np.float16),
    }
    path = tmp_path / "a.exr"
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, dict(channels)) as file:
        file.write(str(path))
    read = exr.read_exr(path)
    assert set(read) == set(channels)
    for name, values in channels.items():
        assert np.array_equal(read[name], values), name

    errors = extension_part("backend.shared.errors")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(errors.InputError, match="free space"):
        exr.read_exr(path)
    wide = path.read_bytes().replace(
        struct.pack("<4i", 0, 0, 4, 6), struct.pack("<4i", 0, 0, 2**28 - 1, 6)
    )  # rows of more bytes than an int of numpy's takes
    path.write_bytes(wide)
    with pytest.raises(errors.InputError, match="ends early"):
        exr.read_exr(path)
    header["compression"] = OpenEXR.ZIP_COMPRESSION
    with OpenEXR.File(header, dict(channels)) as file:
        file.write(str(path))
    with pytest.raises(errors.InputError, match="compressed"):
        exr.read_exr(path)
    path.write_bytes(b"not a picture")
    with pytest.raises(errors.InputError):
        exr.read_exr(path)
    attribute = b"channels\0chlist\0"
    back = struct.pack("<i", -len(attribute) - 4)  # to where it begins
    path.write_bytes(b"\x76\x2f\x31\x01" + struct.pack("<i", 2) + attribute + back)
    with pytest.raises(errors.InputError):
        exr.read_exr(path)
