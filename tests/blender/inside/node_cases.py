# SPDX-License-Identifier: GPL-3.0-or-later
"""Small node trees that between them use every node, setting and closure that is followed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

Socket = bpy.types.NodeSocket


class Tree:
    """Builds a material's nodes."""

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree

    def add(self, kind: str, inputs: dict[str, Any] | None = None, **props: Any) -> Any:
        """A node; inputs by identifier are values or sockets to link."""
        made = self.tree.nodes.new("ShaderNode" + kind)
        for name, value in props.items():
            setattr(made, name, value)
        for name, value in (inputs or {}).items():
            socket = next(s for s in made.inputs if s.identifier == name)
            if isinstance(value, Socket):
                self.tree.links.new(value, socket)
            else:
                socket.default_value = value
        return made

    def out(
        self, kind: str, out: str, inputs: dict[str, Any] | None = None, **props: Any
    ) -> Socket:
        """An output of a new node, by identifier."""
        made = self.add(kind, inputs, **props)
        return next(s for s in made.outputs if s.identifier == out)

    def uv(self, scale: float = 1.0, move: tuple[float, float, float] = (0, 0, 0)) -> Socket:
        """Coordinates over the tile."""
        at = self.out("TexCoord", "UV")
        return self.out(
            "Mapping", "Vector", {"Vector": at, "Scale": (scale,) * 3, "Location": move}
        )

    def space(self, scale: float = 1.0) -> Socket:
        """Coordinates that vary in all three dimensions."""
        at = self.out("TexCoord", "Object")
        return self.out(
            "Mapping", "Vector", {"Vector": at, "Scale": (scale,) * 3, "Rotation": (0.3, 0.5, 0.2)}
        )

    def axis(self, which: str, low: float = 0.0, high: float = 1.0) -> Socket:
        """X or Y of the UV, from `low` to `high`."""
        part = self.out("SeparateXYZ", which, {"Vector": self.out("TexCoord", "UV")})
        return self.out(
            "Math",
            "Value",
            {"Value": part, "Value_001": high - low, "Value_002": low},
            operation="MULTIPLY_ADD",
        )

    def colors(self) -> Socket:
        """Colours that vary in all three parts."""
        return self.out("VertexColor", "Color", layer_name="Col")

    def show(self, socket: Socket, scale: float = 1.0, move: float = 0.0) -> None:
        """Shine with the value x scale + move."""
        if scale != 1 or move != 0:
            socket = self.out(
                "VectorMath",
                "Vector",
                {
                    "Vector": socket,
                    "Vector_001": (scale,) * 3,
                    "Vector_002": (move,) * 3,
                },
                operation="MULTIPLY_ADD",
            )
        self.surface(self.out("Emission", "Emission", {"Color": socket}))

    def surface(self, shader: Socket) -> None:
        """Plug in the output."""
        self.add("OutputMaterial", {"Surface": shader})


CASES: dict[str, Callable[[Tree], None]] = {}


def case(name: str) -> Callable:
    """Register a case under its name."""

    def register(build: Callable[[Tree], None]) -> Callable[[Tree], None]:
        assert name not in CASES
        CASES[name] = build
        return build

    return register


def _choices(kind: str, prop: str) -> list[str]:
    items = getattr(bpy.types, "ShaderNode" + kind).bl_rna.properties[prop].enum_items
    return [item.identifier for item in items]


def _image(name: str, size: tuple[int, int], alpha: bool = False, data: bool = False) -> Any:
    made = bpy.data.images.get(name)
    if made is None:
        width, height = size
        made = bpy.data.images.new(name, width, height, alpha=alpha)
        rng = np.random.default_rng(len(name))
        pixels = rng.random((height, width, 4), dtype=np.float32)
        if not alpha:
            pixels[..., 3] = 1
        made.colorspace_settings.name = "Non-Color" if data else "sRGB"
        made.pixels.foreach_set(pixels.ravel())
        made.pack()
    return made


