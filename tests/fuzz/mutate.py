# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes whole files into ones that strangers might send; the same seed makes the same file."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

NASTY: list[Any] = [
    None, True, "", "\0", "\ud800", "../../etc/passwd", "/dev/zero", "a" * 5000, [], {}, [[]],
    0, -1, 1.5, 2**31, 2**63, -(2**63), 10**40, 1e-320, -0.0, 1e308, [1e308] * 4, {"a": {}},
]  # fmt: skip
RAW = [b"NaN", b"1e999", b"-Infinity", b"9" * 400, b"[" * 20_000, b"\xff", b'"\\ud800"', b"}"]
NUMBERS = [0, 1, 255, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` damaged in one to four places."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        ways = [_flip, _cut, _drop, _insert, _number, _repeat, _text_number]
        if data.lstrip()[:1] in (b"{", b"["):
            ways += [_tree, _tree, _tree, _raw]
        data = chance.choice(ways)(data, chance)
    return data


def _place(data: bytes, chance: random.Random) -> int:
    # headers are at the beginning: more often there
    most = len(data) if chance.random() < 0.5 else min(len(data), 200)
    return chance.randrange(max(1, most))


def _flip(data: bytes, chance: random.Random) -> bytes:
    made = bytearray(data)
    if made:
        made[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(made)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _drop(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 8, 100)) :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.randbytes(chance.choice((1, 4, 64))) + data[at:]


def _number(data: bytes, chance: random.Random) -> bytes:
    at, form = _place(data, chance), chance.choice(("<I", ">I", "<Q", ">Q", "<H"))
    number = chance.choice(NUMBERS) % (1 << 8 * struct.calcsize(form))
    return data[:at] + struct.pack(form, number) + data[at + struct.calcsize(form) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    part = data[at : at + chance.choice((1, 16, 300))]
    return data[:at] + part * chance.choice((2, 50)) + data[at:]


def _text_number(data: bytes, chance: random.Random) -> bytes:
    """A digit of a text header becomes many."""
    digits = [i for i, byte in enumerate(data[:2000]) if 48 <= byte <= 57]
    if not digits:
        return data
    at = chance.choice(digits)
    new = chance.choice((b"999999999999", b"-1", b"1e400", b"0", b"nan"))
    return data[:at] + new + data[at + 1 :]


def _raw(data: bytes, chance: random.Random) -> bytes:
    places = [i for i, byte in enumerate(data) if byte in b":,["]
    if not places:
        return data
    at = chance.choice(places) + 1
    return data[:at] + chance.choice(RAW) + data[at:]


def _tree(data: bytes, chance: random.Random) -> bytes:
    """A value of a JSON file is replaced, or an entry taken away."""
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return data
    inner: list[Any] = []
    todo = [tree]
    while todo:
        item = todo.pop()
        if isinstance(item, (dict, list)) and item:
            inner.append(item)
            todo += item.values() if isinstance(item, dict) else item
    if not inner:
        return data
    place = chance.choice(inner)
    key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
    if chance.random() < 0.2:
        del place[key]
    else:
        place[key] = chance.choice(NASTY)
    return json.dumps(tree).encode("utf-8", "surrogatepass")
