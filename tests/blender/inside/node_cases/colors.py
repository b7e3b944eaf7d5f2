# SPDX-License-Identifier: GPL-3.0-or-later
"""Mixing, taking apart and changing colours."""

from __future__ import annotations

import bpy

from .trees import Tree, case, choices

for blend in choices("MixRGB", "blend_type"):

    @case(f"mix {blend}")
    def mix(t: Tree, blend: str = blend) -> None:
        inputs = {
            "Factor_Float": t.axis("Y"),
            "A_Color": t.colors(),
            "B_Color": (0.7, 0.2, 0.45, 1),
        }
        t.show(t.out("Mix", "Result_Color", inputs, data_type="RGBA", blend_type=blend), 0.5, 1)


@case("mix rgb of before")
def mix_rgb(t: Tree) -> None:
    inputs = {"Fac": t.axis("X", -0.5, 1.5), "Color1": t.colors(), "Color2": (0.9, 1.4, 0, 1)}
    t.show(t.out("MixRGB", "Color", inputs, blend_type="ADD", use_clamp=True))


@case("mix float")
def mix_float(t: Tree) -> None:
    inputs = {"Factor_Float": t.axis("X", -0.5, 1.5), "A_Float": t.axis("Y"), "B_Float": 0.3}
    t.show(t.out("Mix", "Result_Float", inputs, clamp_factor=False), 0.5, 1)


for mode in ("UNIFORM", "NON_UNIFORM"):

    @case(f"mix vector {mode}")
    def mix_vector(t: Tree, mode: str = mode) -> None:
        inputs = {"A_Vector": t.space(), "B_Vector": (0.2, 0.9, 0.5)}
        name = "Factor_Float" if mode == "UNIFORM" else "Factor_Vector"
        inputs[name] = t.axis("X") if mode == "UNIFORM" else t.uv(1, (0, 0, 0.7))
        made = t.add("Mix", inputs, data_type="VECTOR", factor_mode=mode)
        t.show(next(s for s in made.outputs if s.identifier == "Result_Vector"), 0.5, 1)


simple = {
    "hue saturation": (
        "HueSaturation",
        {"Hue": 0.7, "Saturation": 1.4, "Value": 0.8, "Fac": 0.9},
    ),
    "bright contrast": ("BrightContrast", {"Bright": 0.1, "Contrast": 0.4}),
    "gamma": ("Gamma", {"Gamma": 2.2}),
    "invert": ("Invert", {"Fac": 0.7}),
}
for name, (kind, inputs) in simple.items():

    @case(name)
    def adjust(t: Tree, kind: str = kind, inputs: dict = inputs) -> None:
        t.show(t.out(kind, "Color", {**inputs, "Color": t.colors()}))


for mode in choices("SeparateColor", "mode"):

    @case(f"separate and combine {mode}")
    def separate(t: Tree, mode: str = mode) -> None:
        parts = t.add("SeparateColor", {"Color": t.colors()}, mode=mode)
        swapped = {"Red": parts.outputs[1], "Green": parts.outputs[2], "Blue": parts.outputs[0]}
        t.show(t.out("CombineColor", "Color", swapped, mode=mode))

    @case(f"separate {mode}")
    def separate_only(t: Tree, mode: str = mode) -> None:
        parts = t.add("SeparateColor", {"Color": t.colors()}, mode=mode)
        named = dict(zip("XYZ", parts.outputs, strict=True))
        t.show(t.out("CombineXYZ", "Vector", named))


for old, parts in (("RGB", "RGB"), ("HSV", "HSV")):
    if not hasattr(bpy.types, f"ShaderNodeSeparate{old}"):
        continue  # Blender 5 has them no more

    @case(f"separate and combine {old} of before")
    def separate_old(t: Tree, old: str = old, parts: str = parts) -> None:
        name = "Image" if old == "RGB" else "Color"
        apart = t.add(f"Separate{old}", {name: t.colors()})
        made = t.add(f"Combine{old}")
        for part, at in zip(parts, (1, 2, 0), strict=True):
            t.tree.links.new(apart.outputs[at], made.inputs[part])
        t.show(made.outputs[0])


@case("luminance")
def luminance(t: Tree) -> None:
    t.show(t.out("RGBToBW", "Val", {"Color": t.colors()}))


@case("blackbody")
def blackbody(t: Tree) -> None:
    t.show(t.out("Blackbody", "Color", {"Temperature": t.axis("X", 900, 11000)}), 0.2)


@case("wavelength")
def wavelength(t: Tree) -> None:
    t.show(t.out("Wavelength", "Color", {"Wavelength": t.axis("X", 380, 750)}))


for interpolation in ("LINEAR", "CONSTANT", "EASE", "B_SPLINE"):

    @case(f"ramp {interpolation}")
    def ramp(t: Tree, interpolation: str = interpolation) -> None:
        node = t.add("ValToRGB", {"Fac": t.axis("X", -0.1, 1.1)})
        node.color_ramp.interpolation = interpolation
        node.color_ramp.elements[0].color = (0.9, 0.1, 0.3, 1)
        middle = node.color_ramp.elements.new(0.4)
        middle.color = (0.1, 0.7, 0.2, 0.5)
        t.show(node.outputs["Color"])


for kind, name, factor in (
    ("RGBCurve", "Color", "Fac"),
    ("VectorCurve", "Vector", "Fac"),
    ("FloatCurve", "Value", "Factor"),
):

    @case(f"curve {kind}")
    def curve(t: Tree, kind: str = kind, name: str = name, factor: str = factor) -> None:
        of = {"Color": t.colors, "Vector": t.space, "Value": lambda: t.axis("X", -0.3, 1.3)}
        node = t.add(kind, {name: of[name](), factor: 0.8})
        for i, one in enumerate(node.mapping.curves):
            one.points.new(0.4, 0.7 - 0.1 * i)
        node.mapping.update()
        t.show(next(s for s in node.outputs if s.identifier == name), 0.5, 0.5)
