# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm doctor`: what is installed, which devices work, which models are present."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from ..client.check_environment import pinned
from ..shared.errors import ModelError, WorldFMError

app = typer.Typer(add_completion=False)

REQUIREMENTS = Path(__file__).parents[1] / "requirements.txt"
MAIN_PACKAGES = ("torch", "diffusers", "numpy", "opencv-python-headless", "av", "websockets")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Say what is installed, which devices work and which models are present.

    Ends with 1 when something is missing that rendering needs.
    """
    found = examine()
    if as_json:
        print(json.dumps(found))
    else:
        _show(found)
    if found["problems"]:
        raise typer.Exit(1)


def examine() -> dict[str, Any]:
    """All findings: python, packages, devices, models and `problems`, one sentence each."""
    problems = [
        f"The package {name} is missing; install the requirements again."
        for name in _missing_packages()
    ]
    devices: list[dict[str, Any]] = []
    models: list[dict[str, str]] = []
    try:
        devices = _devices()
        models = _models()
    except (ImportError, OSError) as error:
        problems.append(f"PyTorch cannot be loaded ({error}); install it again.")
    except WorldFMError as error:
        problems.append(str(error))
    return {
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "system": platform.platform(),
        "packages": {name: _version(name) for name in MAIN_PACKAGES},
        "devices": devices,
        "models": models,
        "problems": problems,
    }


def _missing_packages() -> list[str]:
    names = [name for name, _ in pinned(REQUIREMENTS.read_text(encoding="utf-8"))]
    return [name for name in names if _version(name) is None]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _devices() -> list[dict[str, Any]]:
    from ..serving.devices import probe

    return [asdict(device) for device in probe()]


def _models() -> list[dict[str, str]]:
    from ..models.store import installed, models_dir
    from ..models.weights_file import EMBEDDED, WEIGHTS, weights_hash

    if not (EMBEDDED / WEIGHTS).is_file():
        raise ModelError("The embedded model is missing; install WorldFM again.")
    models = [{"name": "embedded", "hash": weights_hash(EMBEDDED), "folder": str(EMBEDDED)}]
    for record in installed():
        folder = str(models_dir() / record.name)
        models.append({"name": record.name, "hash": record.hash, "folder": folder})
    return models


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"Python {found['python']} ({found['interpreter']}), {found['system']}")
    packages = Table("package", "version")
    for name, version in found["packages"].items():
        packages.add_row(name, version or "[red]missing")
    devices = Table("device", "name", "memory", "computes in")
    for device in found["devices"]:
        total, free = device["memory_total"] / 2**30, device["memory_free"] / 2**30
        memory = f"{free:.1f} of {total:.1f} GiB free" if total else "unknown"
        devices.add_row(device["id"], device["name"], memory, ", ".join(device["modes"]))
    models = Table("model", "hash", "folder")
    for model in found["models"]:
        models.add_row(model["name"], model["hash"], model["folder"])
    for table in (packages, devices, models):
        console.print(table)
    for problem in found["problems"]:
        console.print(f"[red]{problem}")
    if not found["problems"]:
        console.print("Everything that rendering needs is here.")
