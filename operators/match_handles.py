# SPDX-License-Identifier: GPL-3.0-or-later
"""Handles for a photo match, dragged in the camera view: lines along the scene's axes."""

from __future__ import annotations

from typing import Any

import bpy
import gpu
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from gpu_extras.batch import batch_for_shader

from ..backend.shared.errors import WorldFMError
from ..scene_sync.import_world import RESOLUTION
from .photo_match import LINES, drawn_lines, is_matched, solve_lines

COLOURS = ((0.9, 0.2, 0.25, 1.0), (0.4, 0.75, 0.15, 1.0), (0.25, 0.5, 0.95, 1.0))
REACH = 14.0
"""Pixels from a handle within which a click takes it."""
_PLACE = ("location", "rotation_euler", "rotation_quaternion", "rotation_axis_angle", "scale")
_LENS = ("type", "lens", "shift_x", "shift_y", "sensor_fit")
HELP = "Drag ends; X, Y, Z adds a line; Delete removes; Enter keeps, Esc takes back"

_Frame = tuple[np.ndarray, np.ndarray]
"""(2,) top left corner and (2,) size of the photo in the region, in pixels."""
_State = tuple[list[Any], list[Any], list[Any] | None]
"""Where the camera stands, its lens, and the lines that were kept with it."""


