# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from backend.commands import doctor
from backend.serving import devices


def run(*arguments: str):
    return CliRunner().invoke(doctor.app, list(arguments))


def test_doctor_of_a_whole_environment() -> None:
    found = json.loads(run("--json").output)
    assert found["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert found["devices"][-1]["id"] == "cpu" and "float32" in found["devices"][-1]["modes"]
    assert found["devices"][-1]["memory_total"] >= found["devices"][-1]["memory_free"] > 0


def test_doctor_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("package-of-nowhere==1.0\nnot-here==1 ; sys_platform == 'amiga'\n")
    monkeypatch.setattr(doctor, "REQUIREMENTS", requirements)
    result = run("--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["problems"] == [
        "The package package-of-nowhere is missing; install the requirements again."
    ]
    assert "package-of-nowhere is missing" in " ".join(run().output.split())


def test_a_device_that_computes_wrongly_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu = torch.device("cpu")
    assert devices.working_modes(cpu, ("float32", "bfloat16")) == ("float32", "bfloat16")
    real = torch.nn.functional.conv2d

    def wrong_in_half(x, kernel):
        return real(x, kernel) + (1.0 if x.dtype is torch.bfloat16 else 0.0)

    monkeypatch.setattr(torch.nn.functional, "conv2d", wrong_in_half)
    assert devices.working_modes(cpu, ("float32", "bfloat16")) == ("float32",)

    def no_kernel(x, kernel):
        raise RuntimeError("no kernel image is available for execution on the device")

    def only_reference(x, kernel, state={"first": True}):  # noqa: B006
        if state.pop("first", False):
            return real(x, kernel)
        return no_kernel(x, kernel)

    monkeypatch.setattr(torch.nn.functional, "conv2d", only_reference)
    assert devices.working_modes(cpu, ("float32",)) == ()
