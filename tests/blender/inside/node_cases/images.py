# SPDX-License-Identifier: GPL-3.0-or-later
"""Image textures."""

from __future__ import annotations

import bpy

from .trees import Tree, case, choices, noise_image

for extension in choices("TexImage", "extension"):
    for interpolation in ("Linear", "Closest"):

        @case(f"image {extension} {interpolation}")
        def image(t: Tree, extension: str = extension, interpolation: str = interpolation):
            made = t.add(
                "TexImage",
                {"Vector": t.uv(1.5, (-0.4, -0.3, 0))},
                extension=extension,
                interpolation=interpolation,
            )
            made.image = noise_image("small", (6, 5))
            t.show(made.outputs["Color"])


for out in ("Color", "Alpha"):

    @case(f"image with alpha {out}")
    def image_alpha(t: Tree, out: str = out) -> None:
        made = t.add("TexImage")
        made.image = noise_image("with alpha", (7, 5), alpha=True)
        t.show(made.outputs[out])


@case("image with alpha, both")
def image_both(t: Tree) -> None:
    made = t.add("TexImage")
    made.image = noise_image("with alpha", (7, 5), alpha=True)
    inputs = {"Vector": made.outputs["Color"], "Scale": made.outputs["Alpha"]}
    t.show(t.out("VectorMath", "Vector", inputs, operation="SCALE"))


@case("image of data")
def image_data(t: Tree) -> None:
    made = t.add("TexImage")
    made.image = noise_image("data of it", (5, 7), data=True)
    t.show(made.outputs["Color"])


@case("image missing")
def image_missing(t: Tree) -> None:
    made = t.add("TexImage")
    made.image = bpy.data.images.get("lost") or bpy.data.images.new("lost", 4, 4)
    made.image.source = "FILE"
    made.image.filepath = "/nowhere/lost.png"
    t.show(made.outputs["Color"])


for projection in ("BOX", "SPHERE", "TUBE"):

    @case(f"image {projection}")
    def projected(t: Tree, projection: str = projection) -> None:
        at = t.out("TexCoord", "Generated")
        made = t.add("TexImage", {"Vector": at}, projection=projection, projection_blend=0.4)
        made.image = noise_image("small", (6, 5))
        t.show(made.outputs["Color"])
