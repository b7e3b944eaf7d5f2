# SPDX-License-Identifier: GPL-3.0-or-later
"""Every reader of a stranger's file: whole files for it, and how it is called."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from plyfile import PlyData, PlyElement

from backend.conditioning.anchors.lifting import lift
from backend.data.nerfstudio import PosedFrame, read_dataset, write_dataset
from backend.data.photos import read_photo
from backend.models.config_file import check_sizes, read_config
from backend.models.load_frame_model import load_frame_model
from backend.models.weights_file import EMBEDDED
from backend.shared.anchors import Anchors
from backend.shared.camera_path import read_camera_path, write_camera_path
from backend.shared.errors import InputError
from backend.shared.frame import FrameRequest
from backend.shared.fspy import read_fspy
from backend.shared.messages import Hello, PutWorld, Render, encode
from backend.shared.moment import Moment
from backend.shared.png import decode_png, encode_png
from backend.shared.wire import receive_message
from backend.shared.world import World
from backend.shared.world_content import ContentReader, write_content
from backend.shared.world_folder import load_world, save_world
from backend.world.exporters import export_meta, export_ply
from backend.world.frame_exchange import read_frame_to_keep
from backend.world.importers.colmap_files import check_binary_model
from backend.world.importers.gpano import on_sphere, read_crop
from backend.world.importers.mesh_scene import mesh_scene
from backend.world.importers.meshes import mesh_anchors
from backend.world.importers.meta import read_meta
from backend.world.importers.ply import read_ply
from backend.world.importers.splats import read_splats
from tests.extension import extension_part
from tests.scenes.world_room import photograph, room_camera
from tests.shared.scenes import small_scene
from tests.world.test_import_gltf import square


@dataclass(frozen=True)
class Target:
    """make: writes whole files into a folder. read: reads them; files: those that are damaged.

    share: of a number of inputs, beside other targets; slow readers have less.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], object]
    files: Callable[[Path], list[Path]] = lambda folder: sorted(
        path for path in folder.rglob("*") if path.is_file()
    )
    share: float = 1.0


def _room() -> World:
    seen = photograph(room_camera(size=(32, 24)), "a")
    remembered = seen.seen_at(Moment.of(small_scene(), {"cube#0"}))
    return World(lift(seen), [remembered], 7)


def _dataset(folder: Path) -> None:
    seen = photograph(room_camera(size=(32, 24)), "a")
    frames = [PosedFrame(camera=seen.camera, rgb=seen.rgb, depth=seen.depth, name="0000")]
    write_dataset(folder / "set", frames)


def _pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
    for ending in ("png", "jpg", "tif", "webp", "bmp"):
        image.save(folder / f"photo.{ending}")
    Image.fromarray(rng.integers(0, 65535, (40, 50), dtype=np.uint16)).save(folder / "deep.png")
    Image.fromarray(rng.random((40, 50), dtype=np.float32)).save(folder / "float.tif")


def _clouds(folder: Path) -> None:
    rng = np.random.default_rng(0)
    anchors = Anchors(
        rng.normal(size=(60, 3)).astype(np.float32),
        rng.integers(0, 256, (60, 3), dtype=np.uint8),
        np.full(60, 0.1, np.float32),
    )
    export_ply(anchors, folder / "binary.ply")
    lines = [
        "ply", "format ascii 1.0", "element vertex 60",
        *(f"property float {axis}" for axis in "xyz"), "end_header",
        *(" ".join(map(str, point)) for point in anchors.xyz),
    ]  # fmt: skip
    (folder / "text.ply").write_text("\n".join(lines) + "\n")


def _fspy(folder: Path) -> None:
    rows = np.eye(4).tolist()
    state = json.dumps({"cameraParameters": {
        "imageWidth": 64, "imageHeight": 48, "horizontalFieldOfView": 1.0,
        "principalPoint": {"x": 0.0, "y": 0.0}, "cameraTransform": {"rows": rows},
    }}).encode()  # fmt: skip
    head = b"fspy" + np.array([1, len(state), 4], "<u4").tobytes()
    (folder / "a.fspy").write_bytes(head + state + b"jpeg")


