# SPDX-License-Identifier: GPL-3.0-or-later
"""3D Gaussian splats of every kind people have, as anchors with shape and opacity."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement, PlyParseError

from ...shared.anchors import Anchors, turned
from ...shared.errors import InputError
from ...shared.harmonics import MOST_DEGREE, SH_C0, TERMS, kept, turned_harmonics
from ...shared.leftovers import temporary_folder
from ...shared.reading import as_sentence, open_plain
from ..origin import origin_of
from .apart import run_apart
from .ply import (
    FARTHEST,
    UP_AXES,
    ColourMode,
    are_harmonics,
    base_colours,
    check_header,
    rgb_colours,
)

MOST_BYTES = 4 << 30
MOST_SPLATS = 20_000_000
KINDS = {".splat": "splat", ".ksplat": "ksplat", ".spz": "spz", ".sog": "sog"}
"""Endings and gaussforge's names; compressed PLY is told by its header."""
ROW_BYTES = {"splat": 32, "ksplat": 24, "spz": 8, "sog": 4, "compressed.ply": 16}
"""Least bytes of a splat: what a file can hold at most follows from its size."""
UP = {"spz": "y"}
"""Which way is up where it is not down as trainers write it: SPZ has y up."""
FAINTEST = 1 / 255
"""Splats of less opacity show nowhere."""
_SECONDS, _BYTES_A_SECOND, _GIGABYTES = 30.0, 5e6, 6.0


@dataclass(eq=False)
class Splats:
    """xyz: (N, 3) float64. scale: (N, 3) standard deviations, same units. rotation: (N, 4) unit
    quaternions (w, x, y, z). opacity: (N,) in [0, 1]. rgb: (N, 3) uint8, seen from anywhere,
    none of them black. harmonics: (N, K, 3) int8 as of `Anchors`, in the file's axes."""

    xyz: np.ndarray
    scale: np.ndarray
    rotation: np.ndarray
    opacity: np.ndarray
    rgb: np.ndarray
    harmonics: np.ndarray | None = None


def splat_kind(path: Path) -> str | None:
    """gaussforge's name for the kind of splats in a file, "ply" for a 3DGS PLY, None for others."""
    kind = KINDS.get(path.suffix.lower())
    if kind is not None or path.suffix.lower() != ".ply":
        return kind
    try:
        with open_plain(path) as file:
            head = file.read(8192)
    except OSError:
        return None
    if b"packed_position" in head:
        return "compressed.ply"
    return "ply" if all(w in head for w in (b"opacity", b"scale_0", b"rot_0")) else None


