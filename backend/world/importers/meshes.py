# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes are surfaces: points are spread over their triangles, coloured by texture or vertex."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...shared.anchors import Anchors
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
    with open_plain(path) as file:
        scene = trimesh.load_scene(
            file, file_type=ending[1:], resolver=cast(Any, _Inside(path.parent)), process=False
        )
    meshes = [m for m in scene.dump() if isinstance(m, trimesh.Trimesh) and len(m.faces)]
    if not meshes or sum(len(m.faces) for m in meshes) > MOST_TRIANGLES:
        raise InputError(f"'{path.name}' has no triangles, or more than {MOST_TRIANGLES}.")
    return meshes


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


def picture_of(material: Any) -> Any:
    """The picture of a material's base colour, None without."""
    return getattr(material, "baseColorTexture", None) or getattr(material, "image", None)


def _colours(mesh: Any, face: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """(N, 3) uint8 of points in triangles, by texture, vertex or face colour, or one for all."""
    visual = mesh.visual
    uv = getattr(visual, "uv", None)
    material = getattr(visual, "material", None)
    picture = picture_of(material)
    if uv is not None and len(uv) == len(mesh.vertices) and picture is not None:
        image = np.asarray(picture.convert("RGB"))
        at = (np.asarray(uv)[mesh.faces[face]] * corner[..., None]).sum(axis=1)
        at = np.nan_to_num(at) % 1.0
        x = np.minimum((at[:, 0] * image.shape[1]).astype(int), image.shape[1] - 1)
        y = np.minimum(((1 - at[:, 1]) * image.shape[0]).astype(int), image.shape[0] - 1)
        return image[y, x]
    if getattr(visual, "kind", None) == "vertex":
        shade = np.asarray(visual.vertex_colors)[:, :3].astype(np.float64)
        return (shade[mesh.faces[face]] * corner[..., None]).sum(axis=1).astype(np.uint8)
    if getattr(visual, "kind", None) == "face":
        return np.asarray(visual.face_colors)[face, :3]
    plain = getattr(material, "main_color", None)
    shade = np.asarray(plain)[:3] if plain is not None else np.full(3, GREY)
    return np.broadcast_to(shade.astype(np.uint8), (len(face), 3)).copy()
