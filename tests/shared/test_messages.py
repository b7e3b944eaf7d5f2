# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.shared.camera import Camera, intrinsics, look_at
from backend.shared.content import content_hash, kept_hash
from backend.shared.errors import BackendError
from backend.shared.frame import MODES, FrameRequest
from backend.shared.messages import (
    MAX_ARRAYS,
    DeviceInfo,
    Devices,
    Frame,
    Heartbeat,
    Hello,
    Need,
    Preview,
    Progress,
    PutArray,
    PutWorld,
    Render,
    build,
    encode,
    read_header,
)
from backend.shared.tree_codec import MOST_INT, same_tree
from backend.shared.wire import CHUNK_BYTES, receive_message, send_message

floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
coordinate = st.floats(-1e4, 1e4)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)


@st.composite
def cameras(draw):
    width, height = draw(st.integers(1, 64)), draw(st.integers(1, 64))
    position = np.array([draw(coordinate), draw(coordinate), draw(coordinate)])
    turn = draw(st.floats(-3.0, 3.0))
    ahead = np.array([np.cos(turn), np.sin(turn), draw(st.floats(-2.0, 2.0))])
    c2w = look_at(position, position + ahead)
    return Camera(intrinsics(draw(st.floats(0.1, 3.0)), width, height), c2w, width, height)


requests = st.builds(
    FrameRequest,
    cameras(),
    st.integers(1, 2),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
    st.sampled_from(MODES),
)
arrays = hnp.arrays(
    st.sampled_from([np.uint8, np.float16, np.float32]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0),
)
devices = st.builds(
    DeviceInfo,
    texts,
    texts,
    texts,
    st.integers(0, 2**60),
    st.integers(0, 2**60),
    st.lists(texts).map(tuple),
)
numbers = st.integers(-MOST_INT, MOST_INT)
messages = st.one_of(
    st.builds(Hello, numbers, texts),
    st.builds(Progress, texts, st.none() | floats),
    st.builds(Devices, st.lists(devices, max_size=3).map(tuple)),
    st.builds(Heartbeat, numbers, floats, texts),
    st.builds(Need, texts, numbers, st.lists(texts, max_size=3).map(tuple)),
    st.builds(
        PutWorld,
        texts,
        numbers,
        texts,
        st.lists(texts, max_size=3).map(tuple),
    ),
    st.builds(PutArray, texts, arrays),
    st.builds(
        Render,
        numbers,
        texts,
        numbers,
        requests,
    ),
    st.builds(
        Preview,
        numbers,
        texts,
        numbers,
        texts,
        requests,
    ),
    st.builds(
        Frame,
        numbers,
        arrays,
        arrays,
        arrays,
        arrays,
        numbers,
        texts,
        texts,
        st.dictionaries(texts, floats, max_size=3),
        st.none() | requests,
        st.none() | arrays,
        st.dictionaries(texts, arrays, max_size=3),
    ),
)


class Pipe:
    """Two ends of a socket in memory."""

    def __init__(self) -> None:
        self.pieces: list[str | bytes] = []

    async def send(self, message: str | memoryview) -> None:
        self.pieces.append(message if isinstance(message, str) else bytes(message))

    async def recv(self) -> str | bytes:
        return self.pieces.pop(0)


def through_wire(message):
    pipe = Pipe()
    asyncio.run(send_message(pipe, message))
    got = asyncio.run(receive_message(pipe))
    assert not pipe.pieces
    return got


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(messages)
def test_every_message_survives_the_wire(message) -> None:
    assert same_tree(through_wire(message), message)


def test_defaults_are_not_sent() -> None:
    header, _ = encode(Heartbeat())
    assert json.loads(header)["body"] == {}
    header, _ = encode(Heartbeat(0, 2.5))
    assert json.loads(header)["body"] == {"busy_s": 2.5}


def test_a_large_array_goes_in_pieces() -> None:
    array = np.arange(CHUNK_BYTES, dtype=np.float32)  # 4 chunks
    pipe = Pipe()
    asyncio.run(send_message(pipe, PutArray("x", array)))
    assert [len(piece) for piece in pipe.pieces[1:]] == [CHUNK_BYTES] * 4
    assert same_tree(asyncio.run(receive_message(pipe)).array, array)


