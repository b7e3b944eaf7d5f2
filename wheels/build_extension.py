# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension, one zip per platform, with Blender's own build command.

    python wheels/build_extension.py OUTPUT_DIR
    python wheels/build_extension.py --this OUTPUT_DIR      the zip for this system only
    python wheels/build_extension.py --which OUTPUT_DIR     the zip there for this system

Blender is the program named in the environment variable BLENDER, or else the bpy module of the
interpreter that runs this: the module carries the same command as a plain script. Beside the zips
stands what they are made of (sbom.py). The zips are
written to a scratch folder, validated and measured there, and moved to OUTPUT_DIR only when all of
them are good.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wheels.fetch import this_system, wheels_for
from wheels.sbom import write_sbom

ROOT = Path(__file__).resolve().parent.parent
LIMIT_MB = 100  # with the embedded model; 60 without
LIMIT_WITHOUT_MODEL_MB = 60
EMBEDDED = "backend/models/embedded/"
NOT_COPIED = {"tests", "docs", "runs", "outputs", "data", "dist", "build"}
"""Folders of the root that no zip takes anything from; nor from hidden ones."""
NOT_FOR_USERS = (
    *("tests/", "docs/", "demo/run.py", "demo/scenes/", "runs/", "outputs/", "data/"),
    *(".venv", ".git", ".ci/"),
    *("backend/training/", "backend/evaluation/", "backend/reference/", "backend/data/synth/"),
)


class BuildError(Exception):
    """The extension could not be built, or what was built must not be shipped."""


def extension_command() -> list[str]:
    """The command line prefix of Blender's `extension` command."""
    if blender := os.environ.get("BLENDER"):
        return [blender, "--factory-startup", "--command", "extension"]
    spec = importlib.util.find_spec("bpy")  # finds the folder without starting Blender
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for script in Path(folder).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            return [sys.executable, str(script)]
    raise BuildError(
        "There is no bpy module in this Python; run it through 'make extension' or set BLENDER."
    )


def this_platform() -> str:
    """The system this runs on, as manifests name it with - as _: linux_x64, macos_arm64, ..."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}
    return f"{system}_{machine.get(platform.machine().lower(), platform.machine().lower())}"


def package_for_this_system(folder: Path) -> Path:
    """The zip in `folder` for the system this runs on; BuildError when there is none."""
    name = this_platform()
    found = sorted(folder.glob(f"worldfm-*-{name}.zip"))
    if not found:
        raise BuildError(f"There is no extension for {name} in {folder}; run 'make extension'.")
    return found[-1]


def run(*arguments: str) -> None:
    result = subprocess.run([*extension_command(), *arguments], capture_output=True, text=True)
    output = (result.stdout + result.stderr).strip()
    if result.returncode or "Error" in output or "ERROR" in output:
        raise BuildError(f"Blender's command 'extension {arguments[0]}' failed:\n{output}")


def check(package: Path) -> str:
    """Look into one built zip; returns a line about it, BuildError when it must not ship."""
    with zipfile.ZipFile(package) as archive:
        entries = archive.infolist()
    strays = [entry.filename for entry in entries if entry.filename.startswith(NOT_FOR_USERS)]
    if strays:
        raise BuildError(
            f"{package.name} has files that no user needs, {strays[0]} for one; exclude them."
        )
    wheels = [entry.filename for entry in entries if entry.filename.endswith(".whl")]
    if len(wheels) != 2:
        raise BuildError(
            f"{package.name} should carry two wheels, websockets and uv, but has {wheels}."
        )
    model = sum(e.compress_size for e in entries if e.filename.startswith(EMBEDDED)) / 1e6
    size = package.stat().st_size / 1e6
    if size > LIMIT_MB or size - model > LIMIT_WITHOUT_MODEL_MB:
        raise BuildError(
            f"{package.name} has {size:.1f} MB ({model:.1f} MB of it the model): too big."
        )
    return f"{package.name}  {size:.1f} MB ({model:.1f} MB embedded model), {len(entries)} files"


def source_for_this(folder: Path) -> Path:
    """A copy of the extension in `folder` whose manifest names this system and its wheels only."""
    copy = folder / "source"

    def left_out(folder: str, names: list[str]) -> set[str]:
        unwanted = {name for name in names if name.startswith(".") or name == "__pycache__"}
        return unwanted | (NOT_COPIED & set(names) if Path(folder) == ROOT else set())

    shutil.copytree(ROOT, copy, ignore=left_out)
    lock = json.loads((ROOT / "wheels" / "lock.json").read_text(encoding="utf-8"))
    kept = set(wheels_for(lock, this_system()))
    for wheel in set(lock) - kept:
        (copy / "wheels" / wheel).unlink(missing_ok=True)
    manifest = copy / "blender_manifest.toml"
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    name = this_platform().replace("_", "-")
    platforms = {f'  "{system}-{machine}",\n' for system in ("linux", "macos", "windows")
                 for machine in ("x64", "arm64")} - {f'  "{name}",\n'}  # fmt: skip
    wheels = {f'  "./wheels/{wheel}",\n' for wheel in lock if wheel not in kept}
    manifest.write_text(
        "".join(line for line in lines if line not in platforms | wheels), encoding="utf-8"
    )
    return copy


def build(output: Path, this: bool = False) -> list[Path]:
    """Build, validate and check every platform's zip, then put them into `output`.

    this: only the zip of this system, beside what is there of others.
    """
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=output, prefix=".build-") as scratch,
        tempfile.TemporaryDirectory() as elsewhere,
    ):
        source = str(source_for_this(Path(elsewhere)) if this else ROOT)
        run("validate", source)
        run("build", "--source-dir", source, "--output-dir", scratch, "--split-platforms")
        packages = sorted(Path(scratch).glob("*.zip"))
        if not packages:
            raise BuildError("Blender's build command wrote no zip; check blender_manifest.toml.")
        for package in packages:
            run("validate", str(package))
            print(check(package), flush=True)
        for old in output.glob(f"worldfm-*-{this_platform()}.zip" if this else "worldfm-*.zip"):
            old.unlink()
        write_sbom(output)
        return [package.replace(output / package.name) for package in packages]


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the extension's zips.")
    parser.add_argument("output", type=Path, help="folder of the zips")
    parser.add_argument("--this", action="store_true", help="only this system's zip")
    parser.add_argument("--which", action="store_true", help="only name this system's zip")
    options = parser.parse_args()
    try:
        if options.which:
            print(package_for_this_system(options.output))
            return 0
        built = build(options.output, options.this)
    except BuildError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{len(built)} {'package' if len(built) == 1 else 'packages'} in {built[0].parent}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
