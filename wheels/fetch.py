# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches the wheels that the extension ships, exactly those of lock.json, into this folder.

    python wheels/fetch.py
    python wheels/fetch.py --this       only what this system's zip carries

A wheel that is here already with the right SHA-256 is left alone. pip does the fetching, by package
name and from wherever pip is set up to look; a file that differs from the lock is not kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


class WheelError(Exception):
    """A wheel could not be had, or is not the locked one."""


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def download(package: str, platform: str, folder: Path) -> None:
    """Let pip fetch one wheel into `folder`; raises WheelError when pip cannot."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--platform", platform]
    command += ["--python-version", "3.11", "--implementation", "py", "--abi", "none"]
    command += ["--dest", str(folder), package]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise WheelError(
            f"pip could not fetch {package} for {platform} ({last}); "
            "check the connection and run the command again."
        )


def fetch(name: str, package: str, platform: str, digest: str, folder: Path = HERE) -> bool:
    """Make sure that wheel `name` lies in `folder`; True when it had to be fetched."""
    target = folder / name
    if target.exists() and sha256(target) == digest:
        return False
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        download(package, platform, Path(scratch))
        fetched = Path(scratch, name)
        if not fetched.exists():
            found = ", ".join(file.name for file in Path(scratch).iterdir())
            raise WheelError(
                f"pip fetched {found or 'nothing'} where wheels/lock.json names {name}; "
                "bring the lock up to date."
            )
        if sha256(fetched) != digest:
            raise WheelError(
                f"{name} does not have the SHA-256 of wheels/lock.json, so it was not kept; "
                "fetch again, or check the lock."
            )
        os.replace(fetched, target)
    return True


def this_system() -> str:
    """The end of this system's platform tags, as in lock.json: linux x86_64 and so on."""
    machine = platform.machine().lower()
    return {
        "Linux": f"manylinux2014_{'aarch64' if machine in ('arm64', 'aarch64') else 'x86_64'}",
        "Darwin": "macosx_11_0_arm64" if machine == "arm64" else "macosx_10_12_x86_64",
        "Windows": "win_arm64" if machine == "arm64" else "win_amd64",
    }[platform.system()]


def wheels_for(lock: dict[str, dict[str, str]], system: str) -> list[str]:
    """Names of the wheels in `lock` that a zip for `system` carries."""
    return [name for name, entry in lock.items() if entry["platform"] in ("any", system)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the extension's wheels.")
    parser.add_argument("--this", action="store_true", help="only those of this system")
    options = parser.parse_args()
    lock = json.loads((HERE / "lock.json").read_text(encoding="utf-8"))
    try:
        for name in wheels_for(lock, this_system()) if options.this else lock:
            entry = lock[name]
            fresh = fetch(name, entry["package"], entry["platform"], entry["sha256"])
            print(f"{'fetched' if fresh else 'present'}  {name}", flush=True)
    except WheelError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    for stray in sorted({file.name for file in HERE.glob("*.whl")} - set(lock)):
        (HERE / stray).unlink()
        print(f"removed  {stray}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
