# SPDX-License-Identifier: GPL-3.0-or-later
"""SHA-256 of the files of models, as they were known when this version was made."""

from __future__ import annotations

from pathlib import Path

from .loading import Progress, sha256

PUBLISHED: dict[str, str] = {}
"""Of the released models, by path in their repository: a download that differs is refused.

None is known yet. What the first download fetches is pinned then (download.py).
"""

SHIPPED = {
    "embedded/config.json":
        "7a7ed1c419b37bddcdadabde519723d85acf589136bab442ccfde693d734f04d",
    "embedded/model.safetensors":
        "62a5e337e0ccb4a0255b3f1530fc8d1714527b290d4191b6c0712b0d8ed39e73",
    "embedded_colors/config.json":
        "ec834d1b29a75ac9a5b882fef57951a266dac2a9c9ac537dffd4f12c9ac8f720",
    "embedded_colors/diffusion_pytorch_model.safetensors":
        "e10917c8050e72007e354b934bab065bb165055fb50769ddf3a36fa0c8539d59",
    "embedded_completion/config.json":
        "62ffcca2e5e496fb7441bd2951535afd447d771db8f471bcf5237b4be28ac3ef",
    "embedded_completion/diffusion_pytorch_model.safetensors":
        "031ddf42ab06ac7620dc2194cb1fa7164d40de14b05d70699d34cb86830a98c3",
    "embedded_depth/config.json":
        "248c4269e45c3e6d839a259008c82e2e2ccaf9c07f7e77557632db9983e79db5",
    "embedded_depth/weights.safetensors":
        "fc2bb2223215ff6743cd6af61ba2c561a18091f4a1a6b05ae7378cdb2940142b",
}  # fmt: skip
"""Of the models that ship, by path in this folder; a test compares them."""


def shipped_problems(progress: Progress | None = None) -> list[str]:
    """Files of the models that ship which are missing or differ; best empty."""
    wrong = []
    for name, expected in SHIPPED.items():
        path = Path(__file__).parent / name
        if not path.is_file():
            wrong.append(f"{name} is missing")
        elif sha256(path, progress) != expected:
            wrong.append(f"{name} is damaged")
    return wrong
