# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing for real, with the real uv and pip and packages made on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.client import InstallChoice, InstallState, InstallTask
from backend.client.installer import Installation, interpreter
from backend.shared.errors import BackendError, Cancelled, InputError

from .conftest import ROOT, until
from .shelf import PIP, choice, make_wheel, needs_uv, uv_program

tools = pytest.mark.parametrize("tool", [pytest.param("uv", marks=needs_uv), PIP])


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that uv and pip take everything from; no network."""
    for name in [n for n in os.environ if n.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "shelf"
    make_wheel(folder, "alpha")
    make_wheel(folder, "beta", size=3_000_000)
    for variable in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(variable, str(folder))
    for variable in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def value(python: Path, code: str) -> str:
    return subprocess.check_output([python, "-I", "-c", code], text=True).strip()


@tools
def test_install_verify_and_remove(shelf: Path, data: Path, tool: str) -> None:
    wanted, installation = choice(shelf, tool), Installation(data)
    assert installation.state(wanted.requirements) is InstallState.ABSENT
    seen: list[str] = []
    installation.report = lambda progress: seen.append(progress.text)
    installation.install(wanted)
    assert installation.state(wanted.requirements) is InstallState.READY
    assert value(installation.python, "import alpha, beta; print(beta.VALUE)") == "1"
    assert installation.verify(wanted.requirements) == []
    assert "Preparing a Python for the backend." in seen
    assert seen[-2:].count("Checking the installation.") >= 1 or "Checking" in seen[-1]
    models = data / "models" / "mine"
    models.mkdir(parents=True)
    installation.remove()
    assert installation.state(wanted.requirements) is InstallState.ABSENT
    assert models.exists() and not (data / "environment").exists() and not (data / "cache").exists()


@needs_uv
def test_what_antivirus_deleted_is_named_and_repaired(shelf: Path, data: Path) -> None:
    wanted, installation = choice(shelf, "uv"), Installation(data)
    installation.install(wanted)
    package = Path(value(installation.python, "import beta; print(beta.__path__[0])"))
    (package / "data.bin").unlink()
    (package / "__init__.py").write_text("VALUE = 2\n")  # no longer than it was
    assert sorted(installation.verify(wanted.requirements)) == [
        "The file beta/__init__.py of beta was changed.",
        "The file beta/data.bin of beta is missing.",
    ]
    installation.repair(wanted)
    assert installation.verify(wanted.requirements) == []
    assert value(installation.python, "import beta; print(beta.VALUE)") == "1"


@needs_uv
def test_another_version_replaces_the_environment_when_it_is_whole(shelf: Path, data: Path) -> None:
    installation = Installation(data)
    installation.install(choice(shelf, "uv"))
    make_wheel(shelf, "alpha", "2.0")
    newer = choice(shelf, "uv", "alpha==2.0\n")
    assert installation.state(newer.requirements) is InstallState.OUTDATED
    broken = choice(shelf, "uv", "alpha==3.0\n")
    with pytest.raises(BackendError, match="a package does not exist for this system"):
        installation.install(broken)
    assert value(installation.python, "import beta; print(beta.VALUE)") == "1"  # the old one works
    installation.install(choice(shelf, "uv", "alpha==2.0\n"))
    assert installation.state(newer.requirements) is InstallState.READY
    assert installation.verify(newer.requirements) == []
    assert not (data / "environment.old").exists()


@needs_uv
def test_interrupted_then_finished(shelf: Path, data: Path) -> None:
    """The host is killed in the middle: uv ends too, and the next attempt completes."""
    choice(shelf, "uv")
    code = f"""
import os, sys, threading
from pathlib import Path
from backend.client import InstallChoice, Installation
installation = Installation(Path({str(data)!r}))
def report(progress):
    if "needed" in progress.text:
        os._exit(9)
installation.report = report
installation.install(InstallChoice(Path({str(shelf.parent / "requirements.txt")!r}),
                     Path({str(uv_program())!r}), Path(sys.executable)))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 9
    until(lambda: not _running(str(data)), 5.0)
    wanted, installation = choice(shelf, "uv"), Installation(data)
    assert installation.state(wanted.requirements) is InstallState.INTERRUPTED
    assert not (data / "environment").exists()
    partial = interpreter(data / "environment.partial").stat().st_ino
    half = data / "cache" / ".tmpW6E9QP" / "alpha"  # as a uv that is killed leaves it
    half.mkdir(parents=True)
    (half / "METADATA").touch()
    installation.install(wanted)
    assert installation.verify(wanted.requirements) == []
    assert installation.python.stat().st_ino == partial  # what was made already was used
    assert not half.parent.exists()


