# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes are surfaces: points are spread over their triangles, coloured by texture or vertex."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...shared.anchors import Anchors
from ...shared.color import linear_to_srgb, srgb_to_linear
from ...shared.errors import InputError
from ...shared.reading import inside, open_plain, read_bytes, reason
from ..origin import origin_of
from .ply import UP_AXES, check_header

KINDS = (".obj", ".glb", ".gltf")
MOST_BYTES = 2 << 30
MOST_POINTS = 1_500_000
MOST_TRIANGLES = 20_000_000
UP = {".obj": "y", ".glb": "y", ".gltf": "y", ".ply": "z"}
GREY = 160
COLORS = "Color"
"""Name of the layer of corners' colours that materials look up."""
LINEAR = "linear_color"
"""Name under which a trimesh keeps the colours of glTF's vertices, which are linear."""
KNOWN = ("KHR_lights_punctual", "EXT_texture_webp", "KHR_node_visibility", "KHR_xmp_json_ld")
"""glTF extensions, besides KHR_materials_*, without which a file's surfaces are what they are."""


def is_mesh(path: Path) -> bool:
    """Whether the file is a mesh by its ending, or a PLY with faces."""
    ending = path.suffix.lower()
    if ending != ".ply":
        return ending in KINDS
    try:
        with open_plain(path) as file:
            head = file.read(65536).split(b"end_header")[0]
    except OSError:
        return False
    lines = [line.split() for line in head.splitlines() if line.startswith(b"element face")]
    return any(len(words) == 3 and words[2].isdigit() and int(words[2]) > 0 for words in lines)


def mesh_anchors(
    path: Path,
    up: str | None,
    scale: float,
    most: int = MOST_POINTS,
    origin: np.ndarray | None = None,
) -> tuple[Anchors, np.ndarray]:
    """Points over a mesh's surface, metres and z up, without the origin, and that (3,) float64.

    origin: metres, z up; None chooses it (see `origin_of`). Raises InputError when the file cannot
    be read, is too large or has no triangles.
    """
    path = Path(path)
    with _as_sentence(path):
        return _anchors(path, up, scale, most, origin)


def read_meshes(path: Path) -> list[Any]:
    """The trimeshes of a file, where they stand. Raises InputError as `mesh_anchors` does."""
    with _as_sentence(Path(path)):
        return _read(Path(path))


@contextmanager
def _as_sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the library raises whatever its parsers meet in a damaged file
        raise InputError(f"'{path.name}' cannot be read as a mesh ({reason(error)}).") from error


def _read(path: Path) -> list[Any]:
    import trimesh

    ending = path.suffix.lower()
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise InputError(f"'{path.name}' is larger than {MOST_BYTES >> 30} GB; simplify it first.")
    if ending == ".ply":
        check_header(path)
    elif ending != ".obj":
        _check_extensions(path)
    with open_plain(path) as file:
        scene = trimesh.load_scene(
            file, file_type=ending[1:], resolver=cast(Any, _Inside(path.parent)), process=False
        )
    if ending in (".glb", ".gltf"):
        for part in scene.geometry.values():
            _keep_linear_colors(part)
    meshes = [m for m in scene.dump() if isinstance(m, trimesh.Trimesh) and len(m.faces)]
    if not meshes or sum(len(m.faces) for m in meshes) > MOST_TRIANGLES:
        raise InputError(f"'{path.name}' has no triangles, or more than {MOST_TRIANGLES}.")
    return meshes


def _keep_linear_colors(part: Any) -> None:
    """glTF's colours of vertices, which trimesh loses beside a material, go with the mesh."""
    colors = getattr(part.visual, "vertex_attributes", {}).get("color")
    if getattr(part.visual, "kind", None) == "vertex":
        colors = np.asarray(part.visual.vertex_colors)
    if colors is None or np.ndim(colors) != 2 or colors.shape[1] not in (3, 4):
        return
    most = np.iinfo(colors.dtype).max if colors.dtype.kind == "u" else 1
    part.vertex_attributes[LINEAR] = np.clip(np.nan_to_num(colors / most), 0, 1)


def _check_extensions(path: Path) -> None:
    """Raises InputError for a glTF that may not be read without what is not known here, such as
    compressed corners: it would come in as something else."""
    with open_plain(path) as file:
        text = file.read(20)
        if text[:4] == b"glTF":  # the first chunk's length, its kind; its JSON comes next
            text = file.read(int.from_bytes(text[12:16], "little"))
        else:
            text += file.read()
    header = json.loads(text.decode("utf-8-sig"))
    required = header.get("extensionsRequired", [])
    unknown = [e for e in required if e not in KNOWN and not str(e).startswith("KHR_materials_")]
    if unknown:
        raise InputError(
            f"'{path.name}' is written with {str(unknown[0])[:60]}, which is not read here; "
            "export it without compression."
        )


def _anchors(
    path: Path, up: str | None, scale: float, most: int, origin: np.ndarray | None
) -> tuple[Anchors, np.ndarray]:
    parts = [(np.asarray(m.triangles, np.float64), m) for m in _read(path)]
    turn = UP_AXES[up or UP[path.suffix.lower()]] * scale
    if origin is None:
        origin = origin_of(np.concatenate([t.reshape(-1, 3)[::7] for t, _ in parts]) @ turn.T)
    areas = [_areas(t @ turn.T) for t, _ in parts]
    total = sum(float(a.sum()) for a in areas)
    if not (np.isfinite(total) and total > 0):
        raise InputError(f"'{path.name}' has no surface: its triangles have no area.")
    spacing = np.sqrt(total / most)
    made = [
        _spread(t @ turn.T - origin, area, mesh, spacing, number)
        for number, ((t, mesh), area) in enumerate(zip(parts, areas, strict=True))
    ]
    return Anchors.concatenate(made), origin


