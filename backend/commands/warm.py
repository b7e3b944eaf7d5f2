# SPDX-License-Identifier: GPL-3.0-or-later
"""`worldfm warm`: compile what lights scenes, so that no first picture waits for it."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)


@app.command()
def warm() -> None:
    """Compile the kernels that light scenes: once a version, half a minute."""
    from ..pipelines.kernels import compile_kernels
    from ..pipelines.lit_seam import load_lit_pipeline

    pipeline = load_lit_pipeline()
    if pipeline is None:
        print("Surfaces cannot be lit on this system; there is nothing to prepare.")
        return
    compile_kernels(pipeline)
    print("Ready.")
