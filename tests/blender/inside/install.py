# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension: renders a frame, is reloaded, and is disabled."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import bpy
import extension
import numpy as np
import scenes

FOLDER = Path(sys.argv[1])


def backends() -> list[int]:
    """Backend processes of this process."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            command = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == os.getpid() and b"serve" in command and state != "Z":
            found.append(int(entry.name))
    return found


def left() -> dict[str, list[str]]:
    """What of the extension Blender still knows."""
    handlers = [
        f.__module__
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
        for f in getattr(bpy.app.handlers, name)
    ]
    panels = [p for p in bpy.types.Panel.__subclasses__() if p.is_registered]
    return {
        "classes": [n for n in dir(bpy.types) if n.startswith(("WORLDFM", "WorldFM"))],
        "properties": [t.__name__ for t in (bpy.types.Scene, bpy.types.ViewLayer)
                       if hasattr(t, "worldfm")],
        "handlers": [m for m in handlers if "worldfm" in m],
        "engines": [p.__name__ for p in panels if "WORLDFM" in getattr(p, "COMPAT_ENGINES", ())],
        "backends": [str(pid) for pid in backends()],
        "variables": [name for name in os.environ if name == "WORLDFM_MODELS"],
        "draw timers": [
            name for name in ("redraw", "history", "installation", "operators.live_image")
            for tick in ("_tick", "write_down", "_poll")
            if hasattr(module := extension.part(name), tick)
            and bpy.app.timers.is_registered(getattr(module, tick))
        ],
    }  # fmt: skip


def main() -> dict[str, Any]:
    module = sys.modules[extension.MODULE]
    found: dict[str, Any] = {
        "where": str(Path(module.__file__).resolve()),
        "torch": "torch" in sys.modules,
        "started": bool(backends()),
        "operators": len(dir(bpy.ops.worldfm)),
    }
    manifest = (Path(module.__file__).parent / "blender_manifest.toml").read_text()
    found["network"] = manifest.split('network = "')[1].split('"')[0]
    scene = scenes.small_world()
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(FOLDER / "out" / "0001.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    found["rendered"] = sorted(p.name for p in (FOLDER / "out").iterdir())
    found["spread"] = float(np.std(image.pixels[:]))
    bpy.ops.preferences.addon_disable(module=extension.MODULE)
    bpy.ops.preferences.addon_enable(module=extension.MODULE)
    found["again"] = len(dir(bpy.ops.worldfm))
    bpy.ops.preferences.addon_disable(module=extension.MODULE)
    found["left"] = left()
    return found


if __name__ == "__main__":
    extension.run(main)
