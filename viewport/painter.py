# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws frames and anchors into a 3D viewport with the GPU.

A frame of another camera than the viewport's is drawn as a relief (relief.py), seen from where the
viewport is now. Values are scene linear; Blender applies the view transform.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

from .actions import Painting
from .detail import Detail
from .shown import PointSample, Shown
from .surroundings import STRIDES, Surroundings, triangles

WIDEST_DOT = 24
"""Pixels of the canvas, where all points are drawn."""
MAX_CANVAS = 800
"""Longest side that a moved frame is drawn with: it was small, and is soon replaced."""

# Depth is shared out in thirds: the frame has the nearest one, so that all else shows in its gaps
# only, and costs nothing elsewhere. Then come anchors, which are known, and backdrops, which are
# guessed, and what lies around in the farthest.
_NEAREST, _MIDDLE, _FARTHEST = -2.0, 0.0, 2.0
_RELIEF_VERTEX = """
void main()
{
  float d = parallel > 0.5 ? -corner.z : (corner.z > 0.0 ? 1.0 / corner.z : far);
  d = min(d, far);
  vec2 pixel = vec2(corner.x * size.x, (1.0 - corner.y) * size.y);
  gl_Position = to_clip * vec4((pixel - lens.zw) / lens.xy * mix(d, 1.0, parallel), d, 1.0);
  gl_Position.z = (gl_Position.z + third * gl_Position.w) / 3.0;
  uv = corner.xy;
  part = corner.w;
}
"""
_RELIEF_FRAGMENT = """
void main()
{
  if (part != 0.0) {
    float height = texelFetch(heights, ivec2(min(uv * size, size - vec2(1.0))), 0).r;
    float least = parallel > 0.5 ? -abs(part) : abs(part);
    if ((height >= least) != (part > 0.0)) {
      discard;
    }
  }
  colour = texture(picture, uv * reading.xy + reading.zw);
  if (colour.a < 0.01) {
    discard;
  }
}
"""
_POINT_VERTEX = """
void main()
{
  gl_Position = to_clip * vec4(place, 1.0);
  gl_PointSize = clamp(dot_size * rgb.a / max(gl_Position.w, 1e-3), 2.0, widest);
  gl_Position.z = gl_Position.z / 3.0;
  tint = rgb;
}
"""
_POINT_FRAGMENT = """
void main()
{
  colour = vec4(tint.rgb, 1.0);
}
"""


# Between an outline and what is behind it the mesh is stretched: there the farther vertex has the
# colour, or a second outline in the nearer one's would stand beside the first.
_AROUND_VERTEX = """
void main()
{
  float reach = min(ray.w, far);
  gl_Position = to_clip * vec4(origin + ray.xyz * reach, 1.0);
  gl_Position.z = (gl_Position.z + 2.0 * gl_Position.w) / 3.0;
  weight = (reach / far) * (reach / far);
  tint = rgba * weight;
}
"""
_AROUND_FRAGMENT = """
void main()
{
  colour = tint / weight;
  if (colour.a < 0.01) {
    discard;
  }
}
"""


class _Layer(NamedTuple):
    """A mesh and its picture. reading: the scale and the offset from places to the texture's."""

    picture: gpu.types.GPUTexture
    reading: tuple[float, float, float, float]
    mesh: gpu.types.GPUBatch


