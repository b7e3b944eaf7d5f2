# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads against a small hub of our own: pinning, resuming, healing, and each fault's words."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import torch

from backend.commands.options import told
from backend.models import download as downloading
from backend.models.convert import VAE_FILES
from backend.models.download import PINS, REPOSITORY, download, release
from backend.models.store import find_model, installed, models_dir, verify
from backend.shared.errors import InputError, ModelError, WorldFMError

from .official_room import CONFIG, reference_weights, write_vae

COMMIT, OTHER = "a" * 40, "b" * 40
CHECKPOINT = "worldfm_1-step.pth"


class Hub:
    """What the test decides about the server, and what the server has seen."""

    def __init__(self, files):
        self.files = files
        self.newest = COMMIT
        self.cut_once: set[str] = set()
        self.spoilt: dict[str, int] = {}
        self.status = 200
        self.ranges: list[str] = []
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    @property
    def hub(self) -> Hub:
        return self.server.hub

    def answer(self, body):
        path = urlsplit(self.path).path
        self.hub.asked.append(path)
        if self.hub.status != 200:
            return self.reply(self.hub.status, b"", body)
        if path.startswith(f"/api/models/{REPOSITORY}/revision/"):
            return self.describe(path.rsplit("/", 1)[1], body)
        prefix = f"/{REPOSITORY}/resolve/"
        if not path.startswith(prefix):
            return self.reply(404, b"", body)
        revision, _, name = path.removeprefix(prefix).partition("/")
        if name not in self.hub.files:
            return self.reply(404, b"", body, {"X-Error-Code": "EntryNotFound"})
        return self.send_file(name, revision, body)

    def describe(self, revision, body):
        commit = {"main": self.hub.newest, COMMIT: COMMIT, OTHER: OTHER}.get(revision)
        if commit is None:
            return self.reply(404, b"", body, {"X-Error-Code": "RevisionNotFound"})
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "lfs": {
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "size": len(data),
                    "pointerSize": 130,
                },
            }
            for name, data in self.hub.files.items()
        ]
        answer = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": commit, "siblings": siblings}
        return self.reply(200, json.dumps(answer).encode(), body)

    def send_file(self, name, revision, body):
        data = self.hub.files[name]
        commit = self.hub.newest if revision == "main" else revision
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        if body and self.hub.spoilt.get(name, 0) > 0:
            self.hub.spoilt[name] -= 1
            data = b"\0" * len(data)
        asked = self.headers.get("Range")
        if body and asked:
            self.hub.ranges.append(f"{name} {asked}")
            first = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            return self.reply(206, data[first:], body, headers)
        if body and name in self.hub.cut_once:
            self.hub.cut_once.discard(name)
            self.close_connection = True
            return self.reply(200, data, body, headers, send=len(data) // 2)
        return self.reply(200, data, body, headers)

    def reply(self, status, data, body, headers=None, send=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[:send])


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    torch.save(reference_weights(), folder / CHECKPOINT)
    vae = write_vae(folder / "vae")
    files = {f"vae/{name}": (vae / name).read_bytes() for name in VAE_FILES}
    return files | {CHECKPOINT: (folder / CHECKPOINT).read_bytes()}


@pytest.fixture
def hub(published, monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = Hub(dict(published))
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
    assert json.loads((models_dir() / PINS).read_text()) == {REPOSITORY: COMMIT}
    assert f"downloading {CHECKPOINT}" in told and told[-1] == "done"


def test_later_downloads_stay_at_the_pinned_commit(hub, get):
    get()
    downloading_folder = find_model("worldfm-1-step")
    hub.newest = OTHER
    hub.files["worldfm_2-step.pth"] = hub.files[CHECKPOINT]
    cache = downloading_folder.parents[1] / "cache"
    record = download("worldfm-2-step", config=CONFIG, cache_dir=cache)
    assert record.source["revision"] == COMMIT and record.steps == 2


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
    with told(as_json=True) as progress:
        for share in (0.0, 0.00001, 0.25, 0.25):
            progress("model.safetensors", share)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        {"progress": share, "text": "model.safetensors"} for share in (0.0, 0.25)
    ]  # fmt: skip
