# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and ending processes, and what is said when they will not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from backend.client import BackendClient, BackendState, LaunchSettings
from backend.client import process as process_module
from backend.client.process import child_environment, explain, open_log
from backend.serving.priority import NICENESS
from backend.shared import log_file
from backend.shared.child_process import run_child
from backend.shared.errors import BackendError, Cancelled
from backend.shared.log_file import read_log
from backend.shared.messages import PROTOCOL
from backend.shared.orphan import HOST

from .conftest import ROOT, anchors, ask, backend_process, children, settings, until


def package(folder: Path, main: str) -> Path:
    """A folder with a package 'backend' whose __main__ is this code."""
    (folder / "backend").mkdir(parents=True)
    (folder / "backend" / "__main__.py").write_text(main)
    return folder


def of_package(folder: Path, main: str) -> LaunchSettings:
    return settings(folder, root=package(folder / "r", main), package="backend")


def failure(client: BackendClient, launch: LaunchSettings) -> str:
    """The sentence that a request gets when this backend is started."""
    client.set_world("w", 1, anchors(), [])
    client.start(launch)
    with pytest.raises(BackendError) as caught:
        client.request("w", ask()).result(40)
    assert client.state is BackendState.FAILED
    assert client.status_text == str(caught.value)
    assert "\n" not in client.status_text
    assert not children()
    return client.status_text


@pytest.mark.skipif(os.name == "nt", reason="a job object does it there")
def test_a_host_that_died_before_its_backend_could_look(tmp_path: Path) -> None:
    """It ends though its own parent lives and its stdin stays open."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    backend = subprocess.Popen(
        [sys.executable, "-m", "backend", "serve", "--child"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        env={**os.environ, HOST: str(dead.pid)},
    )
    with backend:
        assert backend.wait(30) == 0


def test_no_interpreter(client: BackendClient, tmp_path: Path) -> None:
    text = failure(client, settings(tmp_path, python=tmp_path / "gone" / "python"))
    assert "interpreter" in text and "is missing; install or repair the backend" in text


@pytest.mark.skipif(sys.platform == "win32", reason="file modes")
def test_an_interpreter_that_may_not_be_run(client: BackendClient, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("not a program")
    python.chmod(0o755)
    text = failure(client, settings(tmp_path, python=python))
    assert "The system refused to start" in text and "security software" in text


def test_torch_is_not_installed(client: BackendClient, tmp_path: Path) -> None:
    root = package(tmp_path / "root", "import torch_of_nowhere")
    text = failure(client, settings(tmp_path, root=root, package="backend"))
    assert text == (
        "The backend's environment is incomplete (torch_of_nowhere is missing); press Repair in "
        "the preferences."
    )


def test_a_library_that_antivirus_took(client: BackendClient, tmp_path: Path) -> None:
    code = "raise ImportError('libtorch_cpu.so: cannot open shared object file')"
    text = failure(client, of_package(tmp_path, code))
    assert "missing or blocked (libtorch_cpu.so: cannot open shared object file)" in text
    assert "then press Repair" in text


def test_a_backend_that_says_what_is_wrong(client: BackendClient, tmp_path: Path) -> None:
    code = "import sys; sys.exit('Error: Port 0 of 127.0.0.1 cannot be used (x); choose another.')"
    text = failure(client, of_package(tmp_path, code))
    assert text == "Port 0 of 127.0.0.1 cannot be used (x); choose another."


def test_a_backend_that_only_ends(client: BackendClient, tmp_path: Path) -> None:
    root = package(tmp_path / "r", "raise SystemExit(7)")
    text = failure(client, settings(tmp_path, root=root, package="backend"))
    assert "ended unexpectedly (exit status 7); see the log" in text
    assert str(client.log_path) in text


def test_a_backend_that_never_listens(
    client: BackendClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "START_LIMIT_S", 0.5)
    root = package(tmp_path / "r", "import time; time.sleep(60)")
    text = failure(client, settings(tmp_path, root=root, package="backend"))
    assert "did not start within 0.5 s; close other programs" in text


def test_another_version(client: BackendClient, tmp_path: Path) -> None:
    code = """
