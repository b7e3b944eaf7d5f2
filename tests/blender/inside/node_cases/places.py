# SPDX-License-Identifier: GPL-3.0-or-later
"""Coordinates, attributes and what is asked of the object and the ray."""

from __future__ import annotations

from .trees import Tree, case, choices

for out in ("Generated", "Normal", "UV", "Object", "Reflection"):

    @case(f"coordinates {out}")
    def coordinates(t: Tree, out: str = out) -> None:
        t.show(t.out("TexCoord", out), 0.4, 0.5)


for out in ("Position", "Normal", "True Normal", "Incoming", "Backfacing"):

    @case(f"geometry {out}")
    def geometry(t: Tree, out: str = out) -> None:
        t.show(t.out("NewGeometry", out), 0.02 if out == "Position" else 0.4, 0.5)


for out in ("Location", "Color", "Alpha"):

    @case(f"object info {out}")
    def object_info(t: Tree, out: str = out) -> None:
        t.show(t.out("ObjectInfo", out), 0.05)


@case("uv map")
def uv_map(t: Tree) -> None:
    t.show(t.out("UVMap", "UV", uv_map="UVMap"))


stored = ("Level", "Way", "Pair", "Number", "Chosen", "Paint")
for name in ("Col", "UVMap", "missing", *stored):

    @case(f"attribute {name}")
    def attribute(t: Tree, name: str = name) -> None:
        t.show(t.out("Attribute", "Color", attribute_name=name))


@case("attribute's number")
def attribute_number(t: Tree) -> None:
    t.show(t.out("Attribute", "Fac", attribute_name="Col"))


@case("attribute's vector as a number")
def attribute_vector(t: Tree) -> None:
    t.show(t.out("Attribute", "Fac", attribute_name="Way"))


@case("light path")
def light_path(t: Tree) -> None:
    t.show(t.out("LightPath", "Is Camera Ray"))


for kind in choices("Mapping", "vector_type"):

    @case(f"mapping {kind}")
    def mapping(t: Tree, kind: str = kind) -> None:
        inputs = {
            "Vector": t.out("TexCoord", "Object"),
            "Location": (0.1, 0.2, -0.3),
            "Rotation": (0.4, 0.2, 1.1),
            "Scale": (1.5, 0.7, 2),
        }
        for name in list(inputs):
            if kind in ("VECTOR", "NORMAL") and name == "Location":
                inputs.pop(name)
        t.show(t.out("Mapping", "Vector", inputs, vector_type=kind), 0.2, 0.6)


for kind in choices("VectorRotate", "rotation_type"):

    @case(f"vector rotate {kind}")
    def rotate(t: Tree, kind: str = kind) -> None:
        inputs = {"Vector": t.space(), "Center": (0.1, 0.2, 0.3)}
        more = {
            "EULER_XYZ": {"Rotation": (0.3, 0.8, 0.1)},
            "AXIS_ANGLE": {"Axis": (0.3, 1, 0.5), "Angle": 0.8},
        }
        inputs |= more.get(kind, {"Angle": 0.8})
        made = t.add("VectorRotate", inputs, rotation_type=kind, invert=kind == "X_AXIS")
        t.show(made.outputs[0], 0.3, 0.6)


for kind in choices("VectorTransform", "vector_type"):
    for way in ("WORLD OBJECT", "OBJECT WORLD"):

        @case(f"vector transform {kind} {way}")
        def transform(t: Tree, kind: str = kind, way: str = way) -> None:
            first, last = way.split()
            made = t.add(
                "VectorTransform",
                {"Vector": t.space()},
                vector_type=kind,
                convert_from=first,
                convert_to=last,
            )
            t.show(made.outputs[0], 0.02, 0.6)


for out in ("Normal", "Dot"):

    @case(f"normal {out}")
    def normal(t: Tree, out: str = out) -> None:
        made = t.add("Normal", {"Normal": t.out("NewGeometry", "Normal")})
        made.outputs[0].default_value = (0.48, 0.6, 0.64)
        t.show(made.outputs[out], 0.4, 0.5)


for out in ("Fresnel", "Facing"):
    for blend in (0.3, 0.7):

        @case(f"layer weight {out} {blend}")
        def layer_weight(t: Tree, out: str = out, blend: float = blend) -> None:
            t.show(t.out("LayerWeight", out, {"Blend": blend}))


@case("fresnel")
def fresnel(t: Tree) -> None:
    t.show(t.out("Fresnel", "Fac", {"IOR": 1.8}))
