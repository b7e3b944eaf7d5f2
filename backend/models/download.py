# SPDX-License-Identifier: GPL-3.0-or-later
"""The released models from the Hugging Face hub: resumable, at one revision, hashes checked.

Each file is compared with the SHA-256 that this version knows of it, else with the one that the
first download pinned, and with the hub's.

HF_ENDPOINT names a mirror, HF_HOME the cache, HF_HUB_OFFLINE=1 forbids the network. No account.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm.auto import tqdm

from ..offline import network_asked_for
from ..shared.addresses import refuse_plain
from ..shared.errors import InputError, ModelError, WorldFMError
from ..shared.files import write_atomically
from ..shared.reading import as_sentence, read_json
from .convert import VAE_FILES, convert
from .known_files import PUBLISHED
from .loading import Progress, sha256
from .store import ModelRecord, models_dir, no_space

REPOSITORY = "inspatio/worldfm"
BRANCH = "main"
"""Where a first download looks; the commit it finds is pinned for every later one."""
PINS = "pins.json"
_PINNED_FILES = "sha256"


@dataclass(frozen=True)
class Release:
    """A published model: its checkpoint in the repository and the steps of its sampler."""

    name: str
    checkpoint: str
    steps: int


RELEASES = (
    Release("worldfm-1-step", "worldfm_1-step.pth", 1),
    Release("worldfm-2-step", "worldfm_2-step.pth", 2),
)


def release(name: str) -> Release:
    """The published model called `name`. Raises InputError when there is none."""
    for known in RELEASES:
        if known.name == name:
            return known
    names = " or ".join(known.name for known in RELEASES)
    raise InputError(f'"{name}" is not a published model; download {names}.')


def download(
    name: str,
    *,
    revision: str | None = None,
    config: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> ModelRecord:
    """Fetch a published model, check it and install it as `name`.

    revision: commit, tag or branch; None = the commit pinned by an earlier download, or the newest
    at the first. Files of an interrupted download are continued. Raises WorldFMError in one
    sentence when the hub cannot be reached, a file is damaged, or the disk is full.
    """
    wanted = release(name)
    tell = progress or (lambda what, share: None)
    tell("asking for the newest revision", 0.0)
    pins = _read_pins() if revision is None else _Pins(revision, {})
    files = [wanted.checkpoint, *(f"vae/{file}" for file in VAE_FILES)]
    with network_asked_for():
        hub = _Hub(cache_dir, tell)
        commit, hashes = hub.resolve(pins.commit)
        for file in files:
            _check_known(file, hashes.get(file), pins.files.get(file))
        known = hashes | pins.files
        paths = {file: hub.fetch(file, commit, known.get(file)) for file in files}
    if revision is None:
        fetched = {file: known.get(file) or sha256(paths[file], tell) for file in files}
        _write_pins(_Pins(commit, pins.files | fetched))
    source = {"repository": REPOSITORY, "revision": commit, "file": wanted.checkpoint}
    vae = paths[f"vae/{VAE_FILES[0]}"].parent
    return convert(
        paths[wanted.checkpoint],
        vae,
        name,
        steps=wanted.steps,
        config=config,
        source=source,
        progress=tell,
    )


class _Hub:
    """The hub as seen from one download; all its faults become sentences."""

    def __init__(self, cache_dir: Path | None, progress: Progress) -> None:
        self.endpoint = os.environ.get("HF_ENDPOINT") or None
        refuse_plain(self.endpoint or "", "HF_ENDPOINT")
        self.cache_dir = cache_dir
        self.progress = progress
        self.offline = constants.is_offline_mode()

    def resolve(self, revision: str) -> tuple[str, dict[str, str]]:
        """Commit of a revision, and the SHA-256 the hub gives for its large files."""
        if self.offline:
            return revision, {}
        try:
            info = HfApi(self.endpoint).model_info(
                REPOSITORY, revision=revision, files_metadata=True, token=False
            )
        except (HfHubHTTPError, HFValidationError) as error:
            raise _hub_error(error, revision) from error
        except HTTPError:  # not reached: perhaps all is in the cache
            self.offline = True
            return revision, {}
        hashes = {f.rfilename: f.lfs.sha256 for f in info.siblings or () if f.lfs is not None}
        return info.sha, hashes

    def fetch(self, file: str, revision: str, expected: str | None) -> Path:
        """Path of a file in the cache, complete and of the expected SHA-256."""
        path = self._fetch(file, revision, force=False)
        if expected is None or sha256(path, self.progress) == expected:
            return path
        path = self._fetch(file, revision, force=True)  # a damaged cache heals
        if sha256(path, self.progress) != expected:
            raise ModelError(
                f'"{file}" arrived damaged twice (its SHA-256 is not {expected[:12]}...); '
                "try again later or from another mirror (HF_ENDPOINT)."
            )
        return path

    def _fetch(self, file: str, revision: str, force: bool) -> Path:
        try:
            return Path(
                hf_hub_download(
                    REPOSITORY,
                    file,
                    revision=revision,
                    cache_dir=self.cache_dir,
                    endpoint=self.endpoint,
                    force_download=force,
                    local_files_only=self.offline,
                    token=False,
                    tqdm_class=_bar(file, self.progress),
                )
            )
        except (HFValidationError, RemoteEntryNotFoundError, HfHubHTTPError) as error:
            raise _hub_error(error, revision) from error
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, HTTPError) as error:
            raise WorldFMError(
                f'"{file}" is not on this machine and the hub cannot be reached; connect to the '
                'internet, set HF_ENDPOINT to a mirror, or give "worldfm models convert" a file '
                "that you have."
            ) from error
        except OSError as error:
            cache = self.cache_dir or Path(constants.HF_HUB_CACHE)
            raise _disk_error(error, cache) from error


def _check_known(file: str, hubs: str | None, pinned: str | None) -> None:
    if hubs is None or pinned is None or hubs == pinned:
        return
    if file in PUBLISHED:
        raise ModelError(
            f'"{file}" at the hub is not the one that this version knows (its SHA-256 is '
            f"{hubs[:12]}... instead of {pinned[:12]}...); update WorldFM, or name a revision that "
            "you trust with --revision."
        )
    raise ModelError(
        f'"{file}" at the hub is not the one that was downloaded first (its SHA-256 is '
        f'{hubs[:12]}... instead of {pinned[:12]}...); if you trust it, delete "'
        f'{models_dir() / PINS}" and download again.'
    )


def _hub_error(error: Exception, revision: str) -> WorldFMError:
    if isinstance(error, GatedRepoError):
        return WorldFMError(f"{REPOSITORY} now asks for an account; accept its terms on its page.")
    if isinstance(error, (RevisionNotFoundError, HFValidationError)):
        return InputError(f'{REPOSITORY} has no revision "{revision}"; leave --revision out.')
    if isinstance(error, RepositoryNotFoundError):
        return WorldFMError(f"{REPOSITORY} was not found at the hub; check HF_ENDPOINT.")
    if isinstance(error, EntryNotFoundError):
        return WorldFMError(
            f"A file of the model is not in {REPOSITORY} at {revision}; choose another --revision."
        )
    status = getattr(getattr(error, "response", None), "status_code", "no status")
    return WorldFMError(f"The hub refused the download ({status}); try again later.")


def _disk_error(error: OSError, cache: Path) -> WorldFMError:
    existing = next(p for p in (cache, *cache.parents) if p.exists())
    if "no space" in str(error).lower():
        free = shutil.disk_usage(existing).free
        return no_space(cache, 3_000_000_000, free)
    return WorldFMError(
        f'The download cannot be written to "{cache}" ({error.strerror or error}); set HF_HOME to '
        "another folder."
    )


def _bar(file: str, progress: Progress) -> type[tqdm]:
    """A tqdm that shows nothing and tells `progress`: the hub's library speaks through tqdm."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)
            kwargs["disable"] = False
            kwargs["file"] = _NOWHERE
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(f"downloading {file}", self.n / self.total if self.total else 0.0)
            return shown

    return Bar


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


_NOWHERE = _Nowhere()


@dataclass(frozen=True)
class _Pins:
    """What a download has to be. commit: or a branch, at the first. files: path -> SHA-256."""

    commit: str
    files: dict[str, str]


def _read_pins() -> _Pins:
    path = models_dir() / PINS
    if not path.is_file():
        return _Pins(BRANCH, dict(PUBLISHED))
    with as_sentence(lambda _: ModelError(f'"{path}" is damaged; delete it.')):
        pins = read_json(path)
        files = {str(name): str(digest) for name, digest in pins.get(_PINNED_FILES, {}).items()}
        return _Pins(str(pins[REPOSITORY]), files | PUBLISHED)


def _write_pins(pins: _Pins) -> None:
    models_dir().mkdir(parents=True, exist_ok=True)
    tree = {REPOSITORY: pins.commit, _PINNED_FILES: pins.files}
    write_atomically(models_dir() / PINS, json.dumps(tree, indent=1).encode())