class WORLDFM_OT_adjust_match(bpy.types.Operator):
    """Drag lines along the scene's axes over the photo; the camera follows"""

    bl_idname = "worldfm.adjust_match"
    bl_label = "Adjust Match"
    bl_options = {"REGISTER", "UNDO"}

    _camera = ""
    _lines: np.ndarray
    _before: _State
    _shown: bool
    _depths: list[str]
    _held: tuple[int, int] | None = None
    _handler: object = None
    _region = 0
    _frame: _Frame | None = None
    """The photo's top left corner and size in the region, when that was last drawn. Events come
    in between, when the camera has moved already and the view through it has not."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """In a 3D viewport, with a matched camera."""
        cls.poll_message_set("Look through a camera that was matched to a photo")
        in_view = context.area is not None and context.area.type == "VIEW_3D"
        return in_view and is_matched(context.scene.camera)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Looks through the camera and shows the handles."""
        ob = context.scene.camera
        context.region_data.view_perspective = "CAMERA"
        self._camera, self._region = ob.name, context.region.as_pointer()
        self._lines = drawn_lines(ob, context.scene.unit_settings.scale_length)
        self._before = _state(ob)
        self._shown = ob.data.show_background_images
        ob.data.show_background_images = True
        self._depths = [background.display_depth for background in ob.data.background_images]
        for background in ob.data.background_images:
            background.display_depth = "FRONT"  # geometry would hide the photo
        self._handler = bpy.types.SpaceView3D.draw_handler_add(
            self._draw, (), "WINDOW", "POST_PIXEL"
        )
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set(HELP)
        context.area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """One event; the camera follows each move of a handle."""
        ob = context.scene.objects.get(self._camera)
        if ob is None or context.area is None:  # taken away by undo or another editor
            self._end(context)
            return {"CANCELLED"}
        context.area.tag_redraw()
        mouse = np.array([event.mouse_region_x, event.mouse_region_y], float)
        if event.type in {"RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            self._end(context)
            return {"FINISHED"}
        if event.type == "ESC" and event.value == "PRESS":
            _restore(ob, self._before)
            self._end(context)
            return {"CANCELLED"}
        frame = self._frame
        if frame is None:  # the view does not look through the camera now
            self._held = None
            return {"PASS_THROUGH"}
        if event.type == "LEFTMOUSE":
            self._held = self._nearest(mouse, frame) if event.value == "PRESS" else None
            return {"RUNNING_MODAL"}
        if event.type == "MOUSEMOVE" and self._held is not None:
            line, end = self._held
            self._lines[line, 1 + 2 * end : 3 + 2 * end] = _to_photo(mouse, frame)
            self._follow(context, ob)
            return {"RUNNING_MODAL"}
        if event.value == "PRESS" and event.type in {"X", "Y", "Z"}:
            place = _to_photo(mouse, frame)
            added = [("XYZ").index(event.type), *(place - 0.08), *(place + 0.08)]
            self._lines = np.vstack([self._lines, added])
            return {"RUNNING_MODAL"}
        if event.value == "PRESS" and event.type in {"DEL", "BACK_SPACE"}:
            found = self._nearest(mouse, frame)
            if found is not None:
                self._lines = np.delete(self._lines, found[0], axis=0)
                self._follow(context, ob)
            return {"RUNNING_MODAL"}
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator."""
        self._end(context)

    def _follow(self, context: bpy.types.Context, ob: bpy.types.Object) -> None:
        try:
            solve_lines(ob, self._lines, context.scene.unit_settings.scale_length)
            context.workspace.status_text_set(HELP)
        except WorldFMError as error:  # while dragging, most places fit no camera
            context.workspace.status_text_set(str(error))

    def _end(self, context: bpy.types.Context) -> None:
        if self._handler is not None:
            bpy.types.SpaceView3D.draw_handler_remove(self._handler, "WINDOW")
            self._handler = None
        context.workspace.status_text_set(None)
        ob = context.scene.objects.get(self._camera)
        if ob is not None:
            backgrounds = zip(ob.data.background_images, self._depths, strict=False)
            for background, depth in backgrounds:
                background.display_depth = depth
            ob.data.show_background_images = self._shown

    def _nearest(self, mouse: np.ndarray, frame: _Frame) -> tuple[int, int] | None:
        if not len(self._lines):
            return None
        distance = np.linalg.norm(_ends(self._lines, frame) - mouse, axis=2)
        line, end = np.unravel_index(int(distance.argmin()), distance.shape)
        return (int(line), int(end)) if distance[line, end] < REACH else None

    def _draw(self) -> None:
        context = bpy.context
        ob = context.scene.objects.get(self._camera)
        frame = _frame_in(context, ob) if ob is not None else None
        if context.region.as_pointer() == self._region:
            self._frame = frame
        if frame is None:
            return
        shader = gpu.shader.from_builtin("UNIFORM_COLOR")
        gpu.state.blend_set("ALPHA")
        gpu.state.line_width_set(2.0)
        gpu.state.point_size_set(9.0)
        for axis, pair in zip(
            self._lines[:, 0].astype(int), _ends(self._lines, frame), strict=True
        ):
            shader.uniform_float("color", COLOURS[axis])
            batch_for_shader(shader, "LINES", {"pos": pair.tolist()}).draw(shader)
            batch_for_shader(shader, "POINTS", {"pos": pair.tolist()}).draw(shader)
        gpu.state.blend_set("NONE")


def _frame_in(
    context: bpy.types.Context, ob: bpy.types.Object
) -> tuple[np.ndarray, np.ndarray] | None:
    """The photo's top left corner and size in a region that looks through its camera.

    The photo spans the frame's width. None in other regions. For a region while it is drawn.
    """
    view = context.region_data
    through = view is not None and view.view_perspective == "CAMERA"
    if not through or context.space_data.camera != ob:
        return None
    corners = [ob.matrix_world @ v for v in ob.data.view_frame(scene=context.scene)]
    found = [location_3d_to_region_2d(context.region, view, v) for v in corners]
    if any(p is None for p in found):
        return None
    points = np.array([tuple(p) for p in found])
    low, high = points.min(axis=0), points.max(axis=0)
    width, height = (float(v) for v in ob.data[RESOLUTION])
    size = np.array([high[0] - low[0], (high[0] - low[0]) * height / width])
    middle = 0.5 * (low + high)
    return np.array([middle[0] - size[0] / 2, middle[1] + size[1] / 2]), size


def _to_photo(mouse: np.ndarray, frame: _Frame) -> np.ndarray:
    """(2,) in parts of the photo, y down, of a place in the region."""
    corner, size = frame
    return (mouse - corner) / size * [1, -1]


def _ends(lines: np.ndarray, frame: _Frame) -> np.ndarray:
    """(N, 2, 2) ends of the lines in the region."""
    corner, size = frame
    return corner + lines[:, 1:].reshape(-1, 2, 2) * size * [1, -1]


def _state(ob: bpy.types.Object) -> _State:
    """What adjusting changes. Not the matrix: what is set as one comes back rounded."""
    place = [tuple(getattr(ob, name)) for name in _PLACE]
    drawn = ob.data.get(LINES)
    lens = [getattr(ob.data, name) for name in _LENS]
    return place, lens, None if drawn is None else list(drawn)


def _restore(ob: bpy.types.Object, state: _State) -> None:
    place, lens, drawn = state
    for name, value in zip(_PLACE, place, strict=True):
        setattr(ob, name, value)
    for name, value in zip(_LENS, lens, strict=True):
        setattr(ob.data, name, value)
    if drawn is not None:
        ob.data[LINES] = drawn
    elif LINES in ob.data:
        del ob.data[LINES]


CLASSES = (WORLDFM_OT_adjust_match,)
