# SPDX-License-Identifier: GPL-3.0-or-later
"""A published checkpoint made into a folder of safetensors and configs, once."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..shared.errors import InputError, ModelError, WorldFMError
from ..shared.reading import as_sentence, read_json
from .autoencoder import Autoencoder
from .loading import Progress, read_checkpoint
from .official_layout import (
    check_weights,
    official_manifest,
    read_settings,
    to_transformer,
    transformer_config,
)
from .official_transformer import OfficialTransformer
from .store import (
    WEIGHTS,
    ModelRecord,
    check_name,
    models_dir,
    new_folder,
    no_space,
    refuse_existing,
    write_record,
)

VAE_FILES = ("config.json", WEIGHTS)


def convert(
    checkpoint: Path,
    vae: Path,
    name: str,
    *,
    steps: int,
    destination: Path | None = None,
    config: Path | None = None,
    source: dict[str, str] | None = None,
    progress: Progress | None = None,
) -> ModelRecord:
    """Check `checkpoint` and `vae` and install them as the model `name`.

    checkpoint: .pth or .safetensors in the released layout. vae: folder with config.json and
    diffusion_pytorch_model.safetensors. config: JSON of the reference's settings (see
    `official_layout.RELEASED`) for another size than the released XL/2. The values keep their
    type; tensors that inference never reads are left out. Raises WorldFMError in one sentence;
    nothing half-written stays.
    """
    check_name(name)
    target = destination or models_dir() / name
    refuse_existing(target)  # before minutes of reading
    tell = progress or (lambda what, share: None)
    settings = read_config(config)
    kept = _read_checked(checkpoint, settings, tell)
    tell("checking the autoencoder", 0.0)
    check_vae(vae, settings["in_channels"])
    size = sum(v.numel() * v.element_size() for v in kept.values())
    size += sum((vae / file).stat().st_size for file in VAE_FILES)
    with new_folder(target, size) as folder:
        tell("writing safetensors", 0.0)
        try:
            _write(folder, kept, transformer_config(settings), vae)
        except (OSError, SafetensorError) as error:
            if _disk_full(error):
                raise no_space(target.parent, size, shutil.disk_usage(folder).free) from error
            raise WorldFMError(
                f'The model cannot be written to "{target}" ({error}); choose another folder.'
            ) from error
        tell("hashing", 0.5)
        record = write_record(folder, name, steps, source or {"file": str(checkpoint.resolve())})
    tell("done", 1.0)
    return record


def _read_checked(checkpoint: Path, settings: dict[str, Any], tell: Progress) -> dict[str, Tensor]:
    """`OfficialTransformer`'s weights out of a checkpoint that holds what it must."""
    tell("reading the checkpoint", 0.0)
    weights = read_checkpoint(checkpoint)
    manifest = official_manifest(settings)
    kept = {}
    for key, value in check_weights(weights, manifest, f'"{checkpoint}"'):
        kept[key] = value.contiguous()
        tell("checking the weights", len(kept) / len(manifest))
    return to_transformer(kept, manifest, settings["patch_size"])


def read_config(path: Path | None) -> dict[str, Any]:
    """The reference's settings in a JSON file; the released model's without a path.

    Raises InputError when the file cannot be read or makes no transformer.
    """
    if path is None:
        return read_settings({})
    with as_sentence(lambda why: InputError(f'"{path}" is no JSON file ({why}); check its path.')):
        data = read_json(path)
    if not isinstance(data, dict):
        raise InputError(f'"{path}" must hold one JSON object, the transformer\'s settings.')
    return read_settings(data)


def check_vae(folder: Path, latent_channels: int) -> None:
    """Raises ModelError unless `folder` holds a whole VAE of so many latent channels."""
    for file in VAE_FILES:
        if not (folder / file).is_file():
            raise ModelError(
                f'The autoencoder\'s {file} is missing from "{folder}"; give the folder "vae" '
                "of the published model."
            )
    vae = Autoencoder.from_folder(folder)
    channels = vae.vae.config.latent_channels
    if channels != latent_channels:
        raise ModelError(
            f'The autoencoder in "{folder}" has {channels} latent channels and the transformer '
            f"{latent_channels}; give the one that was published with it."
        )
    for key, value in vae.vae.state_dict().items():
        if not value.isfinite().all():
            raise ModelError(
                f'The autoencoder in "{folder}" is damaged: "{key}" has values that are not '
                "finite; get it again."
            )


def _write(folder: Path, weights: dict[str, Tensor], config: dict[str, Any], vae: Path) -> None:
    (folder / "transformer").mkdir()
    (folder / "vae").mkdir()
    save_file(weights, folder / "transformer" / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps({"_class_name": OfficialTransformer.__name__, **config}, indent=1)
    (folder / "transformer" / "config.json").write_text(text, encoding="utf-8")
    for file in VAE_FILES:
        shutil.copyfile(vae / file, folder / "vae" / file)


def _disk_full(error: Exception) -> bool:
    code = getattr(error, "errno", None)
    return code == errno.ENOSPC or "no space left" in str(error).lower()
