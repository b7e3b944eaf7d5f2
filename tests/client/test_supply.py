# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed is what was locked, file by file, and comes by protected ways."""

from __future__ import annotations

import base64
import re
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest

from backend.client import check_environment, uv
from backend.client.check_environment import TORCH_LOCK, holds, pinned
from backend.client.installer import Installation
from backend.models.download import download
from backend.shared.addresses import refuse_plain
from backend.shared.errors import BackendError, InputError

from .conftest import ROOT
from .shelf import choice, needs_uv
from .test_installer import shelf, tools

__all__ = ["shelf"]

LOCK = ROOT / "backend" / "requirements.txt"
LOCKS = (LOCK, LOCK.with_name(TORCH_LOCK))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_locked_by_its_hashes(lock: Path) -> None:
    requirements = re.findall(r"^(\S+==\S+)[^\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}.*\n)+)",
                              lock.read_text(), re.MULTILINE)  # fmt: skip
    lines = [line for line in lock.read_text().splitlines() if line and line[0] not in "# "]
    assert len(requirements) == len(lines) > 15
    for line in lines:
        marker = line.removesuffix("\\").partition(";")[2].strip()
        assert holds(marker or None) in (True, False)  # every marker is understood


def test_all_that_the_project_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {name.lower() for lock in LOCKS for name, _ in pinned(lock.read_text())}
    for dependency in project["dependencies"]:
        name, _, marker = re.split(r"([=<>].*?(?:;|$))", dependency, maxsplit=1)
        if holds(marker.strip() or None):
            assert name.lower() in locked


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("sys_platform == 'beos' or python_full_version >= '3.9'", True),
        ("(sys_platform == 'beos' or os_name != 'beos') and python_version < '9.0'", True),
        ("sys_platform == 'beos' and (os_name == 'x' or python_version < '9.0')", False),
        ("((python_version > '3.2'))", True),
    ],
)
def test_markers(marker: str, expected: bool) -> None:
    assert holds(marker) is expected


def test_a_marker_of_another_kind_is_no_guess() -> None:
    with pytest.raises(ValueError, match="not understood"):
        holds("sys_platform in 'linux'")


@tools
def test_a_package_that_is_not_the_locked_one_is_refused(
    shelf: Path, data: Path, tool: str
) -> None:
    wanted = choice(shelf, tool, "alpha==1.0")
    text = wanted.requirements.read_text()
    wanted.requirements.write_text(re.sub(r"sha256:.{8}", "sha256:00000000", text))
    with pytest.raises(BackendError):
        Installation(data).install(wanted)
    assert not (data / "environment").exists()


@needs_uv
def test_what_is_not_locked_is_not_installed(shelf: Path, data: Path) -> None:
    wanted = choice(shelf, "uv", "alpha==1.0")
    wanted.requirements.write_text(wanted.requirements.read_text() + "beta==1.0\n")
    with pytest.raises(BackendError):
        Installation(data).install(wanted)


def test_pytorch_is_locked_where_the_package_index_has_it(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    torch = lock.with_name(TORCH_LOCK)
    torch.write_text("torch==2.13.0 \\\n    --hash=sha256:00\n")
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r"]
    first, second = uv.packages(lock, "auto", by_uv=False, parent={})
    assert first == [*locked, str(lock)] and second == [*locked, str(torch)]
    _, second = uv.packages(lock, "cu130", by_uv=True, parent={})
    assert second == ["--only-binary", ":all:", "--torch-backend", "cu130", "torch==2.13.0"]
    _, second = uv.packages(lock, "auto", by_uv=True, parent={"UV_FIND_LINKS": "/wheels"})
    assert second == ["--only-binary", ":all:", "torch==2.13.0"]


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("http://mirror.example/simple", True),
        ("HTTP://mirror.example", True),
        ("ftp://mirror.example", True),
        ("http://[::1", True),
        ("http://127.0.0.1.mirror.example", True),
        ("https://mirror.example/simple", False),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://[::1]:80", False),
        ("/a/folder", False),
        ("", False),
    ],
)
def test_plain_addresses_are_refused(
    address: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not refused:
        refuse_plain(address, "HF_ENDPOINT")
        uv.check_sources({"UV_INDEX": f"mine={address} /more", "PIP_INDEX_URL": address})
        return
    with pytest.raises(InputError, match=r"HF_ENDPOINT .*\.$"):
        refuse_plain(address, "HF_ENDPOINT")
    with pytest.raises(InputError, match="UV_INDEX"):
        uv.check_sources({"UV_INDEX": f"/folder mine={address}"})
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(InputError, match="HF_ENDPOINT"):
        download("worldfm-1-step")


def test_this_environment_is_as_it_was_recorded() -> None:
    """By the same look at every file that an installation gets, for a package of some size."""
    distribution = check_environment._installed("hypothesis")
    assert distribution is not None
    assert check_environment.damaged(distribution) == []


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("RECORD", None, "The file RECORD of alpha is missing."),
        ("RECORD", b"", "The file RECORD of alpha is missing."),
        ("RECORD", b"a\xff,sha256=0,1\n", "The file RECORD of alpha was changed."),
        ("METADATA", None, "The package alpha is damaged."),
        ("METADATA", b"", "The package alpha is damaged."),
    ],
)
def test_a_package_without_its_lists_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, problem: str
) -> None:
    about = tmp_path / "alpha-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(sha256((about / "METADATA").read_bytes()).digest())
    record = f"alpha-1.0.dist-info/METADATA,sha256={digest.decode().rstrip('=')},50\n"
    (about / "RECORD").write_text(record)
    lock = tmp_path / "requirements.txt"
    lock.write_text("alpha==1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert check_environment.problems(lock) == []
    if content is None:
        (about / name).unlink()
    else:
        (about / name).write_bytes(content)
    assert check_environment.problems(lock) == [problem]
