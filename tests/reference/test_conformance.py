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
from backend.reference.cases import Case, Skipped, relative_error
from backend.reference.conformance import run_conformance
from backend.shared.errors import InputError
from tests.models.official_room import VECTORS


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def everything():
    torch.set_num_threads(1)
    return list(run_conformance(VECTORS))


GEOMETRY_PARTS = ("point_renderer", "panorama", "condition_select", "preprocess")


@pytest.mark.parametrize(
    "part",
    ["dit_a", "dit_b", "solver", "schedule", "e2e", *(f"geometry/{n}" for n in GEOMETRY_PARTS)],
)
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


def test_a_folder_of_folders_is_all_of_them(tmp_path):
    for name, factor in (("first", 1.0), ("second", 1.001)):
        with np.load(VECTORS / "schedule.npz") as file:
            arrays = dict(file)
        arrays["alphas_cumprod_f64"][500] *= factor
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "schedule.npz", **arrays)
    (tmp_path / "notes").mkdir()
    found = list(run_conformance(tmp_path))
    assert {f.part.split("/")[0] for f in found} == {"first", "second"}
    failed = [f for f in found if isinstance(f, Case) and not f.passed]
    assert [(f.part, f.name) for f in failed] == [("second/schedule", "alphas_cumprod_f64")]


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


def test_an_output_that_nobody_knows_is_said_and_not_passed_over(tmp_path):
    shutil.copytree(VECTORS / "dit_a", tmp_path / "net")
    with np.load(tmp_path / "net" / "cases.npz") as file:
        arrays = {
            key: file[key] for key in file.files if key.startswith("s0_") and "dpm" not in key
        }
    group = next(iter(arrays)).split("/")[0]
    arrays[f"{group}/attention_map"] = np.zeros(3, np.float32)
    np.savez(tmp_path / "net" / "cases.npz", **arrays)
    (tmp_path / "net" / "intermediates_t999.npz").unlink()
    found = list(run_conformance(tmp_path))
    skipped = [f.part for f in found if isinstance(f, Skipped)]
    assert f"net/{group}/attention_map" in skipped
    cases = [f for f in found if isinstance(f, Case)]
    assert cases and all(case.passed for case in cases)


def test_a_network_without_cases_and_frames_without_a_network_are_skipped(tmp_path):
    (tmp_path / "net").mkdir()
    shutil.copyfile(VECTORS / "dit_a" / "weights.safetensors", tmp_path / "net/weights.safetensors")
    shutil.copyfile(VECTORS / "schedule.npz", tmp_path / "schedule.npz")
    assert "net" in {f.part for f in run_conformance(tmp_path) if isinstance(f, Skipped)}
    shutil.rmtree(tmp_path / "net")
    shutil.copytree(VECTORS / "e2e", tmp_path / "e2e")
    found = list(run_conformance(tmp_path))
    assert "e2e/frames" in {f.part for f in found if isinstance(f, Skipped)}
    assert {f.name for f in found if isinstance(f, Case)} >= {"vae_mean", "vae_dec_image"}


def test_an_absent_array_is_named(tmp_path):
    def spoil(arrays):
        del arrays["cond_K"]

    with pytest.raises(InputError, match="geometry/panorama lack 'cond_K'"):
        spoiled(tmp_path, "panorama", spoil)


def test_frames_find_their_network_among_several(everything):
    latents = [c for c in everything if isinstance(c, Case) and c.name == "out_2step_latent"]
    assert len(latents) == 1 and latents[0].error < 1e-5


def test_nothing_is_skipped_where_everything_is_there(everything):
    assert [found for found in everything if isinstance(found, Skipped)] == []


def test_every_mode_precision_and_setting_of_the_geometry_is_compared(everything):
    seen = {f.name for f in everything if isinstance(f, Case) and f.part.startswith("geometry/")}
    scenes = ("room", "half_pixels_and_ties", "far_world")
    modes = ("fast_fp16", "fast_fp32", "softmin_fp16", "softmin_fp32")
    assert {f"{scene}/{mode}" for scene in scenes for mode in modes} <= seen
    assert {f"room/opt_{name}" for name in ("ranges", "w2c", "max1234", "axisflip")} <= seen
    settings = ("yaml", "radius1_angle60", "uniform_epsabs", "function_defaults")
    assert {f"fp16/{name}" for name in (*settings, "yaml_but_dist_max_0.5")} <= seen
    pictures = {"cond_images_rgb", "nonsquare_rgb", "post_cond", "prep_depth_out", "ply_xyz"}
    assert pictures | {f"{i}/{name}" for i in range(6) for name in ("tensor", "pil_tensor")} <= seen


def spoiled(tmp_path, part, spoil):
    """Names of the cases that fail after `spoil` has changed a part's arrays."""
    (tmp_path / "geometry").mkdir()
    with np.load(VECTORS / "geometry" / f"{part}.npz") as file:
        arrays = dict(file)
    spoil(arrays)
    np.savez(tmp_path / "geometry" / f"{part}.npz", **arrays)
    cases = [found for found in run_conformance(tmp_path) if isinstance(found, Case)]
    assert any(case.passed for case in cases)
    return {case.name for case in cases if not case.passed}


def test_one_wrong_pixel_of_the_renderer_is_found(tmp_path):
    def spoil(arrays):
        tied = arrays["room/fast_fp32/tie"] | arrays["room/fast_fp32/ambiguous"]
        shown = (arrays["room/fast_fp32/depth"] > 0) & ~tied
        arrays["room/fast_fp32/rgb"][tuple(np.argwhere(shown)[0])] ^= 1
        arrays["far_world/softmin_fp16/depth"] *= 1.00001

    assert spoiled(tmp_path, "point_renderer", spoil) == {
        "room/fast_fp32",
        "far_world/softmin_fp16",
    }


def test_one_wrong_byte_of_a_view_is_found(tmp_path):
    def spoil(arrays):
        clear = np.argwhere(~arrays["cond_images_sensitive"])
        arrays["cond_images_rgb"][tuple(clear[100])] ^= 1
        arrays["ply_xyz"][5] += 1e-3

    assert spoiled(tmp_path, "panorama", spoil) == {"cond_images_rgb", "ply_xyz"}


def test_one_wrong_choice_of_view_is_found(tmp_path):
    def spoil(arrays):
        arrays["fp16/yaml/hits_per_view"][3, 7] += 1
        arrays["fp32/P_views"][2] *= 1.0001

    failed = spoiled(tmp_path, "condition_select", spoil)
    assert {"fp16/yaml", "fp32/P_views"} <= failed
    assert "fp16/uniform_epsabs" not in failed


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
