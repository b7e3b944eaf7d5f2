# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders in diffusers' layout: a config.json and safetensors that must fit it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import logging

from ..offline import hub_offline
from ..shared.errors import ModelError
from .config_file import check_fits, read_config

Model = TypeVar("Model", bound=ModelMixin)


def load_pretrained(
    kind: type[Model],
    folder: Path,
    what: str,
    dtype: torch.dtype = torch.float32,
    remedy: str = "get its config.json and safetensors file again",
) -> Model:
    """A model of class `kind` in `dtype`. Nothing is fetched and no pickle is opened.

    Raises ModelError when a file is missing, damaged or of another model: one sentence that calls
    the model `what` and ends with what to do, `remedy`.
    """
    config = read_config(folder, what, remedy)
    try:
        with hub_offline(), _without_warnings():  # the report below says the same in one sentence
            check_fits(lambda: kind.from_config(config), folder)
            model, report = kind.from_pretrained(
                folder,
                torch_dtype=dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # diffusers and safetensors raise a dozen kinds for one fault
        raise ModelError(
            f'{what} in "{folder}" cannot be read ({first_line(error)}); {remedy}.'
        ) from error
    wrong = [*report["missing_keys"], *report["unexpected_keys"], *report["mismatched_keys"]]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ModelError(
            f'{what} in "{folder}" does not fit its config.json ("{wrong[0]}"{more} '
            f"missing, unknown or of another shape); {remedy}."
        )
    return model


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Diffusers lists every key that does not fit on standard error."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def first_line(error: BaseException) -> str:
    """What an error of a library says at its root, short enough for a sentence."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".")[:200] if text else type(error).__name__
