# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm train`: adapting to a world everywhere; making the model where the source is."""

from __future__ import annotations

import importlib
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Overwrite, Threads, reporting

if TYPE_CHECKING:
    from ..learning.adapt import Adaptation, Closeness

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Train the frame model: adapt it to a world; or samples, then stage1, stage2, stage3. "
    "docs/training.md tells the whole story; for several GPUs, start with accelerate launch.",
)


@app.callback()
def group() -> None:
    """Typer takes a group of one command for that command, which is what the extension has."""


def _mount() -> None:
    """The extension comes without what makes the model."""
    for module, name in (("train_stages", None), ("train_card", None), ("train_depth", "depth")):
        if importlib.util.find_spec(f".{module}", __package__) is not None:
            group = importlib.import_module(f".{module}", __package__).app
            app.add_typer(group, name=name)


@app.command()
def adapt(
    world: Annotated[Path, typer.Argument(help="Folder of a world of points.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to train.")] = 5.0,
    model: Annotated[
        str, typer.Option(help="Name or folder of the frame model to begin with.")
    ] = "embedded",
    seed: Annotated[int, typer.Option(min=0, help="Seed of what is drawn.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    threads: Threads = 0,
    overwrite: Overwrite = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Progress and result as lines of JSON.")
    ] = False,
) -> None:
    """Train the model on for one world, on its memory frames, each left out in turn.

    WORLD/adapted is a complete model then, about 9 MB: --model takes it. It is kept only if frames
    that were not trained on come out better with it.
    """
    from ..learning.adapt import adapt as train_on
    from ..learning.adapted_files import check_place, keep
    from ..models.feature_weights import features_here, load_features
    from ..models.load_frame_model import load_frame_model
    from ..models.weights_file import EMBEDDED
    from ..pipelines.embedded import choose_device
    from ..serving.priority import give_way
    from ..shared.world_folder import load_world

    if as_json:  # somebody works on meanwhile
        give_way()
    place = check_place(world, overwrite)
    features = load_features() if features_here() else None
    base = load_frame_model(EMBEDDED if model == "embedded" else Path(model))
    loaded, where = load_world(world), choose_device(device)
    with reporting(as_json) as tell:
        learnt, found = train_on(
            loaded, base, where, minutes, features=features, seed=seed, tell=tell
        )
        if found.better:
            keep(learnt, found, model, place)
    _report(found, place, as_json)


def _report(found: Adaptation, place: Path, as_json: bool) -> None:
    if as_json:
        result: dict[str, Any] = found.report() | {"model": str(place) if found.better else None}
        print(json.dumps(result))
        return
    measured, trained = len(found.measured), len(found.trained)
    print(f"{found.iterations} iterations on {trained} frames; {measured} others, measured:")
    print(f"  before  {_line(found.before)}")
    print(f"  after   {_line(found.after)}")
    print(f"Kept in {place}." if found.better else "That is no gain, so nothing was kept.")


def _line(closeness: Closeness) -> str:
    features = closeness.features
    return f"{closeness.psnr:.2f} dB" + (
        "" if features is None else f", feature distance {features:.3f}"
    )


_mount()
