# SPDX-License-Identifier: GPL-3.0-or-later
"""Depth Anything and Depth Pro: the library's real classes, tiny and with random weights."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models import depth as module
from backend.models.depth import load_depth, scaled_to_ground
from backend.shared.errors import ModelError

from .test_depth import ground_depth, standing

transformers = pytest.importorskip("transformers")
BACKBONE = {"model_type": "dinov2", "hidden_size": 16, "num_attention_heads": 2, "mlp_ratio": 2}


def depth_anything(kind: str) -> torch.nn.Module:
    backbone = transformers.Dinov2Config(
        **BACKBONE | {"num_hidden_layers": 4, "image_size": 56, "patch_size": 14},
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else 1,
    )
    return transformers.DepthAnythingForDepthEstimation(config)


def depth_pro() -> torch.nn.Module:
    model = BACKBONE | {"num_hidden_layers": 2, "image_size": 16, "patch_size": 8}
    config = transformers.DepthProConfig(
        patch_size=16,
        fusion_hidden_size=8,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.25],
        scaled_images_feature_dims=[8, 8],
        use_fov_model=False,
        image_model_config=model,
        patch_model_config=model,
        fov_model_config=model,
    )
    return transformers.DepthProForDepthEstimation(config)


def save(model: torch.nn.Module, folder: Path) -> Path:
    """With the processor of Depth Anything: that of Depth Pro needs torchvision."""
    side = {"depth_pro": 64, "depth_anything": 56}[model.config.model_type]
    model.save_pretrained(folder)
    size = {"height": side, "width": side}
    transformers.DPTImageProcessor(size=size).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["metric", "relative", "pro"])
def test_real_models_give_a_depth_of_the_pictures_size(tmp_path, kind):
    torch.manual_seed(0)
    model = depth_pro() if kind == "pro" else depth_anything(kind)
    estimator = load_depth(str(save(model, tmp_path / "model")))
    camera = standing(1.7, -0.3)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    guess = estimator.estimate(rgb, camera)
    assert guess.depth.shape == guess.ground.shape == (64, 96)
    assert guess.depth.dtype == np.float32 and (guess.depth > 0).all()


@pytest.mark.parametrize("kind", ["metric", "relative", "pro"])
def test_what_a_perfect_network_puts_out_becomes_the_depth(tmp_path, kind, monkeypatch):
    """The raw output of each family for a known scene; it differs by a scale, or a shift too."""
    camera = standing(1.7, -0.3)
    truth = ground_depth(camera)
    truth[:, 30:40] = np.minimum(truth[:, 30:40], 3.0)
    inverse = np.where(np.isfinite(truth), 1 / truth, 0)
    raw = {"metric": np.where(np.isfinite(truth), 2.5 * truth, 0), "pro": 0.4 * inverse,
           "relative": 7 * inverse + 0.5}[kind]  # fmt: skip
    model = depth_pro() if kind == "pro" else depth_anything(kind)
    estimator = load_depth(str(save(model, tmp_path / "model")))

    class Said:
        predicted_depth = torch.from_numpy(raw.astype(np.float32))[None]

    monkeypatch.setattr(type(estimator.model), "forward", lambda *_, **__: Said)
    expected = scaled_to_ground(truth, camera, "embedded")
    monkeypatch.setattr(module.EmbeddedDepth, "estimate", lambda *_: expected)
    depth = estimator.estimate(np.zeros((64, 96, 3), np.uint8), camera).depth
    near = np.isfinite(truth) & (truth < 15)
    assert np.median(np.abs(depth[near] / truth[near] - 1)) < 0.03
    assert np.percentile(np.abs(depth[near] / truth[near] - 1), 95) < 0.1


def test_a_folder_without_a_model_says_so(tmp_path):
    with pytest.raises(ModelError, match=r"has no usable config.json .*; choose another"):
        load_depth(str(tmp_path))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_classes_that_a_folder_brings_are_never_run(tmp_path, file, monkeypatch):
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "y")
    folder = save(depth_anything("metric"), tmp_path / "model")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: ...\n")
    classes = ("AutoConfig", "AutoModelForDepthEstimation", "AutoImageProcessor")
    about = json.loads((folder / file).read_text()) | {
        "auto_map": dict.fromkeys(classes, "own.Own")
    }
    for name in ("model_type", "image_processor_type"):
        about[name] = "own"
    (folder / file).write_text(json.dumps(about))
    with pytest.raises(ModelError, match="holds no depth model"):
        load_depth(str(folder))
    assert asked == [] and not (tmp_path / "ran").exists()


def test_pickled_weights_are_not_opened(tmp_path):
    model = depth_anything("metric")
    save(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds no depth model"):
        load_depth(str(tmp_path))


@pytest.mark.parametrize(
    "changes", [{"dtype": "x"}, {"patch_size": "x"}, {"backbone_config": {"model_type": "x"}}]
)
def test_configurations_that_make_no_model_are_said(tmp_path, changes):
    path = save(depth_anything("metric"), tmp_path) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ModelError, match="holds no depth model"):
        load_depth(str(tmp_path))


def test_depth_pro_says_that_it_wants_torchvision(tmp_path, monkeypatch):
    if importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is here")
    save(depth_pro(), tmp_path)
    path = tmp_path / "preprocessor_config.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"image_processor_type": "DepthProImageProcessor"}))
    monkeypatch.setitem(module.MODELS, "depth-pro", str(tmp_path))
    with pytest.raises(ModelError, match="needs the package torchvision"):
        load_depth("depth-pro")