def _running(word: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if word in line and "uv" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@needs_uv
def test_cancel(shelf: Path, data: Path) -> None:
    wanted, installation = choice(shelf, "uv"), Installation(data)
    before = set(psutil.Process().children(recursive=True))
    task = InstallTask(installation, lambda i: i.install(wanted))
    until(lambda: task.text)
    task.cancel()
    assert task.join(5.0)
    assert isinstance(task.error, Cancelled) and "continued later" in str(task.error)
    assert set(psutil.Process().children(recursive=True)) <= before
    assert not (data / "environment").exists()
    task = InstallTask(installation, lambda i: i.install(wanted))
    assert task.join(60.0)
    assert task.error is None and installation.verify(wanted.requirements) == []


@needs_uv
def test_quitting_while_installing_is_silent_and_leaves_no_process(shelf: Path, data: Path) -> None:
    """The host's main thread ends in the middle, as Blender's does; a later attempt completes."""
    choice(shelf, "uv")
    code = f"""
import sys, threading, time
from pathlib import Path
from backend.client import InstallChoice, Installation, InstallTask
installation = Installation(Path({str(data)!r}))
task = InstallTask(installation, lambda i: i.install(InstallChoice(
    Path({str(shelf.parent / "requirements.txt")!r}), Path({str(uv_program())!r}),
    Path(sys.executable))))
while "Python" not in task.text:
    time.sleep(0.001)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert not (data / "environment").exists()
    until(lambda: not _running(str(data)), 5.0)
    wanted, installation = choice(shelf, "uv"), Installation(data)
    installation.install(wanted)
    assert installation.verify(wanted.requirements) == []


@needs_uv
def test_again_without_online_access(shelf: Path, data: Path) -> None:
    """What was fetched once is enough for repairing and for installing anew."""
    online, installation = choice(shelf, "uv"), Installation(data)
    installation.install(online)
    offline = replace(online, online=False)
    Path(value(installation.python, "import beta; print(beta.__file__)")).unlink()
    assert installation.verify(offline.requirements) != []
    installation.repair(offline)
    assert installation.verify(offline.requirements) == []


@needs_uv
def test_two_at_once(shelf: Path, data: Path) -> None:
    wanted, first, second = choice(shelf, "uv"), Installation(data), Installation(data)
    inside, leave = threading.Event(), threading.Event()

    def hold(progress) -> None:
        inside.set()
        leave.wait(20)

    def install(installation: Installation) -> None:
        installation.report = hold
        installation.install(wanted)

    task = InstallTask(first, install)
    assert inside.wait(20)
    with pytest.raises(BackendError, match="Another Blender is changing"):
        second.install(wanted)
    leave.set()
    assert task.join(60) and task.error is None


@needs_uv
def test_moving_the_data_folder(shelf: Path, data: Path, tmp_path: Path) -> None:
    wanted, installation = choice(shelf, "uv"), Installation(data)
    installation.install(wanted)
    (data / "models").mkdir()
    (data / "models" / "weights").write_text("x")
    target = tmp_path / "elsewhere" / "fm"
    installation.move_to(target)
    assert installation.folder == target and not data.exists()
    assert (target / "models" / "weights").read_text() == "x"
    assert installation.verify(wanted.requirements) == []
    with pytest.raises(InputError, match="into itself"):
        installation.move_to(target / "environment")
    with pytest.raises(InputError, match="not empty"):
        installation.move_to(shelf)


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_python_in_the_data_folder_moves_along(data: Path, tmp_path: Path) -> None:
    base = data / "python" / "base" / "bin"
    base.mkdir(parents=True)
    (base / "python3").symlink_to(sys.executable)
    scripts = data / "environment" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "python").symlink_to(base / "python3")
    (scripts / "python3").symlink_to("python")
    (data / "environment" / "pyvenv.cfg").write_text(f"home = {base}\nversion_info = 3.12\n")
    installation, target = Installation(data), tmp_path / "there"
    installation.move_to(target)
    assert os.readlink(installation.python) == str(target / "python" / "base" / "bin" / "python3")
    assert (
        installation.python.exists() and os.readlink(target / "environment/bin/python3") == "python"
    )
    config = (target / "environment" / "pyvenv.cfg").read_text()
    assert config == f"home = {target / 'python' / 'base' / 'bin'}\nversion_info = 3.12\n"


@needs_uv
def test_estimate_of_local_packages_is_no_download(shelf: Path, data: Path) -> None:
    estimate = Installation(data).estimate(choice(shelf, "uv"))
    assert (estimate.packages, estimate.download_bytes, estimate.torch) == (2, 0, "")


@needs_uv
@pytest.mark.parametrize("path", ["the user's", "no Python at all"])
def test_an_estimate_is_no_interrupted_installation(
    shelf: Path, data: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It makes no environment and fetches no Python, also where the host's is the only one."""
    if path != "the user's":
        monkeypatch.setenv("PATH", str(shelf))
    wanted = replace(choice(shelf, "uv"), python=None)
    installation = Installation(data)
    assert installation.estimate(wanted).packages == 2
    assert installation.state(wanted.requirements) is InstallState.ABSENT
    left = {file.name for file in data.iterdir()}
    assert left <= {"cache", "install.lock"} and not (data / "python").exists()


@needs_uv
@pytest.mark.skipif(
    not os.environ.get("WORLDFM_SLOW_TESTS"), reason="set WORLDFM_SLOW_TESTS=1: installs torch"
)
def test_the_whole_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads(
        subprocess.check_output(
            [
                sys.executable,
                "-c",
                "import json; from pip._internal.configuration import Configuration as C;"
                "c = C(isolated=False); c.load(); print(json.dumps(dict(c.items())))",
            ]
        )
    )
    links = [v for k, v in _flat(config).items() if k.endswith(".find-links")]
    if links:
        monkeypatch.setenv("UV_FIND_LINKS", links[0])
    requirements = ROOT / "backend" / "requirements.txt"
    wanted = InstallChoice(requirements, uv_program(), Path(sys.executable))
    installation = Installation(tmp_path / "data")
    estimate = installation.estimate(wanted)
    assert estimate.torch.startswith("2.")
    started = time.monotonic()
    installation.install(wanted, estimate.download_bytes)
    print(f"{estimate}, {time.monotonic() - started:.0f} s")
    assert installation.verify(requirements) == []
    assert value(installation.python, "import torch; print(torch.ones(3).sum().item())") == "3.0"


def _flat(config: dict) -> dict[str, str]:
    """pip's settings, whether they are grouped by file or not."""
    flat = {}
    for key, item in config.items():
        flat.update(item if isinstance(item, dict) else {key: item})
    return flat
