# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of the official layout at a small size: what decides them, caching, sizes, faults."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.anchors.point_renderer import PointCloud, render_points
from backend.conditioning.memory.images import MemoryImages
from backend.models.autoencoder import ProductAttention
from backend.models.convert import convert
from backend.models.preprocess import fit_picture, fit_render
from backend.models.run_options import OfficialSettings, RunOptions, read_options
from backend.models.store import WEIGHTS, ModelRecord, find_model
from backend.pipelines.embedded import Stopwatch
from backend.pipelines.official import (
    OfficialPipeline,
    is_official,
    load_transformer,
    one_pixel_points,
)
from backend.reference.cases import read_arrays
from backend.reference.conformance import load_autoencoder, load_network
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError, ModelError, WorldError
from backend.shared.frame import FrameRequest, MemoryFrame
from backend.shared.world import World
from tests.models.official_room import CONFIG, VECTORS, reference_weights, write_vae

RECORD = ModelRecord("small", 2, {}, {f"transformer/{WEIGHTS}": "0123456789abcdef"})
E2E = VECTORS / "e2e"


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def build(settings=None, options=None):
    vae = load_autoencoder(E2E / "vae_config.json", E2E / "vae_weights.safetensors")
    model = load_network(VECTORS / "dit_a")
    return OfficialPipeline(model, vae, RECORD, torch.device("cpu"), settings, options)


@pytest.fixture(scope="module")
def pipeline():
    torch.set_num_threads(1)
    return build()


def wall_camera(x=0.0, width=48, height=32):
    c2w = look_at(np.array([x, -3.0, 0.0]), np.array([x, 0.0, 0.0]))
    return Camera(intrinsics(1.0, width, height), c2w, width, height)