import backend.shared.messages as m
m.PROTOCOL = 99
import backend.serving.server as s
s.PROTOCOL = 99
from tests.client.tiny_backend import make_load
from backend.commands.serve import serve_parent
serve_parent(make_load)
"""
    (tmp_path / "future.py").write_text(code)
    loader = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; sys.path.pop(1); "
    loader += f"sys.modules.pop('backend', None); runpy.run_path({str(tmp_path / 'future.py')!r})"
    root = package(tmp_path / "r", loader)
    text = failure(client, settings(tmp_path, root=root, package="backend"))
    assert text == (
        f"The backend speaks protocol 99 and the add-on {PROTOCOL}; install the same version of "
        "WorldFM on both sides."
    )


def test_the_log_cannot_be_written(client: BackendClient, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where a folder should be")
    text = failure(client, settings(tmp_path))
    assert "cannot be written" in text and "choose another data folder" in text


def test_names_that_are_not_latin(client: BackendClient, tmp_path: Path) -> None:
    folder = tmp_path / "Блендер 世界" / ("long " * 30)
    client.set_world("w", 1, anchors(), [])
    client.start(settings(folder))
    assert client.request("w", ask()).result(40).world_revision == 1
    assert client.log_path is not None and client.log_path.parent == folder / "logs"


def test_the_childs_environment() -> None:
    parent = {
        "PATH": "/bin",
        "PYTHONPATH": "/blender",
        "PYTHONHOME": "/blender",
        "__PYVENV_LAUNCHER__": "x",
        "VIRTUAL_ENV": "x",
        "CONDA_PREFIX": "x",
        "HOME": "/home/me",
    }
    kept = {"PATH": "/bin", "HOME": "/home/me", "OMP_WAIT_POLICY": "passive"}
    assert child_environment(parent) == kept
    assert child_environment(parent, 3)["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("gives_way", [True, False])
def test_the_host_goes_first_where_it_is_asked_for(
    client: BackendClient, tmp_path: Path, gives_way: bool
) -> None:
    client.set_world("w", 1, anchors(), [])
    client.start(settings(tmp_path, gives_way=gives_way))
    assert client.request("w", ask()).result(40).world_revision == 1
    backend = backend_process()
    if sys.platform == "win32":
        lower = psutil.BELOW_NORMAL_PRIORITY_CLASS
        assert (backend.nice() == lower) is gives_way
        return
    usual = psutil.Process().nice()
    assert backend.nice() == (min(19, usual + NICENESS) if gives_way else usual)
    group = Path(f"/proc/{backend.pid}/autogroup")
    if group.exists() and group.read_text():
        assert group.read_text().endswith(f"nice {NICENESS if gives_way else 0}\n")


def test_log_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LOG_BYTES", 10)
    for number in range(6):
        with open_log(tmp_path) as log:
            log.write(f"run {number} is long enough\n".encode())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["backend.1.log", "backend.2.log", "backend.log"]
    assert read_log(tmp_path / "backend.log") == "run 5 is long enough\n"
    assert read_log(tmp_path / "backend.2.log") == "run 3 is long enough\n"


def test_a_log_is_kept_short_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LOG_BYTES", 1000)
    path = tmp_path / "backend.log"
    with open(path, "ab") as log:
        for number in range(100):
            os.write(log.fileno(), f"{number:099d}\n".encode())
            log_file.rotate_open(path, log.fileno())
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["backend.1.log", "backend.2.log", "backend.log"]
    files = [(tmp_path / name).read_text().split() for name in reversed(names)]
    written = [int(line) for file in files for line in file]
    assert sorted(written) == list(range(100 - len(written), 100)) and len(written) > 20
    assert max(len(file) for file in files) <= 11
    assert read_log(path, 10_000).split()[-1] == f"{99:099d}", "what began before is gone"


def test_a_long_log_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "backend.log"
    path.write_bytes(b"x" * 100_000 + "\nlast é".encode())
    text = read_log(path)
    assert len(text) <= 64 << 10 and text.endswith("last é")
    assert read_log(path, 100_001) == "last é"
    assert read_log(tmp_path / "none") == ""


def test_the_last_error_of_the_log_is_told() -> None:
    log = "Error: first.\nsomething\nError: The second; do this.\n"
    assert explain(1, log, Path("x")) == "The second; do this."


def test_what_ended_it_is_told() -> None:
    assert "for want of memory; close other programs" in explain(-9, "", Path("x"))
    assert (
        explain(-11, "", Path("x")) == "The backend was ended by the system (signal 11); see "
        "the log x."
    )
    assert "(exit status 3221225477); see the log x" in explain(3221225477, "", Path("x"))


def lines_of(code: str, **options) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = run_child(
        [sys.executable, "-c", code],
        env=os.environ,
        cwd=Path.cwd(),
        on_line=lines.append,
        cancel=options.get("cancel", threading.Event()),
    )
    return status, lines


def test_child_output_and_status() -> None:
    code = "import sys; print('a  é'); print('b', file=sys.stderr, flush=True); sys.exit(3)"
    status, lines = lines_of(code)
    assert status == 3 and sorted(lines) == ["a  é", "b"]


def test_child_cancel_ends_grandchildren_too(tmp_path: Path) -> None:
    cancel = threading.Event()
    pid_file = tmp_path / "pid"
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(pid_file)!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    threading.Thread(target=lambda: (until(pid_file.exists), cancel.set())).start()
    with pytest.raises(Cancelled):
        lines_of(code, cancel=cancel)
    until(lambda: not _alive(int(pid_file.read_text())), 5.0)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


def test_a_program_that_is_refused(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(BackendError, match="The system refused to start"):
        run_child(["true"], env={}, cwd=tmp_path, on_line=print, cancel=threading.Event())
