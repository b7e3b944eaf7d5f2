# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs vectors of the reference implementation and says how far this one is from each.

A folder of vectors holds any of: networks (a folder with config.json, weights.safetensors and
cases.npz), solver_closed_form.npz, schedule.npz, e2e/, geometry/. What a file holds is read from
its keys. The measure is max|ours - ref| / max|ref|. A folder of such folders is all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..models.autoencoder import Autoencoder, from_bytes, to_bytes
from ..models.blocks import TransformerBlock
from ..models.official_layout import official_manifest, to_transformer, transformer_config
from ..models.official_transformer import JOINED_VIEWS, OfficialTransformer
from ..models.preprocess import fit_picture, fit_render
from ..pipelines.schedulers import (
    MID_TIMESTEP,
    MultistepSolver,
    alphas_cumprod,
    few_step_timesteps,
    sample_few_steps,
)
from ..shared.errors import InputError
from ..shared.reading import json_object
from .cases import Arrays, Case, Skipped, byte_case, read_arrays, relative_error
from .geometry import GEOMETRY

CPU = torch.device("cpu")
NETWORK_TOLERANCE = 3e-6
NETWORK_INPUTS = re.compile(r"z|cond1|cond2|mid_noise|frac_timestep|batch\d+_(z|cond1|cond2|t)")
INTERMEDIATE_TOLERANCE = 1e-5
"""Wider: they show the last bit of the processor's own exponential (see timestep_frequencies)."""
SOLVER_TOLERANCE = 2e-5
AUTOENCODER_TOLERANCE = 1e-5
FRAME_TOLERANCE = 1e-5


def run_conformance(folder: Path, device: torch.device = CPU) -> Iterator[Case | Skipped]:
    """Every comparison that `folder` has vectors for, one by one.

    device: where networks and autoencoder run; all else is for the CPU alone.
    Raises InputError when the folder holds none, or when a file is damaged.
    """
    if not folder.is_dir():
        raise InputError(f'There is no folder "{folder}"; give the one that holds the vectors.')
    if _holds_vectors(folder):
        yield from _run_folder(folder, device)
        return
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir() and _holds_vectors(path)]
    if not inner:
        raise InputError(f'"{folder}" holds no conformance vectors; give the folder above dit_a.')
    for path in inner:
        for found in _run_folder(path, device):
            yield replace(found, part=f"{path.name}/{found.part}")


def _holds_vectors(folder: Path) -> bool:
    files = ["solver_closed_form.npz", "schedule.npz", "e2e/cases.npz"]
    files += [f"geometry/{name}.npz" for name in GEOMETRY]
    return any(folder.glob("*/weights.safetensors")) or any((folder / f).is_file() for f in files)


def _run_folder(folder: Path, device: torch.device) -> Iterator[Case | Skipped]:
    """Every comparison of one folder of vectors; a part that it lacks is skipped."""
    networks = sorted(p.parent for p in folder.glob("*/weights.safetensors"))
    parts: list[tuple[str, bool, Callable[[], Iterator[Case | Skipped]]]] = [
        ("network", bool(networks), lambda: _networks(networks, device)),
        ("solver", (folder / "solver_closed_form.npz").is_file(), lambda: _solver(folder)),
        ("schedule", (folder / "schedule.npz").is_file(), lambda: _schedule(folder)),
        (
            "e2e",
            (folder / "e2e" / "cases.npz").is_file(),
            lambda: _end_to_end(folder, networks, device),
        ),
        *(
            (f"geometry/{name}", path.is_file(), lambda run=run, path=path: run(path))
            for name, run in GEOMETRY.items()
            for path in [folder / "geometry" / f"{name}.npz"]
        ),
    ]
    for name, present, run in parts:
        if present:
            try:
                yield from run()
            except KeyError as error:
                raise InputError(f"The vectors of {name} lack {error}; copy them again.") from error
        else:
            yield Skipped(name, "no vectors of this part in the folder")


