# SPDX-License-Identifier: GPL-3.0-or-later
"""Minutes with a card, on a CPU: checks that fail, hang and pass, training on fresh samples."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from backend.shared.errors import InputError
from backend.training import card
from backend.training.card import Check, checks, run_checks, train_on_card
from backend.training.checkpoints import SHARD_BYTES
from backend.training.config import LossConfig, ModelConfig, TrainConfig


def test_each_check_is_told_of_and_none_takes_more_than_its_share(tmp_path):
    wanted = [
        Check("good", ("platform",), 0.2),
        Check("bad", ("no.such.module",), 0.2),
        Check("slow", ("http.server", "--bind", "127.0.0.1", "0"), 0.1),
    ]
    found = list(run_checks(wanted, tmp_path, 12))
    assert [each.code for each in found] == [0, 1, None]
    assert sys.platform[:3] in found[0].output.lower() and "no.such" in found[1].output
    assert found[2].seconds < 12.5
    written = json.loads((tmp_path / "checks.json").read_text())
    assert [each["name"] for each in written] == ["good", "bad", "slow"]


def test_checks_name_the_device_the_size_and_the_vectors(tmp_path):
    bare, whole = checks("cuda:0", 512, None), checks("cuda:0", 512, tmp_path)
    assert [check.name for check in bare] == ["tests", "embedded", "official"]
    assert [check.name for check in whole] == ["tests", "conformance", "embedded", "official"]
    official = whole[-1].words
    assert "--random-weights" in official and official[official.index("--size") + 1] == "512"
    assert all("cuda:0" in check.words for check in whole[1:])
    for test in whole[0].words[2:]:
        assert (card.ROOT / test).is_file()


def test_training_on_samples_that_are_made_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "FIRST_SAMPLES", 2)
    monkeypatch.setattr(card, "SAMPLE_SHARE", 0.9)
    monkeypatch.setattr(card, "SPARE_S", 0.0)
    config = TrainConfig(
        output="",
        samples=(),
        iterations=2,
        batch=1,
        crop=32,
        workers=0,
        precision="no",
        model=ModelConfig(8, (8, 8, 16, 16), 32, 2, 2),
        loss=LossConfig(diffusion=0),
    )
    model = train_on_card(config, tmp_path, "cpu", 120, 32, 1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (model / "model.safetensors").is_file()
    assert all(path.stat().st_size <= SHARD_BYTES + 2**20 for path in files)
    count = len(list((tmp_path / "samples").iterdir()))
    assert count >= 2 and (tmp_path / "samples.log").is_file()


def test_samples_that_do_not_come_are_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "FIRST_SAMPLES", 10**6)
    with pytest.raises(InputError, match=r"samples\.log"):
        train_on_card(TrainConfig("", (), 1), Path(tmp_path), "cpu", 0.5, 32, 1)
