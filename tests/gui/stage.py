# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage of the scenarios: a virtual display, a user folder, and Blender on them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .real_blender import ROOT, RealBlender, package_folders

HERE = Path(__file__).resolve().parent
SCREEN = (1600, 1000)


class SceneError(AssertionError):
    """A scenario failed; the text has its traceback or Blender's last lines."""


@contextmanager
def display(blender: RealBlender):
    """A virtual X display; yields its name, for instance ":1"."""
    reader, writer = os.pipe()
    command = blender.command("Xvfb", "-displayfd", str(writer), "-nolisten", "tcp")
    command += ["-screen", "0", "{}x{}x24".format(*SCREEN), "+extension", "GLX"]
    server = subprocess.Popen(
        command, pass_fds=[writer], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        if not number:
            raise SceneError("Xvfb did not start")
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(10)


def package_sources() -> dict[str, str]:
    """What pip is set up with here, in uv's words: for the test that presses Install."""
    sources = {}
    if folders := package_folders():
        sources["UV_FIND_LINKS"] = ",".join(folders)
    if certificates := os.environ.get("PIP_CERT"):
        sources["SSL_CERT_FILE"] = certificates
    return sources


@dataclass
class Stage:
    blender: RealBlender
    display: str
    user: Path  # BLENDER_USER_RESOURCES
    pictures: Path

    def environment(self) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BLENDER"))}
        return {
            **keep,
            "DISPLAY": self.display,
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "NUMBA_CACHE_DIR": str(ROOT / "outputs" / "kernels"),
            **package_sources(),
            "BLENDER_USER_RESOURCES": str(self.user),
            "HOME": str(self.user),
            "XDG_RUNTIME_DIR": str(self.user),
        }

    def command(self, *arguments: str, timeout: float = 1800) -> str:
        """Run Blender without a window; returns what it printed."""
        command = self.blender.command(self.blender.blender, "--background", *arguments)
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=self.environment()
        )
        if result.returncode:
            raise SceneError((result.stdout + result.stderr)[-3000:])
        return result.stdout

    def play(self, scenario: str, file: Path | None = None, seconds: float = 3600, **given) -> dict:
        """Play scenarios/SCENARIO.py in a window with `file` open, for so many seconds at most.

        What is `given` reaches the scenario as `ui.given`. Returns what it left in `ui.result`,
        with Blender's output as `log`.
        """
        result = self.user / f"{scenario}.json"
        result.unlink(missing_ok=True)
        self.pictures.mkdir(parents=True, exist_ok=True)
        command = self.blender.command(
            self.blender.blender, "--gpu-backend", "opengl", "--window-geometry", "0", "0"
        )
        command += [
            *map(str, SCREEN),
            *([str(file)] if file else []),
            "--python",
            str(HERE / "driver.py"),
            "--",
        ]
        command += [str(HERE / "scenarios" / f"{scenario}.py"), str(result), str(self.pictures)]
        log = self.user / f"{scenario}.log"
        with log.open("w") as stream:
            process = subprocess.Popen(
                command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**self.environment(), "GUI_TEST": json.dumps(given)},
                start_new_session=True,
                cwd=ROOT,
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                status = process.wait()
        words = log.read_text(errors="replace")
        if not result.exists():
            raise SceneError(
                f"{scenario} ended with status {status} and no result:\n{words[-3000:]}"
            )
        found = json.loads(result.read_text())
        if "error" in found:
            raise SceneError(f"{scenario}: {found['error']}\nBlender said:\n{words[-3000:]}")
        return {**found, "log": words}
