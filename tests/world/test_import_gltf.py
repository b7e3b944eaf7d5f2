# SPDX-License-Identifier: GPL-3.0-or-later
"""What a glTF says of colours, alpha and compression is heard."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from backend.pipelines.lit_seam import load_lit_pipeline
from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.color import linear_to_srgb, srgb_to_linear
from backend.shared.errors import InputError
from backend.shared.frame import FrameRequest
from backend.world.importers.meshes import mesh_anchors
from backend.world.importers.point_cloud import world_from_ply


def square(path, material, corners=None, more=None):
    """A unit square that looks along -y once z is up; its texture is (200, 100, 200), clear at the
    left. corners: one linear colour for all its vertices."""
    pixels = np.full((8, 8, 4), (200, 100, 200, 255), np.uint8)
    pixels[:, :4, 3] = 0
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "PNG")
    place = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
    parts = [place, np.array([0, 1, 2, 0, 2, 3], np.uint16), place[:, :2].copy()]
    kinds = [(5126, 4, "VEC3"), (5123, 6, "SCALAR"), (5126, 4, "VEC2")]
    attributes = {"POSITION": 0, "TEXCOORD_0": 2}
    if corners is not None:
        parts.append(np.tile(np.array(corners, np.float32), (4, 1)))
        kinds.append((5126, 4, "VEC3"))
        attributes["COLOR_0"] = 3
    blobs = [part.tobytes() for part in parts] + [picture.getvalue()]
    views, whole = [], b""
    for blob in blobs:
        views.append({"buffer": 0, "byteOffset": len(whole), "byteLength": len(blob)})
        whole += blob + b"\0" * (-len(blob) % 4)
    accessors = [
        {"bufferView": i, "componentType": t, "count": n, "type": kind}
        for i, (t, n, kind) in enumerate(kinds)
    ]
    text = base64.b64encode(whole).decode()
    header = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 1, "material": 0}]}],
        "materials": [material], "accessors": accessors, "bufferViews": views,
        "images": [{"bufferView": len(blobs) - 1, "mimeType": "image/png"}],
        "textures": [{"source": 0}],
        "buffers": [{"byteLength": len(whole), "uri": f"data:;base64,{text}"}],
    }  # fmt: skip
    path.write_text(json.dumps(header | (more or {})))
    return path


def shown_by(path) -> np.ndarray:
    """(64, 64, 3) the square from its front, by the lit pipeline."""
    world = world_from_ply(path)
    pose = look_at(np.array([0.5, -1, 0.5]), np.array([0.5, 0, 0.5]))
    pipeline = load_lit_pipeline()
    assert pipeline is not None
    request = FrameRequest(Camera(intrinsics(0.6, 64, 64), pose, 64, 64), mode="lit", draft=True)
    return pipeline.render(pipeline.prepare(world), request).rgb


FACTOR, CORNERS = (1.0, 0.5, 0.2), (0.5, 1.0, 0.5)
TEXTURE = srgb_to_linear(np.array([200, 100, 200]) / 255)


@pytest.mark.parametrize("textured", [True, False])
@pytest.mark.parametrize("corners", [CORNERS, None])
def test_texture_factor_and_corners_colour_a_gltf_together(tmp_path, textured, corners):
    pbr = {"metallicFactor": 0, "roughnessFactor": 1, "baseColorFactor": [*FACTOR, 1]}
    pbr |= {"baseColorTexture": {"index": 0}} if textured else {}
    path = square(tmp_path / "a.gltf", {"pbrMetallicRoughness": pbr}, corners)
    linear = np.array(FACTOR) * (TEXTURE if textured else 1) * (1 if corners is None else corners)
    wanted = 255 * linear_to_srgb(linear)
    shown = np.median(shown_by(path)[24:40, 24:40].reshape(-1, 3), axis=0)
    assert np.abs(shown - wanted).max() < 9
    points, _ = mesh_anchors(path, None, 1.0, most=500)
    assert np.abs(np.median(points.rgb, axis=0) - wanted).max() < 3


@pytest.mark.parametrize("mode", ["OPAQUE", "MASK", "BLEND"])
def test_alpha_of_a_gltf_counts_as_its_material_says(tmp_path, mode):
    pbr = {"metallicFactor": 0, "baseColorTexture": {"index": 0}}
    path = square(tmp_path / "a.gltf", {"pbrMetallicRoughness": pbr, "alphaMode": mode})
    shown = shown_by(path)
    left, right = (np.median(shown[24:40, part].reshape(-1, 3), axis=0)
                   for part in (slice(20, 28), slice(36, 44)))  # fmt: skip
    assert np.abs(right - (200, 100, 200)).max() < 14
    # what is clear shows the even light behind it
    assert np.abs(left - ((200, 100, 200) if mode == "OPAQUE" else 255)).max() < 14


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_texture_basisu"]
)
def test_a_compressed_gltf_is_refused_by_name(tmp_path, name):
    path = square(tmp_path / "a.gltf", {}, more={"extensionsRequired": [name]})
    with pytest.raises(InputError, match=rf"{name}.*export it without compression\.$"):
        world_from_ply(path)
