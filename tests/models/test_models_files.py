# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints in: what is accepted, what each fault says, and that nothing half-written stays."""

from __future__ import annotations

import errno
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from backend.commands.models import app
from backend.models import convert as conversion
from backend.models import store
from backend.models.convert import convert
from backend.models.loading import read_checkpoint
from backend.models.official_layout import (
    official_manifest,
    to_transformer,
    transformer_config,
)
from backend.models.official_transformer import OfficialTransformer
from backend.models.store import (
    WEIGHTS,
    find_model,
    installed,
    models_dir,
    read_record,
    remove,
    verify,
)
from backend.shared import leftovers
from backend.shared.errors import InputError, ModelError, WorldFMError

from .official_room import CONFIG, VECTORS, reference_weights, write_vae


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))


@pytest.fixture
def vae(tmp_path):
    return write_vae(tmp_path / "vae")


@pytest.fixture
def checkpoint(tmp_path):
    torch.save({"state_dict": reference_weights(), "epoch": 3}, tmp_path / "worldfm_1-step.pth")
    return tmp_path / "worldfm_1-step.pth"


def install(checkpoint, vae, name="small", **options):
    return convert(checkpoint, vae, name, steps=1, config=CONFIG, **options)


def fault(checkpoint, vae):
    """The sentence that converting `checkpoint` ends with; nothing may have been installed."""
    with pytest.raises(WorldFMError) as caught:
        install(checkpoint, vae)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    assert not models_dir().exists() or list(models_dir().iterdir()) == []
    return sentence


def test_the_manifest_is_that_of_the_released_file():
    published = json.loads((VECTORS / "state_dict_manifest.json").read_text())["keys"]
    ours = official_manifest({})
    assert list(ours) == list(published) or ours.keys() == published.keys()
    assert len(ours) == 441
    for key, entry in ours.items():
        assert entry.shape == tuple(published[key]["shape"])
        assert entry.used == (published[key]["released_path"] == "used")


def test_the_class_has_exactly_the_used_weights():
    with torch.device("meta"):
        model = OfficialTransformer(**transformer_config({}))
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    manifest = official_manifest({})
    used = [entry for entry in manifest.values() if entry.used]
    assert shapes == {entry.name: entry.shape for entry in used}
    assert sum(p.numel() for p in model.parameters()) == 456_043_424


@pytest.mark.parametrize("layout", ["bare", "state_dict", "old pickle", "safetensors"])
def test_every_layout_of_a_checkpoint_gives_the_same_model(tmp_path, vae, layout):
    weights = reference_weights()
    path = tmp_path / ("a.safetensors" if layout == "safetensors" else "a.pth")
    if layout == "safetensors":
        save_file(weights, path)
    elif layout == "state_dict":
        torch.save({"state_dict": weights}, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=layout != "old pickle")
    told = []
    record = install(path, vae, progress=lambda what, share: told.append((what, share)))
    folder = find_model("small")
    written = load_file(folder / "transformer" / WEIGHTS)
    expected = to_transformer(weights, official_manifest(_config()), patch_size=2)
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], expected[name]) for name in expected)
    assert torch.equal(written["blocks.1.qkv.weight"], weights["blocks.1.attn.qkv.weight"])
    model = OfficialTransformer.from_pretrained(folder / "transformer")
    assert model.config.heads == 2 and model.config.layers == 3
    assert record == read_record(folder) == installed()[0]
    assert verify(folder) == []
    assert told[-1] == ("done", 1.0) and all(0 <= share <= 1 for _, share in told)


def _config():
    return json.loads(CONFIG.read_text())


def test_unused_weights_may_be_absent(tmp_path, vae):
    manifest = official_manifest(_config())
    kept = {k: v for k, v in reference_weights().items() if manifest[k].used}
    torch.save(kept, tmp_path / "lean.pth")
    assert install(tmp_path / "lean.pth", vae).name == "small"