class Painter:
    """What one viewport keeps on the GPU. Use only while that viewport is drawn."""

    def __init__(self) -> None:
        self._frame: Shown | None = None
        self._picture: gpu.types.GPUTexture | None = None
        self._heights: gpu.types.GPUTexture | None = None
        self._layers: tuple[_Layer, _Layer] | None = None
        self._dots: PointSample | None = None
        self._count = 0
        self._points: gpu.types.GPUBatch | None = None
        self._around: Surroundings | None = None
        self._mesh: gpu.types.GPUVertBuf | None = None
        self._canvas: gpu.types.GPUOffScreen | None = None

    def is_warm_for(self, painting: Painting) -> bool:
        """Whether such a one was moved before: the first time, shaders are compiled, and that is
        better done while the view stands still."""
        return "relief" in _kept and painting.around in (None, self._around)

    def frame(self, frame: Shown, x: float, y: float, width: float, height: float) -> None:
        """The frame as it is, in a rectangle of the region's pixels (y upwards)."""
        self._take(frame)
        assert self._picture is not None
        reach = frame.size[0] / self._picture.width, frame.size[1] / self._picture.height
        _draw_picture(self._picture, x, y, width, height, reach)

    def guess(
        self,
        painting: Painting,
        to_clip: np.ndarray,
        size: tuple[int, int],
        far: float,
        inside: tuple[float, float, float, float],
    ) -> None:
        """The last frame moved to where the viewport is now, over the anchors or what lies around.

        to_clip: (4, 4) world space in metres to clip space.
        far: metres, where sky is drawn.
        inside: the rectangle (x, y, width, height, y upwards) beyond which nothing is drawn.
        """
        frame, dots, around = painting.frame, painting.points, painting.around
        if frame is None and dots is None:
            return
        began, share, held = time.perf_counter(), _detail.share, set(_kept)
        scale = min(1.0, MAX_CANVAS * share / max(size))
        canvas = self._canvas_of((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
        with canvas.bind():
            gpu.state.active_framebuffer_get().clear(color=(0.0, 0.0, 0.0, 0.0), depth=1.0)
            if frame is not None and (dots is None or not len(dots.places)):
                self.frame(frame, *inside)  # what was there fills what the move uncovers
            gpu.state.depth_test_set("LESS_EQUAL")
            gpu.state.depth_mask_set(True)
            gpu.state.blend_set("NONE")
            if frame is not None:
                behind = _MIDDLE if dots is None else _FARTHEST
                self._draw_relief(frame, to_clip, far, behind)
            if around is not None:
                self._draw_around(around, to_clip, far, share)
            if dots is not None and len(dots.places):
                self._draw_dots(dots, to_clip, canvas.height, painting.most, share)
            gpu.state.depth_mask_set(False)
            gpu.state.depth_test_set("NONE")
        gpu.state.blend_set("ALPHA_PREMULT")
        gpu.state.scissor_test_set(True)
        gpu.state.scissor_set(*_whole_pixels(inside, size))
        _draw_picture(canvas.texture_color, 0, 0, *size)
        gpu.state.scissor_test_set(False)
        gpu.state.blend_set("NONE")
        if set(_kept) <= held:  # what is made once, such as a shader, says nothing of the next
            _detail.note(time.perf_counter() - began)

    def free(self) -> None:
        """Give everything back, here and now: threads may hold on to the view for a while, and
        what is on the GPU must not go in one of them."""
        self._free_canvas()
        self._frame = self._picture = self._heights = self._layers = None
        self._dots = self._points = self._around = self._mesh = None

    def _free_canvas(self) -> None:
        if self._canvas is not None:
            self._canvas.free()
            self._canvas = None

    def _take(self, frame: Shown) -> None:
        """Upload a frame, once."""
        if frame is self._frame:
            return
        self._frame = frame
        self._picture = _texture(frame.rgba, "RGBA32F")  # halves would be made here and now
        self._heights = self._layers = None

    def _draw_relief(self, frame: Shown, to_clip: np.ndarray, far: float, behind: float) -> None:
        self._take(frame)
        assert self._picture is not None
        if self._heights is None or self._layers is None:
            self._heights = _texture(frame.relief.heights, "R32F")
            self._layers = _layers(frame, self._picture)
        shader, camera = _relief_shader(), frame.reply.request.camera
        K = camera.K
        shader.bind()
        shader.uniform_float("to_clip", Matrix((to_clip @ camera.c2w).tolist()))
        shader.uniform_float("lens", (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
        shader.uniform_float("size", frame.size)
        shader.uniform_float("far", far)
        shader.uniform_float("parallel", float(camera.is_orthographic))
        shader.uniform_sampler("heights", self._heights)
        for third, layer in zip((_NEAREST, behind), self._layers, strict=True):
            shader.uniform_float("third", third)
            shader.uniform_float("reading", layer.reading)
            shader.uniform_sampler("picture", layer.picture)
            layer.mesh.draw(shader)

    def _draw_around(
        self, around: Surroundings, to_clip: np.ndarray, far: float, share: float
    ) -> None:
        if around is not self._around or self._mesh is None:
            self._around, self._mesh = around, _mesh(around)
        shader, indices = _around_shader(), _triangles(STRIDES[share < 1])
        shader.bind()
        shader.uniform_float("to_clip", Matrix(to_clip.tolist()))
        shader.uniform_float("origin", around.origin.tolist())
        shader.uniform_float("far", far)
        gpu.types.GPUBatch(type="TRIS", buf=self._mesh, elem=indices).draw(shader)

    def _draw_dots(
        self, dots: PointSample, to_clip: np.ndarray, height: int, most: int, share: float
    ) -> None:
        count = min(round(most * share), len(dots.places))
        if dots is not self._dots or count != self._count:
            self._dots, self._count, self._points = dots, count, _batch(dots, count)
        shader = _point_shader()
        shader.bind()
        shader.uniform_float("to_clip", Matrix(to_clip.tolist()))
        # twice the radius in pixels at a distance of one
        per_metre = np.linalg.norm(to_clip[1, :3]) * height * np.sqrt(len(dots.places) / count)
        shader.uniform_float("dot_size", float(per_metre))
        shader.uniform_float("widest", WIDEST_DOT * share**0.5)  # they cover as much as all would
        gpu.state.program_point_size_set(True)
        assert self._points is not None
        self._points.draw(shader)
        gpu.state.program_point_size_set(False)

    def _canvas_of(self, size: tuple[int, int]) -> gpu.types.GPUOffScreen:
        if self._canvas is not None and (self._canvas.width, self._canvas.height) != size:
            self._free_canvas()
        if self._canvas is None:
            self._canvas = gpu.types.GPUOffScreen(*size, format="RGBA16F")
        return self._canvas


def _whole_pixels(
    rectangle: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The pixels of a rectangle that lie in a region of `size`."""
    x, y, width, height = rectangle
    left, right = (min(max(round(v), 0), size[0]) for v in (x, x + width))
    low, high = (min(max(round(v), 0), size[1]) for v in (y, y + height))
    return left, low, max(right - left, 0), max(high - low, 0)


def _texture(values: np.ndarray, kind: str) -> gpu.types.GPUTexture:
    height, width = values.shape[:2]
    flat = np.ascontiguousarray(values, np.float32).reshape(-1)
    buffer = gpu.types.Buffer("FLOAT", flat.size, flat)
    return gpu.types.GPUTexture((width, height), format=kind, data=buffer)


_kept: dict[object, Any] = {}
_detail = Detail()


def _draw_picture(
    texture: gpu.types.GPUTexture,
    x: float,
    y: float,
    width: float,
    height: float,
    reach: tuple[float, float] = (1.0, 1.0),
) -> None:
    """`gpu_extras.presets.draw_texture_2d`, but that it uploads its corners once.

    reach: shares of the texture's width and height that are drawn.
    """
    shader = gpu.shader.from_builtin("IMAGE")
    key = ("corners", reach)
    if key not in _kept:
        right, top = reach
        places = ((0, 0), (1, 0), (1, 1), (0, 1))
        read = ((0, 0), (right, 0), (right, top), (0, top))
        _kept[key] = batch_for_shader(shader, "TRI_FAN", {"pos": places, "texCoord": read})
    with gpu.matrix.push_pop():
        gpu.matrix.translate((x, y))
        gpu.matrix.scale((width, height))
        shader.bind()
        shader.uniform_sampler("image", texture)
        _kept[key].draw(shader)


def _relief_shader() -> gpu.types.GPUShader:
    if "relief" not in _kept:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "to_clip")
        info.push_constant("VEC4", "lens")
        info.push_constant("VEC4", "reading")
        info.push_constant("VEC2", "size")
        info.push_constant("FLOAT", "far")
        info.push_constant("FLOAT", "parallel")
        info.push_constant("FLOAT", "third")
        info.sampler(0, "FLOAT_2D", "picture")
        info.sampler(1, "FLOAT_2D", "heights")
        info.vertex_in(0, "VEC4", "corner")
        passed = gpu.types.GPUStageInterfaceInfo("worldfm_relief")
        passed.smooth("VEC2", "uv")
        passed.flat("FLOAT", "part")
        info.vertex_out(passed)
        info.fragment_out(0, "VEC4", "colour")
        info.vertex_source(_RELIEF_VERTEX)
        info.fragment_source(_RELIEF_FRAGMENT)
        _kept["relief"] = gpu.shader.create_from_info(info)
    return _kept["relief"]


def _point_shader() -> gpu.types.GPUShader:
    if "points" not in _kept:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "to_clip")
        info.push_constant("FLOAT", "dot_size")
        info.push_constant("FLOAT", "widest")
        info.vertex_in(0, "VEC3", "place")
        info.vertex_in(1, "VEC4", "rgb")
        passed = gpu.types.GPUStageInterfaceInfo("worldfm_points")
        passed.flat("VEC4", "tint")
        info.vertex_out(passed)
        info.fragment_out(0, "VEC4", "colour")
        info.vertex_source(_POINT_VERTEX)
        info.fragment_source(_POINT_FRAGMENT)
        _kept["points"] = gpu.shader.create_from_info(info)
    return _kept["points"]


def _around_shader() -> gpu.types.GPUShader:
    if "around" not in _kept:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "to_clip")
        info.push_constant("VEC3", "origin")
        info.push_constant("FLOAT", "far")
        info.vertex_in(0, "VEC4", "ray")
        info.vertex_in(1, "VEC4", "rgba")
        passed = gpu.types.GPUStageInterfaceInfo("worldfm_around")
        passed.smooth("VEC4", "tint")
        passed.smooth("FLOAT", "weight")
        info.vertex_out(passed)
        info.fragment_out(0, "VEC4", "colour")
        info.vertex_source(_AROUND_VERTEX)
        info.fragment_source(_AROUND_FRAGMENT)
        _kept["around"] = gpu.shader.create_from_info(info)
    return _kept["around"]


def _triangles(stride: int) -> gpu.types.GPUIndexBuf:
    key = ("triangles", stride)
    if key not in _kept:
        _kept[key] = gpu.types.GPUIndexBuf(type="TRIS", seq=triangles(stride))
    return _kept[key]


def _mesh(around: Surroundings) -> gpu.types.GPUVertBuf:
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="ray", comp_type="F32", len=4, fetch_mode="FLOAT")
    layout.attr_add(id="rgba", comp_type="F32", len=4, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(layout, len(around.rays))
    vertices.attr_fill("ray", around.rays)
    vertices.attr_fill("rgba", around.rgba)
    return vertices


def _layers(frame: Shown, picture: gpu.types.GPUTexture) -> tuple[_Layer, _Layer]:
    """A frame, and its backdrop."""
    relief, (width, height) = frame.relief, frame.size
    behind = _texture(relief.behind_rgba, "RGBA32F")
    columns, rows = relief.behind_size
    across, up = 1 / behind.width, 1 / behind.height
    between = (columns - 1) * across, (rows - 1) * up, across / 2, up / 2
    whole = width / picture.width, height / picture.height, 0.0, 0.0
    return (
        _Layer(picture, whole, _corners(relief.vertices, relief.triangles)),
        _Layer(behind, between, _corners(relief.behind, relief.behind_triangles)),
    )


def _corners(vertices: np.ndarray, triangles: np.ndarray) -> gpu.types.GPUBatch:
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="corner", comp_type="F32", len=4, fetch_mode="FLOAT")
    held = gpu.types.GPUVertBuf(layout, len(vertices))
    held.attr_fill("corner", vertices)
    indices = gpu.types.GPUIndexBuf(type="TRIS", seq=triangles)
    return gpu.types.GPUBatch(type="TRIS", buf=held, elem=indices)


def _batch(dots: PointSample, count: int) -> gpu.types.GPUBatch:
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="place", comp_type="F32", len=3, fetch_mode="FLOAT")
    layout.attr_add(id="rgb", comp_type="F32", len=4, fetch_mode="FLOAT")
    vertices = gpu.types.GPUVertBuf(layout, count)
    vertices.attr_fill("place", dots.places[:count])
    vertices.attr_fill("rgb", dots.tints[:count])
    return gpu.types.GPUBatch(type="POINTS", buf=vertices)


def forget_gpu() -> None:
    """Drop shaders and such, as when the extension is disabled."""
    _kept.clear()