def load_network(folder: Path) -> OfficialTransformer:
    """A reference network in float32; tensors that inference never reads are passed over."""
    settings = _read_json(folder / "config.json")
    model = OfficialTransformer(**transformer_config(settings))
    weights = _read_weights(folder / "weights.safetensors")
    manifest = official_manifest(settings)
    absent = [key for key, entry in manifest.items() if entry.used and key not in weights]
    if absent:
        raise InputError(f'"{folder}" lacks the weights "{absent[0]}"; copy it again.')
    ours = to_transformer(weights, manifest, model.config.patch_size)
    model.load_state_dict({name: value.float() for name, value in ours.items()})
    return model.eval().requires_grad_(False)


# networks ----------------------------------------------------------------------------------------


def _networks(folders: list[Path], device: torch.device) -> Iterator[Case | Skipped]:
    for folder in folders:
        part = folder.name
        if not (folder / "cases.npz").is_file():
            yield Skipped(part, "no cases.npz beside its weights")
            continue
        model = load_network(folder).to(device)
        arrays = read_arrays(folder / "cases.npz")
        for group in sorted({key.split("/")[0] for key in arrays}):
            prefix = f"{group}/"
            case = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            for name, error in _network_case(model, case):
                if error is None:
                    yield Skipped(f"{part}/{group}/{name}", "an output that this program lacks")
                else:
                    yield Case(part, f"{group}/{name}", error, NETWORK_TOLERANCE)
        for path in sorted(folder.glob("intermediates_t*.npz")):
            t = int(path.stem.removeprefix("intermediates_t"))
            for name, error in _intermediates(model, arrays, read_arrays(path), t):
                yield Case(part, f"intermediates/{name}", error, INTERMEDIATE_TOLERANCE)


@torch.inference_mode()
def _network_case(model: OfficialTransformer, case: Arrays) -> Iterator[tuple[str, float | None]]:
    """Every output's name and error; None where it is not known what the output is."""
    for name, reference in sorted(case.items()):
        if NETWORK_INPUTS.fullmatch(name):
            continue
        dtype = torch.float64 if name.endswith("_f64") else torch.float32
        model.double() if dtype == torch.float64 else model.float()
        ours = _output(model, name.removesuffix("_f64").removesuffix("_model"), case, dtype)
        yield name, None if ours is None else relative_error(ours, reference)
    model.float()


def _output(
    model: OfficialTransformer, name: str, case: Arrays, dtype: torch.dtype
) -> Tensor | np.ndarray | None:
    """What this implementation gives for the case called `name`; None for none that is known."""

    def tensor(key: str) -> Tensor:
        return torch.from_numpy(case[key]).to(model.device)

    z, cond1, cond2 = (tensor(key).to(dtype) for key in ("z", "cond1", "cond2"))

    def network(x: Tensor, t: Tensor) -> Tensor:
        return model(x, cond1, cond2, t)

    if match := re.fullmatch(r"(eps|full\d+)_t(\d+)", name):
        t = torch.full((len(z),), int(match[2]), device=z.device)
        return model(z, cond1, cond2, t, sigma=match[1] != "eps")
    if name == "eps_frac":
        return network(z, tensor("frac_timestep"))
    if match := re.fullmatch(r"(batch\d+)_eps", name):
        return model(*(tensor(f"{match[1]}_{key}") for key in ("z", "cond1", "cond2", "t")))
    if match := re.fullmatch(r"sampler_(\d)step(?:_mid(\d+))?", name):
        timesteps = few_step_timesteps(int(match[1]), int(match[2] or MID_TIMESTEP))
        noises = [z] if len(timesteps) == 1 else [z, tensor("mid_noise").to(dtype)]
        return sample_few_steps(network, noises, timesteps)
    if match := re.fullmatch(r"dpmpp_(\d+)steps_cfg[\d.]+", name):  # guidance changes nothing
        return MultistepSolver(int(match[1])).solve(network, z)
    if match := re.fullmatch(r"dpmpp_(\d+)steps_model_timesteps", name):
        return MultistepSolver(int(match[1])).timesteps
    return None


