# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth: the network's frame of reference, the ground it is held to, edges, fitting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.depth import (
    EmbeddedDepth,
    level_directions,
    load_depth,
    scaled_to_ground,
)
from backend.models.depth_maps import upsample_guided, without_islands
from backend.models.depth_net import (
    LOG_BACKDROP,
    LOG_FAR,
    DepthNet,
    DepthNetConfig,
    load_depth_net,
    save_depth_net,
)
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError, ModelError
from backend.world.depth_fit import fit_depth
from backend.world.photo.depth_edges import enlarge_depth, sharpen_edges

TINY = DepthNetConfig(widths=(8, 8, 16, 16), blocks=(0, 1, 1, 1), groups=4)


def standing(height: float = 1.7, pitch: float = -0.1, size: tuple[int, int] = (96, 64)) -> Camera:
    position, offset = np.array([3.0, -2.0, height]), np.array([1, 2, 2.2 * pitch])
    return Camera(intrinsics(1.1, *size), look_at(position, position + offset), *size)


def ground_depth(camera: Camera) -> np.ndarray:
    """z-depth of the plane z = 0, +inf above the horizon."""
    rays = camera.rays()
    with np.errstate(divide="ignore"):
        depth = camera.position[2] / -rays[..., 2]
    return np.where(rays[..., 2] < 0, depth, np.inf).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(heading=st.floats(-3, 3), pitch=st.floats(-1.0, 1.0))
def test_level_directions_do_not_know_the_heading(heading, pitch):
    def at(angle: float) -> np.ndarray:
        target = np.array([np.sin(angle), np.cos(angle), np.tan(pitch)])
        return level_directions(Camera(intrinsics(1, 16, 12), look_at(np.zeros(3), target), 16, 12))

    turned, straight = at(heading), at(0.0)
    assert np.allclose(turned, straight, atol=2e-5)
    assert np.allclose(np.linalg.norm(turned, axis=2), 1, atol=1e-5)
    middle = turned[5:7, 7:9].mean(axis=(0, 1))
    assert abs(middle[0]) < 1e-4 and middle[1] > 0


