# SPDX-License-Identifier: GPL-3.0-or-later
"""Animated cameras: ordinary objects with a few keyframes, to be edited like any other."""

from __future__ import annotations

import itertools
import math

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty
from mathutils import Matrix, Quaternion, Vector

from ..backend.shared.errors import InputError
from ..scene_sync.animation import fcurves_of
from .reports import reports_errors

_KEY_EVERY = 12


class _CameraPath:
    """What all moves share: a new camera, selected. The scene keeps its own unless asked."""

    bl_options = {"REGISTER", "UNDO"}

    speed: FloatProperty(
        name="Speed", description="Metres a second along the path", default=1.0, min=0.01, max=100.0
    )
    ease: BoolProperty(name="Ease In and Out", description="Start and stop gently", default=True)
    set_range: BoolProperty(
        name="Fit Frame Range",
        description="End the scene's frame range with the move",
    )
    activate: BoolProperty(name="Make Active", description="Render with the new camera")

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """The new camera, animated."""
        raise NotImplementedError

    @reports_errors
    def execute(self, context: bpy.types.Context) -> set[str]:
        """Build the move; an input that does not fit is reported."""
        self.select(context, self.build(context))
        return {"FINISHED"}

    def last_frame(self, scene: bpy.types.Scene, length: float) -> int:
        """Frame at which a move of `length` Blender units ends."""
        metres = length * scene.unit_settings.scale_length
        rate = scene.render.fps / scene.render.fps_base
        last = scene.frame_start + max(1, round(metres / self.speed * rate))
        if last > 1_048_574:
            raise InputError("The move takes too many frames; choose a higher speed.")
        if self.set_range:
            scene.frame_end = last
        return last

    def new_camera(self, context: bpy.types.Context, name: str) -> bpy.types.Object:
        """A camera with the lens of the active one, linked and selected."""
        scene = context.scene
        old = scene.camera
        data = old.data.copy() if old and old.type == "CAMERA" else bpy.data.cameras.new(name)
        if data.type not in ("PERSP", "ORTHO"):
            data.type = "PERSP"
        ob = bpy.data.objects.new(name, data)
        scene.collection.objects.link(ob)
        if self.activate or old is None:
            scene.camera = ob
        return ob

    def select(self, context: bpy.types.Context, ob: bpy.types.Object) -> None:
        """The new camera alone, as after any *Add*; called last, as moves go about what was."""
        for other in context.selected_objects:
            other.select_set(False)
        ob.select_set(True)
        context.view_layer.objects.active = ob

    def keyed(self, ob: bpy.types.Object, keys: list[tuple[float, Matrix]]) -> None:
        """Keyframes of location and rotation, smooth in between."""
        keyed(ob, keys, self.ease)


def keyed(ob: bpy.types.Object, keys: list[tuple[float, Matrix]], ease: bool) -> None:
    """Keyframes of location and rotation, smooth in between."""
    ob.rotation_mode = "QUATERNION"
    before = None
    for frame, matrix in keys:
        location, rotation, _ = matrix.decompose()
        if before is not None:
            rotation.make_compatible(before)
        ob.location, ob.rotation_quaternion, before = location, rotation, rotation
        ob.keyframe_insert("location", frame=frame)
        ob.keyframe_insert("rotation_quaternion", frame=frame)
    soften(ob, ease)


def soften(ob: bpy.types.Object, ease: bool) -> None:
    """Smooth curves; without `ease` they begin and end at full speed."""
    for curve in fcurves_of(ob):
        curve.extrapolation = "CONSTANT"
        points = curve.keyframe_points
        for point in points:
            point.interpolation = "BEZIER" if ease or len(points) > 2 else "LINEAR"
            point.handle_left_type = point.handle_right_type = "AUTO_CLAMPED" if ease else "AUTO"
        curve.update()


def start_matrix(context: bpy.types.Context) -> Matrix:
    """Where a move begins: the active camera, without scale. Raises InputError without one."""
    camera = context.scene.camera
    if camera is None:
        raise InputError("A camera move starts at the active camera; add one first.")
    location, rotation, _ = camera.matrix_world.decompose()
    return Matrix.LocRotScale(location, rotation, None)


def target_point(context: bpy.types.Context) -> Vector:
    """What a move is about: the active object, or what the 3D cursor marks."""
    ob = context.view_layer.objects.active
    if ob is not None and ob.type != "CAMERA" and ob.select_get():
        corners = [ob.matrix_world @ Vector(corner) for corner in ob.bound_box]
        return sum(corners, Vector()) / len(corners)
    return context.scene.cursor.location.copy()