def _values() -> None:
    for operation in _choices("Math", "operation"):

        @case(f"math {operation}")
        def math(t: Tree, operation: str = operation) -> None:
            inputs = {
                "Value": t.axis("X", -2, 3),
                "Value_001": t.axis("Y", -1.5, 2.2),
                "Value_002": 0.7,
            }
            t.show(t.out("Math", "Value", inputs, operation=operation), 0.05, 1.0)

    @case("math clamped")
    def clamped(t: Tree) -> None:
        inputs = {"Value": t.axis("X", -1, 2), "Value_001": 0.2}
        t.show(t.out("Math", "Value", inputs, use_clamp=True))

    for operation in _choices("VectorMath", "operation"):

        @case(f"vector math {operation}")
        def vector_math(t: Tree, operation: str = operation) -> None:
            scalar = operation in ("DOT_PRODUCT", "LENGTH", "DISTANCE")
            wanted = {
                "Vector": t.space(3),
                "Vector_001": t.uv(2, (0.2, -0.7, 0.4)),
                "Vector_002": (0.3, 0.5, 0.8),
                "Scale": 1.3,
            }
            made = t.add("VectorMath", operation=operation)
            t.tree.nodes.remove(made)
            node = t.add("VectorMath", operation=operation)
            for name, value in wanted.items():
                socket = next((s for s in node.inputs if s.identifier == name), None)
                if socket is None or not socket.enabled:
                    continue
                if isinstance(value, Socket):
                    t.tree.links.new(value, socket)
                else:
                    socket.default_value = value
            name = "Value" if scalar else "Vector"
            t.show(next(s for s in node.outputs if s.identifier == name), 0.05, 1.0)

    for kind in _choices("MapRange", "interpolation_type"):
        for data in ("FLOAT", "FLOAT_VECTOR"):

            @case(f"map range {kind} {data}")
            def map_range(t: Tree, kind: str = kind, data: str = data) -> None:
                if data == "FLOAT":
                    inputs = {
                        "Value": t.axis("X", -0.53, 1.5),
                        "From Min": 0.1,
                        "From Max": 0.8,
                        "To Min": 0.9,
                        "To Max": 0.2,
                        "Steps": 3.0,
                    }
                    out = "Result"
                else:
                    inputs = {
                        "Vector": t.space(2),
                        "From_Min_FLOAT3": (-0.5, 0.1, 0.2),
                        "From_Max_FLOAT3": (0.7, 0.8, 0.9),
                        "To_Min_FLOAT3": (0.1, 0.9, 0),
                        "To_Max_FLOAT3": (0.5, 0.2, 1),
                        "Steps_FLOAT3": (2.0, 3.0, 4.0),
                    }
                    out = "Vector"
                t.show(
                    t.out("MapRange", out, inputs, data_type=data, interpolation_type=kind),
                    0.5,
                    1.0,
                )

    for kind in _choices("Clamp", "clamp_type"):

        @case(f"clamp {kind}")
        def clamp(t: Tree, kind: str = kind) -> None:
            inputs = {"Value": t.axis("X", -1, 2), "Min": 0.8, "Max": 0.3}
            t.show(t.out("Clamp", "Result", inputs, clamp_type=kind))


def _colors() -> None:
    for blend in _choices("MixRGB", "blend_type"):

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

    for mode in _choices("SeparateColor", "mode"):

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


def _places() -> None:
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

    for kind in _choices("Mapping", "vector_type"):

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

    for kind in _choices("VectorRotate", "rotation_type"):

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

    for kind in _choices("VectorTransform", "vector_type"):
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


