# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the backend of this checkout into a virtual environment, saying first what it fetches.

    python wheels/install_backend.py ENVIRONMENT [EXTRA,...]

PyTorch comes in its build for the CPU where there is no accelerator. uv knows where that is, and
fetches the rest too; where pip is set up to look elsewhere than usual, pip does it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from wheels.fetch import this_system, wheels_for  # noqa: E402

_SOURCES = ("index-url", "extra-index-url", "find-links", "no-index")


def accelerator() -> str:
    """What torch could compute on beside the CPU; "" = nothing."""
    if platform.system() == "Darwin":
        return "Apple GPU"
    if shutil.which("nvidia-smi") and subprocess.run(["nvidia-smi", "-L"], capture_output=True,
                                                     text=True).stdout.strip():  # fmt: skip
        return "NVIDIA GPU"
    return "AMD GPU" if Path("/dev/kfd").exists() else ""


def own_sources(python: Path) -> bool:
    """Whether pip is set up to look elsewhere than usual."""
    names = [f"PIP_{name.upper().replace('-', '_')}" for name in _SOURCES]
    if any(os.environ.get(name) for name in names):
        return True
    command = [python, "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    return any(f".{name}=" in line for name in _SOURCES for line in said.splitlines())


def with_pip(python: Path, what: str) -> int:
    """pip says itself how large each package is, and shows its progress."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        plan = [*pip, "--quiet", "--dry-run", "--report", report, "--editable", what]
        if subprocess.run(plan, cwd=ROOT).returncode == 0:
            found = [
                item["download_info"]["url"] for item in json.loads(report.read_text())["install"]
            ]
            here = [url for url in found if url.startswith("file:")]
            print(
                f"Packages that are needed: {len(found)}. Of these {len(here)} are on this "
                "computer; the others come from the sources that pip is set up with (all of them "
                "about 0.5 GB with a PyTorch for the CPU).",
                flush=True,
            )
    return subprocess.run([*pip, "--editable", what], cwd=ROOT).returncode


def planned(lock: Path) -> str:
    """What a pylock.toml will fetch; of a package's wheels the first counts, uv's choice."""
    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("packages", [])
    files = [(p.get("wheels") or [p.get("sdist") or {}])[0] for p in packages]
    size = sum(int(file.get("size", 0)) for file in files) / 1e6
    torch = next((p["version"] for p in packages if p["name"] == "torch"), "")
    return f"{len(packages)} packages to fetch, {size:.0f} MB; PyTorch is {torch}."


def with_uv(environment: Path, python: Path, what: str) -> int:
    """uv resolves for this system, names packages and bytes, then fetches with bars of its own."""
    lock = json.loads((ROOT / "wheels" / "lock.json").read_text(encoding="utf-8"))
    (pinned,) = {
        lock[name]["package"] for name in wheels_for(lock, this_system()) if name.startswith("uv-")
    }
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned]
    if code := subprocess.run(install).returncode:
        return code
    uv = environment / ("Scripts" if os.name == "nt" else "bin") / "uv"
    torch = ["--torch-backend", "auto" if accelerator() else "cpu"]
    if platform.system() == "Darwin":
        torch = []
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "pylock.toml"
        extras = [word for name in what.partition("[")[2].rstrip("]").split(",") if name
                  for word in ("--extra", name)]  # fmt: skip
        command = [uv, "pip", "compile", "--quiet", "--python", python, "--format", "pylock.toml",
                   *torch, *extras, "-o", resolved, "pyproject.toml"]  # fmt: skip
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode == 0:
            print(planned(resolved), flush=True)
    return subprocess.run(
        [uv, "pip", "install", "--python", python, *torch, "--editable", what], cwd=ROOT
    ).returncode


def main() -> int:
    environment = Path(sys.argv[1]).resolve()
    what = f".[{sys.argv[2]}]" if len(sys.argv) > 2 else "."
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    found = accelerator()
    build = f"for the {found}" if found else "in its build for the CPU: no accelerator is here"
    print(f"PyTorch is taken {build}.", flush=True)
    if own_sources(python):
        return with_pip(python, what)
    return with_uv(environment, python, what)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nStopped; the same command again goes on.", file=sys.stderr)
        sys.exit(130)
