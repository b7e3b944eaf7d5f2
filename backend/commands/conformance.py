# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm conformance`: how far this implementation is from the reference's vectors."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(add_completion=False)


@app.command()
def conformance(
    folder: Annotated[Path, typer.Argument(help="Folder of vectors (dit_a, e2e, geometry, ...).")],
    device: Annotated[str, typer.Option(help="Of networks and autoencoder.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Compare with vectors made by the reference implementation; exit 1 over tolerance."""
    import torch

    from ..pipelines.embedded import choose_device
    from ..reference.cases import Case, Skipped
    from ..reference.conformance import run_conformance

    torch.set_num_threads(1)  # the networks are tiny: more threads only wait for each other
    # NVIDIA's shorter float32 is for pictures: the vectors have all digits
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    console = Console(highlight=False, stderr=as_json)
    cases: list[Case] = []
    skipped: list[Skipped] = []
    for found in run_conformance(folder, choose_device(device)):
        if isinstance(found, Skipped):
            skipped.append(found)
            console.print(f"[yellow]skipped[/] {found.part}: {found.reason}")
            continue
        cases.append(found)
        verdict = "[green]ok[/]  " if found.passed else "[red]FAIL[/]"
        console.print(
            f"{verdict} {found.part}/{found.name}: {found.what} {found.error:.3g} "
            f"(at most {found.tolerance:g})",
            soft_wrap=True,
        )
    failed = [case for case in cases if not case.passed]
    console.print(f"{len(cases)} comparisons, {len(failed)} over tolerance, {len(skipped)} skipped")
    if as_json:
        report: dict[str, Any] = {
            "cases": [{**asdict(case), "passed": case.passed} for case in cases],
            "skipped": [asdict(part) for part in skipped],
            "passed": not failed,
        }
        # a NaN or an infinity is no JSON number
        for case in report["cases"]:
            if not abs(case["error"]) < float("inf"):
                case["error"] = str(case["error"])
        print(json.dumps(report, indent=1))
    if failed:
        raise typer.Exit(1)