def facing(position: Vector, target: Vector) -> Matrix:
    """Matrix of a camera at `position` that looks at `target`, upright."""
    rotation = (target - position).to_track_quat("-Z", "Y")
    return Matrix.LocRotScale(position, rotation, None)


class WORLDFM_OT_path_orbit(_CameraPath, bpy.types.Operator):
    """Circle the selected object, or the 3D cursor, at the active camera's distance"""

    bl_idname = "worldfm.path_orbit"
    bl_label = "Orbit"

    angle: FloatProperty(
        name="Angle", default=math.tau, min=-20 * math.tau, max=20 * math.tau, subtype="ANGLE"
    )

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """An empty that turns, with the camera as its child."""
        scene, start = context.scene, start_matrix(context)
        centre = target_point(context)
        radius = (start.translation - centre).to_2d().length
        if radius < 1e-4:
            raise InputError("The camera stands in the centre of its orbit; move it away first.")
        last = self.last_frame(scene, abs(self.angle) * radius)
        camera = self.new_camera(context, "Orbit Camera")
        pivot = bpy.data.objects.new("Orbit Centre", None)
        scene.collection.objects.link(pivot)
        pivot.location = centre
        for frame, angle in ((scene.frame_start, 0.0), (last, self.angle)):
            pivot.rotation_euler.z = angle
            pivot.keyframe_insert("rotation_euler", index=2, frame=frame)
        soften(pivot, self.ease)
        camera.parent = pivot
        camera.matrix_basis = Matrix.Translation(-centre) @ facing(start.translation, centre)
        return camera


class WORLDFM_OT_path_dolly(_CameraPath, bpy.types.Operator):
    """Move from the active camera along its view"""

    bl_idname = "worldfm.path_dolly"
    bl_label = "Dolly"

    distance: FloatProperty(
        name="Distance", description="Forwards, or backwards when negative", default=2.0,
        unit="LENGTH",
    )  # fmt: skip

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """Two keyframes."""
        start = start_matrix(context)
        last = self.last_frame(context.scene, abs(self.distance))
        end = start @ Matrix.Translation((0, 0, -self.distance))
        camera = self.new_camera(context, "Dolly Camera")
        self.keyed(camera, [(context.scene.frame_start, start), (last, end)])
        return camera


