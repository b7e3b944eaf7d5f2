# SPDX-License-Identifier: GPL-3.0-or-later
"""A small hub of our own that publishes a tiny model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import torch

from backend.models.convert import VAE_FILES
from backend.models.download import REPOSITORY

from .official_room import reference_weights, write_vae

PIECE = 64 << 10
COMMIT, OTHER = "a" * 40, "b" * 40
CHECKPOINT = "worldfm_1-step.pth"


class Hub:
    """What the test decides about the server, and what the server has seen.

    pause: seconds after each piece of a file.
    """

    def __init__(self, files):
        self.files = files
        self.newest = COMMIT
        self.cut_once: set[str] = set()
        self.spoilt: dict[str, int] = {}
        self.status = 200
        self.pause = 0.0
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
            whole = data[:send]
            with contextlib.suppress(ConnectionError):  # whoever asked has left
                for at in range(0, len(whole), PIECE):
                    self.wfile.write(whole[at : at + PIECE])
                    time.sleep(self.hub.pause)


def published_files(folder: Path) -> dict[str, bytes]:
    """A tiny model as it is published, by the names of its files."""
    torch.save(reference_weights(), folder / CHECKPOINT)
    vae = write_vae(folder / "vae")
    files = {f"vae/{name}": (vae / name).read_bytes() for name in VAE_FILES}
    return files | {CHECKPOINT: (folder / CHECKPOINT).read_bytes()}


def serve_hub(files: dict[str, bytes]) -> ThreadingHTTPServer:
    """A server for `serve_forever`; `server.hub` is what it does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = Hub(files)
    return server
