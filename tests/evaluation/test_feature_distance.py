# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature distance against a slow twin, and where its weights come from."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.evaluation.evaluate import evaluate
from backend.evaluation.features import FeatureMeter
from backend.models import feature_weights
from backend.models.feature_net import LEVEL_CHANNELS, FeatureNet, feature_distance
from backend.models.feature_weights import convert_features, features_path, load_features
from backend.shared.errors import ModelError
from tests.evaluation.test_evaluation import frame


@pytest.fixture
def network() -> FeatureNet:
    return random_network()


def random_network() -> FeatureNet:
    torch.manual_seed(3)
    return FeatureNet()


def published(network: FeatureNet) -> dict[str, torch.Tensor]:
    """The same weights as the published file names them, with what it has beside them."""
    named = {feature_weights._published(k): v for k, v in network.state_dict().items()}
    return named | {"_fc.weight": torch.zeros(4, 4)}


def test_levels_have_the_sizes_that_they_say(network):
    shapes = [tuple(level.shape) for level in network(torch.rand(2, 3, 66, 48))]
    sizes = [(33, 24), (17, 12), (9, 6), (5, 3)]
    expected = [(2, c, *s) for c, s in zip(LEVEL_CHANNELS, sizes, strict=True)]
    assert shapes == expected


def test_distance_is_its_twin():
    torch.manual_seed(0)
    ours, true = ([torch.randn(2, 5, 4, 6), torch.randn(2, 7, 2, 3)] for _ in range(2))
    weight = torch.rand(2, 1, 8, 12)
    levels = []
    for a, b in zip(ours, true, strict=True):
        step_y, step_x = 8 // a.shape[2], 12 // a.shape[3]
        total, counted = 0.0, 0.0
        for n in range(2):
            for y in range(a.shape[2]):
                for x in range(a.shape[3]):
                    p, q = a[n, :, y, x], b[n, :, y, x]
                    cosine = float(p @ q) / math.sqrt(float(p @ p) * float(q @ q))
                    block = weight[n, 0, y * step_y :, x * step_x :][:step_y, :step_x]
                    total += (2 - 2 * cosine) * float(block.mean())
                    counted += float(block.mean())
        levels.append(total / counted)
    assert feature_distance(ours, true, weight).item() == pytest.approx(np.mean(levels), rel=1e-4)
    assert feature_distance(ours, ours).item() == 0


def test_only_the_hole_counts(network):
    meter = FeatureMeter(network)
    truth = np.random.default_rng(1).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    wrong = truth.copy()
    wrong[:24] = 128
    hole = np.zeros((96, 96), bool)
    hole[:24] = True
    far = np.zeros((96, 96), bool)
    far[-16:] = True  # what the deepest level sees from there does not reach what is wrong
    ours, true = meter.levels(wrong), meter.levels(truth)
    assert meter.distance(ours, true, hole) > 2 * meter.distance(ours, true) > 0
    assert meter.distance(ours, true, far) < 0.2 * meter.distance(ours, true, hole)
    assert meter.distance(ours, true, np.zeros((96, 96), bool)) is None


def test_evaluate_measures_it_of_every_method(network):
    frames = [frame(y, f"{i}.png") for i, y in enumerate((-0.5, 0.0, 0.5))]
    meter = FeatureMeter(network)
    truth = {f.camera.position[1]: f.rgb for f in frames}
    result = evaluate(
        frames, [1], "references", lambda w, c, s: truth[c.position[1]], ("splat",), features=meter
    ).metrics
    assert result["mean"]["feature_distance"] == result["mean"]["feature_distance_holes"] == 0
    splat = result["baselines"]["splat"]["mean"]
    assert splat["feature_distance_holes"] > splat["feature_distance"] > 0
    json.dumps(result, allow_nan=False)


def test_published_weights_become_safetensors_once(network, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(feature_weights, "_packaged", lambda: None)
    with pytest.raises(ModelError, match="worldfm models features"):
        load_features()
    torch.save(published(network), tmp_path / "file.pth")
    assert convert_features(tmp_path / "file.pth") == features_path()
    image = torch.rand(1, 3, 32, 32)
    for ours, theirs in zip(load_features()(image), network(image), strict=True):
        assert torch.equal(ours, theirs)


def test_an_installed_package_needs_no_command(network, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    torch.save(published(network), tmp_path / "file.pth")
    monkeypatch.setattr(feature_weights, "_packaged", lambda: tmp_path / "file.pth")
    assert torch.equal(load_features().stem.conv.weight, network.stem.conv.weight)
    assert features_path().is_file()


def test_other_and_damaged_weights_are_named(network, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    weights = published(network)
    del weights["_conv_stem.weight"]
    torch.save(weights, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="is not EfficientNet-lite0"):
        convert_features(tmp_path / "other.pth")
    weights = network.state_dict()
    weights["stem.conv.weight"] = torch.full_like(weights["stem.conv.weight"], torch.nan)
    save_file(weights, tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match="no whole EfficientNet"):
        load_features(tmp_path / "broken.safetensors")
    assert not features_path().exists()
