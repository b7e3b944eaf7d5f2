# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks what the backend needs, for all systems, each file by its SHA-256.

    python wheels/lock_requirements.py --uv UV [--upgrade]
    python wheels/lock_requirements.py --build cpu=PAGE.html --build cu130=PAGE.html

Reads pyproject.toml's dependencies and writes backend/requirements.txt, and what PyTorch's own
packages are (torch, triton, NVIDIA's libraries) to backend/requirements-torch.txt, for PyTorch's
index has other builds of these: --build locks one from that index's page of torch. Versions that
are locked already are kept unless --upgrade.
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
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "backend" / "requirements.txt"
TORCH_LOCK = ROOT / "backend" / "requirements-torch.txt"
_OF_TORCH = re.compile(r"(?:torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
_NOWHERE = re.compile(r"sys_platform == 'emscripten'")
_EVERYWHERE = re.compile(r" ; sys_platform != 'emscripten'(?= \\|$)")
_BUILD_SYSTEMS = {"cpu": r"manylinux_\w+|win_arm64"}
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


def lock_build(build: str, page: str, version: str, known: str = "") -> str:
    """The lock of one of PyTorch's own builds, from its index's page (HTML) of torch.

    known: the lock before; its hashes stay when it is of the same version, for the page lacks
    some. Raises ValueError when the page names none.
    """
    name = re.escape(f"torch-{version}+{build}-")
    system = _BUILD_SYSTEMS.get(build, "win_amd64")
    links = re.findall(r'href="([^"]*)#sha256=([0-9a-f]{64})"', page)
    found = {
        digest for link, digest in links
        if re.search(rf"{name}cp3(?:1[1-4])-cp3\d+-(?:{system})\.whl$", unquote(link))
    }  # fmt: skip
    if not found:
        raise ValueError(f"The page names no wheels of torch {version}+{build} with their SHA-256.")
    if f"torch=={version}+{build} " in known:
        found |= set(re.findall(r"--hash=sha256:([0-9a-f]{64})", known))
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(found))
    head = f"# PyTorch's own build {build}; docs/development.md says how its hashes are known."
    return f"{head}\ntorch=={version}+{build} \\\n{hashes}\n"


def _lock_builds(pages: list[str]) -> None:
    version = re.search(r"^torch==(\S+)", TORCH_LOCK.read_text("utf-8"), re.MULTILINE)
    assert version is not None
    for one in pages:
        build, _, page = one.partition("=")
        file = TORCH_LOCK.with_name(f"requirements-torch-{build}.txt")
        known = file.read_text("utf-8") if file.exists() else ""
        text = lock_build(build, Path(page).read_text("utf-8"), version[1], known)
        file.write_text(text, encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {text.count('--hash')} files")


def main() -> int:
    parser = argparse.ArgumentParser(description="Lock the backend's requirements with hashes.")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("--build", action="append", metavar="BUILD=PAGE", help="lock a build alone")
    options = parser.parse_args()
    if options.build:
        _lock_builds(options.build)
        return 0
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