def wall(x=0.0, seed=0, width=48, height=32):
    """A memory frame that looks at a wall of random bricks three metres away."""
    rng = np.random.default_rng(seed)
    rgb = np.kron(rng.integers(1, 256, (height // 8, width // 8, 3)), np.ones((8, 8, 1)))
    depth = np.full((height, width), 3.0, np.float32)
    camera = wall_camera(x, width, height)
    return MemoryFrame(f"wall {x} {seed}", "wall", camera, rgb.astype(np.uint8), depth)


def world(*frames):
    frames = frames or (wall(),)
    return World(Anchors.concatenate([lift(f) for f in frames]), list(frames), 7, {})


def test_a_frame_has_the_requests_size_and_everything_that_made_it(pipeline):
    request = FrameRequest(wall_camera(0.1, 45, 30), steps=2, seed=3)
    reply = pipeline.render(pipeline.prepare(world()), request)
    assert reply.rgb.shape == (30, 45, 3) and reply.rgb.dtype == np.uint8
    assert reply.depth.shape == reply.coverage.shape == (30, 45)
    assert reply.depth[15, 20] == pytest.approx(3.0, abs=1e-3)
    assert reply.anchor_rgb.shape == (30, 45, 3)
    assert reply.request is request and reply.world_revision == 7
    assert (reply.model_name, reply.model_hash) == ("small", "0123456789ab")
    stages = ("anchors", "memory", "encode", "transformer", "decode", "output")
    assert tuple(reply.timings) == stages and min(reply.timings.values()) >= 0


def test_the_same_request_gives_the_same_bytes_whatever_came_before(pipeline):
    prepared = pipeline.prepare(world())
    request = FrameRequest(wall_camera(), steps=2, seed=1)
    first = pipeline.render(prepared, request).rgb
    torch.rand(10)
    other = pipeline.render(prepared, FrameRequest(wall_camera(0.3), steps=1, seed=2)).rgb
    again = build().render(build().prepare(world()), request).rgb
    assert np.array_equal(pipeline.render(prepared, request).rgb, first)
    assert np.array_equal(again, first)
    assert not np.array_equal(other, first)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_steps_and_seed_decide_the_picture(pipeline, steps):
    prepared = pipeline.prepare(world())
    frames = [
        pipeline.render(prepared, FrameRequest(wall_camera(), steps=steps, seed=seed)).rgb
        for seed in (0, 1)
    ]
    assert not np.array_equal(*frames)


def test_a_memory_frame_is_encoded_once(pipeline, monkeypatch):
    counted = build()
    encoded = []
    encode = counted._encode
    monkeypatch.setattr(counted, "_encode", lambda *x: encoded.append(x[0].shape) or encode(*x))
    prepared = counted.prepare(world())
    for x in (0.0, 0.1, 0.2):
        counted.render(prepared, FrameRequest(wall_camera(x)))
    assert len(encoded) == 4  # three anchor renders and one memory frame
    counted.render(counted.prepare(world()), FrameRequest(wall_camera()))
    assert len(encoded) == 5  # a new revision of the world knows the picture already
    counted.render(counted.prepare(world(wall(seed=9))), FrameRequest(wall_camera()))
    assert len(encoded) == 7  # another picture at the same camera


def test_the_memory_frame_that_sees_the_target_is_taken(pipeline):
    left, right = wall(0.0, seed=1), wall(40.0, seed=2)
    both = pipeline.prepare(world(left, right))
    for frame, x in ((left, 0.0), (right, 40.0)):
        alone = pipeline.prepare(world(frame))
        request = FrameRequest(wall_camera(x))
        expected = pipeline.render(alone, request).rgb
        assert np.array_equal(pipeline.render(both, request).rgb, expected)


def test_a_world_without_memory_or_without_anchors_renders(pipeline):
    frame = wall()
    only_anchors = World(lift(frame), [], 1, {})
    only_memory = World(Anchors.empty(), [frame], 1, {})
    for bare in (only_anchors, only_memory):
        assert pipeline.render(pipeline.prepare(bare), FrameRequest(frame.camera)).rgb.any()
    with pytest.raises(WorldError, match="empty"):
        pipeline.prepare(World(Anchors.empty(), [], 1, {}))


@pytest.mark.parametrize(
    ("steps", "sentence"), [(0, "steps must be a number from 1"), (101, "1 to 100 steps")]
)
def test_steps_out_of_range_are_refused(pipeline, steps, sentence):
    with pytest.raises(InputError, match=sentence):
        pipeline.render(pipeline.prepare(world()), FrameRequest(wall_camera(), steps=steps))


def test_the_reference_switches_reproduce_its_frame():
    """Sampled latents, its noise and two steps: byte for byte the reference's picture."""
    arrays = read_arrays(E2E / "cases.npz")
    reference = build(OfficialSettings(sample_latents=True))
    noises = [torch.from_numpy(arrays[k]) for k in ("noise_cond1", "noise_cond2", "z", "mid_noise")]
    reference._noises = lambda shape, seed, draws: tuple(noises[:draws])
    with torch.inference_mode():
        memory = reference.encode_picture(arrays["cond_u8"])
        for steps in (1, 2):
            points = torch.from_numpy(arrays["render_u8"])
            watch = Stopwatch(torch.device("cpu"))
            ours = reference.generate(points, memory, 0, steps, watch).numpy()
            difference = np.abs(ours.astype(int) - arrays[f"out_{steps}step_u8"])
            assert difference.max() <= 1 and np.count_nonzero(difference) <= 8


def test_the_mode_is_taken_unless_asked_otherwise(pipeline):
    sampled = build(OfficialSettings(sample_latents=True))
    request = FrameRequest(wall_camera(), seed=4)
    frames = [p.render(p.prepare(world()), request).rgb for p in (pipeline, sampled)]
    assert not np.array_equal(*frames)


def test_the_middle_timestep_is_a_setting(pipeline):
    other = build(OfficialSettings(mid_timestep=450))
    request = FrameRequest(wall_camera(), steps=2)
    frames = [p.render(p.prepare(world()), request).rgb for p in (pipeline, other)]
    assert not np.array_equal(*frames)


def test_points_are_bare_and_take_memorys_colour_where_they_have_none():
    frame = wall()
    points = lift(frame, stride=4)
    colourless = Anchors(points.xyz, np.zeros_like(points.rgb), points.radius)
    images = MemoryImages([frame])
    camera = wall_camera()
    own = render_points(PointCloud(points), camera)
    bare = render_points(PointCloud(colourless), camera)
    assert (own.coverage > 0).sum() > (own.coverage >= 1).sum()  # gaps were closed
    shown = one_pixel_points(own, images, camera)
    assert torch.equal(shown.amax(dim=-1) > 0, own.coverage >= 1)
    fetched = one_pixel_points(bare, images, camera)
    hit = bare.coverage >= 1
    error = (fetched[hit].int() - shown[hit].int()).abs().float().mean()
    assert error < 8
    assert not fetched[~hit].any()


def test_warm_up_runs_every_stage_and_tells_its_progress(pipeline):
    told = []
    pipeline.warm_up(40, 24, steps=2, progress=lambda what, share: told.append((what, share)))
    assert told[0] == ("preparing the encoder", 0.0) and told[-1] == ("ready", 1.0)


def test_options_that_save_memory_keep_the_picture(pipeline):
    request = FrameRequest(wall_camera())
    full = pipeline.render(pipeline.prepare(world()), request).rgb.astype(int)
    for options, most in (
        (RunOptions(slicing=True), 0),
        (RunOptions(tiling=True), 0),  # smaller than a tile
        (RunOptions(offload=True), 0),
        (RunOptions(fp8=True), 40),
    ):
        other = build(options=options)
        frame = other.render(other.prepare(world()), request).rgb
        assert np.abs(frame - full).max() <= most


def test_switches_are_one_line_of_text():
    assert read_options("") == (OfficialSettings(), RunOptions())
    settings, options = read_options(
        "fp8, tiling,attention=xformers, compile=off, mid-timestep=450"
    )
    assert settings == OfficialSettings(mid_timestep=450)
    assert options == RunOptions(attention="xformers", compile=False, fp8=True, tiling=True)
    for wrong in ("fast", "mid-timestep=soon", "fp8=perhaps"):
        with pytest.raises(InputError, match="does not know"):
            read_options(wrong)


def test_the_environment_decides_where_nothing_is_said(installed, monkeypatch):
    monkeypatch.setenv("WORLDFM_OFFICIAL", "slicing, sample-latents")
    loaded = OfficialPipeline.from_pretrained("small", device="cpu")
    assert loaded.options.slicing and loaded.settings.sample_latents
    monkeypatch.setenv("WORLDFM_OFFICIAL", "attention=fast")
    with pytest.raises(InputError, match="no attention"):
        OfficialPipeline.from_pretrained("small", device="cpu")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    torch.save(reference_weights(), tmp_path / "a.pth")
    convert(tmp_path / "a.pth", write_vae(tmp_path / "vae"), "small", steps=1, config=CONFIG)
    return find_model("small")


def test_an_installed_model_renders_what_its_parts_do(installed, pipeline):
    assert is_official("small") and is_official(installed) and not is_official("embedded")
    loaded = OfficialPipeline.from_pretrained("small", device="cpu", dtype="float32")
    assert loaded.name == "small" and loaded.default_steps == 1 and len(loaded.hash) == 12
    request = FrameRequest(wall_camera())
    frame = loaded.render(loaded.prepare(world()), request).rgb
    same = pipeline.render(pipeline.prepare(world()), request).rgb
    assert np.abs(frame.astype(int) - same).max() <= 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_near(installed, pipeline, dtype):
    loaded = OfficialPipeline.from_pretrained("small", device="cpu", dtype=dtype)
    assert loaded.model.dtype == getattr(torch, dtype)
    assert loaded.vae.dtype == (torch.float32 if dtype == "float16" else torch.bfloat16)
    request = FrameRequest(wall_camera())
    frame = loaded.render(loaded.prepare(world()), request).rgb
    same = pipeline.render(pipeline.prepare(world()), request).rgb.astype(int)
    assert np.abs(frame - same).mean() < 4


def test_the_tiny_autoencoder_can_take_over(installed, tmp_path):
    torch.manual_seed(0)
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8)
    )
    tiny.save_pretrained(tmp_path / "tiny")
    settings = OfficialSettings(tiny_vae=tmp_path / "tiny")
    preview = OfficialPipeline.from_pretrained("small", "cpu", "float32", settings)
    assert preview.stride == 16
    reply = preview.render(preview.prepare(world()), FrameRequest(wall_camera()))
    assert reply.rgb.shape == (32, 48, 3)


@pytest.mark.parametrize("damage", ["weights", "config", "missing", "vae"])
def test_a_damaged_installation_is_said_in_one_sentence(installed, damage):
    weights = installed / "transformer" / WEIGHTS
    if damage == "weights":
        weights.write_bytes(weights.read_bytes()[:-50])
    elif damage == "config":
        (installed / "transformer" / "config.json").write_text("{")
    elif damage == "missing":
        weights.unlink()
    else:
        (installed / "vae" / WEIGHTS).unlink()
    with pytest.raises(ModelError) as caught:
        OfficialPipeline.from_pretrained("small", device="cpu")
    assert "\n" not in str(caught.value)


def test_a_model_installed_before_its_class_had_this_name_still_loads(installed):
    path = installed / "transformer" / "config.json"
    config = json.loads(path.read_text())
    old = config | {"_class_name": "FrameModel", "conditions": "joint", "hint_channels": 22}
    path.write_text(json.dumps(old))
    assert load_transformer(path.parent, torch.float32).config.heads == config["heads"]
    path.write_text(json.dumps(old | {"conditions": "cached"}))
    with pytest.raises(ModelError, match="not a released one; remove it"):
        load_transformer(path.parent, torch.float32)


def test_a_model_that_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="worldfm models download"):
        OfficialPipeline.from_pretrained("worldfm-1-step", device="cpu")
    assert is_official("official") and is_official(
        "worldfm-1-step"
    )  # so that the user reads this and not of a missing folder
    with pytest.raises(ModelError, match="worldfm-2-step"):
        OfficialPipeline.from_pretrained("official", device="cpu")