def _images() -> None:
    for extension in _choices("TexImage", "extension"):
        for interpolation in ("Linear", "Closest"):

            @case(f"image {extension} {interpolation}")
            def image(t: Tree, extension: str = extension, interpolation: str = interpolation):
                made = t.add(
                    "TexImage",
                    {"Vector": t.uv(1.5, (-0.4, -0.3, 0))},
                    extension=extension,
                    interpolation=interpolation,
                )
                made.image = _image("small", (6, 5))
                t.show(made.outputs["Color"])

    for out in ("Color", "Alpha"):

        @case(f"image with alpha {out}")
        def image_alpha(t: Tree, out: str = out) -> None:
            made = t.add("TexImage")
            made.image = _image("with alpha", (7, 5), alpha=True)
            t.show(made.outputs[out])

    @case("image with alpha, both")
    def image_both(t: Tree) -> None:
        made = t.add("TexImage")
        made.image = _image("with alpha", (7, 5), alpha=True)
        inputs = {"Vector": made.outputs["Color"], "Scale": made.outputs["Alpha"]}
        t.show(t.out("VectorMath", "Vector", inputs, operation="SCALE"))

    @case("image of data")
    def image_data(t: Tree) -> None:
        made = t.add("TexImage")
        made.image = _image("data of it", (5, 7), data=True)
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
            made.image = _image("small", (6, 5))
            t.show(made.outputs["Color"])


def _patterns() -> None:
    for dimensions in _choices("TexNoise", "noise_dimensions"):
        for out in ("Fac", "Color"):

            @case(f"noise {dimensions} {out}")
            def noise(t: Tree, dimensions: str = dimensions, out: str = out) -> None:
                made = t.add("TexNoise", noise_dimensions=dimensions)
                _fill(
                    t,
                    made,
                    {
                        "Vector": t.space(),
                        "W": t.axis("Y"),
                        "Scale": 4.0,
                        "Detail": 2.5,
                        "Roughness": 0.6,
                        "Lacunarity": 2.2,
                        "Distortion": 0.7,
                    },
                )
                t.show(made.outputs[0 if out == "Fac" else 1])

    for kind in _choices("TexNoise", "noise_type"):

        @case(f"noise {kind}")
        def noise_kind(t: Tree, kind: str = kind) -> None:
            made = t.add("TexNoise", noise_type=kind, normalize=False)
            _fill(
                t,
                made,
                {
                    "Vector": t.space(),
                    "Scale": 3.0,
                    "Detail": 3.3,
                    "Roughness": 0.4,
                    "Offset": 0.6,
                    "Gain": 1.2,
                },
            )
            t.show(made.outputs[0], 0.3, 0.5)

    for dimensions in _choices("TexVoronoi", "voronoi_dimensions"):
        for feature in _choices("TexVoronoi", "feature"):

            @case(f"voronoi {dimensions} {feature}")
            def voronoi(t: Tree, dimensions: str = dimensions, feature: str = feature) -> None:
                made = t.add("TexVoronoi", voronoi_dimensions=dimensions, feature=feature)
                _fill(
                    t,
                    made,
                    {
                        "Vector": t.space(),
                        "W": t.axis("Y"),
                        "Scale": 4.0,
                        "Randomness": 0.9,
                        "Smoothness": 0.6,
                    },
                )
                t.show(next(s for s in made.outputs if s.enabled))

    for out in ("Color", "Position"):

        @case(f"voronoi {out}")
        def voronoi_out(t: Tree, out: str = out) -> None:
            made = t.add("TexVoronoi")
            _fill(t, made, {"Vector": t.space(), "Scale": 4.0})
            t.show(made.outputs[out], 0.5, 0.5)

    for metric in _choices("TexVoronoi", "distance"):

        @case(f"voronoi {metric}")
        def voronoi_metric(t: Tree, metric: str = metric) -> None:
            made = t.add("TexVoronoi", distance=metric, normalize=True)
            _fill(
                t,
                made,
                {
                    "Vector": t.space(),
                    "Scale": 3.0,
                    "Exponent": 0.7,
                    "Detail": 2.4,
                    "Roughness": 0.6,
                },
            )
            t.show(made.outputs["Distance"])

    @case("voronoi edges in octaves")
    def voronoi_edges(t: Tree) -> None:
        made = t.add("TexVoronoi", feature="DISTANCE_TO_EDGE", normalize=True)
        _fill(t, made, {"Vector": t.space(), "Scale": 3.0, "Detail": 1.6, "Roughness": 0.6})
        t.show(next(s for s in made.outputs if s.enabled))

    for dimensions in _choices("TexWhiteNoise", "noise_dimensions"):

        @case(f"white noise {dimensions}")
        def white(t: Tree, dimensions: str = dimensions) -> None:
            floor = t.out("VectorMath", "Vector", {"Vector": t.uv(7)}, operation="FLOOR")
            made = t.add("TexWhiteNoise", noise_dimensions=dimensions)
            w = t.out("Math", "Value", {"Value": t.axis("X", 0, 7)}, operation="FLOOR")
            _fill(t, made, {"Vector": floor, "W": w})
            t.show(made.outputs["Color"])

    @case("checker")
    def checker(t: Tree) -> None:
        t.show(
            t.out(
                "TexChecker",
                "Color",
                {"Vector": t.space(), "Scale": 6.0, "Color1": (0.8, 0.3, 0.1, 1)},
            )
        )

    for kind in _choices("TexGradient", "gradient_type"):

        @case(f"gradient {kind}")
        def gradient(t: Tree, kind: str = kind) -> None:
            t.show(t.out("TexGradient", "Fac", {"Vector": t.space(1.5)}, gradient_type=kind))

    waves = [("BANDS", "bands_direction", d) for d in ("X", "Y", "Z", "DIAGONAL")]
    waves += [("RINGS", "rings_direction", d) for d in ("X", "Y", "Z", "SPHERICAL")]
    for i, (kind, prop, axis) in enumerate(waves):

        @case(f"wave {kind} {axis}")
        def wave(t: Tree, i: int = i, kind: str = kind, prop: str = prop, axis: str = axis):
            profile = ("SIN", "SAW", "TRI")[i % 3]
            inputs = {
                "Vector": t.space(),
                "Scale": 1.2,
                "Distortion": 1.5 * (i % 2),
                "Detail": 1.5,
                "Detail Scale": 1.7,
                "Phase Offset": 0.4,
            }
            made = t.add("TexWave", inputs, wave_type=kind, wave_profile=profile)
            setattr(made, prop, axis)
            t.show(made.outputs["Fac"])

    for squash in (1.0, 0.6):

        @case(f"brick {squash}")
        def brick(t: Tree, squash: float = squash) -> None:
            made = t.add(
                "TexBrick",
                {
                    "Vector": t.uv(),
                    "Scale": 4.0,
                    "Mortar Size": 0.05,
                    "Mortar Smooth": 0.4,
                    "Bias": -0.1,
                },
                squash=squash,
                squash_frequency=3,
                offset=0.3,
            )
            t.show(made.outputs["Color"])

    for depth in (0, 2, 5, 10):

        @case(f"magic {depth}")
        def magic(t: Tree, depth: int = depth) -> None:
            made = t.add(
                "TexMagic",
                {"Vector": t.space(), "Scale": 2.0, "Distortion": 1.3},
                turbulence_depth=depth,
            )
            t.show(made.outputs["Color"])


