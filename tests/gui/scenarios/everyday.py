# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to viewports in Rendered shading on an ordinary day, one thing after the other."""

import sys

import artist
import bpy
from watch import Watch


def play(ui):
    day = Day(ui)
    day.space.region_3d.view_perspective = "CAMERA"
    day.space.shading.type = "RENDERED"
    yield from artist.ready(ui, 240)
    yield from day.after("the first frame")
    for part in (
        day.scrubbing,
        day.quarters,
        day.two_viewports,
        day.local_view,
        day.navigating,
        day.undoing,
        day.shadings,
        day.another_scene,
        day.deleting_the_camera,
    ):
        yield from part()
    bpy.ops.wm.save_as_mainfile(filepath=ui.given["target"])
    bpy.ops.wm.open_mainfile(filepath=ui.given["target"])
    yield from ui.turns()
    artist.viewport()[2].shading.type = "RENDERED"  # Blender opens files in Solid
    yield from day.after("loading", picture=True)


class Day:
    """The main viewport, and what went wrong in it."""

    def __init__(self, ui):
        self.ui = ui
        self.area, self.region, self.space = artist.viewport()
        self.window = bpy.context.window_manager.windows[0]
        artist.clear_view(self.space)
        bpy.context.scene.worldfm.show_statistics = True  # so that each view says something
        self.watch = Watch()
        self.problems = ui.result["problems"] = []

    def here(self):
        return bpy.context.temp_override(window=self.window, area=self.area, region=self.region)

    def after(self, what, picture=False):
        """Wait until every viewport rests; note what they met until then."""
        yield from self.ui.turns()
        try:
            yield from self.ui.until(self.watch.all_settled, 120, f"rest after {what}")
        except TimeoutError:
            self.ui.result["waiting for"] = self.watch.waiting_for()
            raise
        self.problems.extend(f"{what}: {fault}" for fault in self.watch.faults())
        if picture:
            yield from self.ui.picture(f"everyday-{what}")

    def scrubbing(self):
        for frame in (5, 9, 14):
            bpy.context.scene.frame_set(frame)
            yield from self.ui.turns(2)
        yield from self.after("scrubbing")
        if self.watch.view().shown.request is not self.watch.view().asked:
            self.problems.append("scrubbing: an old frame stayed")

    def quarters(self):
        said = lines_written()
        artist.leave_camera(self.space, distance=3.0)
        with self.here():
            bpy.ops.screen.region_quadview()
        yield from self.after("quad", picture=True)
        self.ui.result["quarters"] = sorted({text.split(" | ")[0] for text in said})
        with self.here():
            bpy.ops.screen.region_quadview()
        self.area, self.region, self.space = artist.viewport()
        yield from self.after("the end of quad view")

    def two_viewports(self):
        """One looks through the camera, the other is free; both show frames of their own."""
        with self.here():
            bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
        yield from self.ui.turns()
        views = [area for area in self.window.screen.areas if area.type == "VIEW_3D"]
        other = next(area for area in views if area != self.area)
        other.spaces.active.shading.type = "RENDERED"
        other.spaces.active.region_3d.view_perspective = "CAMERA"
        yield from self.after("two-viewports", picture=True)
        states = [view.state for view in self.watch.viewport._views.values()]
        shown = [state.shown for state in states if not state.stuck]
        if len(shown) != 2 or len({id(frame) for frame in shown}) != 2 or None in shown:
            self.problems.append(f"two viewports show {len(shown)} frames")
        with bpy.context.temp_override(window=self.window, area=other):
            bpy.ops.screen.area_close()
        yield from self.ui.turns()
        self.area, self.region, self.space = artist.viewport()
        yield from self.after("one viewport again")
        if len(self.watch.viewport._views) != 1:
            self.problems.append("a viewport that was closed is still served")

    def local_view(self):
        cushion = bpy.data.objects["Cushion"]
        bpy.ops.object.select_all(action="DESELECT")
        cushion.select_set(True)
        bpy.context.view_layer.objects.active = cushion
        with self.here():
            bpy.ops.view3d.localview(frame_selected=False)
        yield from self.after("local", picture=True)
        if not 0 < self.watch.view().frame.rgba[..., 3].mean() < 0.5:
            self.problems.append("local view shows more than its object")
        with self.here():
            bpy.ops.view3d.localview(frame_selected=False)
        yield from self.after("the end of local view")
        if self.watch.view().frame.rgba[..., 3].min() < 1:
            self.problems.append("the sky is missing after local view")
        bpy.ops.object.select_all(action="SELECT")
        for what, alpha in (("local view of everything", 0.0), ("its end", 1.0)):
            with self.here():
                bpy.ops.view3d.localview(frame_selected=False)
            yield from self.after(what)
            if self.watch.view().frame.rgba[..., 3].min() != alpha:
                self.problems.append(f"{what}: the sky is wrong")
        bpy.ops.object.select_all(action="DESELECT")
        self.space.show_region_ui = True
        self.space.show_region_toolbar = False
        yield from self.after("resizing", picture=True)

    def navigating(self):
        """Walk with the keyboard, Fly with the wheel."""
        xdotool = self.ui.tool
        yield from self._begin(bpy.ops.view3d.walk)
        yield from xdotool("xdotool", "keydown", "w")
        yield from self._on_the_way("walking")
        yield from xdotool("xdotool", "keyup", "w", "key", "Return")
        yield from self._arrived("walk")
        yield from self._begin(bpy.ops.view3d.fly)
        yield from xdotool("xdotool", "click", "4")  # forwards
        yield from self._on_the_way("flying")
        yield from xdotool("xdotool", "key", "Return")
        yield from self._arrived("fly")

    def _begin(self, navigate):
        with self.here():
            navigate("INVOKE_DEFAULT")
        yield from self.ui.turns()

    def _on_the_way(self, what):
        """Wait until the view has moved by a quarter of a metre."""
        start = self._place()
        yield from self.ui.until(
            lambda: (self._place() - start).length > 0.25, 60, f"{what} forwards"
        )

    def _place(self):
        return self.space.region_3d.view_matrix.inverted().translation.copy()

    def _arrived(self, what):
        yield from self.ui.until(lambda: not artist.working(), 30, f"the end of {what}")
        yield from self.after(what, picture=True)

    def undoing(self):
        with self.here():
            bpy.ops.ed.undo_push(message="before")
            bpy.data.objects["Cushion"].location.z += 0.4
            bpy.ops.ed.undo_push(message="moved")
        yield from self.after("an edit")
        with self.here():
            bpy.ops.ed.undo()
        yield from self.after("undo")

    def shadings(self):
        for kind in ("SOLID", "RENDERED", "WIREFRAME", "RENDERED"):
            self.space.shading.type = kind
            yield from self.ui.turns()
        yield from self.after("toggling the shading")
        self.space.shading.type = "SOLID"
        yield from self.ui.turns()
        mesh = bpy.data.objects["Cushion"].data
        usual, mesh.vertices[0].co.z = mesh.vertices[0].co.z, 7.0
        mesh.update()
        yield from self.ui.turns()
        self.space.shading.type = "RENDERED"
        yield from self.after("an edit in another shading")
        copied = {one.key: one.surface for one in self.watch.view().copy.contents.sorted[0]}
        if copied["Cushion"].corners[..., 2].max() < 6.0:
            self.problems.append("an edit in another shading was not seen")
        mesh.vertices[0].co.z = usual
        mesh.update()
        yield from self.after("an edit of a mesh")

    def another_scene(self):
        other = bpy.data.scenes.new("Other")
        other.render.engine = "WORLDFM"
        self.window.scene = other
        yield from self.after("empty-scene", picture=True)
        self.window.scene = bpy.data.scenes["Scene"]
        yield from self.after("the first scene again")

    def deleting_the_camera(self):
        self.space.region_3d.view_perspective = "CAMERA"
        yield from self.after("the camera's view again")
        bpy.data.objects.remove(bpy.context.scene.camera)
        yield from self.after("deleting-the-camera", picture=True)


def lines_written():
    """What the extension itself writes into viewports, from now on."""
    module = sys.modules[f"{artist.ADDON}.viewport.overlay"]
    said, write = [], module._write

    def noting(text, *place):
        said.append(text)
        write(text, *place)

    module._write = noting
    return said