def _colmap(folder: Path) -> None:
    count, camera = np.array([1], "<u8").tobytes(), np.array([1, 1], "<i4").tobytes()
    size, params = np.array([64, 48], "<u8").tobytes(), np.ones(4, "<f8").tobytes()
    (folder / "cameras.bin").write_bytes(count + camera + size + params)
    pose = np.array([1], "<u4").tobytes() + np.ones(7, "<f8").tobytes() + camera[:4]
    (folder / "images.bin").write_bytes(count + pose + b"a.png\0" + count + bytes(24))
    point = np.array([1], "<u8").tobytes() + bytes(24 + 3 + 8) + count + bytes(8)
    (folder / "points3D.bin").write_bytes(count + point)


def _exchange(folder: Path) -> None:
    seen = photograph(room_camera(size=(32, 24)), "a")
    camera = np.array(json.dumps(seen.camera.to_json()))
    np.savez(folder / "a.npz", rgb=seen.rgb, known=seen.depth, camera=camera, depth0=seen.depth,
             camera0=camera)  # fmt: skip


def _model(folder: Path) -> None:
    (folder / "config.json").write_bytes((EMBEDDED / "config.json").read_bytes())
    (folder / "model.safetensors").symlink_to(EMBEDDED / "model.safetensors")


def _meshes(folder: Path) -> None:
    import trimesh

    box = trimesh.creation.box()
    box.visual.vertex_colors = np.full((len(box.vertices), 4), 99, np.uint8)
    for ending in ("glb", "obj", "ply"):
        box.export(folder / f"box.{ending}")
    pbr = {"baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 0}}
    material = {"pbrMetallicRoughness": pbr, "alphaMode": "MASK", "emissiveFactor": [1, 1, 1]}
    square(folder / "square.gltf", material, (0.5, 1.0, 0.5))


def _read_mesh(path: Path) -> None:
    mesh_anchors(path, None, 1.0, 500)
    mesh_scene(path, None, 1.0)


def _splats(folder: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
             *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]  # fmt: skip
    rows = np.zeros(40, [(name, "<f4") for name in names])
    for name in names:
        rows[name] = rng.normal(size=40)
    PlyData([PlyElement.describe(rows, "vertex")]).write(folder / "splats.ply")


def _light(folder: Path) -> None:
    import OpenEXR

    rgb = np.random.default_rng(0).random((36, 40, 3), dtype=np.float32)
    for name, kind in (("zip", OpenEXR.ZIP_COMPRESSION), ("none", OpenEXR.NO_COMPRESSION)):
        header = {"compression": kind, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"RGB": rgb}).write(str(folder / f"{name}.exr"))
    cv2.imwrite(str(folder / "sky.hdr"), rgb)


def _blenders_picture(folder: Path) -> None:
    import OpenEXR

    rng = np.random.default_rng(0)
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    channels = {name: rng.random((12, 16), dtype=np.float32) for name in ("V.Combined.R", "V.Z.Z")}
    OpenEXR.File(header, channels).write(str(folder / "capture.exr"))


def _read_blenders_picture(folder: Path) -> None:
    try:
        extension_part("scene_sync.exr").read_exr(folder / "capture.exr")
    except extension_part("backend.shared.errors").WorldFMError as error:  # the extension's own
        raise InputError(str(error)) from error


def _packet(folder: Path) -> None:
    pairs = [("FullPanoWidthPixels", 64), ("FullPanoHeightPixels", 32),
             ("CroppedAreaImageWidthPixels", 32), ("CroppedAreaImageHeightPixels", 16),
             ("CroppedAreaLeftPixels", 8), ("CroppedAreaTopPixels", 4)]  # fmt: skip
    text = " ".join(f'GPano:{name}="{value}"' for name, value in pairs)
    (folder / "a.xmp").write_text(f"<x {text}/>")


