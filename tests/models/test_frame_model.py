# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded model's parts at tiny size: PRoPE, memory caching, filling, the pipeline."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.conditioning.anchors.lifting import lift
from backend.conditioning.channels import HINTS
from backend.conditioning.unseen.fill import push_pull
from backend.models.frame_model import FrameModel, MemoryTokens
from backend.models.load_frame_model import load_frame_model, save_frame_model
from backend.models.prope import ViewEncoding, encode_view, transform_key, transform_query
from backend.pipelines.embedded import FramePipeline, padded_camera
from backend.shared.anchors import Anchors
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.errors import InputError, ModelError, WorldError
from backend.shared.frame import FrameRequest
from backend.shared.world import World
from tests.scenes.world_room import photograph, room_camera


def tiny_model(seed: int = 0) -> FrameModel:
    torch.manual_seed(seed)
    model = FrameModel(latent_channels=4, widths=(8, 8, 16, 16), token_width=32, heads=2, layers=2)
    for parameter in model.parameters():  # zero-initialised layers would hide what is not wired
        torch.nn.init.normal_(parameter, std=0.08)
    return model.eval()


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> FramePipeline:
    folder = tmp_path_factory.mktemp("tiny")
    save_frame_model(tiny_model(), folder, {"stage": "test"})
    return FramePipeline.from_pretrained(folder, "cpu")


@pytest.fixture(scope="module")
def world() -> World:
    memory = [
        photograph(room_camera(position, target, (48, 32)))
        for position, target in (((0, -3, 0.2), (0, 1, -0.2)), ((1.5, -2.5, 0.6), (-0.5, 1, -0.3)))
    ]
    return World(Anchors.concatenate([lift(frame) for frame in memory]), memory, 7, {})


REQUEST = FrameRequest(room_camera((0.5, -2.6, 0.3), (0, 1, -0.3), (50, 38)), steps=1, seed=3)


def encoding(camera: Camera) -> ViewEncoding:
    return encode_view(camera, (2, 2), 3.0, 16)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(-5, 5)] * 3), st.floats(-3, 3), st.tuples(*[st.floats(-2, 2)] * 3))
def test_attention_scores_do_not_depend_on_the_worlds_origin(position, angle, shift):
    first = Camera(intrinsics(1.0, 32, 32), look_at(np.array(position), np.zeros(3) + 6), 32, 32)
    second = Camera(intrinsics(0.7, 32, 32), look_at(np.array([1.0, -4, 2]), np.ones(3)), 32, 32)
    moved = np.eye(4)
    moved[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moved[:3, 3] = shift
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 4, 16), torch.randn(1, 1, 4, 16)

    def scores(a: Camera, b: Camera) -> torch.Tensor:
        return transform_query(q, encoding(a)) @ transform_key(k, encoding(b)).transpose(2, 3)

    elsewhere = [Camera(c.K, moved @ c.c2w, 32, 32) for c in (first, second)]
    expected = scores(first, second)
    assert torch.allclose(scores(*elsewhere), expected, atol=2e-3 * float(expected.abs().max()))


def test_cached_memory_is_the_same_as_encoding_it_again():
    model = tiny_model()
    camera = room_camera(size=(32, 32))
    view = encoding(camera)
    image = torch.randn(1, 5, 32, 32)
    once = model.encode_memory(image, view)
    features = model.encode_hints(torch.randn(1, HINTS.count, 32, 32))
    noisy, t = torch.randn(1, 4, 4, 4), torch.tensor([999.0])
    with torch.inference_mode():
        results = [
            model.denoise(noisy, t, features, view, MemoryTokens.join([tokens]))
            for tokens in (once, model.encode_memory(image, view))
        ]
        without = model.denoise(noisy, t, features, view, None)
    assert torch.equal(*results)
    assert not torch.allclose(results[0], without)


def test_order_of_memory_frames_does_not_matter():
    model = tiny_model()
    views = [encoding(room_camera((x, -3, 0.2), size=(32, 32))) for x in (0.0, 1.0)]
    tokens = [model.encode_memory(torch.randn(1, 5, 32, 32), view) for view in views]
    features = model.encode_hints(torch.randn(1, HINTS.count, 32, 32))
    noisy, t = torch.randn(1, 4, 4, 4), torch.tensor([200.0])
    a, b = (
        model.denoise(noisy, t, features, views[0], MemoryTokens.join(order))
        for order in (tokens, tokens[::-1])
    )
    assert torch.allclose(a, b, atol=1e-5)


def test_push_pull_keeps_what_is_known_and_stays_in_its_range():
    torch.manual_seed(0)
    values, weight = torch.rand(3, 37, 53), (torch.rand(1, 37, 53) > 0.8).float()
    filled, _ = push_pull(values, weight)
    known = weight[0] > 0
    assert torch.allclose(filled[:, known], values[:, known], atol=1e-6)
    assert filled.min() >= values.min() - 1e-5
    assert filled.max() <= values.max() + 1e-5


