# SPDX-License-Identifier: GPL-3.0-or-later
"""PLY point clouds, and the centres and base colours of 3D Gaussian splats without a shape."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from plyfile import PlyData, PlyElement, PlyParseError

from ...conditioning.anchors.spacing import point_radii
from ...shared.anchors import Anchors
from ...shared.errors import InputError
from ...shared.harmonics import SH_C0
from ...shared.reading import as_sentence, open_plain
from ..origin import origin_of

MAX_HEADER = 64 * 1024
MAX_PROPERTIES = 512
MAX_POINTS = 200_000_000
MIN_OPACITY = 0.1
FARTHEST = 1e9
"""Units from the origin; what lies beyond is no point."""
_SIZES = {
    "char": 1, "uchar": 1, "int8": 1, "uint8": 1, "short": 2, "ushort": 2, "int16": 2,
    "uint16": 2, "int": 4, "uint": 4, "int32": 4, "uint32": 4, "float": 4, "float32": 4,
    "double": 8, "float64": 8,
}  # fmt: skip
UP_AXES = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]),
    "-y": np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]),
}
"""Rotations that bring a file's upward axis to z."""
ColourMode = Literal["auto", "sh", "rgb"]
"""Which of a PLY file's colours are read: spherical harmonics where it has such, or one of both."""
_BASE = ("f_dc_0", "f_dc_1", "f_dc_2")
_RGB = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"),
        ("r", "g", "b"))  # fmt: skip


def read_ply(
    path: Path,
    up: str | None = None,
    scale: float = 1.0,
    origin: np.ndarray | None = None,
    colours: ColourMode = "auto",
) -> tuple[Anchors, np.ndarray]:
    """Anchors from a PLY file without `origin` (3,), and that; points not finite are left out.

    up: which axis of the file points upwards ("z", "y" or "-y"); None = z for point clouds and -y
    for Gaussian splats, as their trainers write them. scale: metres per unit of the file. origin:
    metres, z up; None chooses it (see `origin_of`).

    Raises InputError when the file is no PLY, its header lies, or it has no points.
    """
    path = Path(path)
    check_header(path)
    vertex = _vertices(path)
    names = {p.name for p in vertex.properties}
    if not {"x", "y", "z"} <= names:
        raise InputError(f"'{path.name}' has no vertex positions x, y and z.")
    xyz = np.stack([np.asarray(vertex[a], np.float64) for a in "xyz"], axis=1)
    splats = set(_BASE) <= names
    from_harmonics = are_harmonics(vertex, colours, path.name)
    rgb = base_colours(vertex) if from_harmonics else rgb_colours(vertex)
    keep = np.isfinite(xyz).all(axis=1) & (np.abs(xyz) < FARTHEST).all(axis=1)
    if splats and "opacity" in names:
        opacity = np.asarray(vertex["opacity"], np.float32)
        keep &= opacity > np.log(MIN_OPACITY / (1 - MIN_OPACITY))
    xyz, rgb = xyz[keep], rgb[keep]
    if not len(xyz):
        raise InputError(f"'{path.name}' has no usable points.")
    xyz = xyz @ (UP_AXES[up or ("-y" if splats else "z")] * scale).T
    origin = origin_of(xyz) if origin is None else origin
    xyz = (xyz - origin).astype(np.float32)
    if "radius" in names and not splats:
        radius = np.nan_to_num(np.asarray(vertex["radius"], np.float32)[keep]) * scale
    else:
        radius = point_radii(xyz)
    return Anchors(xyz, rgb, radius.astype(np.float32)), origin


