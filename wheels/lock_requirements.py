# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks what the backend needs, for all systems, each file by its SHA-256.

    python wheels/lock_requirements.py --uv UV [--upgrade]

Reads pyproject.toml's dependencies and writes backend/requirements.txt, and what PyTorch's own
packages are (torch, triton, NVIDIA's libraries) to backend/requirements-torch.txt, for PyTorch's
index has other builds of these. Versions that are locked already are kept unless --upgrade.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "backend" / "requirements.txt"
TORCH_LOCK = ROOT / "backend" / "requirements-torch.txt"
_OF_TORCH = re.compile(r"(?:torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
_NOWHERE = re.compile(r"sys_platform == 'emscripten'")
_EVERYWHERE = re.compile(r" ; sys_platform != 'emscripten'(?= \\|$)")
_HEADS = {
    LOCK: "What the backend needs besides PyTorch, exactly; made by wheels/lock_requirements.py.",
    TORCH_LOCK: "PyTorch as the package index has it, and what it needs besides; made likewise.",
}


def blocks(text: str) -> Iterator[str]:
    """Each requirement of a locked file with its hashes."""
    block: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace() and block:
            yield "\n".join(block) + "\n"
            block = []
        if line and not line.startswith("#"):
            block.append(line)
    if block:
        yield "\n".join(block) + "\n"


def resolve(uv: str, dependencies: list[str], known: str) -> str:
    """uv's lock of `dependencies` for all systems and Pythons."""
    with tempfile.TemporaryDirectory() as folder:
        source, lock = Path(folder) / "requirements.in", Path(folder) / "requirements.txt"
        source.write_text("\n".join(dependencies) + "\n", encoding="utf-8")
        lock.write_text(known, encoding="utf-8")  # uv keeps the versions that stand there
        command = [
            uv, "pip", "compile", "--universal", "--python-version", "3.11", "--no-header",
            "--no-annotate", "--generate-hashes", "--only-binary", ":all:", source, "-o", lock,
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return lock.read_text(encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description="Lock the backend's requirements with hashes.")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    files = [file for file in _HEADS if file.exists() and not options.upgrade]
    known = "".join(file.read_text(encoding="utf-8") for file in files)
    locked = resolve(options.uv, project["dependencies"], known)
    parts: dict[Path, list[str]] = {LOCK: [], TORCH_LOCK: []}
    for block in blocks(locked):
        if not _NOWHERE.search(block.split(" \\")[0]):
            ours = _EVERYWHERE.sub("", block)
            parts[TORCH_LOCK if _OF_TORCH.match(block) else LOCK].append(ours)
    for file, requirements in parts.items():
        file.write_text(f"# {_HEADS[file]}\n" + "".join(requirements), encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {len(requirements)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