def read_splats(
    path: Path, kind: str, colours: ColourMode = "auto", degree: int = MOST_DEGREE
) -> Splats:
    """The splats of a file. Raises InputError when it is damaged, too large or empty.

    colours: which of the file's are read. degree: of the harmonics that are read at most; each
    splat takes 3 (degree + 1)^2 bytes of them, and none at 0.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"'{path}' cannot be read; check the path.") from error
    if size > MOST_BYTES or size > 400 * MOST_SPLATS:
        raise InputError(f"'{path.name}' is larger than {MOST_BYTES >> 30} GB; thin it first.")
    if kind == "ply":
        return _from_ply(path, path.name, colours, degree)
    if kind == "compressed.ply":
        check_header(path)
    if size < ROW_BYTES[kind]:
        raise InputError(f"'{path.name}' is empty or cut off; export it again.")
    with temporary_folder("splats") as temporary:
        made = temporary / "splats.ply"
        run_apart(
            "read_splats", path, kind, made, what=f"'{path.name}'",
            seconds=_SECONDS + size / _BYTES_A_SECOND,
            gigabytes=_GIGABYTES + 120 * min(size, 1 << 28) / 1e9,
        )  # fmt: skip
        return _from_ply(made, path.name, colours, degree, kind == "ksplat")


def _from_ply(
    path: Path, name: str, colours: ColourMode, degree: int, by_degree: bool = False
) -> Splats:
    check_header(path)
    with as_sentence(
        lambda why: InputError(f"'{name}' is no 3DGS PLY that can be read ({why})."), PlyParseError
    ):
        rows = PlyData.read(str(path))["vertex"]
        columns = [[f"{p}{i}" for i in range(n)] for p, n in (("scale_", 3), ("rot_", 4))]
        if len(rows.data) > MOST_SPLATS:
            raise InputError(f"'{name}' has more than {MOST_SPLATS} splats; thin it first.")
        xyz = np.stack([np.asarray(rows[a], np.float64) for a in "xyz"], 1)
        scale, rotation = (
            np.stack([np.asarray(rows[c], np.float32) for c in group], 1) for group in columns
        )
        harmonics = None
        if are_harmonics(rows, colours, name):
            rgb = np.maximum(base_colours(rows), 1)  # black: a point without a colour
            harmonics = _harmonics(rows, rgb, degree, by_degree)
        else:
            rgb = np.maximum(rgb_colours(rows), 1)
        logit = np.asarray(rows["opacity"], np.float32)
    with np.errstate(over="ignore"):
        opacity = 1 / (1 + np.exp(-np.clip(np.nan_to_num(logit), -30, 30)))
        scale = np.exp(np.clip(scale, -30, 20))
    length = np.linalg.norm(rotation, axis=1)
    good = np.isfinite(xyz).all(axis=1) & (np.abs(xyz) < FARTHEST).all(axis=1)
    good &= np.isfinite(scale).all(axis=1) & np.isfinite(length) & (length > 1e-9)
    good &= opacity >= FAINTEST
    if not good.any():
        raise InputError(f"'{name}' has no usable splats.")
    rotation = rotation[good] / length[good, None]
    if harmonics is not None:
        harmonics = harmonics[good]
    return Splats(xyz[good], scale[good], rotation, opacity[good], rgb[good], harmonics)


def _harmonics(
    rows: PlyElement, rgb: np.ndarray, degree: int, by_degree: bool
) -> np.ndarray | None:
    """(N, K, 3) int8 up to `degree`, or what the file has.

    The constant one is what the base colour lacks in rgb: its fraction, and what lies beyond black
    and white. by_degree: see `_number_of`.
    """
    names = {p.name for p in rows.properties}
    there = sum(name.startswith("f_rest_") for name in names) // 3
    degree = min(degree, max(d for d, terms in enumerate(TERMS) if terms - 1 <= there))
    if not degree:
        return None
    made = np.empty((len(rgb), TERMS[degree], 3), np.int8)
    for colour in range(3):
        base = np.asarray(rows[f"f_dc_{colour}"], np.float32)
        made[:, 0, colour] = kept(base - (rgb[:, colour] / np.float32(255) - 0.5) / SH_C0)
        for term in range(1, TERMS[degree]):
            column = rows[f"f_rest_{_number_of(term, colour, there, by_degree)}"]
            made[:, term, colour] = kept(np.asarray(column, np.float32))
    return made


def _number_of(term: int, colour: int, there: int, by_degree: bool) -> int:
    """Which f_rest a harmonic is: all of red come first, or, as KSPLAT has them, all of red of the
    first degree, then green and blue, then those of the second (gaussforge leaves them so)."""
    if not by_degree:
        return colour * there + term - 1
    degree = isqrt(term)
    return 3 * (degree**2 - 1) + colour * (2 * degree + 1) + term - degree**2


def splat_anchors(splats: Splats, up: str, scale: float) -> tuple[Anchors, np.ndarray]:
    """The splats in metres and z up without the origin, and that (3,).

    The radius of each is what its two longer axes cover, for whoever takes it for a point.
    """
    turn = UP_AXES[up]
    centre = splats.xyz @ turn.T * scale
    origin = origin_of(centre)
    deviations = (splats.scale * scale).astype(np.float32)
    longer = np.sort(deviations, axis=1)[:, 1:]
    shape = np.concatenate(
        [deviations, turned(splats.rotation, turn), splats.opacity[:, None]], axis=1
    )
    harmonics = splats.harmonics
    anchors = Anchors(
        (centre - origin).astype(np.float32),
        splats.rgb,
        np.sqrt(longer.prod(axis=1)),
        splats=shape.astype(np.float32),
        harmonics=None if harmonics is None else turned_harmonics(harmonics, turn),
    )
    return anchors, origin