@torch.inference_mode()
def _intermediates(
    model: OfficialTransformer, cases: Arrays, reference: Arrays, t: int
) -> Iterator[tuple[str, float]]:
    first = min(key.split("/")[0] for key in cases)
    z, cond1, cond2 = (
        torch.from_numpy(cases[f"{first}/{key}"]).to(model.device)
        for key in ("z", "cond1", "cond2")
    )
    rows, columns = (side // model.config.patch_size for side in z.shape[2:])
    seen: dict[str, Tensor] = {"pos_embed": model.positions(rows, columns)}
    seen["tokens_in"] = x = model.join(z, cond1, cond2)
    seen["patch_tokens"] = x - seen["pos_embed"]
    seen["t_emb"] = t_emb = model.time.embed(torch.tensor([t], device=x.device), x.dtype)
    modulation = model.time.rows(t_emb)
    seen["t_mod"] = modulation.flatten(1)
    blocks = cast("list[TransformerBlock]", list(model.blocks))
    handles = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for index, block in enumerate(blocks)
        for name, module in (
            (f"block{index}_attn_out", block.proj),
            (f"block{index}_mlp_out", block.mlp),
        )
    ]
    for index, block in enumerate(blocks):
        x, _ = block(x, modulation)
        seen[f"block{index}_out"] = x
    for handle in handles:
        handle.remove()
    patches = model.patches(x, t_emb).unflatten(2, (-1, model.config.patch_size**2))
    seen["final_tokens"] = patches.transpose(2, 3).flatten(2)  # theirs: channels last
    for name, value in sorted(reference.items()):
        if name not in seen:
            yield f"{name} (unknown)", float("nan")
            continue
        ours = seen[name]
        if ours.ndim == 3:  # ours: view after view; theirs: row-major over the joined width
            ours = ours.unflatten(1, (JOINED_VIEWS, rows, columns)).transpose(1, 2).flatten(1, 3)
        yield name, relative_error(ours, value)


# solver and schedule -----------------------------------------------------------------------------


def _solver(folder: Path) -> Iterator[Case]:
    arrays = read_arrays(folder / "solver_closed_form.npz")
    for group in sorted({key.split("/")[0] for key in arrays if "/" in key}):
        solver = MultistepSolver(int(group.removeprefix("n")))

        def network(x: Tensor, t: Tensor, solver: MultistepSolver = solver) -> Tensor:
            log_alpha = float(np.interp(-t[0], -solver.timesteps, solver.log_alphas[:-1]))
            alpha, sigma = np.exp(log_alpha), np.sqrt(-np.expm1(2 * log_alpha))
            return sigma * x + 0.25 * alpha * torch.tanh(x) + 0.1 * torch.cos(t[0] / 200)

        states = torch.stack(solver.trajectory(network, torch.from_numpy(arrays["x_T"])))
        alphas, sigmas = np.exp(solver.log_alphas), np.sqrt(-np.expm1(2 * solver.log_alphas))
        ours = {
            "timesteps_continuous": solver.times,
            "model_timesteps": np.repeat(solver.timesteps[:, None], len(states[0]), axis=1),
            "lambda": np.log(alphas / sigmas),
            "alpha": alphas,
            "sigma": sigmas,
            "trajectory": states,
            "out": states[-1],
        }
        for name, value in ours.items():
            if f"{group}/{name}" in arrays:
                error = relative_error(value, arrays[f"{group}/{name}"])
                yield Case("solver", f"{group}/{name}", error, SOLVER_TOLERANCE)


def _schedule(folder: Path) -> Iterator[Case]:
    arrays = read_arrays(folder / "schedule.npz")
    ours = alphas_cumprod().numpy()
    betas = 1.0 - ours / np.concatenate(([1.0], ours[:-1]))
    for name, value, tolerance in (
        ("alphas_cumprod_f64", ours, 1e-12),
        ("alphas_cumprod_f32", ours, 1e-6),
        ("betas_f64", betas, 1e-12),
    ):
        if name in arrays:
            yield Case("schedule", name, relative_error(value, arrays[name]), tolerance)


# end to end --------------------------------------------------------------------------------------


def load_autoencoder(config_path: Path, weights_path: Path) -> Autoencoder:
    """The reference's autoencoder in float32."""
    vae = AutoencoderKL.from_config(_read_json(config_path))
    vae.load_state_dict({k: v.float() for k, v in _read_weights(weights_path).items()})
    return Autoencoder.wrap(vae)