def _read_packet(folder: Path) -> None:
    crop = read_crop((folder / "a.xmp").read_bytes())
    if crop is not None:
        on_sphere(np.full((16, 32, 3), 9, np.uint8), crop, 256)


def _png(folder: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    (folder / "a.png").write_bytes(encode_png(rgb))


def _read_png(folder: Path) -> None:
    with contextlib.suppress(ValueError):  # what it promises its callers
        decode_png((folder / "a.png").read_bytes())


def _meta(folder: Path) -> None:
    seen = photograph(room_camera(size=(32, 24)), "a")
    export_meta(seen, [seen.camera], folder / "meta", "room")


class _Pieces:
    """A socket that has said all that it will."""

    def __init__(self, pieces: list[str | bytes]) -> None:
        self._pieces = pieces

    async def recv(self) -> str | bytes:
        if not self._pieces:
            raise ConnectionError("nothing more comes")
        return self._pieces.pop(0)

    async def send(self, message: object) -> None: ...


def _wire(folder: Path) -> None:
    camera = room_camera(size=(32, 24))
    messages = (
        Hello(1, "a token"),
        Render(1, "w", 3, FrameRequest(camera, 1, 7)),
        PutWorld("w", 3, "00", ("11", "22")),
    )
    for i, message in enumerate(messages):
        (folder / f"{i}.json").write_text(encode(message)[0])


def _heard(folder: Path) -> None:
    for file in sorted(folder.glob("*.json")):
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        with contextlib.suppress(ConnectionError):
            asyncio.run(receive_message(_Pieces([text, bytes(8)])))


def _content(folder: Path) -> None:
    content, arrays = write_content(_room())
    (folder / "content.json").write_bytes(content.tobytes())
    np.savez(folder / "arrays.npz", **arrays)


def _read_content(folder: Path) -> None:
    data = np.frombuffer((folder / "content.json").read_bytes(), np.uint8)
    with np.load(folder / "arrays.npz") as arrays:
        ContentReader().read(data, dict(arrays))


def _each(folder: Path, pattern: str, read: Callable[[Path], object]) -> None:
    for path in sorted(folder.glob(pattern)):
        read(path)


TARGETS: dict[str, Target] = {
    "world folder": Target(lambda f: save_world(_room(), f / "w"), lambda f: load_world(f / "w")),
    "camera path": Target(
        lambda f: write_camera_path(f / "p.json", [room_camera(size=(32, 24))] * 3),
        lambda f: read_camera_path(f / "p.json"),
    ),
    "capture": Target(_dataset, lambda f: read_dataset(f / "set"), share=0.5),
    "photo": Target(_pictures, lambda f: _each(f, "*.*", read_photo), share=0.3),
    "picture of light": Target(_light, lambda f: _each(f, "*.*", read_photo), share=0.5),
    "Blender's picture": Target(_blenders_picture, _read_blenders_picture),
    "png": Target(_png, _read_png),
    "panorama's metadata": Target(_packet, _read_packet),
    "mesh": Target(_meshes, lambda f: _each(f, "*.*", _read_mesh), share=0.3),
    "splats": Target(_splats, lambda f: read_splats(f / "splats.ply", "ply")),
    "point cloud": Target(_clouds, lambda f: _each(f, "*.ply", read_ply)),
    "fspy": Target(_fspy, lambda f: read_fspy(f / "a.fspy")),
    "colmap": Target(_colmap, check_binary_model),
    "frame to keep": Target(_exchange, lambda f: read_frame_to_keep(f / "a.npz")),
    "meta.json": Target(_meta, lambda f: read_meta(f / "meta" / "meta.json")),
    "model folder": Target(
        _model,
        lambda f: check_sizes(read_config(f, "The model", "get it again")) or load_frame_model(f),
        lambda f: [f / "config.json"],
        share=0.1,
    ),
    "wire": Target(_wire, _heard),
    "world on the wire": Target(_content, _read_content, lambda f: [f / "content.json"]),
}
