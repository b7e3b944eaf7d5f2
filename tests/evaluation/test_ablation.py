# SPDX-License-Identifier: GPL-3.0-or-later
"""The ablations of memory: the same model and world, with fewer ways to remember."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from backend.commands.evaluate import _captions
from backend.data.nerfstudio import PosedFrame
from backend.evaluation.evaluate import evaluate, evaluation_world
from backend.evaluation.predictor import Memory, PipelinePredictor
from backend.evaluation.summary import summarise
from backend.models.frame_model import FrameModel
from backend.pipelines.embedded import FramePipeline
from backend.pipelines.lit import LitWorld
from backend.shared.anchors import Anchors
from backend.shared.errors import InputError
from backend.shared.frame import MemoryFrame
from backend.shared.world import World
from tests.conditioning.light.lit_room import QUICK, box_mesh, camera_at, lamp_at, matt, scene_of
from tests.scenes.world_room import photograph, room_camera


@pytest.fixture(scope="module")
def frames() -> list[PosedFrame]:
    made = []
    for i in range(4):
        shot = photograph(room_camera((0.3 * i, -2.5, 0.2), (0, 1, -0.2), (32, 32)))
        made.append(PosedFrame(shot.camera, shot.rgb, shot.depth, f"{i}"))
    return made


@pytest.fixture(scope="module")
def pipeline() -> FramePipeline:
    """Weights large enough for attention to be seen in eight bits."""
    torch.manual_seed(1)
    model = FrameModel(widths=(8, 8, 16, 16), token_width=32, heads=2, layers=2)
    for weight in model.decoder.conv_out.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return FramePipeline(model, "tiny", "0" * 12, torch.device("cpu"), torch.float32)


def without_memory_images(world: World) -> World:
    """The same anchors, and no frame that could be attended to or sampled."""
    return World(world.anchors, [], world.revision, world.provenance)


def test_only_the_tokens_are_left_out(frames, pipeline):
    world = evaluation_world(frames, [0, 3], "references")
    camera = frames[1].camera
    whole = PipelinePredictor(pipeline)(world, camera, 0)
    ablated = PipelinePredictor(pipeline, memory=Memory.FETCHED)(world, camera, 0)
    forgetful = PipelinePredictor(pipeline, memory=Memory.NONE)(world, camera, 0)
    bare = PipelinePredictor(pipeline)(without_memory_images(world), camera, 0)
    assert np.array_equal(forgetful.rgb, bare.rgb)
    assert not np.array_equal(whole.rgb, ablated.rgb)
    # backward sampling goes on: without any memory frame the picture is another one again
    assert not np.array_equal(ablated.rgb, forgetful.rgb)
    again = PipelinePredictor(pipeline)(world, camera, 0)
    assert np.array_equal(whole.rgb, again.rgb)


def test_lit_surfaces_go_without_memory_and_know_no_tokens(pipeline):
    box = [(box_mesh((-2, -2, 0), (2, 2, 2.5)), matt((0.7, 0.6, 0.5)))]
    scene = scene_of(box, [lamp_at("POINT", (0.5, -0.5, 2), 60.0)])
    camera = camera_at((0.2, -1.6, 1.2), (0, 0, 0.8), size=32, fov=1.1)
    seen = MemoryFrame("m", "m", camera, radiance=np.full((32, 32, 3), 0.5, np.float16))
    world = World(Anchors.empty(), [seen], 1, {}, scene)
    pipeline.lit = LitWorld(QUICK)
    whole, untold, alone = (
        PipelinePredictor(pipeline, memory=kind)(world, camera, 0).rgb for kind in Memory
    )
    assert np.array_equal(whole, untold)
    assert not np.array_equal(whole, alone)


def test_it_is_measured_beside_the_model_and_is_no_baseline(frames, pipeline):
    predict = PipelinePredictor(pipeline)
    ablation = PipelinePredictor(pipeline, memory=Memory.FETCHED)
    evaluation = evaluate(
        frames, [0], "all", predict, ("splat",), ablations={"without tokens": ablation}
    )
    metrics = evaluation.metrics | {"dataset": "room"}
    direct = ablation(evaluation_world(frames, [0], "all"), frames[1].camera, 0).rgb
    assert np.array_equal(evaluation.pictures[0]["without tokens"], direct)
    assert list(metrics["baselines"]) == ["splat"]
    assert set(_captions(metrics, 0)) == set(evaluation.pictures[0])
    group = summarise([metrics])[0]
    assert group["ablations"]["without tokens"]["psnr"] == pytest.approx(
        metrics["ablations"]["without tokens"]["mean"]["psnr"]
    )
    assert not any("without" in aim["aim"] for aim in group["aims"])
    json.dumps(metrics, allow_nan=False)


def test_another_kind_of_model_is_refused():
    class Other:
        name, hash = "official", "0" * 12

    with pytest.raises(InputError, match="cannot go without"):
        PipelinePredictor(Other(), memory=Memory.FETCHED)