def spoil(weights, how):
    if how == "missing":
        del weights["blocks.1.attn.qkv.bias"]
    elif how == "unexpected":
        weights["blocks.1.attn.rope"] = torch.zeros(2)
    elif how == "misshapen":
        weights["final_layer.linear.weight"] = torch.zeros(16, 144)
    elif how == "not finite":
        weights["t_block.1.bias"] = weights["t_block.1.bias"].clone()
        weights["t_block.1.bias"][3] = float("inf")
    return weights


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", r'missing are "blocks\.1\.attn\.qkv\.bias"'),
        ("unexpected", r'unexpected are "blocks\.1\.attn\.rope"'),
        ("misshapen", r'"final_layer\.linear\.weight" \(16 x 144 instead of 32 x 144\)'),
        ("not finite", r'"t_block\.1\.bias" has values that are not finite'),
    ],
)
def test_a_wrong_weight_is_named(tmp_path, vae, how, said):
    torch.save(spoil(reference_weights(), how), tmp_path / "bad.pth")
    assert re.search(said, fault(tmp_path / "bad.pth", vae))


def test_another_models_checkpoint_is_recognised(tmp_path, vae):
    torch.save({"conv1.weight": torch.zeros(3), "fc.bias": torch.zeros(2)}, tmp_path / "net.pth")
    assert 'another model (its weights are "conv1.weight"' in fault(tmp_path / "net.pth", vae)


def test_the_released_size_is_expected_without_a_config(checkpoint, vae):
    with pytest.raises(ModelError, match=r"144 x 4 x 2 x 2 instead of 1152 x 4 x 2 x 2"):
        convert(checkpoint, vae, "small", steps=1)


