# SPDX-License-Identifier: GPL-3.0-or-later
"""Planes and what repeats on them: found, told exactly, continued where nobody looked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import PointCloud
from backend.conditioning.conditions import build_conditions
from backend.conditioning.detail import with_detail
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.prepared import PreparedFrame
from backend.conditioning.unseen import patterns
from backend.conditioning.unseen.planes import continue_planes, find_planes
from backend.conditioning.view import View
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.frame import MemoryFrame
from tests.scenes.world_room import HALF, photograph, room_camera

CPU = torch.device("cpu")
TILE = 0.6
"""Metres of a chessboard's squares."""


def board_camera(position: tuple, target: tuple, size: tuple[int, int] = (160, 120)) -> Camera:
    return Camera(intrinsics(1.1, *size), look_at(np.array(position), np.array(target)), *size)


def chessboard(points: np.ndarray, turn: float = 0.4) -> np.ndarray:
    """(...,) True on the light squares of a board that does not lie along the axes."""
    x = np.cos(turn) * points[..., 0] + np.sin(turn) * points[..., 1]
    y = np.cos(turn) * points[..., 1] - np.sin(turn) * points[..., 0]
    return (np.floor(x / TILE) + np.floor(y / TILE)) % 2 == 0


def photograph_floor(camera: Camera, rgb: np.ndarray | None = None) -> MemoryFrame:
    """A floor at z = 0 under the sky, a chessboard unless `rgb` says what else it shows."""
    rays = camera.rays().astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(rays[..., 2] < -1e-3, -camera.position[2] / rays[..., 2], np.inf)
        light = chessboard(camera.position + rays * np.where(np.isinf(depth), 0, depth)[..., None])
    picture = np.where(light[..., None], (200, 190, 170), (60, 50, 40)).astype(np.uint8)
    picture = np.where(np.isinf(depth)[..., None], np.uint8(230), picture if rgb is None else rgb)
    return MemoryFrame("0", "floor", camera, picture, depth.astype(np.float32))


@pytest.fixture(scope="module")
def floor() -> MemoryFrame:
    return photograph_floor(board_camera((0, -3, 1.6), (0, 1, 0)))


def test_the_walls_of_a_room_are_found():
    frame = photograph(room_camera(size=(192, 144)))
    eye = torch.tensor(frame.camera.position, dtype=torch.float32)
    planes = find_planes(PreparedFrame(frame, CPU).cells, eye)
    found = []
    for plane in planes[:5]:
        axis = int(plane.normal.abs().argmax())
        assert plane.normal.abs()[axis] > 0.9998
        assert abs(plane.offset) == pytest.approx(HALF[axis], abs=0.01)
        assert plane.distance(eye[None]) > 0, "the normal faces the camera"
        found.append((axis, np.sign(plane.normal[axis].item())))
    assert {(2, 1.0), (0, 1.0), (0, -1.0)} <= set(found), "the floor and both side walls"


def test_a_ball_of_noise_has_no_planes():
    frame = photograph(room_camera(size=(64, 48)))
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 5, (48, 64)).astype(np.float32)
    noise = MemoryFrame("0", "0", frame.camera, frame.rgb, depth)
    assert find_planes(PreparedFrame(noise, CPU).cells, torch.zeros(3)) == []
    assert MemoryImages([noise]).flat_surfaces == []
    assert MemoryImages([]).flat_surfaces == []


def test_hills_are_no_planes():
    """Waves as deep as a twelfth of their length: each slope alone would pass for a plane."""
    camera = board_camera((0, -3, 2.5), (0, 3, 0))
    rays, depth = camera.rays().astype(np.float64), np.zeros((120, 160))
    for _ in range(60):  # along each ray towards the surface
        points = camera.position + rays * depth[..., None]
        hills = 0.25 * np.sin(points[..., 0] * 2) * np.cos(points[..., 1] * 1.7)
        depth += 0.4 * np.clip(points[..., 2] - hills, -1, 1)
    depth[rays[..., 2] > -0.05] = np.inf
    rgb = np.full((120, 160, 3), 128, np.uint8)
    eye = torch.tensor(camera.position, dtype=torch.float32)
    hilly = MemoryFrame("0", "hills", camera, rgb, depth.astype(np.float32))
    assert find_planes(PreparedFrame(hilly, CPU).cells, eye) == []
    assert find_planes(PreparedFrame(photograph_floor(camera), CPU).cells, eye)