def check_header(path: Path) -> None:
    """Refuses what would make a reader slow or wrong before it allocates anything."""
    try:
        size = path.stat().st_size
        with open_plain(path) as file:
            head = file.read(MAX_HEADER)
    except OSError as error:
        raise InputError(f"'{path}' cannot be read; check the path.") from error
    if not head.startswith((b"ply\n", b"ply\r")):
        raise InputError(f"'{path.name}' is not a PLY file; export it again, as PLY, OBJ or glTF.")
    end = head.find(b"end_header")
    if end < 0 and len(head) == MAX_HEADER:
        raise InputError(
            f"'{path.name}' has a PLY header of more than {MAX_HEADER // 1024} kB; export "
            "positions and colours only."
        )
    if end < 0:
        raise InputError(f"'{path.name}' has a PLY header without an end; export it again.")
    lines = head[:end].decode("ascii", errors="replace").split("\n")
    if sum(line.startswith("property") for line in lines) > MAX_PROPERTIES:
        raise InputError(
            f"'{path.name}' has more than {MAX_PROPERTIES} properties; export positions and "
            "colours only."
        )
    needed, ascii_format = 0, False
    row = count = 0
    for words in (line.split() for line in lines):
        if words[:1] == ["format"]:
            ascii_format = words[1:2] == ["ascii"]
        elif words[:1] == ["element"]:
            needed += count * row
            count, row = _count(words, path), 0
            if words[1] == "vertex" and count > MAX_POINTS:
                raise InputError(
                    f"'{path.name}' claims {count} points; thin it to at most {MAX_POINTS}."
                )
        elif words[:1] == ["property"]:
            row += 2 if ascii_format else _SIZES.get("".join(words[1:2]), 1)
    needed += count * row
    if needed > size - end:
        raise InputError(
            f"'{path.name}' is shorter than its header says; it is cut off or damaged."
        )


def _count(words: list[str], path: Path) -> int:
    if len(words) != 3 or not words[2].isdigit() or len(words[2]) > 18:
        raise InputError(f"'{path.name}' has a damaged PLY header; export it again.")
    return int(words[2])


def _vertices(path: Path) -> PlyElement:
    triangles = {"face": {"vertex_indices": 3, "vertex_index": 3}}
    with as_sentence(
        lambda why: InputError(f"'{path.name}' cannot be read as PLY: {why}."), PlyParseError
    ):
        try:
            data = PlyData.read(str(path), known_list_len=triangles)
        except (PlyParseError, ValueError, KeyError):
            data = PlyData.read(str(path))  # faces that are not all triangles
        return data["vertex"]


def are_harmonics(vertex: PlyElement, wanted: ColourMode, name: str) -> bool:
    """Whether colours are to be read from spherical harmonics. Raises InputError when the file
    `name` has not those that are wanted."""
    names = {p.name for p in vertex.properties}
    there = {"sh": set(_BASE) <= names, "rgb": any(set(t) <= names for t in _RGB), "auto": True}
    if not there[wanted]:
        what = {"sh": "spherical harmonics", "rgb": "red, green and blue"}[wanted]
        raise InputError(f"'{name}' has no colours as {what}; choose automatic colours.")
    return there["sh"] and wanted != "rgb"


def base_colours(vertex: PlyElement) -> np.ndarray:
    """(N, 3) uint8 of Gaussian splats, seen from anywhere."""
    base = np.stack([np.asarray(vertex[name], np.float32) for name in _BASE], axis=1)
    return (np.clip(np.nan_to_num(0.5 + SH_C0 * base), 0, 1) * 255 + 0.5).astype(np.uint8)


def rgb_colours(vertex: PlyElement) -> np.ndarray:
    """(N, 3) uint8 of red, green and blue, whole numbers or parts of 1; grey without such."""
    names = {p.name for p in vertex.properties}
    for triple in _RGB:
        if set(triple) <= names:
            colour = np.stack([np.asarray(vertex[c]) for c in triple], axis=1)
            if colour.dtype == np.uint8:
                return colour
            if colour.dtype == np.uint16:
                return (colour >> 8).astype(np.uint8)
            top = 1.0 if np.nanmax(colour, initial=0) <= 1.0 else 255.0
            return np.clip(np.nan_to_num(colour) / top * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.full((vertex.count, 3), 160, np.uint8)
