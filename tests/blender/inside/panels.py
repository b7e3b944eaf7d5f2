# SPDX-License-Identifier: GPL-3.0-or-later
"""Every panel drawn on a layout that checks what Blender would: names, icons, and widths."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import bpy
import extension
import scenes

SIDEBAR, PROPERTIES, PREFERENCES = 220, 350, 560
"""Widths of the regions as Blender opens them at scale 1, the preferences at their smallest."""

ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())
BUTTON, ICON = 16, 22
BORDERS, TABS = 40, 16
"""What of a region's width is beside its panels' contents, and what tabs take of a sidebar's."""
SENTENCES = (
    "Pictures by Cycles make the frames look like it",
    "Cyclesの画像があると、その見た目になります。",
    "生成画面的 WorldFM 后端尚未安装",
    "/a/path/that/does/not/fit is missing",
    "",
)
faults: list[str] = []
drawn: list[str] = []


def text_width(text: str) -> float:
    """Pixels of a text in Blender's interface font."""
    import blf  # there once bpy is

    blf.size(0, 11)
    return blf.dimensions(0, text)[0]


class Layout:
    """Stands for UILayout: finds what does not exist and what would be cut off."""

    def __init__(self, vertical: bool = True) -> None:
        self.vertical = vertical
        self.split = False
        self.children: list[Layout | tuple[str, float]] = []

    def row(self, **options: Any) -> Layout:
        return self._inner(False)

    def column(self, **options: Any) -> Layout:
        return self._inner(True)

    box = column

    def _inner(self, vertical: bool) -> Layout:
        self.children.append(Layout(vertical))
        self.children[-1].split = self.use_property_split
        return self.children[-1]

    @property
    def use_property_split(self) -> bool:
        return self.split

    @use_property_split.setter
    def use_property_split(self, on: bool) -> None:
        self.split = on

    def label(self, text: str = "", icon: str = "NONE", translate: bool = True) -> None:
        self._add(text, icon, 0)

    def operator(self, name: str, text: str | None = None, icon: str = "NONE") -> Any:
        group, verb = name.split(".")
        kind = getattr(getattr(bpy.ops, group), verb).get_rna_type()
        self._add(kind.name if text is None else text, icon, BUTTON)
        return SimpleNamespace()

    def menu(self, name: str, text: str | None = None, icon: str = "NONE") -> None:
        self._add(getattr(bpy.types, name).bl_label if text is None else text, icon, BUTTON)

    def prop(self, data: Any, name: str, text: str | None = None, **options: Any) -> None:
        kind = data.bl_rna.properties.get(name)
        if kind is None:
            faults.append(f"{data} has no {name}")
            return
        words = kind.name if text is None else text
        if self.split:  # the label has two fifths of the width, the field the rest
            self._add(words, "NONE", 0, share=0.4)
        else:
            self._add("" if options.get("emboss") is False else words, "NONE", BUTTON)

    def progress(self, factor: float = 0, type: str = "", text: str = "") -> None:
        self._add(text, "NONE", BUTTON)

    def template_list(self, kind: str, _id: str, data: Any, name: str, active: Any,
                      index: str, rows: int = 5) -> None:  # fmt: skip
        for owner, wanted in ((data, name), (active, index)):
            if wanted not in owner.bl_rna.properties:
                faults.append(f"{owner} has no {wanted}")
        if not hasattr(bpy.types, kind):
            faults.append(f"There is no list {kind}")

    def panel(self, name: str, default_closed: bool = False) -> tuple[Layout, Layout]:
        return self.row(), self.column()

    def icon(self, data: Any) -> int:
        return 7

    def template_icon(self, value: int, scale: float = 1) -> None:
        pass

    def prop_search(self, *names: Any, **options: Any) -> None:
        pass

    def separator(self, **options: Any) -> None:
        pass

    def _add(self, text: str, icon: str, extra: float, share: float = 1.0) -> None:
        if icon not in ICONS:
            faults.append(f"There is no icon {icon}")
        if "\n" in text:
            faults.append(f"Two lines: {text}")
        drawn.append(text)
        width = text_width(text) + (ICON if icon != "NONE" else 0) + extra
        self.children.append((text, width / share if text else ICON))

    def check(self, width: float, where: str) -> None:
        """Note what is wider than its place."""
        icons = [c for c in self.children if isinstance(c, tuple) and not c[0]]
        others = len(self.children) - len(icons)
        place = width if self.vertical else (width - ICON * len(icons)) / max(1, others)
        for child in self.children:
            if isinstance(child, Layout):
                child.check(place, where)
            elif child[0] and child[1] > place:
                faults.append(f"{where}: '{child[0]}' needs {child[1]:.0f} of {place:.0f} px")