def test_what_nobody_saw_is_moved_onto_the_planes():
    frame = photograph(room_camera(size=(192, 144)))
    eye = torch.tensor(frame.camera.position, dtype=torch.float32)
    planes = find_planes(PreparedFrame(frame, CPU).cells, eye)
    target = room_camera((0.4, -2.6, 0.0), (1.5, 1.0, -0.3), (160, 120), fov=1.3)
    shot = photograph(target)
    truth = torch.from_numpy(shot.depth)
    known = torch.zeros(truth.shape, dtype=torch.bool)
    known[:, :40] = True
    rng = np.random.default_rng(1)
    wrong = torch.from_numpy(np.exp(rng.uniform(-0.1, 0.1, (1, 1, 4, 5))).astype(np.float32))
    guess = torch.nn.functional.interpolate(wrong, truth.shape, mode="bilinear")[0, 0] * truth
    guess = torch.where(known, truth, guess)
    depth, owner = continue_planes(guess, known, View(target), planes)
    assert torch.equal(depth[known], truth[known]) and (owner[known] == -1).all()
    points = torch.from_numpy(target.position + target.rays() * truth[..., None].numpy())
    wall = (points.abs() - torch.from_numpy(HALF)).abs().amin(-1) < 1e-3
    unknown = wall & ~known & torch.isfinite(truth)
    exact = ((depth / truth - 1).abs() < 0.01)[unknown].float().mean()
    assert exact > 0.9
    assert exact > ((guess / truth - 1).abs() < 0.01)[unknown].float().mean() + 0.5


def masked_correlation(detail: np.ndarray, known: np.ndarray, dy: int, dx: int) -> float:
    """The slow twin: only texels that both see, one by one."""
    own = other = both = 0.0
    _, height, width = detail.shape
    for y in range(height):
        for x in range(width):
            v, u = y + dy, x + dx
            if 0 <= v < height and 0 <= u < width and known[y, x] and known[v, u]:
                a, b = detail[:, y, x], detail[:, v, u]
                both, own, other = both + a @ b, own + a @ a, other + b @ b
    return both / np.sqrt(max(own * other, 1e-9))


def test_correlation_is_that_of_what_both_see():
    rng = np.random.default_rng(2)
    known = rng.random((9, 11)) < 0.8
    detail = rng.normal(0, 1, (3, 9, 11)) * known
    value = patterns._correlation(
        torch.from_numpy(detail).float(), torch.from_numpy(known)[None].float()
    )
    for dy, dx in ((0, 0), (1, 2), (-2, 3), (3, -1)):
        expected = masked_correlation(detail, known, dy, dx)
        assert value[dy, dx].item() == pytest.approx(expected, abs=1e-4)


def foretold(place: np.ndarray, detail: np.ndarray, steps: np.ndarray, shape: tuple) -> float:
    """The slow twin: the mean of other periods' texels in the same cell, texel by texel."""
    periods = place @ np.linalg.inv(steps)
    copy = np.floor(periods + patterns.BORDER)
    inside = (periods - copy) * shape + patterns.BORDER
    cell = np.minimum(inside.astype(int), np.array(shape) - 1)
    told = np.zeros_like(detail)
    for i in range(len(place)):
        alike = (cell == cell[i]).all(1) & (copy != copy[i]).any(1)
        if alike.any():
            told[i] = detail[alike].mean(0)
    return (detail * told).sum() ** 2 / ((told**2).sum() * (detail**2).sum())


def test_other_periods_foretell_what_they_should():
    rng = np.random.default_rng(3)
    place = np.stack(np.meshgrid(np.arange(24), np.arange(20)), -1).reshape(-1, 2) + 0.5
    steps = np.array([[7.0, 1.0], [-1.0, 6.0]])
    detail = np.sin(place @ np.linalg.inv(steps) * 2 * np.pi)[:, [0, 1, 0]]
    detail += rng.normal(0, 0.3, detail.shape)
    texels = patterns._Texels(torch.from_numpy(place).float(), torch.from_numpy(detail).float())
    lattice = patterns._folded(texels, torch.from_numpy(steps).float())
    assert lattice.trust == pytest.approx(foretold(place, detail, steps, lattice.shape), rel=1e-3)
    assert lattice.trust > 0.6 and 0.5 < lattice.gain <= 1


@pytest.mark.parametrize("rounding", [-1e-9, 1e-9])
def test_texels_on_the_border_of_a_period_stay_on_one_side(rounding):
    """However a processor rounds: whole displacements put many texels onto borders."""
    y, x = torch.meshgrid(torch.arange(20), torch.arange(24), indexing="ij")
    place = torch.stack([x, y], -1).reshape(-1, 2) + 0.5
    detail = torch.rand(len(place), 3, generator=torch.Generator().manual_seed(6)) - 0.5
    steps = torch.tensor([[7.0, 1.0], [-1.0, 6.0]], dtype=torch.float64)
    texels = patterns._Texels(place.double(), detail.double())
    exact = patterns._folded(texels, steps)
    other = patterns._folded(patterns._Texels(place.double() + rounding, detail.double()), steps)
    torch.testing.assert_close(other.tile, exact.tile)
    assert other.trust == pytest.approx(exact.trust)


