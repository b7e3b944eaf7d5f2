# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene's own meshes, drawn by Blender's GPU in their base colours: what shows where there is
no frame yet, in the gaps of a moved one, and instead of frames while there is no backend."""

from __future__ import annotations

from dataclasses import dataclass

import gpu
import numpy as np
from mathutils import Matrix

from ..scene_sync.contents import Placed

MOST_TRIANGLES = 300_000
MOST_INSTANCES = 2_000
"""Scenes beyond these are shown as dots: handing them to the GPU would hold Blender up."""

SPARE = 64
"""Meshes that are not in the scene that is drawn and stay on the GPU all the same."""

_VERTEX = """
void main()
{
  gl_Position = to_clip * vec4(place, 1.0);
  gl_Position.z = 0.5 * (gl_Position.z + gl_Position.w);
  seen = gl_Position.xyw;
}
"""
# the angle to the eye by the surface's own slope on the screen, so that no normals are needed
_FRAGMENT = """
void main()
{
  vec3 across = dFdx(seen), down = dFdy(seen);
  vec3 normal = cross(across, down);
  float facing = abs(normal.z) / max(length(normal), 1e-20);
  colour = vec4(tint.rgb * (0.35 + 0.65 * sqrt(clamp(facing, 0.0, 1.0))), 1.0);
}
"""
_kept: dict[str, gpu.types.GPUShader] = {}
_batches: dict[bytes, gpu.types.GPUBatch] = {}
"""By the mesh's digest. They come and go while drawing only: not in a thread."""


@dataclass(eq=False)
class Solids:
    """Meshes ready to be drawn. parts: digest, matrix (4, 4) to the world in metres, linear RGB.

    meshes: digest to vertices (V, 3) float32 and triangles (T, 3) int32.
    """

    parts: list[tuple[bytes, np.ndarray, tuple[float, float, float]]]
    meshes: dict[bytes, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, placed: list[Placed]) -> Solids | None:
        """All that is placed; None where it is too much. No GPU here: any thread."""
        meshes: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        parts = []
        total = 0
        for one in placed:
            mesh, digest = one.surface.mesh, one.surface.digest
            if digest not in meshes:
                total += len(mesh.triangles)
                if total > MOST_TRIANGLES or len(parts) > MOST_INSTANCES:
                    return None
                meshes[digest] = (
                    np.ascontiguousarray(mesh.vertices, np.float32),
                    np.ascontiguousarray(mesh.triangles, np.int32),
                )
            look = one.looks[0] if one.looks else None
            tint = look.linear() if look is not None else (0.5, 0.5, 0.5)
            parts.append((digest, one.matrix, tuple(float(v) for v in tint)))
        return cls(parts, meshes)

    def draw(self, to_clip: np.ndarray) -> None:
        """Into what is bound, in the farther half of its depth. to_clip: world in metres to clip
        space."""
        shader = _shader()
        shader.bind()
        for digest, matrix, tint in self.parts:
            batch = _batches.pop(digest, None) or _batch(*self.meshes[digest])
            _batches[digest] = batch  # the last drawn are the last
            shader.uniform_float("to_clip", Matrix((to_clip @ matrix).tolist()))
            shader.uniform_float("tint", (*tint, 1.0))
            batch.draw(shader)
        for digest in list(_batches)[: max(0, len(_batches) - len(self.meshes) - SPARE)]:
            if digest not in self.meshes:
                del _batches[digest]


def _batch(vertices: np.ndarray, triangles: np.ndarray) -> gpu.types.GPUBatch:
    layout = gpu.types.GPUVertFormat()
    layout.attr_add(id="place", comp_type="F32", len=3, fetch_mode="FLOAT")
    buffer = gpu.types.GPUVertBuf(layout, len(vertices))
    buffer.attr_fill("place", vertices)
    indices = gpu.types.GPUIndexBuf(type="TRIS", seq=triangles)
    return gpu.types.GPUBatch(type="TRIS", buf=buffer, elem=indices)


def _shader() -> gpu.types.GPUShader:
    if "solid" not in _kept:
        info = gpu.types.GPUShaderCreateInfo()
        info.push_constant("MAT4", "to_clip")
        info.push_constant("VEC4", "tint")
        info.vertex_in(0, "VEC3", "place")
        passed = gpu.types.GPUStageInterfaceInfo("worldfm_solid")
        passed.smooth("VEC3", "seen")
        info.vertex_out(passed)
        info.fragment_out(0, "VEC4", "colour")
        info.vertex_source(_VERTEX)
        info.fragment_source(_FRAGMENT)
        _kept["solid"] = gpu.shader.create_from_info(info)
    return _kept["solid"]


def forget_gpu() -> None:
    """Drop shader and meshes, as when the extension is disabled."""
    _kept.clear()
    _batches.clear()
