# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours for unseen surfaces and depth for unknown pixels, against slow twins and in a room."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import PointCloud
from backend.conditioning.channels import GUESSES
from backend.conditioning.conditions import build_conditions
from backend.conditioning.memory.images import MemoryImages
from backend.conditioning.memory.seen import Seen
from backend.conditioning.unseen import surfels as fill
from backend.conditioning.unseen.cell_colors import guess_cells, propose_alike
from backend.conditioning.unseen.depth_completion import complete_depth, smooth_guess
from backend.conditioning.unseen.proposals import SoFar
from backend.conditioning.view import View
from backend.data.synth import fly_path, make_scene, render_view
from backend.models.cell_net import CellNet, load_colors, load_completion
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import ModelError
from backend.shared.frame import MemoryFrame

RED, BLUE, SKY = (200, 30, 30), (30, 30, 200), (90, 150, 230)


def floor_and_wall(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """A red floor at z = 0 and a blue wall at y = 4, two metres high, under the sky."""
    rays = camera.rays().astype(np.float64)
    origin = camera.position
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(rays[..., 2] < 0, -origin[2] / rays[..., 2], np.inf)
        wall = np.where(rays[..., 1] > 0, (4 - origin[1]) / rays[..., 1], np.inf)
    wall = np.where(origin[2] + wall * rays[..., 2] < 2, wall, np.inf)
    depth = np.minimum(floor, wall)
    rgb = np.where((floor < wall)[..., None], RED, BLUE)
    rgb = np.where(np.isinf(depth)[..., None], SKY, rgb)
    return rgb.astype(np.uint8), depth.astype(np.float32)


def camera_at(x: float, toward: float, size: int = 64) -> Camera:
    return Camera(
        intrinsics(70.0, size, size), look_at((x, 0.0, 1.0), (toward, 4.0, 0.9)), size, size
    )


def memory_of(camera: Camera) -> MemoryFrame:
    rgb, depth = floor_and_wall(camera)
    return MemoryFrame("0", "memory", camera, rgb, depth)


def slow_guess(
    target: fill.Surfels, memory: fill.Surfels, scale: float, i: int, falloff: fill.Falloff
) -> tuple[np.ndarray, float]:
    """The colour and distance of cell `i`, one memory cell after the other."""
    weights, colours, distances = [], [], []
    for j in range(len(memory.sky)):
        if not memory.known[j] or memory.sky[j] != target.sky[i]:
            continue
        if target.sky[i]:
            a, b = (c.direction[k].double() for c, k in ((target, i), (memory, j)))
            angle = math.acos(max(-1.0, min(1.0, float(a @ b))))
            rise = abs(float(a[2] - b[2]))
            weights.append(math.exp(-fill.SKY_AZIMUTH * angle - fill.SKY_ELEVATION * rise))
            distances.append(angle / (angle + 1))
        else:
            between = (target.position[i] - memory.position[j]).double() / scale
            square = float(between @ between)
            offsets = [float(between @ c.normal[k].double()) for c, k in ((target, i), (memory, j))]
            cosine = float(target.normal[i].double() @ memory.normal[j].double())
            weights.append(
                (square + fill.LEAST_DISTANCE**2) ** -falloff.nearness
                * (offsets[0] ** 2 + offsets[1] ** 2 + fill.LEAST_OFFSET**2) ** -falloff.plane
                * math.exp(-falloff.normal * (1 - cosine))
            )
            distances.append(square / (square + 1))
        colours.append(memory.color[j].double().numpy())
    share = np.array(weights) / sum(weights)
    return share @ np.array(colours), float(share @ np.array(distances))


def test_guesses_agree_with_their_slow_twin():
    memory = MemoryImages([memory_of(camera_at(0, 0))]).cells
    camera = camera_at(1.0, 3.0)
    target = fill.surfels(torch.from_numpy(floor_and_wall(camera)[1]), View(camera))
    told = fill.guess_colors(target, memory, 3.0)
    for i in range(0, len(target.sky), 97):
        for name, falloff in fill.FALLOFFS.items():
            expected, distance = slow_guess(target, memory, 3.0, i, falloff)
            assert told[i, GUESSES[name]].numpy() == pytest.approx(expected, abs=2e-3)
            if name == "nearest":
                far = told[i, GUESSES["distance"]]
                assert float(far) == pytest.approx(distance, abs=2e-3)
    sky = torch.tensor(SKY) / 127.5 - 1
    assert (told[:, GUESSES["sky_guess"]] - sky).abs().max() < 0.02, (
        "sky has one colour here, wherever one looks"
    )
    assert (told[:, GUESSES["has_sky"]] == 1).all()


def test_unseen_floor_is_coloured_like_the_floor_and_not_like_the_wall_beside_it():
    memory = memory_of(camera_at(0, 0))
    camera = camera_at(3.0, 7.0)
    truth, depth = floor_and_wall(camera)
    target = fill.surfels(torch.from_numpy(depth), View(camera))
    seen = MemoryImages([memory]).cells
    color = fill.guess_colors(target, seen, 3.0)[:, GUESSES["nearest"]]
    expected = fill.surfels(
        torch.from_numpy(depth), View(camera), torch.from_numpy(truth).permute(2, 0, 1) / 127.5 - 1
    ).color
    assert (color - expected).abs().median() < 0.02
    assert (color - expected).abs().mean() < 0.1


def test_colour_stays_on_its_surface_when_the_camera_moves():
    memory = MemoryImages([memory_of(camera_at(0, 0))]).cells
    colours = []
    for x in (2.0, 2.3):
        camera = camera_at(x, x + 3)
        target = fill.surfels(torch.from_numpy(floor_and_wall(camera)[1]), View(camera))
        point = torch.tensor([3.0, 3.0, 0.0])
        nearest = (target.position - point).norm(dim=1).argmin()
        colours.append(fill.guess_colors(target, memory, 3.0)[nearest, GUESSES["nearest"]])
    assert (colours[0] - colours[1]).abs().max() < 0.05


def test_colours_spread_over_pixels_do_not_run_over_a_silhouette():
    camera = camera_at(0, 0, 128)
    rgb, depth = floor_and_wall(camera)
    depth = torch.from_numpy(depth)
    truth = torch.from_numpy(rgb).permute(2, 0, 1) / 127.5 - 1
    cells = fill.surfels(depth, View(camera))
    at = View(camera).centres
    values = truth[:, at[0], at[1]].reshape(3, -1).T
    everywhere = torch.ones(128, 128, dtype=torch.bool)
    fine = fill.spread_cells(cells, values, depth, View(camera), everywhere)
    assert ((fine - truth).abs().amax(0) < 0.1).float().mean() > 0.97
    plain = torch.nn.functional.interpolate(
        values.T.view(1, 3, 32, 32), (128, 128), mode="bilinear"
    )
    assert ((plain[0] - truth).abs().amax(0) < 0.1).float().mean() < 0.95
    half = everywhere.clone()
    half[:64] = False
    part = fill.spread_cells(cells, values, depth, View(camera), half)
    assert (part[:, :64] == 0).all()
    assert torch.equal(part[:, 64:], fine[:, 64:])


def test_only_the_cells_around_holes_are_asked_and_the_rest_changes_nothing():
    memory = MemoryImages([memory_of(camera_at(0, 0))]).cells
    camera = camera_at(1.0, 3.0, 96)
    depth = torch.from_numpy(floor_and_wall(camera)[1])
    everywhere = torch.ones(96, 96, dtype=torch.bool)
    somewhere = torch.zeros_like(everywhere)
    somewhere[20:31, 50:] = True
    somewhere[95, 0] = True
    asked = fill.cells_around(somewhere, View(camera))
    assert 0 < asked.sum() < 0.3 * len(asked)
    target = fill.surfels(depth, View(camera))
    view = View(camera)
    some, all_of_it = (
        fill.spread_cells(target, guess_cells(memory, target, w, view, 3.0), depth, view, w)
        for w in (somewhere, everywhere)
    )
    assert torch.allclose(some[:, somewhere], all_of_it[:, somewhere], atol=1e-4)
    assert (some[:, ~somewhere] == 0).all()
    assert not fill.cells_around(~everywhere, View(camera)).any()


def test_many_frames_are_thinned_and_none_give_grey():
    frames = [memory_of(camera_at(0.1 * i, 0)) for i in range(9)]
    cells = MemoryImages(frames).cells
    assert 0 < len(cells.sky) <= fill.MOST_CELLS
    nothing = MemoryImages([]).cells
    camera = camera_at(0, 0)
    target = fill.surfels(torch.from_numpy(floor_and_wall(camera)[1]), View(camera))
    color, far, rest = fill.guess_colors(target, nothing, 1.0).tensor_split((3, 4), dim=1)
    assert (color == 0).all() and (far == 1).all() and (rest == 0).all()


def test_without_memory_nothing_is_corrected():
    camera = camera_at(0, 0)
    depth = torch.from_numpy(floor_and_wall(camera)[1])
    nothing = torch.zeros(4, 64, 64).split((3, 1))
    seen = Seen(nothing[0], nothing[1], nothing[0], torch.ones(1, 64, 64))
    proposed = propose_alike(SoFar(View(camera), MemoryImages([]), 1.0, seen, depth))
    assert (proposed.color == 0).all() and torch.allclose(proposed.far, torch.ones(1), atol=1e-4)


@pytest.mark.parametrize("whole", [True, False])
def test_only_whole_geometry_makes_sky_of_what_is_empty(whole: bool):
    near, beside = memory_of(camera_at(0, 0)), memory_of(camera_at(5, 9))
    parts = [lift(near), lift(beside)]
    points = Anchors.concatenate(
        [Anchors(p.xyz, np.zeros_like(p.rgb), p.radius, whole) for p in parts]
    )
    camera = camera_at(5, 9)
    conditions = build_conditions(
        PointCloud(points), MemoryImages([near]), camera, references=1, scale=3.0
    )
    truth = torch.isinf(torch.from_numpy(beside.depth))
    found = (conditions.sky[0] > 0) & (conditions.weight[0] == 0)
    assert (found == truth).float().mean() > 0.97 if whole else not found.any()


def test_completed_depth_keeps_what_is_known_and_knows_every_pixel():
    camera = camera_at(0, 0)
    rgb, z = floor_and_wall(camera)
    depth = torch.from_numpy(z)
    partly = depth.clone()
    partly[:, 30:] = 0
    whole = complete_depth(partly, View(camera), 3.0, Seen.where_known(rgb, partly))
    assert torch.equal(whole[:, :30], depth[:, :30])
    assert (whole > 0).all()
    assert torch.equal(
        complete_depth(depth, View(camera), 3.0, Seen.where_known(rgb, depth)), depth
    )
    none = torch.zeros(16, 16)
    nobody = Seen.where_known(rgb[:16, :16], none)
    assert (complete_depth(none, View(camera.resized(16, 16)), 2.0, nobody) == 2.0).all()


def test_the_shipped_network_continues_scenes_it_never_saw_better_than_the_smooth_guess():
    errors: dict[str, list[float]] = {"network": [], "guess": []}
    for kind in ("interior", "street", "corridor", "landscape"):
        scene = make_scene(kind, 7_000_001)
        for camera in fly_path(scene, 0, 14, (96, 96))[::6]:
            picture, truth = render_view(scene, camera, antialias=False)
            rgb = (picture * 255).round().to(torch.uint8).numpy()
            partly = truth.clone()
            partly[:, 50:] = 0
            scale = float(truth[torch.isfinite(truth)].median())
            sky = 8 * scale
            for name, made in (
                (
                    "network",
                    complete_depth(partly, View(camera), scale, Seen.where_known(rgb, partly)),
                ),
                ("guess", smooth_guess(partly, scale)),
            ):
                wrong = (torch.log(made.clamp(max=sky)) - torch.log(truth.clamp(max=sky))).abs()
                errors[name].append(float(wrong[partly == 0].mean()))
    assert np.mean(errors["network"]) < 0.9 * np.mean(errors["guess"])


@pytest.mark.parametrize("load", [load_completion, load_colors])
def test_a_missing_or_damaged_network_is_named(tmp_path, load):
    with pytest.raises(ModelError, match="reinstall WorldFM"):
        load(torch.device("cpu"), tmp_path)
    CellNet(4, 2, (8, 8), (1, 1)).save_pretrained(tmp_path)
    weights = next(tmp_path.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="reinstall WorldFM"):
        load(torch.device("cpu"), tmp_path)
