# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the real Blender of these tests comes from.

BLENDER=/path/to/blender uses that one. Otherwise a Debian system with Blender, software GL and a
virtual display is made in a folder of its own (needs root and debootstrap; about a minute and 2 GB,
once), and every command runs inside it. Its mounts live in a private mount namespace and end with
the command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BOOTSTRAP_PACKAGES = ["debootstrap"]
PACKAGES = [
    *("blender", "xvfb", "xdotool", "imagemagick", "mesa-vulkan-drivers"),
    *("libgl1-mesa-dri", "libegl1", "libegl-mesa0", "libglx-mesa0"),
    *("python3-numpy", "python3-requests", "python3-cattr", "python3-attr"),
    *("python3-zstandard", "python3-cffi"),
]
TOOLS = ("Xvfb", "xdotool", "import")
ENTER = """
set -e
root=$1; shift
for path in /proc /sys /dev; do mount --rbind "$path" "$root$path"; done
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; touch "$root$1"; fi
  mount --bind "$1" "$root$1"; shift
done
shift
exec chroot "$root" "$@"
"""


class NoBlender(Exception):
    """There is no real Blender here and none can be set up; the text says why, in one sentence."""


@dataclass(frozen=True)
class RealBlender:
    """How commands reach the system that Blender runs in."""

    prefix: tuple[str, ...]
    blender: str

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, *arguments]

    def version(self) -> str:
        """For instance "5.2.2 LTS"."""
        command = self.command(self.blender, "--version")
        output = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        lines = [line for line in output.splitlines() if line.startswith("Blender ")]
        if not lines:
            raise NoBlender(
                f"{self.blender} does not answer --version; set BLENDER to a Blender that starts."
            )
        return lines[0].removeprefix("Blender ")


def interpreter_paths() -> list[str]:
    """What the Python that runs this needs to run inside the other system, at the same paths."""
    if Path(sys.base_prefix) != Path("/usr"):
        return [sys.base_prefix]
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"/usr/lib/{name}", f"/usr/bin/{name}"]


def package_folders() -> list[str]:
    """Local folders that pip is set up to look into, besides its index."""
    return [place for place in os.environ.get("PIP_FIND_LINKS", "").split() if Path(place).is_dir()]


def inside(root: Path, *, setting_up: bool = False) -> tuple[str, ...]:
    """The command that runs another inside `root`, with this system's Python and packages."""
    shared = [str(ROOT), "/tmp", *interpreter_paths(), *package_folders()]
    certificates = os.environ.get("PIP_CERT")
    # while it is set up, its own package of certificates replaces the file: not under a mount
    if certificates and not setting_up:
        shared.append(certificates)
    return (
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        ENTER,
        "sh",
        str(root),
        *shared,
        "--",
    )


def run(*command: str) -> None:
    """Run a setting-up command; NoBlender with its last words when it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    if result.returncode:
        words = (result.stdout + result.stderr).strip().splitlines()[-1:] or ["it said nothing"]
        raise NoBlender(f"'{' '.join(command[:2])} …' failed while setting up Blender: {words[0]}")


def update_package_lists(prefix: tuple[str, ...]) -> None:
    """apt-get update; the list of a mirror that lags behind is expired but signed, and will do."""
    try:
        run(*prefix, "apt-get", "update")
    except NoBlender as error:
        if "expired" not in str(error):
            raise
        print(f"warning: {error}; using the list all the same", file=sys.stderr)
        run(*prefix, "apt-get", "-o", "Acquire::Check-Valid-Until=false", "update")


def need_debootstrap() -> None:
    if os.geteuid() != 0:
        raise NoBlender(
            "Only root can set up a Blender here; set BLENDER=/path/to/blender to use yours."
        )
    if shutil.which("debootstrap"):
        return
    if not shutil.which("apt-get"):
        raise NoBlender(
            "There is no debootstrap here; install it, or set BLENDER=/path/to/blender."
        )
    run("apt-get", "update")
    run("apt-get", "install", "-y", "--no-install-recommends", *BOOTSTRAP_PACKAGES)


def set_up(suite: str, folder: Path) -> RealBlender:
    """The Blender of a Debian suite in `folder`, made there when it isn't yet."""
    root = folder / suite
    done = root / ".worldfm-ready"
    if not done.exists():
        need_debootstrap()
        print(
            f"Setting up Debian {suite} with Blender in {root} (2 GB)", file=sys.stderr, flush=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        if not (root / "usr/bin/apt-get").exists():
            shutil.rmtree(root, ignore_errors=True)
            run("debootstrap", "--variant=minbase", suite, str(root))
        if Path("/etc/resolv.conf").exists():
            shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        enter = inside(root, setting_up=True)
        update_package_lists(enter)
        run(*enter, "apt-get", "install", "-y", "--no-install-recommends", *PACKAGES)
        done.touch()
    return RealBlender(inside(root), "blender")


def find() -> RealBlender:
    """The Blender to test in; raises NoBlender when there is none and none can be made."""
    if given := os.environ.get("BLENDER"):
        if absent := [tool for tool in TOOLS if not shutil.which(tool)]:
            raise NoBlender(
                f"The GUI tests also need {', '.join(absent)}; install them and run again."
            )
        return RealBlender((), given)
    folder = Path(os.environ.get("WORLDFM_GUI_CACHE", ROOT / ".blender"))
    return set_up(os.environ.get("WORLDFM_GUI_SUITE", "sid"), folder)
