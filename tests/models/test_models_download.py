# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against a small hub of our own: pinning, resuming, healing, and each fault's words."""

from __future__ import annotations

import json
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from backend.commands.options import reporting
from backend.models import download as downloading
from backend.models import known_files
from backend.models.download import PINS, REPOSITORY, download, release
from backend.models.store import find_model, installed, models_dir, remove, verify
from backend.shared.errors import InputError, ModelError, WorldFMError

from .hub import CHECKPOINT, COMMIT, OTHER, published_files, serve_hub
from .official_room import CONFIG


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return published_files(tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(published, monkeypatch, tmp_path):
    server = serve_hub(dict(published))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("WORLDFM_MODELS", str(tmp_path / "models"))
    yield server.hub
    server.shutdown()
    server.server_close()


@pytest.fixture
def get(tmp_path):
    def fetch(**options):
        return download("worldfm-1-step", config=CONFIG, cache_dir=tmp_path / "cache", **options)

    return fetch


def fault(get, **options):
    with pytest.raises(WorldFMError) as caught:
        get(**options)
    sentence = str(caught.value)
    assert "\n" not in sentence and sentence.endswith(".")
    assert installed() == []
    return sentence


def test_a_download_is_installed_checked_and_pinned(hub, get):
    told = []
    record = get(progress=lambda what, share: told.append(what))
    assert record.source["revision"] == COMMIT and record.steps == 1
    assert verify(find_model("worldfm-1-step")) == []
    pins = json.loads((models_dir() / PINS).read_text())
    assert pins[REPOSITORY] == COMMIT
    assert pins["sha256"] == {name: sha256(data).hexdigest() for name, data in hub.files.items()}
    assert f"downloading {CHECKPOINT}" in told and told[-1] == "done"


def test_later_downloads_stay_at_the_pinned_commit(hub, get):
    get()
    downloading_folder = find_model("worldfm-1-step")
    hub.newest = OTHER
    hub.files["worldfm_2-step.pth"] = hub.files[CHECKPOINT]
    cache = downloading_folder.parents[1] / "cache"
    record = download("worldfm-2-step", config=CONFIG, cache_dir=cache)
    assert record.source["revision"] == COMMIT and record.steps == 2


@pytest.mark.parametrize("pinned", ["known", "first"])
def test_another_file_under_the_same_name_is_refused_before_it_is_fetched(
    hub, get, monkeypatch, pinned
):
    """By what this version knows, or by what the first download pinned; or a revision is named."""
    get()
    remove("worldfm-1-step")
    digest = sha256(hub.files[CHECKPOINT]).hexdigest()
    if pinned == "known":
        (models_dir() / PINS).unlink()
        monkeypatch.setitem(downloading.PUBLISHED, CHECKPOINT, digest)
    hub.files[CHECKPOINT] += b"another"
    hub.asked.clear()
    words = {"known": "this version knows", "first": "downloaded first"}[pinned]
    assert words in fault(get)
    assert not any("/resolve/" in path for path in hub.asked)
    assert get(revision=OTHER).source["revision"] == OTHER


def test_a_hub_that_names_no_hash_is_compared_with_what_is_known(hub, get, monkeypatch):
    monkeypatch.setattr(downloading._Hub, "resolve", lambda self, revision: (COMMIT, {}))
    monkeypatch.setitem(downloading.PUBLISHED, CHECKPOINT, "0" * 64)
    assert "arrived damaged twice" in fault(get)


def test_pins_of_earlier_versions_have_no_hashes(hub, get):
    models_dir().mkdir(parents=True)
    (models_dir() / PINS).write_text(json.dumps({REPOSITORY: OTHER}))
    assert get().source["revision"] == OTHER


def test_models_that_ship_are_as_this_version_knows_them(monkeypatch):
    """Where a model is replaced, its files' hashes in known_files.py have to be replaced too."""
    folder = Path(known_files.__file__).parent
    shipped = {p.relative_to(folder).as_posix() for p in folder.glob("embedded*/*") if p.is_file()}
    assert shipped == set(known_files.SHIPPED)
    assert known_files.shipped_problems() == []
    monkeypatch.setitem(known_files.SHIPPED, "embedded/config.json", "0" * 64)
    monkeypatch.setitem(known_files.SHIPPED, "embedded/other", "0" * 64)
    told = known_files.shipped_problems()
    assert told == ["embedded/config.json is damaged", "embedded/other is missing"]


def test_a_revision_can_be_asked_for_and_does_not_pin(hub, get):
    assert get(revision=OTHER).source["revision"] == OTHER
    assert not (models_dir() / PINS).exists()


def test_an_interrupted_download_is_continued(hub, get, monkeypatch):
    monkeypatch.setattr(downloading.constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    hub.cut_once.add(CHECKPOINT)
    record = get()
    assert verify(find_model(record.name)) == []
    assert any(entry.startswith(f"{CHECKPOINT} bytes=") for entry in hub.ranges)
    assert not any(entry.endswith("bytes=0-") for entry in hub.ranges)


def test_bytes_damaged_on_the_way_are_fetched_again(hub, get):
    hub.spoilt[CHECKPOINT] = 1
    assert verify(find_model(get().name)) == []


def test_bytes_damaged_again_are_refused(hub, get):
    hub.spoilt[CHECKPOINT] = 2
    assert "arrived damaged twice" in fault(get)


def test_offline_the_cache_is_enough(hub, get, monkeypatch, tmp_path):
    get()
    folder = find_model("worldfm-1-step")
    folder.rename(tmp_path / "aside")
    monkeypatch.setattr(downloading.constants, "is_offline_mode", lambda: True)
    hub.asked.clear()
    assert get().source["revision"] == COMMIT
    assert hub.asked == []


def test_offline_without_the_files_says_what_to_do(hub, get, monkeypatch):
    monkeypatch.setattr(downloading.constants, "is_offline_mode", lambda: True)
    assert "cannot be reached" in fault(get)
    assert hub.asked == []


def test_a_full_disk_is_said(hub, get, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloading, "hf_hub_download", full)
    assert "no space left" in fault(get)


def test_unknown_revisions_and_files_are_said(hub, get):
    assert 'no revision "v9"' in fault(get, revision="v9")
    del hub.files["vae/config.json"]
    assert "A file of the model is not in" in fault(get)


def test_a_hub_that_refuses_is_said(hub, get):
    hub.status = 403
    assert "403" in fault(get)


def test_a_damaged_pin_is_said(hub, get):
    models_dir().mkdir(parents=True)
    (models_dir() / PINS).write_text("{")
    with pytest.raises(ModelError, match="delete it"):
        get()


def test_only_published_names_are_downloaded():
    assert release("worldfm-2-step").steps == 2
    with pytest.raises(InputError, match="not a published model"):
        release("worldfm-3-step")


def test_programs_are_told_the_progress_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Blender's status bar shows them."""
    with reporting(as_json=True) as progress:
        for share in (0.0, 0.00001, 0.25, 0.25):
            progress("model.safetensors", share)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        {"progress": share, "text": "model.safetensors"} for share in (0.0, 0.25)
    ]  # fmt: skip
