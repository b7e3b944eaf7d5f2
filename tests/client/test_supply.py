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
from backend.client.check_environment import TORCH_BUILD_LOCK, TORCH_LOCK, holds, pinned
from backend.client.graphics import can_run_cuda_13
from backend.client.installer import Installation
from backend.models.download import download
from backend.shared.addresses import refuse_plain
from backend.shared.errors import BackendError, InputError

from .conftest import ROOT
from .shelf import choice, locked, make_wheel, needs_uv
from .test_installer import shelf, tools

__all__ = ["shelf"]

LOCK = ROOT / "backend" / "requirements.txt"
LOCKS = (LOCK, LOCK.with_name(TORCH_LOCK))
BUILD_LOCKS = sorted(LOCK.parent.glob(TORCH_BUILD_LOCK.format("*")))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_locked_by_its_hashes(lock: Path) -> None:
    requirements = re.findall(r"^(\S+==\S+)[^\n]*\\\n((?: +--hash=sha256:[0-9a-f]{64}.*\n)+)",
                              lock.read_text(), re.MULTILINE)  # fmt: skip
    lines = [line for line in lock.read_text().splitlines() if line and line[0] not in "# "]
    assert len(requirements) == len(lines) > 15
    for line in lines:
        marker = line.removesuffix("\\").partition(";")[2].strip()
        assert holds(marker or None) in (True, False)  # every marker is understood


def test_builds_of_pytorch_are_of_the_locked_version() -> None:
    version = dict(pinned(LOCKS[1].read_text()))["torch"]
    assert [lock.name for lock in BUILD_LOCKS] == [
        TORCH_BUILD_LOCK.format("cpu"), TORCH_BUILD_LOCK.format("cu130"),
    ]  # fmt: skip
    for lock in BUILD_LOCKS:
        build = lock.stem.rpartition("-")[2]
        assert pinned(lock.read_text()) == [("torch", f"{version}+{build}")]
        assert len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", lock.read_text()))) >= 4


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


def test_pytorch_is_locked_wherever_it_comes_from(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    of_index, own = tmp_path / TORCH_LOCK, tmp_path / TORCH_BUILD_LOCK.format("cpu")
    of_index.write_text("torch==2.13.0 \\\n    --hash=sha256:00\n")
    own.write_text("torch==2.13.0+cpu \\\n    --hash=sha256:00\n")
    locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:"]
    index, cpu = [*locked, "-r", str(of_index)], [*locked, "-r", str(own)]

    def ways(torch: str, build: str, by_uv: bool = True, **parent: str) -> list[list[str]]:
        return uv.torch_packages(requirements, torch, build, by_uv, parent)

    assert ways("auto", "") == ways("auto", "", by_uv=False) == ways("cu130", "") == [index]
    with_index = [*locked, "--torch-backend", "cpu", "-r", str(own)]
    assert ways("auto", "cpu") == ways("cpu", "cpu") == [with_index]
    assert ways("cpu", "cpu", by_uv=False) == [index]
    assert ways("auto", "cpu", UV_FIND_LINKS="/wheels") == [cpu, index]
    assert ways("auto", "cpu", by_uv=False, PIP_FIND_LINKS="/wheels") == [cpu, index]
    assert ways("auto", "", UV_INDEX_URL="https://mirror") == [index]
    unlocked = ["--only-binary", ":all:", "--torch-backend", "rocm7.2", "torch==2.13.0"]
    assert ways("rocm7.2", "rocm7.2") == [unlocked]  # only when it is asked for by its name


@pytest.mark.parametrize(
    ("torch", "cuda_13", "system", "build"),
    [
        ("auto", False, "win32 ARM64", "cpu"),
        ("auto", False, "linux", "cpu"),
        ("auto", True, "linux", ""),
        ("auto", False, "win32", ""),
        ("auto", True, "win32", "cu130"),
        ("auto", True, "darwin", ""),
        ("cpu", True, "darwin", ""),
        ("cpu", True, "linux", "cpu"),
        ("cu130", False, "linux", ""),
        ("cu126", False, "win32", "cu126"),
        ("rocm7.2", False, "linux", "rocm7.2"),
    ],
)
def test_the_build_of_pytorch(torch: str, cuda_13: bool, system: str, build: str) -> None:
    system, _, machine = system.partition(" ")
    assert uv.torch_build(torch, cuda_13, system, machine or "x86_64") == build
    if torch == "auto":
        assert not build or (ROOT / "backend" / TORCH_BUILD_LOCK.format(build)).is_file()


@pytest.mark.parametrize(
    ("said", "module", "able"),
    [
        ("", "", False),
        ("581.15, 8.9\n", "", True),
        ("581.15, 6.1\n", "", False),
        ("581.15, 6.1\n581.15, 12.0\n", "", True),
        ("560.94, 8.9\n", "", False),
        ("", "580.65.06\n", True),
        ("", "535.183.01\n", False),
        ("NVIDIA-SMI has failed because it couldn't communicate with the driver", "", False),
        ("[N/A], [N/A]", "580.65.06", True),
    ],
)
def test_cards_that_run_cuda_13(said: str, module: str, able: bool) -> None:
    assert can_run_cuda_13(said, module) is able


@needs_uv
def test_pytorch_of_own_sources_is_checked_too(shelf: Path, data: Path) -> None:
    """The shelf has the build that the second lock names; a file of other content is refused."""
    wanted = choice(shelf, "uv", "alpha==1.0")
    make_wheel(shelf, "torch", "2.0")
    own = wanted.requirements.with_name(TORCH_BUILD_LOCK.format("cpu"))
    own.write_text(locked(shelf, "torch==2.0+cpu"))
    of_index = wanted.requirements.with_name(TORCH_LOCK)
    of_index.write_text(locked(shelf, "torch==2.0"))
    Installation(data).install(wanted)
    assert Installation(data).verify(wanted.requirements) == []
    make_wheel(shelf, "torch", "2.0")
    with pytest.raises(BackendError):
        Installation(data / "another").install(wanted)


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