def test_push_pull_level_grows_into_a_hole():
    weight = torch.ones(1, 64, 64)
    weight[:, 16:48, 16:48] = 0
    _, level = push_pull(torch.rand(3, 64, 64), weight)
    assert level[0, 0, 0] == 0
    assert 0 < level[0, 17, 32] < level[0, 24, 32] <= level[0, 32, 32]


def test_push_pull_of_nothing_and_of_a_constant():
    nothing, _ = push_pull(torch.rand(2, 9, 9), torch.zeros(1, 9, 9))
    assert torch.equal(nothing, torch.zeros(2, 9, 9))
    weight = torch.zeros(1, 16, 16)
    weight[0, 3, 4] = 1
    constant, _ = push_pull(torch.full((1, 16, 16), 0.7), weight)
    assert torch.allclose(constant, torch.full((1, 16, 16), 0.7), atol=1e-5)


def test_frame_has_the_cameras_size_and_tells_how_it_was_made(pipeline, world):
    reply = pipeline.render(pipeline.prepare(world), REQUEST)
    assert reply.rgb.shape == (38, 50, 3)
    assert reply.depth.shape == reply.coverage.shape == (38, 50)
    assert reply.world_revision == 7
    assert len(reply.model_hash) == 12
    assert {"anchors", "hints", "transformer", "decoder"} <= reply.timings.keys()
    assert 0.3 < reply.coverage.mean() <= 1


@pytest.mark.parametrize("steps", [1, 2])
def test_same_request_same_bytes_in_any_order(pipeline, world, steps):
    other = FrameRequest(room_camera(size=(32, 32)), steps=1, seed=9)
    request = FrameRequest(REQUEST.camera, steps=steps, seed=3)
    first = pipeline.render(pipeline.prepare(world), request).rgb
    prepared = pipeline.prepare(world)
    pipeline.render(prepared, other)
    assert np.array_equal(first, pipeline.render(prepared, request).rgb)


def test_seed_changes_the_frame_and_disabled_memory_is_not_used(pipeline, world):
    prepared = pipeline.prepare(world)
    first = pipeline.render(prepared, REQUEST).rgb
    assert not np.array_equal(
        first, pipeline.render(prepared, FrameRequest(REQUEST.camera, seed=4)).rgb
    )
    blind = [type(f)(f.id, f.name, f.camera, f.rgb, f.depth, False) for f in world.memory]
    bare = pipeline.prepare(World(world.anchors, blind, 1, {}))
    assert not bare.tokens
    assert not np.array_equal(first, pipeline.render(bare, REQUEST).rgb)


def test_padding_moves_the_right_and_lower_edge_only():
    camera = room_camera(size=(50, 38))
    padded = padded_camera(camera)
    assert (padded.width, padded.height) == (64, 48)
    assert np.array_equal(padded.K, camera.K)


def test_empty_world_and_wrong_steps_are_named(pipeline, world):
    with pytest.raises(WorldError, match="empty"):
        pipeline.prepare(World(Anchors.empty(), [], 1, {}))
    with pytest.raises(InputError, match="steps"):
        pipeline.render(pipeline.prepare(world), FrameRequest(REQUEST.camera, steps=3))
    with pytest.raises(InputError, match="device"):
        FramePipeline.from_pretrained("embedded", "warp-drive")


def test_wrong_model_files_are_named(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        load_frame_model(tmp_path)
    save_frame_model(tiny_model(), tmp_path, {})
    weights = tmp_path / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="damaged"):
        load_frame_model(tmp_path)
    weights.write_bytes(whole)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"token_width": 64}))
    with pytest.raises(ModelError, match="another size"):
        load_frame_model(tmp_path)
    model = tiny_model()
    model.token_out.bias.data[0] = float("nan")
    save_frame_model(model, tmp_path, {})
    with pytest.raises(ModelError, match="not finite"):
        load_frame_model(tmp_path)


def test_models_saved_before_the_two_had_classes_of_their_own_still_load(tmp_path, caplog):
    """Their configurations say what both kinds once shared."""
    model = tiny_model()
    save_frame_model(model, tmp_path, {})
    path = tmp_path / "config.json"
    shared = {"patch_size": 2, "learned_sigma": False, "position_base": 32, "pe_interpolation": 1.0}
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | shared | {"conditions": "cached"}))
    assert load_frame_model(tmp_path).config.token_width == model.config.token_width
    assert not caplog.records
    path.write_text(json.dumps(saved | shared | {"conditions": "joint"}))
    with pytest.raises(ModelError, match="name the folder above it"):
        load_frame_model(tmp_path)
