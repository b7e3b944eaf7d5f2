# SPDX-License-Identifier: GPL-3.0-or-later
"""A built world becomes objects: points, blockout, a matched camera, memory frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.shared.camera import Camera
from ..backend.shared.camera_match import DISTORTION, MOST_DISTORTION
from ..backend.shared.png import encode_png
from .anchor_points import store_anchors
from .memory import store_frame
from .moments import Moments, encode_moment
from .packing import packed_image
from .trust import store_trust
from .world_reader import BlockoutMesh, BuiltWorld

RESOLUTION = "worldfm_resolution"
"""Custom property of a camera: width and height of the photo that it was matched to."""
BENT = "worldfm_distortion"
"""Custom property of a camera: what its photo was made straight with, where it had to be."""


class Added(NamedTuple):
    """Objects of a world. camera: where its first memory frame was taken, if that was wanted."""

    points: bpy.types.Object
    camera: bpy.types.Object | None


def add_world(
    scene: bpy.types.Scene,
    name: str,
    built: BuiltWorld,
    photo: Path | None = None,
    use_blockout: bool = False,
    with_camera: bool = False,
) -> Added:
    """Everything goes into one new collection; nothing that was there is touched.

    photo: the picture, when the world was made from one. use_blockout: the blockout is what frames
    are made from and the points are hidden, instead of the other way round. with_camera: add one
    where the first memory frame was taken, if there is any.
    """
    scale = scene.unit_settings.scale_length
    collection = bpy.data.collections.new(name)
    scene.collection.children.link(collection)
    points = store_anchors(f"{name} Points", built.world.anchors, collection, scale)
    store_trust(points, built.world.provenance)
    scene.worldfm.newest_world = points.name
    for frame in built.world.memory:
        moment = None if frame.moment is None else encode_moment(frame.moment)
        moments = Moments(moment, moment)
        item = store_frame(
            scene, frame.name, frame.camera, frame.picture, frame.depth, moments, frame.estimated
        )
        item.source = collection.name
    if not (with_camera and built.world.memory):
        return Added(points, None)
    image = None
    first = built.world.memory[0]
    distortion = 0.0 if photo is None else float(built.world.provenance.get(DISTORTION, 0.0))
    if distortion:  # the file shows what the lens bent
        image = packed_image(f"{name} Straight", encode_png(first.rgb))
    elif photo is not None:
        image = bpy.data.images.load(str(photo), check_existing=True)
    camera = add_photo_camera(scene, name, first.camera, image, collection, distortion)
    # behind its own world the photo would be seen twice; it is shown while the match is adjusted
    camera.data.show_background_images = False
    if image is not None:
        blocks = _add_blockout(name, built.blockout, image, collection, scale)
        for ob in blocks:
            _hide(ob, not use_blockout)
        if blocks:
            _hide(points, use_blockout)
    return Added(points, camera)


def add_photo_camera(
    scene: bpy.types.Scene,
    name: str,
    camera: Camera,
    image: bpy.types.Image | None,
    collection: bpy.types.Collection,
    distortion: float = 0.0,
) -> bpy.types.Object:
    """A camera object like `camera`, the photo behind it and the photo's size as its property.

    distortion: that `image` was made straight with. The camera becomes the scene's only where
    there was none.
    """
    data = bpy.data.cameras.new(f"{name} Camera")
    ob = bpy.data.objects.new(f"{name} Camera", data)
    collection.objects.link(ob)
    place_camera(ob, camera, scene.unit_settings.scale_length)
    data.display_size = 0.3 / scene.unit_settings.scale_length
    if distortion:
        data[BENT] = distortion
    if image is not None:
        data.show_background_images = True
        background = data.background_images.new()
        background.image = image
        background.alpha = 0.6
        background.frame_method = "FIT"
    if scene.camera is None:
        scene.camera = ob
    return ob


def place_camera(ob: bpy.types.Object, camera: Camera, scale_length: float) -> None:
    """Lens, shift, place and photo size of a camera object; the scene stays as it is."""
    data = ob.data
    data.type, data.sensor_fit = camera.projection, "HORIZONTAL"
    width, height = camera.width, camera.height
    if camera.is_orthographic:
        data.ortho_scale = width / camera.K[0, 0] / scale_length
    else:
        data.lens = camera.K[0, 0] * data.sensor_width / width
    data.shift_x = (width / 2 - camera.K[0, 2]) / width
    data.shift_y = (camera.K[1, 2] - height / 2) / width
    data[RESOLUTION] = [width, height]
    matrix = camera.c2w_opengl()
    matrix[:3, 3] /= scale_length
    ob.matrix_world = Matrix(matrix.tolist())


def photo_camera(ob: bpy.types.Object, scale_length: float) -> Camera:
    """The reverse of `place_camera`, at the photo's size."""
    data = ob.data
    width, height = (int(v) for v in data[RESOLUTION])
    focal = data.lens * width / data.sensor_width
    K = np.array([[focal, 0, width / 2 - data.shift_x * width],
                  [0, focal, height / 2 + data.shift_y * width], [0, 0, 1.0]])  # fmt: skip
    matrix = np.array(ob.matrix_world.normalized(), dtype=np.float64)
    matrix[:3, 3] *= scale_length
    return Camera.from_opengl(K, matrix, width, height)


