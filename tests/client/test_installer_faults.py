# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said when an installation cannot be made, and how uv's and pip's words are understood."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from backend.client import InstallChoice, InstallState
from backend.client import uv as uv_words
from backend.client.estimate import read_estimate
from backend.client.installer import Installation
from backend.shared.errors import BackendError, InputError


def fake_tool(folder: Path, output: str, status: int = 2) -> Path:
    """A program that says what uv says when the disk is full, the net is down ..."""
    program = folder / "fake-uv"
    environment = f'{sys.executable} -m venv --without-pip "$last"'
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\n[ "$1" = venv ] && exec {environment}\n'
        f"cat <<'EOF'\n{output}\nEOF\nexit {status}\n"
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (
            "error: Failed to install: numpy-2.4.6\n  cause: failed to hardlink file\n"
            "  cause: No space left on device (os error 28)",
            "the disk is full; free some space",
        ),
        (
            "error: Request failed after 3 retries in 10.9s\n  cause: Failed to fetch: http://x/\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)",
            "the package server could not be reached; check",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because x was not "
            "found in the cache\nhint: Packages were unavailable because the network was disabled.",
            "a package does not exist for this system",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or "
            "directory\nHINT: This error might have occurred since this system does not have "
            "Windows Long Path support enabled.",
            r"longer than Windows allows; move the data folder to a short one, such as C:\\WorldFM",
        ),
        ("error: Hash mismatch for `torch`", "arrived damaged; press Install again"),
        ("error: failed to remove file: Access is denied. (os error 5)", "close other Blenders"),
        ("error: something new", r"failed \(error: something new\)"),
        ("", "it said nothing"),
    ],
)
def test_faults_become_sentences(tmp_path: Path, data: Path, output: str, sentence: str) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==2.4.6\n")
    tool = fake_tool(tmp_path, output)
    installation = Installation(data)
    with pytest.raises(BackendError, match=sentence) as caught:
        installation.install(InstallChoice(requirements, tool))
    assert str(caught.value).count("\n") == 0
    assert installation.state(requirements) is InstallState.INTERRUPTED
    assert (data / "logs" / "install.log").read_text().strip() == output.strip()


@pytest.mark.parametrize(
    "output",
    [
        "error: No solution found when resolving dependencies\nhint: Packages were unavailable "
        "because the network was disabled.",
        "error: Network connectivity is disabled, but the requested data wasn't found in the cache",
        "ERROR: No matching distribution found for numpy==2.4.6",
    ],
)
def test_without_online_access_what_is_missing_is_said(
    tmp_path: Path, data: Path, output: str
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("numpy==2.4.6\n")
    tool = fake_tool(tmp_path, output)
    with pytest.raises(BackendError, match="not on this computer; allow Online Access in Pref"):
        Installation(data).install(InstallChoice(requirements, tool, online=False))


def test_too_little_space_is_said_before_anything_is_fetched(tmp_path: Path, data: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    tool = fake_tool(tmp_path, "", 0)
    with pytest.raises(BackendError, match=r"needs 2300000\.0 GB and .* free; free some space"):
        Installation(data).install(InstallChoice(requirements, tool), download_bytes=10**15)
    assert not (data / "environment.partial").exists()


def test_a_program_that_is_not_there(tmp_path: Path, data: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    with pytest.raises(BackendError, match="Finding a Python failed"):
        Installation(data).install(InstallChoice(requirements, tmp_path / "uv"))
    with pytest.raises(InputError, match="a Python has to be named"):
        Installation(data).install(InstallChoice(requirements, None))


def test_a_python_without_venv_is_refused(tmp_path: Path, data: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    with pytest.raises(InputError, match="cannot make environments"):
        Installation(data).install(InstallChoice(requirements, None, python))


def test_estimate_from_sizes(tmp_path: Path) -> None:
    lock = tmp_path / "pylock.x.toml"
    lock.write_text(
        """lock-version = "1.0"
[[packages]]
name = "torch"
version = "2.13.0"
wheels = [{ url = "https://host/torch.whl", size = 526574961 }]
[[packages]]
name = "regex"
version = "1"
wheels = [{ url = "https://host/a.whl", size = 100 }, { url = "https://host/b.whl", size = 7 }]
"""
    )
    estimate = read_estimate(lock)
    assert (estimate.packages, estimate.download_bytes) == (2, 526575061)
    assert estimate.torch == "2.13.0"
    lock.write_text(lock.read_text().replace(", size = 526574961", ""))
    assert read_estimate(lock).download_bytes == 0  # one is unknown: no false promise


def test_progress_follows_uv() -> None:
    progress = uv_words.InstallProgress(total_bytes=100 << 20)
    fractions = []
    for line in (
        "Resolved 32 packages in 636ms",
        "Downloading opencv-python-headless (60.0MiB)",
        "Downloading av (40.0MiB)",
        " Downloaded av",
    ):
        progress.line(line)
        fractions.append(progress.fraction)
    assert progress.text == "Downloading opencv-python-headless (63 MB)."
    assert fractions[-1] == pytest.approx(0.4)
    progress.written(int((40 + 30) * uv_words.UNPACKED) << 20)
    assert progress.fraction == pytest.approx(0.7, abs=0.01)
    progress.line("Prepared 32 packages in 3.11s")
    assert (progress.text, progress.fraction) == ("Installing packages.", 0.95)
    progress.line("Installed 32 packages in 112ms")
    assert progress.fraction == 0.99


def test_progress_follows_pip() -> None:
    progress = uv_words.InstallProgress()
    progress.line("Downloading numpy-2.4.6-cp311-manylinux_x86_64.whl (16.9 MB)")
    assert progress.text == "Downloading numpy-2.4.6-cp311-manylinux_x86_64.whl (17 MB)."


def test_torch_arguments() -> None:
    assert uv_words.torch_arguments("cpu", "cpu", {}) == ["--torch-backend", "cpu"]
    assert uv_words.torch_arguments("auto", "", {}) == []
    own = {"UV_INDEX_URL": "file:///x"}
    assert uv_words.torch_arguments("auto", "cpu", own) == []
    assert uv_words.torch_arguments("cu130", "cu130", own)[1] == "cu130"
    with pytest.raises(InputError, match="choose auto"):
        uv_words.torch_build("--index-url=evil", cuda_13=False)


def test_pythons_variables_do_not_reach_uv(tmp_path: Path) -> None:
    env = uv_words.environment(
        tmp_path, {"PYTHONPATH": "/x", "VIRTUAL_ENV": "/y", "UV_INDEX_URL": "z", "PATH": "/bin"}
    )
    assert "PYTHONPATH" not in env and "VIRTUAL_ENV" not in env
    assert (env["UV_INDEX_URL"], env["PATH"]) == ("z", "/bin")
    assert env["UV_CACHE_DIR"] == str(tmp_path / "cache")