def test_a_view_is_sent_as_it_looks() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(4, 6)[::-1, ::2]
    assert np.array_equal(through_wire(PutArray("x", array)).array, array)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[]",
        "null",
        "{",
        '{"type":"Nothing","arrays":[],"body":{}}',
        '{"type":"Hello","arrays":[],"body":{}}',
        '{"type":"Hello","arrays":[],"body":[]}',
        '{"type":"Hello","arrays":[],"body":{"protocol":true,"token":"x"}}',
        '{"type":"Hello","arrays":[],"body":{"protocol":1,"token":"x","more":1}}',
        '{"type":"Hello","arrays":[["|O8",[1]]],"body":{"protocol":1,"token":"x"}}',
        '{"type":"PutArray","arrays":[["<f4",[-1]]],"body":{"hash":"x","array":{"array":0}}}',
        '{"type":"PutArray","arrays":[["<f4",[1e9]]],"body":{"hash":"x","array":{"array":0}}}',
        '{"type":"PutArray","arrays":[["<f4",[99999999999]]],"body":{}}',
        '{"type":"PutArray","arrays":[],"body":{"hash":"x","array":{"array":0}}}',
        '{"type":"Need","arrays":[],"body":{"key":"k","revision":1,"arrays":[1]}}',
        "[" * 100000,
    ],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    pipe = Pipe()
    pipe.pieces = [header]
    with pytest.raises(BackendError, match="same version"):
        asyncio.run(receive_message(pipe))


def test_too_many_arrays_are_refused() -> None:
    layout = [["|u1", [1]]] * (MAX_ARRAYS + 1)
    with pytest.raises(BackendError):
        read_header(json.dumps({"type": "Heartbeat", "arrays": layout, "body": {}}))


def test_arrays_before_the_hello_are_refused() -> None:
    pipe = Pipe()
    asyncio.run(send_message(pipe, PutArray("x", np.zeros(4, np.uint8))))
    with pytest.raises(BackendError, match="before it was let in"):
        asyncio.run(receive_message(pipe, with_arrays=False))


def test_a_camera_that_cannot_be_is_refused() -> None:
    camera = Camera(intrinsics(1.0, 8, 8), np.eye(4), 8, 8)
    header, _ = encode(Render(1, "w", 1, FrameRequest(camera)))
    for bad in ([0, 8], [1e99, 8], "8", [8, 8, 8]):
        data = json.loads(header)
        data["body"]["request"]["camera"]["size"] = bad
        with pytest.raises(BackendError, match=r"request\.camera"):
            build(read_header(json.dumps(data)), [])


def test_pieces_of_the_wrong_size_are_refused() -> None:
    for piece in (b"12345", b"", "1234"):
        pipe = Pipe()
        asyncio.run(send_message(pipe, PutArray("x", np.zeros(4, np.uint8))))
        pipe.pieces[1] = piece
        with pytest.raises(BackendError, match="another size"):
            asyncio.run(receive_message(pipe))


@given(arrays)
def test_content_hash_is_of_content_alone(array: np.ndarray) -> None:
    assert content_hash(array) == content_hash(np.array(array, order="F"))
    assert content_hash(array) != content_hash(array.reshape(1, *array.shape))
    if array.size:
        other = array.copy()
        other.reshape(-1).view(np.uint8)[0] ^= 1
        assert content_hash(array) != content_hash(other)


def test_a_hash_that_is_kept_is_never_another_arrays() -> None:
    ids = set()
    for value in range(200):  # numpy gives the memory of one array to the next
        array = np.full(64, value, np.int32)
        ids.add(id(array))
        assert kept_hash(array) == kept_hash(array) == content_hash(array)
        del array
    assert len(ids) < 200


def test_content_hash_tells_types_apart() -> None:
    assert content_hash(np.zeros(4, np.uint8)) != content_hash(np.zeros(1, np.float32))
