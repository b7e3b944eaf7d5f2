# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a viewport in Rendered shading on an ordinary day, one thing after the other."""

import artist
import bpy
from watch import Watch


def play(ui):
    scene = bpy.context.scene
    area, region, space = artist.viewport()
    window = bpy.context.window_manager.windows[0]
    artist.clear_view(space)
    watch = Watch()
    problems = ui.result["problems"] = []

    def here():
        return bpy.context.temp_override(window=window, area=area, region=region)

    def after(what, picture=False):
        yield 0.3
        yield from ui.until(watch.all_settled, 120, f"rest after {what}")
        problems.extend(f"{what}: {fault}" for fault in watch.faults())
        if picture:
            yield from ui.picture(f"everyday-{what}")

    space.region_3d.view_perspective = "CAMERA"
    space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from after("the first frame")
    for frame in (5, 9, 14):
        scene.frame_set(frame)
        yield 0.1
    yield from after("scrubbing")
    if watch.view().shown.request is not watch.view().asked:
        problems.append("scrubbing: an old frame stayed")
    artist.leave_camera(space, distance=3.0)
    with here():
        bpy.ops.screen.region_quadview()
    yield from after("quad", picture=True)
    with here():
        bpy.ops.screen.region_quadview()
    area, region, space = artist.viewport()
    yield from after("the end of quad view")
    cushion = bpy.data.objects["Cushion"]
    bpy.ops.object.select_all(action="DESELECT")
    cushion.select_set(True)
    bpy.context.view_layer.objects.active = cushion
    with here():
        bpy.ops.view3d.localview(frame_selected=False)
    yield from after("local", picture=True)
    with here():
        bpy.ops.view3d.localview(frame_selected=False)
    yield from after("the end of local view")
    space.show_region_ui = True
    space.show_region_toolbar = False
    yield from after("resizing", picture=True)
    with here():
        bpy.ops.view3d.walk("INVOKE_DEFAULT")
    yield from ui.tool("xdotool", "keydown", "w")
    yield 0.7
    yield from ui.tool("xdotool", "keyup", "w", "key", "Return")
    yield from after("walk", picture=True)
    with here():
        bpy.ops.ed.undo_push(message="before")
        cushion.location.z += 0.4
        bpy.ops.ed.undo_push(message="moved")
    yield from after("an edit")
    with here():
        bpy.ops.ed.undo()
    yield from after("undo")
    for kind in ("SOLID", "RENDERED", "WIREFRAME", "RENDERED"):
        space.shading.type = kind
        yield 0.2
    yield from after("toggling the shading")
    other = bpy.data.scenes.new("Other")
    other.render.engine = "WORLDFM"
    window.scene = other
    yield from after("empty-scene", picture=True)
    window.scene = bpy.data.scenes["Scene"]
    yield from after("the first scene again")
    space.region_3d.view_perspective = "CAMERA"
    bpy.data.objects.remove(bpy.context.scene.camera)
    yield from after("deleting-the-camera", picture=True)
    bpy.ops.wm.save_as_mainfile(filepath=ui.given["target"])
    bpy.ops.wm.open_mainfile(filepath=ui.given["target"])
    yield 1.0
    artist.viewport()[2].shading.type = "RENDERED"  # Blender opens files in Solid
    yield from after("loading", picture=True)
