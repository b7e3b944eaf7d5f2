# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing is looked up anywhere unless asked for, and no configuration is believed blindly."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from backend.models.autoencoder import Autoencoder
from backend.models.load_frame_model import load_frame_model
from backend.models.pretrained import load_pretrained
from backend.models.weights_file import EMBEDDED
from backend.serving.loading import ModelChoice, open_pipeline
from backend.shared.adapted import adapted_model
from backend.shared.errors import ModelError

OFFLINE = """
import socket, sys
from backend import offline
offline.stay_offline()
def refused(what):
    try:
        what()
    except OSError as error:
        return "offline" in str(error)
    return False
print(refused(lambda: socket.create_connection(("192.0.2.1", 80), 1)))
print(refused(lambda: socket.getaddrinfo("example.invalid", 80)))
print(refused(lambda: socket.gethostbyname("example.invalid")))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    print(refused(lambda: datagrams.sendto(b"", ("192.0.2.1", 53))))
    print(refused(lambda: datagrams.sendmsg([b""], [], 0, ("192.0.2.1", 53))))
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
with offline.network_asked_for():
    print("WorldFM is offline" in str(socket.getaddrinfo("localhost", 80)))
from huggingface_hub import constants
print(constants.HF_HUB_OFFLINE)
with offline.network_asked_for():
    print(constants.HF_HUB_OFFLINE)
print(constants.HF_HUB_OFFLINE)
"""


def test_what_goes_out_is_refused_unless_asked_for():
    environment = {k: v for k, v in os.environ.items() if "OFFLINE" not in k}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, env=environment, timeout=60
    )
    said = done.stdout.split()
    assert said == ["True"] * 5 + ["False", "True", "False", "True"], done.stderr


@pytest.fixture
def hub():
    """Counts who calls; answers nothing."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    calls.append(connection.recv(200).decode("ascii", "replace"))
                    connection.close()
            except OSError:
                pass

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", calls
        server.shutdown(socket.SHUT_RDWR)


def test_a_config_that_names_a_repository_calls_nobody(tmp_path, hub):
    """diffusers takes a configuration that is a text for the name of a repository."""
    endpoint, calls = hub
    (tmp_path / "config.json").write_text('"stranger/model"')
    shutil.copy(EMBEDDED / "model.safetensors", tmp_path / "model.safetensors")
    code = (
        "from pathlib import Path\n"
        "from backend.models.load_frame_model import load_frame_model\n"
        "from backend.models.autoencoder import Autoencoder\n"
        "for load in (load_frame_model, Autoencoder.from_folder):\n"
        f"    try: load(Path({str(tmp_path)!r}))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    environment = {k: v for k, v in os.environ.items() if "OFFLINE" not in k}
    environment["HF_ENDPOINT"], environment["HF_HOME"] = endpoint, str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120
    )
    said = done.stdout.splitlines()
    assert len(said) == 2, done.stderr
    assert all(line.startswith("ModelError ") and "no JSON object" in line for line in said)
    assert calls == []


NAMES_EVERYWHERE = """
import json, sys
from pathlib import Path
called = []
def told(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        called.append(f"{event} {args[-1]}")
sys.addaudithook(told)
from diffusers import AutoencoderKL
from backend.models.autoencoder import Autoencoder
from backend.models.load_frame_model import load_frame_model
from backend.models.weights_file import EMBEDDED
from backend.serving.loading import ModelChoice, open_pipeline
from backend.shared.adapted import adapted_model
from backend.shared.errors import ModelError
folder, hub = Path(sys.argv[1]), "stranger/model"
AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(folder / "vae")
(folder / "frame").mkdir()
for name in ("config.json", "model.safetensors"):
    (folder / "frame" / name).write_bytes((EMBEDDED / name).read_bytes())
more = {name: hub for name in ("_name_or_path", "pretrained_model_name_or_path", "base_model",
                               "custom_pipeline", "dduf_file", "adapter", "_commit_hash")}
more |= {"auto_map": {"AutoModel": hub + "--own.Own"}, "trust_remote_code": True,
         "_class_name": [hub, "Own"], "quantization_config": {"quant_method": "bitsandbytes"}}
for name, load in (("vae", Autoencoder.from_folder), ("frame", load_frame_model)):
    path = folder / name / "config.json"
    plain = json.loads(path.read_text())
    texts = {key: hub for key in plain}
    for changed in [*({key: more[key]} for key in more), more, texts]:
        path.write_text(json.dumps(plain | changed))
        try:
            load(folder / name)
        except ModelError as error:
            assert "\\n" not in str(error)
print(called)
"""


def test_names_of_repositories_in_any_field_call_nobody(tmp_path):
    environment = {k: v for k, v in os.environ.items() if "OFFLINE" not in k}
    environment["HF_HOME"] = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", NAMES_EVERYWHERE, str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.stdout.strip() == "[]", done.stderr[-2000:]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"token_width": 10**12}, "token_width"),
        ({"layers": 10**6}, "layers"),
        ({"token_width": 60_000, "heads": 6}, "values"),
        ({"widths": [60_000] * 4}, "values"),
        ({"mlp_ratio": -1}, ""),
        ({"heads": 0}, ""),
        ({"widths": [4] * 20_000}, "entries"),
        ({"layers": "2"}, ""),
    ],
)
def test_sizes_that_no_model_has_are_refused_at_once(tmp_path, changes, word):
    config = json.loads((EMBEDDED / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    shutil.copy(EMBEDDED / "model.safetensors", tmp_path / "model.safetensors")
    with pytest.raises(ModelError) as caught:
        load_frame_model(tmp_path)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_an_autoencoder_larger_than_its_weights_is_refused(tmp_path):
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["block_out_channels"] = [32_768]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="its weights have"):
        load_pretrained(AutoencoderKL, tmp_path, "The autoencoder")


@pytest.mark.parametrize("scaling", ["stranger/model", None, [], -0.18, 0, True])
def test_a_scaling_that_is_none_is_said(tmp_path, scaling):
    from diffusers import AutoencoderKL

    AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "scaling_factor": scaling}))
    with pytest.raises(ModelError, match="scaling_factor"):
        Autoencoder.from_folder(tmp_path)


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000, "a\0b", ""])
def test_a_model_that_no_folder_can_be_called(name):
    with pytest.raises(ModelError, match=r"choose another|There is no model"):
        open_pipeline(ModelChoice(name, "cpu"))
    assert adapted_model(Path(name)) is None
