# SPDX-License-Identifier: GPL-3.0-or-later
"""MoGe-2: the package's real class with random weights, loaded from a hub cache."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.models.depth import MODELS, MogeDepth, load_depth
from backend.shared.errors import ModelError

from .test_depth import ground_depth, standing

pytest.importorskip("moge")
v2 = pytest.importorskip("moge.model.v2")


def stack(first: int, out: int | None) -> dict[str, object]:
    """A ConvStack of five levels, 32 channels each; the head's `out` channels on the last."""
    return {
        "dim_in": [first, 2, 2, 2, 2] if out is None else [32] * 5,
        "dim_res_blocks": [32] * 5,
        "dim_out": [None] * 4 + [out],
        "resamplers": ["bilinear"] * 4,
    }


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache that holds a MoGe-2 of the smallest backbone, untrained."""
    torch.manual_seed(0)
    config = {
        "encoder": {"backbone": "dinov2_vits14", "intermediate_layers": 1, "dim_out": 16},
        "neck": stack(16 + 2, None),
        "points_head": stack(32, 3),
        "mask_head": stack(32, 1),
        "scale_head": {"dims": [384, 8, 1]},
        "num_tokens_range": [24, 48],
    }
    root = tmp_path_factory.mktemp("hub")
    snapshot = root / f"models--{MODELS['moge-2'].replace('/', '--')}" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    weights = v2.MoGeModel(**config).state_dict()
    torch.save({"model_config": config, "model": weights}, snapshot / "model.pt")
    return root


@pytest.fixture
def estimator(cache, monkeypatch) -> MogeDepth:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return load_depth("moge-2")


def test_the_real_network_gives_a_depth_of_the_pictures_size(estimator):
    camera = standing(1.7, -0.3)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    guess = estimator.estimate(rgb, camera)
    assert guess.depth.shape == guess.ground.shape == (64, 96)
    assert guess.depth.dtype == np.float32 and (guess.depth > 0).all()


def test_what_a_perfect_network_puts_out_becomes_the_depth(estimator, monkeypatch):
    """The points as the network is trained to put them out: up to a scale and a shift along z."""
    camera = standing(1.7, -0.3)
    truth = ground_depth(camera)
    truth[:, 30:40] = np.minimum(truth[:, 30:40], 3.0)
    solid = np.isfinite(truth)
    k = camera.K
    v, u = np.mgrid[:64, :96] + 0.5
    z = np.where(solid, truth, 1.0)
    points = np.stack([(u - k[0, 2]) / k[0, 0] * z, (v - k[1, 2]) / k[1, 1] * z, z - 0.8], axis=-1)
    said = {
        "points": torch.from_numpy(0.4 * points).float()[None],
        "mask": torch.from_numpy(solid).float()[None],
        "metric_scale": torch.tensor([3.0]),
    }
    monkeypatch.setattr(v2.MoGeModel, "forward", lambda *_, **__: said)
    depth = estimator.estimate(np.zeros((64, 96, 3), np.uint8), camera).depth
    assert np.array_equal(np.isinf(depth), ~solid)
    near = solid & (truth < 15)
    assert np.median(np.abs(depth[near] / truth[near] - 1)) < 0.03


def test_absent_weights_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="hf download Ruicheng/moge-2"):
        load_depth("moge-2")


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint"])
def test_damaged_weights_are_one_sentence(cache, tmp_path, monkeypatch, damage):
    root = tmp_path / "hub"
    shutil.copytree(cache, root)
    next(root.rglob("model.pt")).write_bytes(damage)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    with pytest.raises(ModelError, match="weights are damaged"):
        load_depth("moge-2")


def test_a_package_without_its_own_needs_is_one_sentence(monkeypatch):
    monkeypatch.delitem(sys.modules, "moge.model.v2")
    monkeypatch.setitem(sys.modules, "utils3d", None)  # as if it were not installed
    with pytest.raises(ModelError, match="needs 'utils3d', which is not here"):
        load_depth("moge-2")