def test_official_is_the_published_model_that_is_here(installed):
    installed.rename(installed.parent / "worldfm-1-step")
    assert find_model("official").name == "worldfm-1-step"
    shutil.copytree(installed.parent / "worldfm-1-step", installed.parent / "worldfm-2-step")
    assert find_model("official").name == "worldfm-2-step"


def test_pictures_are_fitted_as_the_reference_fits_them():
    picture = wall(width=64, height=48).rgb
    assert fit_picture(picture, 32, 32).shape == (32, 32, 3)
    assert np.array_equal(fit_picture(picture, 48, 64), picture)
    render = fit_render(torch.from_numpy(picture), 48, 64)
    assert torch.allclose(render[0, :, 0, 0], torch.from_numpy(picture[0, 0] / 127.5 - 1).float())


class FlatWall:
    """Stands in for a depth network: a wall four metres away on level ground."""

    name, coarse = "flat wall", False

    def estimate(self, rgb, camera):
        from backend.models.depth import DepthGuess

        down = camera.rays()[..., 2]
        ground = np.where(down < 0, -camera.position[2] / np.minimum(down, -1e-6), np.inf)
        depth = np.minimum(ground, 4.0).astype(np.float32)
        return DepthGuess(depth, (ground < 4.0).astype(np.float32), self.name)


