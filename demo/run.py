# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: renders the demo's fly-through with the extension in a headless Blender.

    python -m demo.run --extensions dist --backend-python PYTHON --output DIR

Runs with the bpy module. The extension is installed from its zip as a user installs it, into a
folder of its own. Leaves in DIR: demo.blend, flythrough.mp4, passes/ (multilayer EXR of three
frames), truth/ (the same frames by Cycles), contact_sheet.png, and blender.log with all that
Blender printed. They replace those of the last run when all of them are made; Ctrl-C ends the run
at once and leaves the last ones.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backend.shared.kernel_folder import KERNELS, kernel_folder
from wheels.build_extension import BuildError, package_for_this_system

from .guard import run_guarded

HERE = Path(__file__).resolve().parent
FRAMES, SIZE = 120, (640, 360)
MEMORY_FRAMES = (1, 60, 120)
SHEET_FRAMES = (30, 75, 100)  # between memory frames, so that the sheet shows generated views
MEMORY_SAMPLES, TRUTH_SAMPLES = 16, 24
POINTS = 4_000_000  # enough for points nearer than a pixel along the whole path
BAR_WIDTH = 32


class DemoError(Exception):
    """The demo cannot go on; one sentence."""


class Progress:
    """A progress bar on the terminal's standard error; a line per stage elsewhere."""

    def __init__(self, stream) -> None:
        self.stream = stream
        self.stage, self.total, self.done, self.began = "", 0, 0, time.monotonic()

    def begin(self, stage: str, total: int) -> None:
        self.stage, self.total, self.done, self.began = stage, total, 0, time.monotonic()
        self._show()

    def step(self) -> None:
        self.done += 1
        self._show()

    def _show(self) -> None:
        seconds = time.monotonic() - self.began
        bar = "#" * (BAR_WIDTH * self.done // self.total)
        left = f"{seconds / self.done * (self.total - self.done):4.0f} s left" if self.done else ""
        line = f"{self.stage:<34} [{bar:<{BAR_WIDTH}}] {self.done}/{self.total} {left}"
        last = self.done == self.total
        if self.stream.isatty():
            self.stream.write(f"\r\033[K{line}" + ("\n" if last else ""))
        elif last or not self.done:
            self.stream.write(f"{line}  ({seconds:.1f} s)\n" if last else f"{line}\n")
        self.stream.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--extensions", type=Path, default=Path("dist"), help="folder of the zips")
    parser.add_argument("--backend-python", type=Path, required=True, help="Python of the backend")
    parser.add_argument("--model", default="embedded", help="name or folder of a model")
    parser.add_argument("--output", type=Path, default=Path("outputs/demo"))
    return parser.parse_args()


def send_output_to(log: Path):
    """Send what Blender prints (descriptors 1 and 2) to `log`; returns the terminal."""
    terminal = os.fdopen(os.dup(2), "w")
    sys.stdout.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    return terminal


def install(package: Path) -> None:
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=str(package.resolve()), repo="user_default", enable_on_install=True
    )
    if not hasattr(bpy.types.Scene, "worldfm"):
        raise DemoError(f"The extension in {package} did not start; see blender.log.")


def capture(scene, progress: Progress) -> None:
    """Memory frames by Cycles, one call each so that progress can be shown."""
    import bpy

    progress.begin("Memory frames (Cycles)", len(MEMORY_FRAMES))
    for frame in MEMORY_FRAMES:
        bpy.ops.worldfm.capture_memory(engine="CYCLES", frames=str(frame), samples=MEMORY_SAMPLES)
        progress.step()
    if len(scene.worldfm.memory) != len(MEMORY_FRAMES):
        raise DemoError("Some memory frames were not captured; see blender.log.")


def set_format(scene, kind: str) -> None:
    """Output of `kind`: 'PNG', 'OPEN_EXR_MULTILAYER' or 'FFMPEG', in any Blender since 4.2."""
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        media = {"PNG": "IMAGE", "FFMPEG": "VIDEO"}.get(kind, "MULTI_LAYER_IMAGE")
        settings.media_type = media
    settings.file_format = kind
    if kind == "OPEN_EXR_MULTILAYER" and hasattr(settings, "use_exr_interleave"):
        settings.use_exr_interleave = True