class _Inside:
    """Files that a mesh names, from its own folder alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes:
        """The file's content."""
        path = inside(self.folder, name.replace("\\", "/").split("?")[0])
        if not path.is_file():
            raise FileNotFoundError(name)
        return read_bytes(path, MOST_BYTES)

    def __getitem__(self, name: str) -> bytes:
        return self.get(name)

    def keys(self) -> list[str]:
        """Nothing is listed; what is named is looked up."""
        return []

    def write(self, name: str, data: bytes) -> None:
        """Nothing is written beside a user's file."""
        raise PermissionError(name)

    def namespaced(self, namespace: str) -> _Inside:
        """The same."""
        return self


def _areas(triangles: np.ndarray) -> np.ndarray:
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return 0.5 * np.linalg.norm(cross, axis=1)


def _spread(
    triangles: np.ndarray, areas: np.ndarray, mesh: Any, spacing: float, seed: int
) -> Anchors:
    """About a point for each square of `spacing`, evenly by a low-discrepancy sequence."""
    wanted = np.nan_to_num(areas) / spacing**2
    rng = np.random.default_rng(seed)
    count = np.floor(wanted + rng.random(len(wanted))).astype(int)
    face = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    # R2 sequence (Roberts 2018), folded into the triangle
    u = (0.5 + 0.7548776662466927 * (place + 1)) % 1
    v = (0.5 + 0.5698402909980532 * (place + 1)) % 1
    fold = u + v > 1
    u, v = np.where(fold, 1 - u, u), np.where(fold, 1 - v, v)
    corner = np.stack([1 - u - v, u, v], axis=1)
    xyz = (triangles[face] * corner[..., None]).sum(axis=1)
    rgb = _colours(mesh, face, corner)
    keep = np.isfinite(xyz).all(axis=1)
    radius = np.full(int(keep.sum()), 0.75 * spacing, np.float32)
    return Anchors(xyz[keep].astype(np.float32), np.maximum(rgb[keep], 1), radius)


def is_gltf(material: Any) -> bool:
    """Whether a trimesh's material is one of glTF."""
    return hasattr(material, "baseColorFactor")


def picture_of(material: Any) -> Any:
    """The picture of a material's base colour, None without."""
    return getattr(material, "baseColorTexture", None) or getattr(material, "image", None)


def base_factor(material: Any) -> np.ndarray:
    """(4,) linear colour and alpha of a trimesh's material, grey without one."""
    if is_gltf(material):
        factor = material.baseColorFactor
        return np.ones(4) if factor is None else np.asarray(factor, np.float64) / 255
    plain = getattr(material, "main_color", None)
    shade = np.full(3, GREY) if plain is None else np.asarray(plain)[:3]
    return np.append(srgb_to_linear(shade.astype(np.float64) / 255), 1.0)


def corner_colors(mesh: Any) -> tuple[np.ndarray, bool] | None:
    """(T, 3, 4) float32 in [0, 1] of a trimesh's corners, by vertex or face, and whether they are
    linear, as those of glTF's materials; None if there are none."""
    visual, faces = mesh.visual, np.asarray(mesh.faces)
    linear = mesh.vertex_attributes.get(LINEAR)
    if linear is not None and len(linear) == len(mesh.vertices):
        wide = np.ones((len(linear), 4), np.float32)
        wide[:, : linear.shape[1]] = linear
        return wide[faces], True
    kind = getattr(visual, "kind", None)
    if kind == "vertex":
        return np.asarray(visual.vertex_colors, np.float32)[faces] / 255, False
    if kind == "face":
        each = np.asarray(visual.face_colors, np.float32)[:, None] / 255
        return np.repeat(each, 3, axis=1), False
    return None


def _colours(mesh: Any, face: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 of points in triangles: texture, factor and corners' colours together."""
    visual = mesh.visual
    uv = getattr(visual, "uv", None)
    material = getattr(visual, "material", None)
    picture = picture_of(material)
    shade = np.ones((len(face), 3))
    bare = True
    if uv is not None and len(uv) == len(mesh.vertices) and picture is not None:
        image = np.asarray(picture.convert("RGB"))
        at = (np.asarray(uv)[mesh.faces[face]] * corner[..., None]).sum(axis=1)
        at = np.nan_to_num(at) % 1.0
        x = np.minimum((at[:, 0] * image.shape[1]).astype(int), image.shape[1] - 1)
        y = np.minimum(((1 - at[:, 1]) * image.shape[0]).astype(int), image.shape[0] - 1)
        shade, bare = srgb_to_linear(image[y, x] / 255.0), False
    found = corner_colors(mesh)
    if found is not None:
        own = (found[0][face] * corner[..., None]).sum(axis=1)[:, :3]
        shade, bare = shade * (own if found[1] else srgb_to_linear(own)), False
    if bare or is_gltf(material):
        shade = shade * base_factor(material)[:3]
    return np.rint(255 * linear_to_srgb(shade)).clip(0, 255).astype(np.uint8)