class WORLDFM_OT_path_crane(_CameraPath, bpy.types.Operator):
    """Rise or sink from the active camera while it keeps facing its target"""

    bl_idname = "worldfm.path_crane"
    bl_label = "Crane"

    height: FloatProperty(
        name="Height", description="Upwards, or downwards when negative", default=2.0,
        unit="LENGTH",
    )  # fmt: skip

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """A key every half a second, each facing the target."""
        scene, start = context.scene, start_matrix(context)
        target = target_point(context)
        if (target - start.translation).length < 1e-4:
            raise InputError("The camera stands on its target; select an object to look at.")
        last = self.last_frame(scene, abs(self.height))
        count = max(2, (last - scene.frame_start) // _KEY_EVERY + 1)
        keys = []
        for i in range(count):
            t = i / (count - 1)
            position = start.translation + Vector((0, 0, self.height * t))
            keys.append((scene.frame_start + t * (last - scene.frame_start), position))
        camera = self.new_camera(context, "Crane Camera")
        self.keyed(camera, [(frame, facing(position, target)) for frame, position in keys])
        return camera


class WORLDFM_OT_path_follow(_CameraPath, bpy.types.Operator):
    """Travel along the active curve, looking ahead"""

    bl_idname = "worldfm.path_follow"
    bl_label = "Follow Curve"

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """Keys at equal distances along the evaluated curve."""
        ob = context.view_layer.objects.active
        points = curve_points(context, ob) if ob is not None and ob.type == "CURVE" else []
        if len(points) < 2:
            raise InputError("Select a curve of at least two points to follow.")
        scene = context.scene
        length = sum((b - a).length for a, b in itertools.pairwise(points))
        last = self.last_frame(scene, length)
        count = max(3, (last - scene.frame_start) // _KEY_EVERY + 1)
        keys = []
        for i in range(count):
            t = i / (count - 1)
            here, ahead = along(points, t * length), along(points, t * length + 0.02 * length)
            if (ahead - here).length < 1e-6 * length:
                here_before = along(points, t * length - 0.02 * length)
                ahead = here + (here - here_before)
            frame = scene.frame_start + t * (last - scene.frame_start)
            keys.append((frame, facing(here, ahead)))
        camera = self.new_camera(context, "Curve Camera")
        self.keyed(camera, keys)
        return camera


class WORLDFM_OT_path_viewpoints(_CameraPath, bpy.types.Operator):
    """Fly through the stored viewpoints, in their order"""

    bl_idname = "worldfm.path_viewpoints"
    bl_label = "Camera Through Viewpoints"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """A path needs two ends."""
        cls.poll_message_set("Store at least two viewpoints first")
        return len(context.scene.worldfm.viewpoints) > 1

    def build(self, context: bpy.types.Context) -> bpy.types.Object:
        """One key at each viewpoint, timed by the distance between them."""
        scene = context.scene
        matrices = [matrix_of(item) for item in scene.worldfm.viewpoints]
        places = [m.translation for m in matrices]
        steps = [(b - a).length for a, b in itertools.pairwise(places)]
        length = sum(steps)
        if length < 1e-6:
            raise InputError("The stored viewpoints stand in one place; store another one.")
        last = self.last_frame(scene, length)
        travelled, keys = 0.0, []
        for matrix, step in zip(matrices, [0.0, *steps], strict=True):
            travelled += step
            frame = scene.frame_start + travelled / length * (last - scene.frame_start)
            keys.append((frame, matrix))
        camera = self.new_camera(context, "Viewpoint Camera")
        self.keyed(camera, keys)
        return camera


class WORLDFM_OT_viewpoint_store(bpy.types.Operator):
    """Store the viewport's view, or the active camera's outside a viewport"""

    bl_idname = "worldfm.viewpoint_store"
    bl_label = "Store Viewpoint"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(name="Name", default="View")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The view as a camera's matrix."""
        view = context.region_data
        if view is not None and view.view_perspective != "CAMERA":
            matrix = view.view_matrix.inverted()
        elif context.scene.camera is not None:
            matrix = context.scene.camera.matrix_world
        else:
            self.report({"ERROR"}, "There is neither a viewport nor a camera to store a view of.")
            return {"CANCELLED"}
        settings = context.scene.worldfm
        item = settings.viewpoints.add()
        item.name = f"{self.name} {len(settings.viewpoints)}"
        item.matrix = [value for row in matrix for value in row]
        settings.viewpoint_index = len(settings.viewpoints) - 1
        return {"FINISHED"}


class WORLDFM_OT_viewpoint_remove(bpy.types.Operator):
    """Remove the chosen viewpoint"""

    bl_idname = "worldfm.viewpoint_remove"
    bl_label = "Remove Viewpoint"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with something to remove."""
        return len(context.scene.worldfm.viewpoints) > 0

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The one before it becomes the chosen one."""
        settings = context.scene.worldfm
        settings.viewpoints.remove(settings.viewpoint_index)
        settings.viewpoint_index = max(0, settings.viewpoint_index - 1)
        return {"FINISHED"}


def matrix_of(item: bpy.types.PropertyGroup) -> Matrix:
    """A viewpoint's camera-to-world matrix, without scale."""
    values = list(item.matrix)
    location, rotation, _ = Matrix([values[i : i + 4] for i in range(0, 16, 4)]).decompose()
    return Matrix.LocRotScale(location, Quaternion(rotation), None)


def curve_points(context: bpy.types.Context, ob: bpy.types.Object) -> list[Vector]:
    """World-space points along the first spline of a curve, as it is evaluated."""
    evaluated = ob.evaluated_get(context.evaluated_depsgraph_get())
    copy = evaluated.data.copy()
    copy.bevel_depth = copy.extrude = 0.0
    copy.bevel_mode = "ROUND"
    bare = bpy.data.objects.new("WorldFM curve", copy)
    try:
        mesh = bare.to_mesh()
        return [ob.matrix_world @ vertex.co for vertex in mesh.vertices]
    finally:
        bpy.data.objects.remove(bare)
        bpy.data.curves.remove(copy)


def along(points: list[Vector], distance: float) -> Vector:
    """The point `distance` along a polyline, clamped to its ends."""
    left = max(0.0, distance)
    for a, b in itertools.pairwise(points):
        step = (b - a).length
        if left <= step and step > 0:
            return a.lerp(b, left / step)
        left -= step
    return points[-1].copy()


CLASSES = (
    WORLDFM_OT_path_orbit,
    WORLDFM_OT_path_dolly,
    WORLDFM_OT_path_crane,
    WORLDFM_OT_path_follow,
    WORLDFM_OT_path_viewpoints,
    WORLDFM_OT_viewpoint_store,
    WORLDFM_OT_viewpoint_remove,
)