def draw(what: Callable[[Any, Any], None], width: int, where: str) -> None:
    """Draw one panel in a region of this width."""
    layout = Layout()
    context = SimpleNamespace(
        scene=bpy.context.scene,
        view_layer=bpy.context.view_layer,
        preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)),
        region=SimpleNamespace(width=width, type="UI" if width == SIDEBAR else "WINDOW"),
        active_object=bpy.context.scene.camera,
        engine="WORLDFM",
        space_data=SimpleNamespace(type="VIEW_3D", shading=SimpleNamespace(type="RENDERED")),
    )
    what(SimpleNamespace(layout=layout), context)
    layout.check(width - BORDERS - (TABS if width == SIDEBAR else 0), where)


def one_step(step: Any, panel: Any, context: Any) -> None:
    """The box What Now with this step in it."""
    sidebar = extension.part("panels.sidebar")
    usual, sidebar.next_step = sidebar.next_step, lambda _: step
    sidebar.draw_next_step(panel.layout, context)
    sidebar.next_step = usual


def everything() -> None:
    """All panels and the preferences."""
    for panel in extension.part("panels").CLASSES:
        if issubclass(panel, bpy.types.Panel):
            width = SIDEBAR if panel.bl_space_type == "VIEW_3D" else PROPERTIES
            draw(panel.draw, width, panel.__name__)
        elif issubclass(panel, bpy.types.Menu):
            draw(panel.draw, 400, panel.__name__)
    for step in extension.part("next_step").STEPS:
        draw(partial(one_step, step), SIDEBAR, step.name)
    preferences = extension.part("runtime").preferences()
    kind = type(preferences)

    def draw_preferences(self: Any, context: Any) -> None:
        own = SimpleNamespace(layout=self.layout, bl_rna=kind.bl_rna)
        kind.draw(own, context)

    draw(draw_preferences, PREFERENCES, "preferences")


def main() -> dict[str, Any]:
    import numpy as np

    scene = scenes.small_world()
    client, installer = extension.part("runtime").client(), extension.part("installation")
    everything()
    empty = list(drawn)
    memory = extension.part("scene_sync.memory")
    camera = extension.part("scene_sync.cameras").render_camera(scene.camera, scene)
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    item = memory.store_frame(scene, "A", camera, picture, None)
    item.source = "Kept, worldfm-embedded, seed 123456"
    render = scene.worldfm.history.add()
    render.seed, render.steps, render.references = 123456, 2, 8
    render.model, render.revision = "worldfm-embedded 0123456789ab", "0123456789ab"
    render.when, render.seconds = "2026-11-22 17:00:00", 12.3
    scene.worldfm.format = 99
    ball = scene.objects["Ball"]
    trust = extension.part("backend.shared.trust").Guess(0.35, 0.3, 0.0)
    extension.part("scene_sync.trust").store_trust(ball, trust.record())
    scene.worldfm.newest_world = ball.name
    missing = "17 of the capture's 67 pictures are missing: a.png, b.png and 15 more."
    extension.part("scene_sync.trust").store_notes(ball, [missing])
    scene.view_settings.view_transform = "AgX"
    states = extension.part("backend.client").BackendState
    device = extension.part("backend.shared.messages").DeviceInfo
    client.state = states.FAILED
    client.status_text = "The backend was ended by the system, most often for want of memory."
    client.notice = "Previews are 64 x 64 pixels for now, because memory ran out."
    client.model_name, client.model_hash, client.progress = "worldfm-embedded", "0123456789ab", 0.5
    client.devices = (device("cuda:0", "A card", "cuda", 24 << 30, 12 << 30, ("bfloat16",)),)
    lacking = [f"The volume in 'Smoke {i}' is not shown." for i in range(10)]
    extension.part("runtime").source("view/1").builder.problems = tuple(lacking)
    installer.outcome = "The installation failed because the disk is full; free some space."
    (installer.installation().folder / "environment.partial").mkdir(parents=True)
    drawn.clear()
    everything()
    full, preferences = list(drawn), extension.part("runtime").preferences()
    drawn.clear()
    client.state = states.STOPPED  # it would start
    preferences.python = "/nowhere/python"
    everything()
    preferences.python = ""
    wrapped = extension.part("panels.wrapped").wrapped
    lines = {text: wrapped(text, 16) for text in SENTENCES}
    return {"lines": lines, "faults": faults, "empty": empty, "full": full, "astray": list(drawn),
            "size": extension.part("panels.render").kept_bytes(scene)}  # fmt: skip


assert sys.argv
extension.run(main)
