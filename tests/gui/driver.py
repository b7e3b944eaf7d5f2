# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: plays one scenario, writes what it found as JSON and quits.

    blender --python driver.py -- SCENARIO.py RESULT.json PICTURES_DIR

A scenario is a file with a generator `play(ui)`. It yields seconds to let Blender live meanwhile; a
persistent timer resumes it, so it survives the loading of files. What it stores in `ui.result`
becomes the JSON; an exception becomes `error` there and exit status 1.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import bpy

Steps = Iterator[float]
PATIENCE = 5
"""Times longer than on a quiet machine of two cores that things may take."""


class Ui:
    """What a scenario may do beyond bpy: wait, use the mouse and the keyboard, take pictures."""

    def __init__(self, pictures: Path) -> None:
        self.result: dict = {"pictures": []}
        self.given: dict = json.loads(os.environ.get("GUI_TEST", "{}"))
        self.pictures = pictures

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> Steps:
        """Wait for `condition`; TimeoutError says that `what` did not happen. seconds: that it
        may take on a quiet machine of two cores."""
        end = time.monotonic() + PATIENCE * seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"{what} did not happen within {PATIENCE * seconds:g} s")
            yield 0.05

    def turns(self, count: int = 3) -> Steps:
        """Let Blender go so often through its events, its scene and its windows: then what was
        set or pressed before is done and on screen, however slow the machine is."""
        for _ in range(count):
            yield 0.05

    def tool(self, *command: str) -> Steps:
        """Run a program while Blender goes on living."""
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        yield from self.until(lambda: process.poll() is not None, 30, " ".join(command))
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)}: {process.communicate()[0].strip()}")

    def picture(self, name: str) -> Steps:
        """A picture of the whole screen."""
        yield from self.turns()
        file = self.pictures / f"{name}.png"
        yield from self.tool("import", "-window", "root", str(file))
        self.result["pictures"].append(str(file))

    def at(self, region: bpy.types.Region, x: float, y: float) -> tuple[str, str]:
        """Screen coordinates of a place in `region`, x and y from 0 to 1, y upwards."""
        window = bpy.context.window_manager.windows[0]
        return (
            str(round(region.x + x * region.width)),
            str(round(window.height - region.y - y * region.height)),
        )

    def drag(
        self, region, start, end, button: int = 2, steps: int = 12, pause: float = 0.06
    ) -> Steps:
        """Drag with real mouse events between two places of `region`."""
        yield from self.tool("xdotool", "mousemove", *self.at(region, *start))
        yield from self.turns()
        yield from self.tool("xdotool", "mousedown", str(button))
        for i in range(1, steps + 1):
            part = i / steps
            place = [a + (b - a) * part for a, b in zip(start, end, strict=True)]
            yield from self.tool("xdotool", "mousemove", *self.at(region, *place))
            yield pause
        yield from self.tool("xdotool", "mouseup", str(button))
        yield from self.turns()

    def keys(self, region: bpy.types.Region, *keys: str) -> Steps:
        """Press keys with the pointer over `region`."""
        place = self.at(region, 0.5, 0.5)
        yield from self.tool("xdotool", "mousemove", *place, "key", *keys)
        yield from self.turns()


def play(scenario: Path, result: Path, pictures: Path) -> None:
    spec = importlib.util.spec_from_file_location("scenario", scenario)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ui = Ui(pictures)
    steps = module.play(ui)

    def finish(status: int) -> None:
        beside = result.with_suffix(".tmp")
        beside.write_text(json.dumps(ui.result, indent=1))
        os.replace(beside, result)
        importlib.import_module("artist").disable()  # sys.exit passes it by
        sys.exit(status)

    def tick() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            finish(0)
        except Exception:  # whatever went wrong in a scenario must reach the test that plays it
            ui.result["error"] = traceback.format_exc()
            command = ["import", "-window", "root", str(pictures / f"failed-{scenario.stem}.png")]
            subprocess.run(command, timeout=30)
            finish(1)

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    play(*(Path(word) for word in sys.argv[sys.argv.index("--") + 1 :]))