def test_a_chessboard_goes_on_where_nobody_looked(floor):
    (surface,) = MemoryImages([floor]).flat_surfaces
    laid, pattern = surface.texture
    assert pattern.trust > 0.7
    rng = np.random.default_rng(4)
    away = np.concatenate([rng.uniform((3, -2), (5, 2), (400, 2)), np.zeros((400, 1))], axis=1)
    across = laid.across(torch.from_numpy(away).float())
    told = pattern.at(across, torch.full((400,), 1e-3))[:, 0].numpy()
    assert ((told > 0) == chessboard(away)).mean() > 0.85
    far = pattern.at(across, torch.full((400,), 100.0))
    assert far.abs().max() == 0, "squares far smaller than a pixel"


def test_a_texture_without_repetition_adds_nothing(floor):
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 255, (15, 20, 3)).astype(np.uint8)
    cloudy = photograph_floor(floor.camera, np.kron(coarse, np.ones((8, 8, 1), np.uint8)))
    (surface,) = MemoryImages([cloudy]).flat_surfaces
    assert surface.texture is None


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 40), st.integers(5, 40), st.integers(1, 6))
def test_any_texture_can_be_searched(seed, height, width, coarse):
    """Stripes, single rows, few texels: whatever was seen, a trustworthy lattice or none."""
    rng = np.random.default_rng(seed)
    detail = rng.normal(0, 1, (3, -(-height // coarse), 1)).repeat(coarse, 1)[:, :height]
    detail = np.broadcast_to(detail, (3, height, width)) * (rng.random((height, width)) < 0.9)
    known = torch.from_numpy(rng.random((1, height, width)) < 0.7).float()
    detail = torch.from_numpy(detail.copy()).float() * known
    steps = patterns._displacements(detail, known)
    lattice = patterns._best_lattice(patterns._Texels.of(detail, known), steps)
    assert lattice is None or (
        0 < lattice.gain <= 1 and patterns.LEAST_TRUST <= lattice.trust <= 1.01
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(-5, 5), st.integers(-5, 5), st.floats(-3, 3), st.floats(-3, 3))
def test_a_pattern_repeats(floor, i, j, x, y):
    pattern = MemoryImages([floor]).flat_surfaces[0].texture[1]
    steps = torch.linalg.inv(pattern.to_periods)
    place = torch.tensor([[x, y]])
    width = torch.tensor([pattern.texel])
    here, there = pattern.at(place, width), pattern.at(place + i * steps[0] + j * steps[1], width)
    torch.testing.assert_close(here, there, atol=0.02, rtol=0.02)


@given(st.floats(-1, 1))
def test_logarithms_of_colours_come_back(value):
    color = torch.tensor([value])
    torch.testing.assert_close(patterns.from_log(patterns.to_log(color)), color, atol=1e-5, rtol=0)


def test_a_frame_continues_floor_and_board(floor):
    """Seen from one place and looked at from another, an unseen piece of the floor keeps depth and
    squares: closer to the truth than its mean colour by far."""
    target = board_camera((0.6, -2.4, 1.5), (2.2, 0.6, 0))
    truth = photograph_floor(target)
    images, scale = MemoryImages([floor]), 3.0
    conditions = build_conditions(
        PointCloud(Anchors.concatenate([lift(floor)])), images, target, references=1, scale=scale
    )
    unseen = (conditions.known[0] == 0) & torch.from_numpy(truth.depth < 12)
    assert unseen.float().mean() > 0.1
    ratio = (conditions.depth / torch.from_numpy(truth.depth))[unseen]
    assert ((ratio - 1).abs() < 0.01).float().mean() > 0.9
    wanted = torch.from_numpy(truth.rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    plain = conditions.fill
    ours, theirs = (
        (image - wanted)[..., unseen].square().mean().item()
        for image in (with_detail(plain[None], conditions, images.flat_surfaces), plain[None])
    )
    assert ours < 0.5 * theirs
    sure = conditions.weight[0] >= 0.2
    laid = with_detail(plain[None], conditions, images.flat_surfaces)[0]
    assert torch.equal(laid[:, sure], plain[:, sure]), "memory is left as it is"
