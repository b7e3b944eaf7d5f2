# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays out of files that strangers made: .npy, .npz and safetensors.

A header is believed only as far as the file is long: nothing is set aside for a shape that lies,
and nothing is unpickled. All of it raises what `reading.MALFORMED` lists: use it within
`reading.as_sentence`. Standard library and numpy only.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .reading import open_plain, parse_json

MOST_BYTES = 4 << 30
"""Of one file's arrays together."""
MOST_ARRAYS = 4096
_MOST_HEADER = 1 << 16
_MOST_TENSOR_HEADER = 16 << 20
_KINDS = "biufUS"
_TENSORS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def read_npy(source: Path | bytes, most: int = MOST_BYTES) -> np.ndarray:
    """The array, of any shape (...,), of a .npy file or of its bytes."""
    if isinstance(source, bytes):
        return _npy(io.BytesIO(source), len(source), most)
    with open_plain(source) as file:
        return _npy(file, os.fstat(file.fileno()).st_size, most)


def read_npz(path: Path | BinaryIO, most: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """All arrays (...,) of an .npz file by name; together they may have `most` bytes unpacked."""
    if isinstance(path, Path):
        with open_plain(path) as file:
            return read_npz(file, most)
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_ARRAYS:
            raise ValueError(f"it holds {len(entries)} files")
        if sum(entry.file_size for entry in entries) > most:
            raise ValueError("its arrays are too large")
        for entry in entries:
            if not entry.filename.endswith(".npy"):
                raise ValueError(f"{entry.filename[:40]!r} in it is no array")
            with archive.open(entry) as packed:
                data = packed.read(entry.file_size)  # a bomb that says it is small ends here
            arrays[entry.filename.removesuffix(".npy")] = _npy(io.BytesIO(data), len(data), most)
    return arrays


def unpacked(data: bytes, most: int) -> bytes:
    """zlib's inverse, of what unpacks to `most` bytes at most."""
    unpacker = zlib.decompressobj()
    made = unpacker.decompress(data, most + 1)
    if len(made) > most or unpacker.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {most} bytes")
    return made


def read_safetensors(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The named arrays (...,) of a safetensors file, all when None: length, JSON header, values."""
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        (length,) = struct.unpack("<Q", file.read(8))
        if length > min(size - 8, _MOST_TENSOR_HEADER):
            raise ValueError("its header is longer than the file")
        header = parse_json(file.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        found = [name for name in header if name != "__metadata__"] if names is None else names
        return {name: _tensor(file, header[name], 8 + length, size) for name in found}


def write_safetensors(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of any shapes (...,) in the safetensors format. Raises OSError."""
    names = {np.dtype(dtype): name for name, dtype in _TENSORS.items()}
    header: dict[str, object] = {}
    flat: list[np.ndarray] = []
    at = 0
    for name, array in arrays.items():
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        end = at + array.nbytes
        shape, dtype = list(array.shape), names[array.dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        flat.append(array.reshape(-1))
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in flat:
            if array.size:
                file.write(array.view(np.uint8).data)


def checked(
    array: np.ndarray,
    what: str,
    dtype: np.typing.DTypeLike,
    shape: tuple[int | None, ...],
    *,
    least: float | None = None,
    infinite: bool = False,
) -> np.ndarray:
    """`array` (...,) as `dtype`, contiguous, once shape and values are as they have to be.

    shape: None = any length. least: of its values. infinite: +inf is a value too (sky). Raises
    ValueError that calls the array `what`.
    """
    if array.dtype.kind not in "biuf" or array.ndim != len(shape):
        raise ValueError(f"{what} is an array of {array.dtype} {array.shape}")
    if any(b is not None and a != b for a, b in zip(array.shape, shape, strict=True)):
        raise ValueError(f"{what} has the shape {array.shape}")
    if array.dtype.kind == "f":
        odd = np.isnan(array) | (np.isneginf(array) if infinite else np.isinf(array))
        if odd.any():
            raise ValueError(f"{what} has values that are not finite")
    if least is not None and array.size and array.min() < least:
        raise ValueError(f"{what} has values below {least:g}")
    with np.errstate(over="ignore"):
        made = np.ascontiguousarray(array, dtype)
    if made.dtype.kind == "f" and not infinite and not np.isfinite(made).all():
        raise ValueError(f"{what} has values that are too large")
    return made


def _npy(file: BinaryIO, size: int, most: int) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        head = np.lib.format.read_array_header_1_0(file, max_header_size=_MOST_HEADER)
    elif version in ((2, 0), (3, 0)):
        head = np.lib.format.read_array_header_2_0(file, max_header_size=_MOST_HEADER)
    else:
        raise ValueError("it is of an unknown version")
    shape, columns_first, dtype = head
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise ValueError(f"it holds {dtype} instead of numbers")
    count = _count(shape, dtype.itemsize, min(size - file.tell(), most))
    data = file.read(count * dtype.itemsize)
    array = np.frombuffer(data, dtype, count).reshape(shape, order="F" if columns_first else "C")
    return np.array(array)  # its own memory, to be written to


def _tensor(file: BinaryIO, entry: dict, start: int, size: int) -> np.ndarray:
    dtype, shape = np.dtype(_TENSORS[entry["dtype"]]), tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not (type(begin) is type(end) is int and 0 <= begin <= end <= size - start):
        raise ValueError("an array lies beyond the file's end")
    if _count(shape, dtype.itemsize, end - begin) * dtype.itemsize != end - begin:
        raise ValueError("an array is shorter than it says")
    file.seek(start + begin)
    return np.frombuffer(bytearray(file.read(end - begin)), dtype).reshape(shape)


def _count(shape: tuple[int, ...], item: int, room: int) -> int:
    """How many values an array of `shape` has. Raises ValueError unless they fit `room` bytes."""
    if len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"its shape is {str(shape)[:60]}")
    count = math.prod(shape)
    if count * max(item, 1) > max(room, 0):
        raise ValueError(f"it is shorter than its shape {str(shape)[:60]} says")
    return count
