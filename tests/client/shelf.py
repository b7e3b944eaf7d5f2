# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages made on the spot, and the tools that install them, for tests without a network."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from backend.client import InstallChoice

from .conftest import ROOT

PIP = "pip"
_unpacked = tempfile.TemporaryDirectory(prefix="worldfm-uv-")


@functools.cache
def uv_program() -> Path | None:
    """uv on the path, or out of the wheel that the extension ships."""
    if found := shutil.which("uv"):
        return Path(found)
    machine = "aarch64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    system = "macosx" if sys.platform == "darwin" else "manylinux"
    shipped = next((ROOT / "wheels").glob(f"uv-*{system}*{machine}*.whl"), None)
    if shipped is None:
        return None
    program = Path(_unpacked.name) / "uv"
    with zipfile.ZipFile(shipped) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("/scripts/uv"))
        program.write_bytes(wheel.read(name))
    program.chmod(0o755)
    return program


needs_uv = pytest.mark.skipif(uv_program() is None, reason="uv is neither installed nor in wheels/")


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


def locked(shelf: Path, requirement: str) -> str:
    """A requirement with the SHA-256 of its wheel on the shelf, or of none."""
    name, version = requirement.split("==")
    wheel = shelf / f"{name}-{version}-py3-none-any.whl"
    digest = hashlib.sha256(wheel.read_bytes() if wheel.exists() else b"").hexdigest()
    return f"{requirement} \\\n    --hash=sha256:{digest}\n"


def choice(shelf: Path, tool: str, text: str = "alpha==1.0\nbeta==1.0\n") -> InstallChoice:
    requirements = shelf.parent / "requirements.txt"
    requirements.write_text("".join(map(functools.partial(locked, shelf), text.split())))
    return InstallChoice(requirements, None if tool == PIP else uv_program(), Path(sys.executable))