def test_an_untrained_network_starts_from_the_ground_and_a_backdrop():
    camera = standing(size=(96, 64))
    directions = torch.from_numpy(level_directions(camera)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        out = DepthNet(TINY).eval()(torch.zeros(1, 3, 64, 96), directions)[0]
    assert out.shape == (3, 64, 96)
    plane = -torch.log((-directions[0, 2]).clamp_min(math.exp(-LOG_FAR)))
    backdrop = LOG_BACKDROP - directions[0, :2].norm(dim=0).log()
    apart = (plane - backdrop).abs() > 1.5  # where they meet the one fades into the other
    assert torch.allclose(out[0][apart], torch.minimum(plane, backdrop)[apart], atol=0.02)
    assert ((out[1] > 0) == (plane < backdrop)).all()


def test_the_network_learns_a_distance():
    """A real optimisation at tiny size: a constant that is far from where it starts."""
    torch.manual_seed(0)
    net = DepthNet(TINY)
    camera = standing(size=(64, 32))
    directions = torch.from_numpy(level_directions(camera)).permute(2, 0, 1)[None]
    image = torch.zeros(1, 3, 32, 64)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    first = None
    for _ in range(40):
        loss = (net(image, directions)[:, 0] - 2.5).abs().mean()
        first = first or float(loss.detach())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.4 * first


def test_weights_survive_saving_as_half_floats(tmp_path):
    torch.manual_seed(1)
    net = DepthNet(TINY)
    torch.nn.init.normal_(net.head.weight, std=0.05)
    save_depth_net(net, tmp_path / "net", {"note": "test"})
    back = load_depth_net(tmp_path / "net")
    camera = standing(size=(64, 32))
    directions = torch.from_numpy(level_directions(camera)).permute(2, 0, 1)[None]
    image = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        assert torch.allclose(net.eval()(image, directions), back(image, directions), atol=0.02)


@pytest.mark.parametrize("damage", ["config", "weights", "both"])
def test_damaged_weights_are_one_sentence(tmp_path, damage):
    save_depth_net(DepthNet(TINY), tmp_path, {})
    if damage in ("config", "both"):
        (tmp_path / "config.json").write_text("{")
    if damage in ("weights", "both"):
        (tmp_path / "weights.safetensors").write_bytes(b"\xff" * 30)
    with pytest.raises(ModelError, match="install WorldFM again"):
        load_depth_net(tmp_path)


def test_estimates_scale_with_the_camera_height():
    torch.manual_seed(2)
    net = DepthNet(TINY)
    torch.nn.init.normal_(net.head.weight, std=0.05)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    low = EmbeddedDepth(net.eval()).estimate(rgb, standing(1.5)).depth
    high = EmbeddedDepth(net.eval()).estimate(rgb, standing(4.5)).depth
    solid = np.isfinite(low)
    assert solid.any() and np.array_equal(solid, np.isfinite(high))
    assert np.allclose(high[solid], 3 * low[solid], rtol=1e-3)


def test_nothing_lies_below_the_ground():
    torch.manual_seed(3)
    net = DepthNet(TINY)
    torch.nn.init.normal_(net.head.weight, std=0.1)
    torch.nn.init.constant_(net.head.bias[8:].data, -9.0)  # no sky
    camera = standing(pitch=-0.5)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    depth = EmbeddedDepth(net.eval()).estimate(rgb, camera).depth
    solid = np.isfinite(depth)
    assert solid.mean() > 0.5
    points = camera.position + camera.rays()[solid] * depth[solid, None]
    assert points[:, 2].min() > -1e-3


def test_estimators_want_a_camera_above_the_ground_and_of_the_pictures_size():
    net = EmbeddedDepth(DepthNet(TINY).eval())
    with pytest.raises(InputError, match="above the ground"):
        net.estimate(np.zeros((64, 96, 3), np.uint8), standing(height=-1))
    with pytest.raises(InputError, match="resize one"):
        net.estimate(np.zeros((32, 96, 3), np.uint8), standing())


@pytest.mark.parametrize("name", ["moge-2", "depth-anything", "depth-pro"])
def test_absent_models_say_what_to_do(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"install|download"):
        load_depth(name)


def test_unknown_estimator():
    with pytest.raises(ModelError, match="choose auto, embedded"):
        load_depth("crystal-ball")


def test_what_sky_surrounds_is_sky_and_what_stands_before_it_is_not():
    maps = np.zeros((24, 32, 3), np.float32)
    maps[:14, :, 2] = 0.9
    maps[3:6, 5:9, 2] = 0.1  # a cloud
    maps[:2, 20:24, 2] = 0.4  # and one that the picture cuts off
    maps[4:16, 14, 2] = 0.2  # a mast
    maps[2:5, 30:, 2] = 0.0  # a branch from beside the picture
    made = without_islands(maps)
    assert (made[3:6, 5:9, 2] == 1).all() and (made[:2, 20:24, 2] == 1).all()
    assert (made[4:16, 14, 2] < 0.5).all() and (made[2:5, 30:, 2] < 0.5).all()
    np.testing.assert_array_equal(made[..., :2], maps[..., :2])


@pytest.mark.parametrize("wrong", [0.2, 1.0, 7.0])
def test_other_models_depth_is_scaled_to_the_ground(wrong):
    camera = standing(1.7, -0.3)
    depth = ground_depth(camera)
    depth[:, 30:40] = np.minimum(depth[:, 30:40], 3.0)  # something stands on it
    guess = scaled_to_ground(depth * wrong, camera, "other")
    below = np.isfinite(depth) & (depth < 20)
    assert np.allclose(guess.depth[below], depth[below], rtol=0.03)
    assert guess.ground[-1, 0] == 1 and guess.ground[10, 35] == 0


def test_guided_enlarging_follows_the_pictures_edges():
    rgb = np.zeros((120, 160, 3), np.uint8)
    rgb[:, 83:] = 255
    small = rgb[2::4, 2::4]
    maps = np.where(small[..., :1] > 0, 3.0, 1.0).astype(np.float32)
    large = upsample_guided(maps, small, rgb)[..., 0]
    assert np.abs(large[:, :80] - 1).max() < 0.1
    assert np.abs(large[:, 86:] - 3).max() < 0.1


def test_slopes_at_silhouettes_become_steps():
    depth = np.full((40, 60), 2.0, np.float32)
    depth[:, 30:] = 8.0
    depth[:, 28:32] = [2.4, 3.6, 5.4, 7.2]  # what a smooth estimator leaves
    sharp = sharpen_edges(depth)
    between = (sharp > 2.3) & (sharp < 7.0)
    assert not between.any()
    assert sharp[0, 0] == pytest.approx(2.0) and sharp[0, -1] == pytest.approx(8.0)


def test_sharpening_leaves_planes_and_sky_alone():
    camera = standing(1.7, -0.4, (120, 80))
    depth = ground_depth(camera)
    depth[depth > 6] = np.inf
    sharp = sharpen_edges(depth)
    interior = np.isfinite(depth) & (depth < 4)
    assert np.allclose(sharp[interior], depth[interior], rtol=1e-5)
    assert np.isinf(sharp[0]).all()


def test_enlarged_depth_has_nothing_between_two_surfaces():
    depth = np.full((30, 40), 2.0, np.float32)
    depth[:, 20:] = 9.0
    depth[:5] = np.inf
    large = enlarge_depth(depth, 160, 120)
    assert large.shape == (120, 160)
    assert set(np.unique(large.round(3))) == {np.float32(2.0), np.float32(9.0), np.inf}


def test_fitting_meets_what_is_known_and_bends_the_rest():
    truth = np.fromfunction(lambda y, x: 3 + 0.05 * x + 0.02 * y, (48, 64)).astype(np.float32)
    guess = truth * 2.5
    known = np.where(np.arange(64)[None] < 24, truth, 0).astype(np.float32)
    fitted = fit_depth(guess, known)
    assert np.array_equal(fitted[:, :24], truth[:, :24])
    assert np.allclose(fitted, truth, rtol=0.02)


def test_fitting_does_not_follow_a_few_wild_points():
    truth = np.full((48, 64), 4.0, np.float32)
    rng = np.random.default_rng(0)
    known = np.zeros_like(truth)
    at = rng.integers(0, [48, 64], (60, 2))
    known[at[:, 0], at[:, 1]] = 4.0
    known[at[0, 0], at[0, 1]] = 400.0
    fitted = fit_depth(truth * 0.5, known)
    elsewhere = known == 0
    assert np.allclose(fitted[elsewhere], 4.0, rtol=0.02)


def test_fitting_keeps_sky_and_a_guess_without_knowledge():
    guess = np.full((8, 8), 2.0, np.float32)
    guess[0] = np.inf
    known = np.zeros((8, 8), np.float32)
    known[1, :4] = np.inf
    fitted = fit_depth(guess, known)
    assert np.isinf(fitted[0]).all() and np.isinf(fitted[1, :4]).all()
    assert (fitted[2:] == 2.0).all()