class Harmful:
    """Unpickled carelessly, this makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("inside", [True, False])
def test_a_pickle_with_code_is_not_executed(tmp_path, vae, inside):
    trap = tmp_path / "executed"
    path = tmp_path / "code.pth"
    if inside:
        torch.save({"x_embedder.proj.bias": Harmful(str(trap))}, path)
    else:
        path.write_bytes(pickle.dumps(Harmful(str(trap))))
    assert "not a file of plain weights" in fault(path, vae)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps([1, 2, 3], protocol=2), "not a file of plain weights"),
        (b"", "is empty"),
        (b"<html>Not found</html>" * 40, "not a file of plain weights"),
        (b"PK\x03\x04 and then nothing of an archive", "cut short"),
    ],
)
def test_files_that_hold_no_weights(tmp_path, vae, content, said):
    (tmp_path / "odd.pth").write_bytes(content)
    assert said in fault(tmp_path / "odd.pth", vae)


@pytest.mark.parametrize("content", [{"epoch": 3}, {"w": [1]}, [torch.zeros(1)], {}])
def test_saved_objects_that_are_no_named_weights(tmp_path, content):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(ModelError, match=r"no weights|other than named weights"):
        read_checkpoint(tmp_path / "odd.pth")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_download_is_recognised(tmp_path, vae, checkpoint, share, suffix):
    path = tmp_path / f"cut{suffix}"
    if suffix == ".pth":
        data = checkpoint.read_bytes()
    else:
        data = (VECTORS / "dit_a" / "weights.safetensors").read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "download it again" in fault(path, vae)


def test_an_absent_file_is_said(tmp_path, vae):
    assert "There is no file" in fault(tmp_path / "none.pth", vae)


@pytest.mark.parametrize("damage", ["absent", "truncated", "another", "not finite"])
def test_a_wrong_autoencoder_is_said(checkpoint, vae, damage):
    weights = vae / WEIGHTS
    if damage == "absent":
        (vae / "config.json").unlink()
    elif damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "another":
        save_file({"conv.weight": torch.zeros(3)}, weights)
    else:
        tensors = load_file(weights)
        tensors["encoder.conv_in.bias"] = tensors["encoder.conv_in.bias"] * float("nan")
        save_file(tensors, weights)
    assert "autoencoder" in fault(checkpoint, vae)


def test_an_autoencoder_of_other_latents_is_refused(checkpoint, vae):
    config = json.loads((vae / "config.json").read_text()) | {"latent_channels": 8}
    (vae / "config.json").write_text(json.dumps(config))
    assert "autoencoder" in fault(checkpoint, vae)


Usage = namedtuple("Usage", "total used free")


def test_no_space_is_found_out_before_writing(checkpoint, vae, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 90, 10))
    assert "There is no space left" in fault(checkpoint, vae)


def test_a_disk_that_fills_up_while_writing_leaves_nothing(checkpoint, vae, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(conversion, "save_file", full)
    assert "There is no space left" in fault(checkpoint, vae)


def test_an_interrupted_conversion_leaves_nothing(checkpoint, vae, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "write_record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install(checkpoint, vae)
    assert not models_dir().exists()


def test_what_a_killed_conversion_left_is_cleared_by_the_next(checkpoint, vae):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    host, _, rest = leftovers.new_mark().split("-")
    left = models_dir() / f".small.{host}-{done.pid:x}-{rest}.part"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    install(checkpoint, vae)
    assert [path.name for path in models_dir().iterdir()] == ["small"]


def test_an_installed_model_is_never_overwritten(checkpoint, vae):
    install(checkpoint, vae)
    told = []
    with pytest.raises(InputError, match="exists already"):
        install(checkpoint, vae, progress=lambda what, share: told.append(what))
    assert told == []  # said before gigabytes are read
    assert verify(find_model("small")) == []


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "x" * 65])
def test_names_stay_inside_the_store(checkpoint, vae, name):
    with pytest.raises(InputError, match="cannot be the name"):
        install(checkpoint, vae, name=name)
    with pytest.raises(InputError):
        remove(name)


def test_verify_names_what_is_damaged_or_missing(checkpoint, vae):
    install(checkpoint, vae)
    folder = find_model("small")
    data = bytearray((folder / "transformer" / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / "transformer" / WEIGHTS).write_bytes(data)
    (folder / "vae" / "config.json").unlink()
    assert verify(folder) == [f"transformer/{WEIGHTS} is damaged", "vae/config.json is missing"]


FOREIGN = {"version": 2, "name": "x", "steps": 1, "files": {f"transformer/{WEIGHTS}": "0" * 64}}
FOREIGN_FIELDS = (
    {"files": "stranger/model"},
    {"files": ["transformer"]},
    {"files": None},
    {"files": {}},
    {"files": {f"transformer/{WEIGHTS}": 5}},
    {"steps": "2"},
    {"steps": -1},
    {"name": ["x"]},
    {"source": "stranger/model"},
    {"new": 1},
)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{}", '{"version": 99}', '{"version": 2, "name": "x"', '{"version": 1}'),
        *('"stranger/model"', '{"version": "1\\n"}', '{"version": 2, "name": "x", "steps": 1}'),
        *(json.dumps(FOREIGN | one) for one in FOREIGN_FIELDS),
    ],
)
def test_a_damaged_or_newer_record_is_said(checkpoint, vae, text):
    install(checkpoint, vae)
    (find_model("small") / store.RECORD).write_text(text)
    with pytest.raises(ModelError, match="install it again") as caught:
        read_record(find_model("small"))
    assert "\n" not in str(caught.value)


def test_removal_takes_the_model_and_nothing_else(checkpoint, vae):
    install(checkpoint, vae)
    install(checkpoint, vae, name="other")
    remove("small")
    assert [record.name for record in installed()] == ["other"]
    assert [path.name for path in models_dir().iterdir()] == ["other"]
    with pytest.raises(ModelError, match="no model"):
        remove("small")


def test_commands_install_list_verify_and_remove(checkpoint, vae):
    runner = CliRunner()
    arguments = ["convert", str(checkpoint), "--vae", str(vae), "--config", str(CONFIG)]
    made = runner.invoke(app, [*arguments, "--json"])
    assert made.exit_code == 0
    name = json.loads(made.stdout)["name"]
    assert name == "worldfm-1-step" and json.loads(made.stdout)["steps"] == 1
    listed = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert [record["name"] for record in listed["installed"]] == [name]
    assert listed["available"] == ["worldfm-2-step"]
    assert runner.invoke(app, ["verify"]).exit_code == 0
    (find_model(name) / "vae" / "config.json").write_text("{}")
    broken = runner.invoke(app, ["verify", name, "--json"])
    assert broken.exit_code == 1
    assert json.loads(broken.stdout) == {name: ["vae/config.json is damaged"]}
    assert runner.invoke(app, ["remove", name]).exit_code == 0
    assert installed() == []


def test_convert_into_a_folder_of_ones_own(checkpoint, vae, tmp_path):
    install(checkpoint, vae, destination=tmp_path / "here")
    assert read_record(find_model(tmp_path / "here")).name == "small"
    assert installed() == []