def _fill(t: Tree, node: Any, inputs: dict[str, Any]) -> None:
    """Set those inputs that the node has and uses."""
    for name, value in inputs.items():
        socket = next((s for s in node.inputs if s.identifier == name and s.enabled), None)
        if socket is not None and isinstance(value, Socket):
            t.tree.links.new(value, socket)
        elif socket is not None:
            socket.default_value = value


def _closures() -> None:
    base = (0.7, 0.4, 0.2, 1)

    def principled(name: str, inputs: dict[str, Any], linked: Callable | None = None) -> None:
        @case(f"closure Principled {name}")
        def build(t: Tree) -> None:
            wanted = {"Base Color": base, "Specular IOR Level": 0.0, **inputs}
            if linked is not None:
                wanted |= linked(t)
            t.surface(t.out("BsdfPrincipled", "BSDF", wanted))

    principled("plain", {})
    principled("half metal", {"Metallic": 0.5})
    principled("metal", {"Metallic": 1.0, "Roughness": 0.2})
    principled("alpha", {"Alpha": 0.4})
    principled("transmission", {"Transmission Weight": 0.6})
    principled("subsurface", {"Subsurface Weight": 1.0})
    principled(
        "emission", {"Emission Color": (1, 0.5, 0.2, 1), "Emission Strength": 3.0, "Alpha": 0.5}
    )
    principled("textured", {}, lambda t: {"Base Color": t.colors(), "Metallic": t.axis("X")})

    for rough in (0.3, 0.8):
        principled(
            f"sheen {rough}",
            {"Sheen Weight": 0.7, "Sheen Roughness": rough, "Sheen Tint": (1, 0.6, 0.3, 1)},
        )

    @case("closure BsdfSheen")
    def sheen(t: Tree) -> None:
        t.surface(t.out("BsdfSheen", "BSDF", {"Color": base, "Roughness": t.axis("X", 0.3, 1)}))

    single = {
        "BsdfDiffuse": "BSDF",
        "BsdfAnisotropic": "BSDF",
        "BsdfTranslucent": "BSDF",
        "BsdfTransparent": "BSDF",
        "BsdfToon": "BSDF",
        "SubsurfaceScattering": "BSSRDF",
        "BsdfRefraction": "BSDF",
    }
    for kind, out in single.items():

        @case(f"closure {kind}")
        def one(t: Tree, kind: str = kind, out: str = out) -> None:
            t.surface(t.out(kind, out, {"Color": base}))

    @case("closure mixed")
    def mixed(t: Tree) -> None:
        first = t.out("BsdfDiffuse", "BSDF", {"Color": t.colors()})
        second = t.out("Emission", "Emission", {"Color": base, "Strength": 2.0})
        t.surface(
            t.out(
                "MixShader", "Shader", {"Fac": t.axis("X"), "Shader": first, "Shader_001": second}
            )
        )

    @case("closure added")
    def added(t: Tree) -> None:
        first = t.out("BsdfDiffuse", "BSDF", {"Color": base})
        second = t.out("Emission", "Emission", {"Color": t.colors()})
        t.surface(t.out("AddShader", "Shader", {"Shader": first, "Shader_001": second}))


