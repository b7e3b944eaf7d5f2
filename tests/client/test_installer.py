# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing for real, with the real uv and pip and packages made on the spot."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backend.client import InstallChoice, InstallState, InstallTask
from backend.client import uv as uv_words
from backend.client.estimate import read_estimate
from backend.client.installer import Installation, interpreter
from backend.shared.errors import BackendError, Cancelled, InputError

from .conftest import ROOT, until

PIP = "pip"


def _uv_source() -> Path | None:
    """uv on the path, or the wheel of it that the extension ships."""
    if found := shutil.which("uv"):
        return Path(found)
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    system = "macosx" if sys.platform == "darwin" else "manylinux"
    return next((ROOT / "wheels").glob(f"uv-*{system}*{machine}*.whl"), None)


UV_SOURCE = _uv_source()
UV: Path | None = None
needs_uv = pytest.mark.skipif(UV_SOURCE is None, reason="uv is neither installed nor in wheels/")


@pytest.fixture(scope="session", autouse=True)
def uv_program(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sets UV: the program, unpacked from the wheel where need be."""
    global UV
    UV = UV_SOURCE
    if UV_SOURCE is not None and UV_SOURCE.suffix == ".whl":
        with zipfile.ZipFile(UV_SOURCE) as wheel:
            name = next(n for n in wheel.namelist() if n.endswith("/scripts/uv"))
            UV = tmp_path_factory.mktemp("uv") / "uv"
            UV.write_bytes(wheel.read(name))
        UV.chmod(0o755)


def make_wheel(folder: Path, name: str, version: str = "1.0", size: int = 1000) -> Path:
    """A pure Python wheel of one module with `size` bytes of data beside it."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": b"VALUE = 1\n",
        f"{name}/data.bin": os.urandom(size),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},{_digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode()
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return wheel


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


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


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder as unfriendly as users have them."""
    return tmp_path / "Donées 世界" / "world fm"


def choice(shelf: Path, tool: str, text: str = "alpha==1.0\nbeta==1.0\n") -> InstallChoice:
    requirements = shelf.parent / "requirements.txt"
    requirements.write_text(text)
    return InstallChoice(requirements, None if tool == PIP else UV, Path(sys.executable))


tools = pytest.mark.parametrize("tool", [pytest.param("uv", marks=needs_uv), PIP])


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
    (package / "__init__.py").write_text("VALUE = 22\n")
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
                     Path({str(UV)!r}), Path(sys.executable)))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 9
    until(lambda: not _running(str(data)), 5.0)
    wanted, installation = choice(shelf, "uv"), Installation(data)
    assert installation.state(wanted.requirements) is InstallState.INTERRUPTED
    assert not (data / "environment").exists()
    partial = interpreter(data / "environment.partial").stat().st_ino
    installation.install(wanted)
    assert installation.verify(wanted.requirements) == []
    assert installation.python.stat().st_ino == partial  # what was made already was used


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
    Path({str(shelf.parent / "requirements.txt")!r}), Path({str(UV)!r}), Path(sys.executable))))
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


@needs_uv
def test_two_at_once(shelf: Path, data: Path) -> None:
    wanted, first, second = choice(shelf, "uv"), Installation(data), Installation(data)
    inside, leave = threading.Event(), threading.Event()

    def hold(progress) -> None:
        inside.set()
        leave.wait(20)

    task = InstallTask(first, lambda i: i.install(wanted))
    first.report = hold
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


def test_torch_build() -> None:
    assert uv_words.torch_arguments("cpu", {}) == ["--torch-backend", "cpu"]
    if sys.platform != "darwin":
        assert uv_words.torch_arguments("auto", {}) == ["--torch-backend", "auto"]
    assert uv_words.torch_arguments("auto", {"UV_INDEX_URL": "file:///x"}) == []
    assert uv_words.torch_arguments("cu130", {"UV_INDEX_URL": "file:///x"})[1] == "cu130"
    with pytest.raises(InputError, match="choose auto"):
        uv_words.torch_arguments("--index-url=evil", {})


def test_torch_build_on_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert uv_words.torch_arguments("auto", {}) == []


def test_pythons_variables_do_not_reach_uv(tmp_path: Path) -> None:
    env = uv_words.environment(
        tmp_path, {"PYTHONPATH": "/x", "VIRTUAL_ENV": "/y", "UV_INDEX_URL": "z", "PATH": "/bin"}
    )
    assert "PYTHONPATH" not in env and "VIRTUAL_ENV" not in env
    assert (env["UV_INDEX_URL"], env["PATH"]) == ("z", "/bin")
    assert env["UV_CACHE_DIR"] == str(tmp_path / "cache")


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
    wanted = InstallChoice(requirements, UV, Path(sys.executable))
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
