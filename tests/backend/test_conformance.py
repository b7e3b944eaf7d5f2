# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm conformance`: the reference's vectors, and what it says of broken or absent ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from backend.commands.conformance import app
from backend.conformance import run_conformance
from backend.conformance_cases import Case, Skipped, relative_error
from backend.shared.errors import InputError

from .official_room import VECTORS


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def everything():
    torch.set_num_threads(1)
    return list(run_conformance(VECTORS))


@pytest.mark.parametrize("part", ["dit_a", "dit_b", "solver", "schedule", "e2e"])
def test_every_vector_is_met(everything, part):
    cases = [found for found in everything if isinstance(found, Case) and found.part == part]
    assert cases
    assert [case for case in cases if not case.passed] == []


@pytest.mark.parametrize("part", ["dit_a", "dit_b"])
def test_no_output_of_a_network_is_passed_over(everything, part):
    inputs = {"z", "cond1", "cond2", "mid_noise", "frac_timestep"}
    inputs |= {f"batch2_{name}" for name in ("z", "cond1", "cond2", "t")}
    with np.load(VECTORS / part / "cases.npz") as file:
        outputs = {key for key in file.files if key.split("/")[1] not in inputs}
    with np.load(VECTORS / part / "intermediates_t999.npz") as file:
        outputs |= {f"intermediates/{key}" for key in file.files}
    seen = {found.name for found in everything if isinstance(found, Case) and found.part == part}
    assert seen == outputs


def test_absent_parts_are_skipped_and_said_so(tmp_path):
    shutil.copyfile(VECTORS / "schedule.npz", tmp_path / "schedule.npz")
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == 0
    assert "skipped network" in result.output and "skipped e2e" in result.output
    assert "ok   schedule/alphas_cumprod_f64" in result.output


def test_a_part_over_tolerance_exits_with_1(tmp_path):
    with np.load(VECTORS / "schedule.npz") as file:
        arrays = dict(file)
    arrays["alphas_cumprod_f64"][500] *= 1.001
    np.savez(tmp_path / "schedule.npz", **arrays)
    result = CliRunner().invoke(app, [str(tmp_path), "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["passed"]
    failed = {case["name"] for case in report["cases"] if not case["passed"]}
    assert failed == {"alphas_cumprod_f64"}
    assert "network" in {part["part"] for part in report["skipped"]}


@pytest.mark.parametrize("weight", ["t_block.1.bias", "final_layer.scale_shift_table"])
def test_a_network_with_a_changed_weight_fails(tmp_path, weight):
    from safetensors.torch import load_file, save_file

    shutil.copytree(VECTORS / "dit_a", tmp_path / "net")
    weights = load_file(tmp_path / "net" / "weights.safetensors")
    weights[weight] = weights[weight] * 1.01
    save_file(weights, tmp_path / "net" / "weights.safetensors")
    cases = [found for found in run_conformance(tmp_path) if isinstance(found, Case)]
    outputs = [case for case in cases if "eps_t" in case.name]
    assert outputs and not any(case.passed for case in outputs)


def test_frames_find_their_network_among_several(everything):
    latents = [c for c in everything if isinstance(c, Case) and c.name == "out_2step_latent"]
    assert len(latents) == 1 and latents[0].error < 1e-5


def test_geometry_is_a_part(everything):
    named = {found.part for found in everything}
    parts = {"point_renderer", "panorama", "condition_select", "preprocess"}
    assert parts <= {name.removeprefix("geometry/") for name in named}
    assert all(isinstance(f, (Case, Skipped)) for f in everything)


@pytest.mark.parametrize("damage", ["truncated", "empty folder", "no folder"])
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, damage):
    folder = tmp_path
    if damage == "truncated":
        data = (VECTORS / "schedule.npz").read_bytes()
        (tmp_path / "schedule.npz").write_bytes(data[: len(data) // 2])
    elif damage == "no folder":
        folder = tmp_path / "none"
    with pytest.raises(InputError) as caught:
        list(run_conformance(folder))
    assert "\n" not in str(caught.value)


def test_relative_error_counts_shapes_and_nan():
    reference = np.array([1.0, -2.0])
    assert relative_error(np.array([1.0, -1.5]), reference) == 0.25
    assert relative_error(np.array([1.0]), reference) == float("inf")
    assert not Case("p", "n", relative_error(np.array([np.nan, 0]), reference), 1.0).passed