def _normals() -> None:
    def show(t: Tree, normal: Socket) -> None:
        t.surface(t.out("BsdfDiffuse", "BSDF", {"Normal": normal}))

    @case("normals smooth")
    def smooth(t: Tree) -> None:
        t.surface(t.out("BsdfDiffuse", "BSDF"))

    for space in _choices("NormalMap", "space"):

        @case(f"normals map {space}")
        def normal_map(t: Tree, space: str = space) -> None:
            color = t.out(
                "CombineXYZ",
                "Vector",
                {"X": t.axis("X", 0.3, 0.7), "Y": t.axis("Y", 0.3, 0.7), "Z": 0.9},
            )
            show(t, t.out("NormalMap", "Normal", {"Color": color, "Strength": 0.7}, space=space))

    for invert in (False, True):

        @case(f"normals bump{' inverted' if invert else ''}")
        def bump(t: Tree, invert: bool = invert) -> None:
            wave = t.out("Math", "Value", {"Value": t.axis("X", 0, 9)}, operation="SINE")
            made = t.add("Bump", {"Height": wave, "Distance": 0.05, "Strength": 0.8}, invert=invert)
            show(t, made.outputs[0])

    @case("normals bump on a map")
    def stacked(t: Tree) -> None:
        first = t.out("NormalMap", "Normal", {"Color": (0.6, 0.45, 0.9, 1)})
        wave = t.out("Math", "Value", {"Value": t.axis("Y", 0, 9)}, operation="SINE")
        made = t.add("Bump", {"Height": wave, "Distance": 0.05, "Normal": first})
        show(t, made.outputs[0])

    @case("normals from displacement")
    def displaced(t: Tree) -> None:
        wave = t.out("Math", "Value", {"Value": t.axis("X", 0, 9)}, operation="SINE")
        way = t.out(
            "Displacement", "Displacement", {"Height": wave, "Midlevel": 0.5, "Scale": 0.03}
        )
        t.add("OutputMaterial", {"Surface": t.out("BsdfDiffuse", "BSDF"), "Displacement": way})


for _add in (_values, _colors, _places, _images, _patterns, _closures, _normals):
    _add()
