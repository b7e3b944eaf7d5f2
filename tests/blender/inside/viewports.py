# SPDX-License-Identifier: GPL-3.0-or-later
"""A viewport whose window is made up: real scene, real client, a tiny model, no drawing."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import extension
import scenes
from mathutils import Matrix

PYTHON, ROOT, FOLDER = (Path(argument) for argument in sys.argv[1:4])


class Painter:
    """Notes what would be drawn."""

    def __init__(self) -> None:
        self.drawn: list[str] = []

    def is_warm_for(self, painting: Any) -> bool:
        return True

    def guess(self, painting: Any, *place: Any) -> None:
        self.drawn.append("nothing" if painting.frame is painting.points is None else "guess")

    def frame(self, frame: Any, *place: float) -> None:
        self.drawn.append("frame")

    def free(self) -> None:
        self.drawn.append("freed")


class Window:
    """One 3D view of Blender's, as far as the extension looks at it."""

    def __init__(self) -> None:
        self.views = extension.part("viewport.views")
        self.painter, self.tagged, self.said = Painter(), 0, ""
        self.views.show_status = lambda engine, context, text: setattr(self, "said", text)
        self.views._regions = lambda: {"view/7": self} if self.on_screen else {}
        self.views._keep_ticking = lambda: None
        self.on_screen = True
        self.engine = SimpleNamespace(has_drawn=False)
        region = SimpleNamespace(width=320, height=240, as_pointer=lambda: 7)
        camera = scenes.add_camera((0, -6, 2))
        bpy.context.view_layer.update()
        depsgraph = bpy.context.evaluated_depsgraph_get()
        self.view3d = SimpleNamespace(
            window_matrix=camera.calc_matrix_camera(depsgraph, x=320, y=240),
            view_matrix=camera.matrix_world.normalized().inverted(),
            view_perspective="PERSP",
        )
        space = SimpleNamespace(clip_end=100.0, local_view=None)
        self.context = SimpleNamespace(
            region=region, region_data=self.view3d, space_data=space, scene=bpy.context.scene
        )
        view = self.views.View("view/7", bpy.context.scene.name_full, painter=self.painter)
        self.views._views["view/7"] = view
        self.state = view.state

    def tag_redraw(self) -> None:
        self.tagged += 1

    def draw(self) -> str:
        """What the draw painted last."""
        depsgraph = bpy.context.evaluated_depsgraph_get()
        self.views.draw(self.engine, self.context, depsgraph)
        return self.painter.drawn[-1] if self.painter.drawn else ""

    def play(self, seconds: float = 60.0) -> int:
        """Tick, and draw when asked to, until it rests; the number of draws."""
        end, draws = time.monotonic() + seconds, 0
        self.draw()
        while time.monotonic() < end:
            self.tagged = 0
            after = self.views._tick()
            if self.tagged:
                self.draw()
                draws += 1
            if after != self.views.TICK_SECONDS and not self.tagged:
                return draws
            time.sleep(1 / 60)
        raise AssertionError(f"the viewport never rests, and says '{self.said}'")


def through_a_lamp(window: Window) -> list[Any]:
    """What camera view shows of a scene whose camera is a spot lamp, and the part of the region."""
    scene, before = bpy.context.scene, (window.view3d.window_matrix, window.view3d.view_matrix)
    lamp = bpy.data.objects.new("Spot", bpy.data.lights.new("Spot", "SPOT"))
    scene.collection.objects.link(lamp)
    lamp.location = (0, 0, 6)
    usual, scene.camera = scene.camera, lamp
    bpy.context.view_layer.update()
    depsgraph = bpy.context.evaluated_depsgraph_get()
    window.view3d.window_matrix = lamp.calc_matrix_camera(depsgraph, x=320, y=240)
    window.view3d.view_matrix = lamp.matrix_world.inverted()
    window.view3d.view_perspective = "CAMERA"
    window.context.space_data.use_local_camera = False
    scene.render.resolution_x, scene.render.resolution_y = 320, 240
    window.views.update(SimpleNamespace(updates=[]))
    window.play()
    rectangle = [round(value, 3) for value in window.state.target.rectangle]
    found = [window.painter.drawn[-1], window.state.stuck, rectangle]
    window.view3d.window_matrix, window.view3d.view_matrix = before
    window.view3d.view_perspective, scene.camera = "PERSP", usual
    return found


def main() -> dict[str, Any]:
    scene = scenes.empty()
    scene.render.engine = "WORLDFM"
    scene.worldfm.preview_size = "512"
    scenes.add_square("Square", 2.0, 0, scenes.material("Red", (0.8, 0.1, 0.1)))
    runtime, client = extension.part("runtime"), extension.part("backend.client")
    found: dict[str, Any] = {}
    window = Window()

    def impossible(model: str) -> None:
        raise extension.part("backend.shared.errors").BackendError("There is no backend.")

    runtime.launch_settings, window.views.can_start = impossible, lambda: False
    window.views.runtime.named_python = lambda: ""
    window.play()
    found["without"] = [window.painter.drawn[-1], window.state.problem, window.said]
    runtime.launch_settings = lambda model: client.LaunchSettings(
        PYTHON, ROOT, FOLDER, "tests.client.tiny_backend", "tiny"
    )
    window.views.can_start = lambda: True
    found["asks again"] = [window.views._tick(), window.tagged]
    found["draws until a frame"] = window.play()
    found["frame"] = [window.painter.drawn[-1], window.state.problem, window.said]
    found["shown"] = window.state.shown.request.camera.width
    time.sleep(0.3)
    found["draws at rest"] = window.play()
    before = window.state.world.revision
    bpy.data.objects["Square"].location.x = 1.0
    bpy.context.view_layer.update()
    update = SimpleNamespace(updates=[])
    window.views.update(update)
    window.play()
    found["new world"] = window.state.shown.world_revision not in {before, -1}
    window.view3d.view_matrix = window.view3d.view_matrix @ Matrix.Translation((0.1, 0, 0))
    found["moved"] = window.draw()
    found["moving"] = window.state.asked.camera.width
    window.play()
    found["then"] = [window.painter.drawn[-1], window.state.shown.request.camera.width]
    found["through a lamp"] = through_a_lamp(window)
    window.view3d.window_matrix = Matrix.Identity(4) * 0
    window.draw()
    found["impossible lens"] = [window.said, window.state.stuck]
    window.on_screen = False
    found["closed"] = [window.views._tick(), window.painter.drawn[-1], len(window.views._views)]
    runtime.shut_down()
    return found


extension.run(main)
