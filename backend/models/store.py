# SPDX-License-Identifier: GPL-3.0-or-later
"""The models on this machine: one folder each, with the hashes of its files.

NAME/model.json, NAME/transformer/{config.json, diffusion_pytorch_model.safetensors}, NAME/vae/ the
same: each folder loads with diffusers' `from_pretrained` too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from ..shared import files
from ..shared.errors import InputError, ModelError, WorldFMError
from ..shared.leftovers import beside, clear_beside
from ..shared.reading import as_sentence, read_json, whole_number
from .loading import Progress, sha256

RECORD = "model.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
FORMAT_VERSION = 2
"""Rises when the names of converted weights change, or what stands in a record."""
MOST_RECORD = 1 << 20
"""Bytes of a record: names of files and their hashes."""
OFFICIAL = "official"
"""Stands for whichever published model is installed, the 2-step one first."""
PUBLISHED = ("worldfm-2-step", "worldfm-1-step")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ModelRecord:
    """What is known of an installed model.

    steps: of its sampler. source: where its files came from (path or hub repository and
    revision). files: path inside the folder -> SHA-256.
    """

    name: str
    steps: int
    source: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    version: int = FORMAT_VERSION

    @property
    def hash(self) -> str:
        """First 12 hex digits of the transformer's SHA-256: what stands on its frames."""
        return self.files[f"transformer/{WEIGHTS}"][:12]


def models_dir() -> Path:
    """Where models lie: WORLDFM_MODELS, or the user's data folder."""
    chosen = os.environ.get("WORLDFM_MODELS")
    return Path(chosen) if chosen else platformdirs.user_data_path("worldfm") / "models"


def check_name(name: str) -> None:
    """Raises InputError unless `name` can be a folder's name and nothing more."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f'"{name}" cannot be the name of a model; use letters, digits, dots and dashes.'
        )


def installed() -> list[ModelRecord]:
    """All models of this machine whose record can be read, by name."""
    folders = sorted(p.parent for p in models_dir().glob(f"*/{RECORD}"))
    return [read_record(folder) for folder in folders if not folder.name.startswith(".")]


def find_model(name_or_path: str | Path) -> Path:
    """Folder of an installed model or of one given by path; "official" is a published one.

    Raises ModelError when it is absent.
    """
    if name_or_path == OFFICIAL:
        here = [name for name in PUBLISHED if (models_dir() / name / RECORD).is_file()]
        name_or_path = here[0] if here else PUBLISHED[0]
    as_path = Path(name_or_path)
    inside = models_dir() / name_or_path if _NAME.fullmatch(str(name_or_path)) else None
    for folder in (inside, as_path):
        if folder is not None and os.path.isfile(folder / RECORD):  # not: a name that is too long
            return folder
    raise ModelError(
        f'There is no model "{name_or_path}" here; "worldfm models download" or "worldfm models '
        'convert" installs one, "worldfm models list" shows which there are.'
    )


def read_record(folder: Path) -> ModelRecord:
    """The record of a model's folder. Raises ModelError when it is damaged or newer."""
    with as_sentence(
        lambda _: ModelError(
            f'The record of the model in "{folder}" is damaged; remove and install it again.'
        )
    ):
        data = read_json(folder / RECORD, MOST_RECORD)
        version = whole_number(data["version"])
        record = _checked(ModelRecord(**data)) if version == FORMAT_VERSION else None
    if record is None:
        raise ModelError(
            f'The model in "{folder}" was installed by another version of WorldFM (layout '
            f"{version}); remove and install it again."
        )
    return record


def _checked(record: ModelRecord) -> ModelRecord:
    """Raises what `as_sentence` turns into one for a record that `write_record` never made."""
    texts = (record.name, record.hash, *record.source.values(), *record.files.values())
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("it holds something other than texts")
    whole_number(record.steps, 1)
    return record


def write_record(folder: Path, name: str, steps: int, source: dict[str, str]) -> ModelRecord:
    """Hash all files of a folder and write its record."""
    files = {
        path.relative_to(folder).as_posix(): sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    record = ModelRecord(name, steps, source, files)
    (folder / RECORD).write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    return record


def verify(folder: Path, progress: Progress | None = None) -> list[str]:
    """Files of a model that are missing or differ from when it was installed; best empty."""
    record = read_record(folder)
    wrong = []
    for name, expected in record.files.items():
        path = folder / name
        if ".." in Path(name).parts or not path.is_file():
            wrong.append(f"{name} is missing")
        elif sha256(path, progress) != expected:
            wrong.append(f"{name} is damaged")
    return wrong


def remove(name: str) -> None:
    """Delete an installed model. Raises ModelError when there is none of that name."""
    check_name(name)
    folder = models_dir() / name
    if not (folder / RECORD).is_file():
        raise ModelError(f'There is no model "{name}" to remove; see "worldfm models list".')
    clear_beside(models_dir())
    doomed = beside(folder)
    os.replace(folder, doomed)  # gone for all others at once, then file by file
    shutil.rmtree(doomed)


def refuse_existing(folder: Path) -> None:
    """Raises InputError when a model's folder is taken."""
    if folder.exists():
        raise InputError(f'"{folder}" exists already; remove it or choose another name.')


@contextmanager
def new_folder(destination: Path, needed: int) -> Iterator[Path]:
    """A folder beside `destination` that takes its place when the block ends well.

    needed: bytes that will be written. Nothing is left behind when the block raises, and what a
    kill left is cleared the next time. Raises InputError when `destination` exists, WorldFMError
    when it cannot be written or there is no space left.
    """
    refuse_existing(destination)
    with files.new_folder(destination) as partial:
        free = shutil.disk_usage(destination.parent).free
        if free < needed:
            raise no_space(destination.parent, needed, free)
        yield partial


def no_space(folder: Path, needed: int, free: int) -> WorldFMError:
    """The error for a full disk."""
    return WorldFMError(
        f'There is no space left in "{folder}": {needed / 1e9:.2f} GB are needed and '
        f"{free / 1e9:.2f} GB are free; delete something or set WORLDFM_MODELS to another disk."
    )