def test_the_reference_input_gives_world_and_cameras(tmp_path):
    import cv2

    from backend.world.importers.meta import world_from_meta

    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8), (128, 96))
    cv2.imwrite(str(tmp_path / "room.png"), picture[..., ::-1])
    K = [[80.0, 0, 64], [0, 80.0, 48], [0, 0, 1]]
    front = np.eye(4)
    front[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]  # along x, y down
    meta = {"name": "room", "image": "room.png", "K": K, "c2w": [front.tolist()] * 2}
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    built, path = world_from_meta(tmp_path / "meta.json", FlatWall())
    assert len(path) == 2 and (path[0].width, path[0].height) == (128, 96)
    photo = built.memory[0]
    assert np.array_equal(photo.rgb, picture)
    assert np.allclose(photo.camera.c2w, path[0].c2w)
    assert built.anchors.xyz[:, 0].max() == pytest.approx(4.0, abs=1e-3)  # the wall, along x


@pytest.mark.parametrize("scores", [1 << 26, 200])
def test_the_autoencoders_attention_as_products_changes_nothing(monkeypatch, scores):
    monkeypatch.setattr(ProductAttention, "MOST_SCORES", scores)
    vae = load_autoencoder(E2E / "vae_config.json", E2E / "vae_weights.safetensors")
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        plain = vae.encode(image)
        vae.use_products()
        assert (vae.encode(image) - plain).abs().max() < 1e-5 * plain.abs().max()