def render_stills(scene, folder: Path, kind: str, progress: Progress, stage: str) -> None:
    import bpy

    set_format(scene, kind)
    folder.mkdir(parents=True, exist_ok=True)
    progress.begin(stage, len(SHEET_FRAMES))
    for frame in SHEET_FRAMES:
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{frame:04d}")
        bpy.ops.render.render(write_still=True)
        progress.step()


def render_film(scene, target: Path, progress: Progress) -> None:
    """All frames of the path as one film, through Blender's own FFmpeg output."""
    import bpy

    set_format(scene, "FFMPEG")
    film = scene.render.ffmpeg
    film.format, film.codec, film.constant_rate_factor = "MPEG4", "H264", "PERC_LOSSLESS"
    scene.render.filepath = str(target)
    frames = scene.frame_end - scene.frame_start + 1
    progress.begin("Fly-through (WorldFM)", frames)
    count = [0]

    def written(*_: object) -> None:
        count[0] += 1
        progress.step()

    bpy.app.handlers.render_write.append(written)
    try:
        bpy.ops.render.render(animation=True)
    finally:
        bpy.app.handlers.render_write.remove(written)
    if count[0] != frames:
        raise DemoError(f"Only {count[0]} of {frames} frames were rendered; see blender.log.")


def fly_through(output: Path, package: Path, model: str, progress: Progress) -> None:
    import bpy

    from . import scene as demo

    scene = demo.build(FRAMES, SIZE)
    install(package)
    scene.cycles.samples = TRUTH_SAMPLES
    capture(scene, progress)
    render_stills(scene, output / "truth", "PNG", progress, "Ground truth (Cycles)")

    scene.render.engine = "WORLDFM"
    scene.worldfm.model = model
    scene.worldfm.point_budget = POINTS
    layer = scene.view_layers[0]
    layer.use_pass_z = True
    layer.worldfm.use_pass_anchor = layer.worldfm.use_pass_coverage = True
    bpy.ops.wm.save_as_mainfile(filepath=str(output / "demo.blend"))
    render_stills(scene, output / "passes", "OPEN_EXR_MULTILAYER", progress, "Passes (WorldFM)")
    layer.worldfm.use_pass_anchor = layer.worldfm.use_pass_coverage = False  # no film shows them
    render_film(scene, output / "flythrough.mp4", progress)


def main() -> int:
    options = arguments()
    folder = os.environ.get("WORLDFM_DEMO_FOLDER")
    if folder is None:
        command = [sys.executable, "-m", "demo.run", *sys.argv[1:]]
        return run_guarded(command, options.output.resolve(), "the last film")
    return make(options, Path(folder), options.output.resolve())


def make(options: argparse.Namespace, output: Path, goes_to: Path) -> int:
    """All of the demo into `output`, which is a part of `goes_to` until it is whole."""
    python = options.backend_python.absolute()
    os.environ["WORLDFM_PYTHON"] = str(python)
    os.environ[KERNELS] = str(kernel_folder())  # where setup left what it compiled
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="worldfm-demo-") as user:
        os.environ["BLENDER_USER_RESOURCES"] = user
        terminal = send_output_to(output / "blender.log")
        status = 1
        try:
            package = package_for_this_system(options.extensions)
            fly_through(output, package, options.model, Progress(terminal))
            subprocess.run(
                [python, "-m", "demo.sheet", str(output)],
                cwd=HERE.parent,
                check=True,
                stdout=terminal,
            )
            terminal.write(f"Done in {time.monotonic() - began:.0f} s: {goes_to}\n")
            status = 0
        except (DemoError, BuildError) as error:
            terminal.write(f"\nError: {error}\n")
        except RuntimeError as error:  # what an operator reported
            terminal.write(f"\n{str(error).strip()} (more in {goes_to / 'blender.log'})\n")
        terminal.flush()
        end_blender()
    return status


def end_blender() -> None:
    """The extension's backend ends before Blender does."""
    import bpy

    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.worldfm")


if __name__ == "__main__":
    code = main()
    os._exit(code)  # the bpy module may crash or hang when Python takes it down