def _end_to_end(
    folder: Path, networks: list[Path], device: torch.device
) -> Iterator[Case | Skipped]:
    arrays = read_arrays(folder / "e2e" / "cases.npz")
    vae = load_autoencoder(
        folder / "e2e" / "vae_config.json", folder / "e2e" / "vae_weights.safetensors"
    )
    vae.vae.to(device)
    if "vae_x" in arrays:
        yield from _autoencoder(vae, arrays)
    if "render_u8" not in arrays or not networks:
        yield Skipped("e2e/frames", "no frames, or no network to make them with, in the folder")
        return
    runs = [list(_frames(vae, load_network(path).to(device), arrays)) for path in networks]
    # the file doesn't say which of the networks it was made with: all others fail
    yield from min(runs, key=lambda cases: sum(case.error for case in cases))


@torch.inference_mode()
def _autoencoder(vae: Autoencoder, arrays: Arrays) -> Iterator[Case]:
    device = vae.vae.device
    image = torch.from_numpy(arrays["vae_x"]).to(device)
    moments = vae.vae.encode(image).latent_dist
    ours = {
        "vae_moments": moments.parameters,
        "vae_mean": vae.encode(image) / vae.scaling,
        "vae_logvar": moments.logvar,
        "vae_std": moments.std,
    }
    if "vae_noise" in arrays:
        noise = torch.from_numpy(arrays["vae_noise"]).to(device)
        ours["vae_sample_scaled"] = vae.encode(image, noise=noise)
    if "vae_dec_latent" in arrays:
        ours["vae_dec_image"] = vae.decode(torch.from_numpy(arrays["vae_dec_latent"]).to(device))
    for name, value in ours.items():
        if name in arrays:
            yield Case("e2e", name, relative_error(value, arrays[name]), AUTOENCODER_TOLERANCE)


@torch.inference_mode()
def _frames(vae: Autoencoder, model: OfficialTransformer, arrays: Arrays) -> Iterator[Case]:
    noise1, noise2, z, mid_noise = (
        torch.from_numpy(arrays[key]).to(model.device)
        for key in ("noise_cond1", "noise_cond2", "z", "mid_noise")
    )
    height, width = (side * vae.factor for side in z.shape[2:])
    for suffix, number in (("", ""), ("_resized", "2")):
        if f"render{number}_u8" not in arrays:
            continue
        render = torch.from_numpy(arrays[f"render{number}_u8"]).to(model.device)
        image1 = fit_render(render, height, width)
        picture = fit_picture(arrays[f"cond{number}_u8"], height, width)
        image2 = from_bytes(torch.from_numpy(picture.copy())[None].to(model.device))
        for name, image in (("cond1", image1), ("cond2", image2)):
            if f"{name}_tensor{suffix}" in arrays:
                error = relative_error(image, arrays[f"{name}_tensor{suffix}"])
                yield Case("e2e", f"{name}_tensor{suffix}", error, FRAME_TOLERANCE)
        cond1, cond2 = vae.encode(image1, noise1), vae.encode(image2, noise2)
        for steps in (1, 2):
            stem = f"out{suffix}_{steps}step"
            if f"{stem}_latent" not in arrays:
                continue
            latent = sample_few_steps(
                _conditioned(model, cond1, cond2),
                [z, mid_noise][:steps],
                few_step_timesteps(steps),
            )
            image = vae.decode(latent)
            yield from _compare_frame(stem, latent, image, arrays)


def _conditioned(
    model: OfficialTransformer, cond1: Tensor, cond2: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, t: model(x, cond1, cond2, t)


def _compare_frame(stem: str, latent: Tensor, image: Tensor, arrays: Arrays) -> Iterator[Case]:
    for name, value in ((f"{stem}_latent", latent), (f"{stem}_f32", image[0])):
        if name in arrays:
            yield Case("e2e", name, relative_error(value, arrays[name]), FRAME_TOLERANCE)
    if f"{stem}_u8" in arrays:
        yield byte_case("e2e", f"{stem}_u8", to_bytes(image)[0].cpu().numpy(), arrays[f"{stem}_u8"])


# files -------------------------------------------------------------------------------------------


def _read_json(path: Path) -> dict:
    return json_object(
        path, lambda why: InputError(f'"{path}" cannot be read ({why}); copy it again.')
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f'"{path}" is damaged ({error}); copy it again.') from error
