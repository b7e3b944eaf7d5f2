# SPDX-License-Identifier: GPL-3.0-or-later
"""Photos are seen from aside and asked back; samples of other shapes may lie beside them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from backend.cli import app
from backend.conditioning.channels import HINTS
from backend.data.synth import fly_path, make_scene, render_view
from backend.learning.batches import SampleBatches
from backend.learning.samples import Sample
from backend.models.depth import load_depth
from backend.training.photo_samples import photo_samples

SIZE = 64


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """(96, 112, 3) uint8 of a street."""
    scene = make_scene("street", 9_000_004)
    camera = fly_path(scene, 1, 3, (112, 96))[1]
    return (render_view(scene, camera)[0] * 255).round().byte().numpy()


def test_a_photo_is_the_truth_of_what_is_seen_of_it_from_aside(photo: np.ndarray) -> None:
    made = list(photo_samples(photo, load_depth("embedded"), SIZE, 4, 1))
    lost = []
    for sample in made:
        assert sample.target.shape == (3, SIZE, SIZE) and 1 <= len(sample.memory) <= 3
        color = HINTS.of(sample.hints, "memory")
        sure = HINTS.of(sample.hints, "memory_weight")[0] > 0.5
        lost.append(1 - sure.float().mean().item())
        assert (color - sample.target).abs()[:, sure].mean() < 0.12
        # the camera of the truth is none of those that remember
        assert (sample.memory_c2w - sample.c2w).abs().amax((1, 2)).min() > 0.01
    assert 0.02 < np.mean(lost) < 0.6


def test_the_same_photo_and_number_give_the_same_samples(photo: np.ndarray) -> None:
    first, second = (
        next(photo_samples(photo, load_depth("embedded"), SIZE, 1, 2)) for _ in range(2)
    )
    assert first.hints.equal(second.hints) and first.target.equal(second.target)


def test_a_folder_of_photos_becomes_samples_that_train_beside_others(photo, tmp_path) -> None:
    """The command; what is there already is passed over; a batch has samples of one shape."""
    photos, samples = tmp_path / "photos", tmp_path / "samples"
    photos.mkdir()
    Image.fromarray(photo).save(photos / "street.png")
    order = ["train", "samples", "-o", str(samples), "--photos", str(photos)]
    order += ["--size", str(SIZE), "--per-flight", "3"]
    for _ in range(2):
        ran = CliRunner().invoke(app, order)
        assert ran.exit_code == 0, ran.output
    files = sorted(samples.glob("*.safetensors"))
    assert len(files) == 3 and "1 photo" in ran.output
    order[3], order[5] = str(tmp_path / "none"), str(samples)  # where no picture is
    assert CliRunner().invoke(app, order).exit_code and not (tmp_path / "none").exists()
    wide = Sample.load(files[0])
    wide.memory = wide.memory[..., :64]
    references, _, height, width = wide.memory.shape
    wide.save(samples / f"other-00-r{references}x{height}x{width}.safetensors")
    batches = iter(SampleBatches([samples], 2, SIZE, 16, seed=0))
    widths = {next(batches).memory.shape[-1] for _ in range(24)}
    assert widths == {64, 128}
