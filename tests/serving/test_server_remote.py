# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend for other machines: TLS, tokens, and a server that is started by hand."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from backend.client import BackendClient, BackendState, LaunchSettings, RemoteBackend
from backend.commands.serve import read_token, tls_context
from backend.serving.entrance import MOST_STRANGERS, SECONDS
from backend.serving.server import Listen
from backend.shared.errors import BackendError, InputError
from backend.shared.messages import PROTOCOL, Hello, Welcome
from backend.shared.wire import receive_message, send_message
from tests.client.conftest import ROOT, anchors, ask, memory

from .server_room import TOKEN, enter, with_server


def test_only_loopback_without_tls() -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::", "example.org"):
        with pytest.raises(InputError, match="needs TLS: give --tls-cert"):
            Listen(TOKEN, host)
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        Listen(TOKEN, host)
    with pytest.raises(InputError, match="at least 16"):
        Listen("short")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the test's certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *subject, *files], check=True, capture_output=True)
    return cert, key


def test_a_remote_client_over_tls(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate

    def settings(port: int, token: str = TOKEN, ca: Path | None = cert) -> LaunchSettings:
        remote = RemoteBackend(f"wss://127.0.0.1:{port}", token, ca)
        return LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote)

    def talk(port: int) -> None:
        client = BackendClient()
        client.set_world("w", 4, anchors(), [memory()])
        try:
            client.start(settings(port))
            assert client.request("w", ask()).result(20).world_revision == 4
            client.start(settings(port, token="some other token"))
            with pytest.raises(BackendError, match="refused the token; enter the one"):
                client.request("w", ask()).result(20)
            client.start(settings(port, ca=tmp_path / "none.pem"))
            with pytest.raises(BackendError, match="cannot be read; choose the file"):
                client.request("w", ask()).result(20)
            client.start(settings(port, ca=None))  # nobody vouches for it
            with pytest.raises(
                BackendError, match=r"is not to be trusted .*; choose the certificate file"
            ):
                client.request("w", ask()).result(20)
        finally:
            client.stop()

    async def test(port: int) -> None:
        await asyncio.to_thread(talk, port)

    with_server(test, listen=Listen(TOKEN, tls=tls_context(cert, key)))


def test_handshakes_that_do_not_end_are_few_and_brief(
    certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever begins TLS and says nothing more is a stranger too."""

    async def is_closed(reader: asyncio.StreamReader, seconds: float) -> bool:
        try:
            return await asyncio.wait_for(reader.read(1), seconds) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    async def test(port: int) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        await asyncio.sleep(0.5)
        closed = await asyncio.gather(*(is_closed(reader, 0.2) for reader, _ in silent))
        assert closed.count(False) <= MOST_STRANGERS
        ended = await asyncio.gather(*(is_closed(reader, 2 * SECONDS) for reader, _ in silent))
        assert all(ended)
        context = ssl.create_default_context(cafile=str(certificate[0]))
        async with connect(f"wss://127.0.0.1:{port}", ssl=context, proxy=None) as socket:
            await enter(socket)
        for _, writer in silent:
            writer.close()

    with_server(test, listen=Listen(TOKEN, tls=tls_context(*certificate)))
    assert len(caplog.records) < 10 and not any(record.exc_info for record in caplog.records)


def test_a_remote_address_must_be_encrypted(tmp_path: Path) -> None:
    client = BackendClient()
    client.set_world("w", 4, anchors(), [])
    remote = RemoteBackend("ws://127.0.0.1:1", TOKEN)
    client.start(LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote))
    with pytest.raises(BackendError, match="must begin with wss://"):
        client.request("w", ask()).result(20)
    client.stop()


def test_nobody_answers_at_a_remote_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.client.supervisor.BACK_OFF_S", (0.0, 0.0, 0.0))
    client = BackendClient()
    client.set_world("w", 4, anchors(), [])
    remote = RemoteBackend("wss://127.0.0.1:1", TOKEN)
    client.start(LaunchSettings(Path("unused"), Path("unused"), tmp_path, remote=remote))
    with pytest.raises(BackendError, match=r"No backend answers at wss://127\.0\.0\.1:1 "):
        client.request("w", ask()).result(20)
    assert client.state is BackendState.FAILED
    client.stop()


def test_tls_files_that_do_not_fit(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    assert isinstance(tls_context(cert, key), ssl.SSLContext)
    assert tls_context(None, None) is None
    with pytest.raises(InputError, match="needs both"):
        tls_context(cert, None)
    with pytest.raises(InputError, match="give a PEM certificate"):
        tls_context(cert, cert)
    with pytest.raises(InputError, match="give a PEM certificate"):
        tls_context(tmp_path / "none", key)


def test_a_token_file_is_made_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = read_token(path)
    assert len(token) >= 32 and read_token(path) == token
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-s", "-m", "backend", "serve", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_by_hand_a_token_file_is_needed_and_tls_beyond_loopback(tmp_path: Path) -> None:
    run = serve()
    assert run.returncode == 2 and "Error: A backend started by hand needs" in run.stderr
    run = serve("--token-file", str(tmp_path / "t"), "--host", "0.0.0.0")
    assert run.returncode == 2 and "Error: Listening on 0.0.0.0 needs TLS" in run.stderr


def test_by_hand_it_says_its_address(tmp_path: Path) -> None:
    command = [sys.executable, "-s", "-m", "backend", "serve", "--json", "--token-file"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "token")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        token = (tmp_path / "token").read_text().strip()

        async def test() -> None:
            async with connect(url, proxy=None) as socket:
                await send_message(socket, Hello(PROTOCOL, token))
                assert await receive_message(socket) == Welcome(PROTOCOL)

        asyncio.run(test())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