def photo_distortion(ob: bpy.types.Object) -> float:
    """What the photo of a matched camera was made straight with; 0 = nothing, or nothing sound."""
    stored = ob.data.get(BENT)
    sound = isinstance(stored, float) and abs(stored) <= MOST_DISTORTION
    return stored if sound else 0.0


def use_photo_size(scene: bpy.types.Scene, ob: bpy.types.Object, longest: int | None) -> None:
    """Render at the size of a matched camera's photo, its longer side at most `longest` pixels.

    Square pixels; the percentage goes to 100.
    """
    width, height = (int(v) for v in ob.data[RESOLUTION])
    scale = 1.0 if longest is None else min(1.0, longest / max(width, height))
    render = scene.render
    render.resolution_x, render.resolution_y = round(width * scale), round(height * scale)
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def camera_path_json(camera: Camera) -> str:
    """One camera as the command line's --camera reads it."""
    return json.dumps(
        {
            "K": camera.K.tolist(),
            "size": [camera.width, camera.height],
            "c2w": [camera.c2w.tolist()],
        }
    )


def _add_blockout(
    name: str,
    meshes: list[BlockoutMesh],
    image: bpy.types.Image,
    collection: bpy.types.Collection,
    scale_length: float,
) -> list[bpy.types.Object]:
    if not meshes:
        return []
    material = photo_material(f"{name} Photo", image)
    objects = []
    for block in meshes:
        mesh = bpy.data.meshes.new(block.name)
        mesh.from_pydata(block.verts / scale_length, [], block.faces)
        layer = mesh.uv_layers.new(name="Photo")
        layer.uv.foreach_set("vector", block.uvs[block.faces.ravel()].ravel())
        mesh.materials.append(material)
        ob = bpy.data.objects.new(block.name, mesh)
        collection.objects.link(ob)
        objects.append(ob)
    return objects


def photo_material(name: str, image: bpy.types.Image) -> bpy.types.Material:
    """Shows the picture as it is: light is in the photo already."""
    material = bpy.data.materials.new(name)
    if not material.node_tree:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    picture = nodes.new("ShaderNodeTexImage")
    picture.image, picture.extension = image, "EXTEND"
    glow = nodes.new("ShaderNodeEmission")
    out = nodes.new("ShaderNodeOutputMaterial")
    links.new(picture.outputs["Color"], glow.inputs["Color"])
    links.new(glow.outputs["Emission"], out.inputs["Surface"])
    return material


def _hide(ob: bpy.types.Object, hidden: bool) -> None:
    ob.hide_render = hidden
    ob.hide_set(hidden)
