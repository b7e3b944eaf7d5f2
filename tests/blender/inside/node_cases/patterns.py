# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural textures."""

from __future__ import annotations

from .trees import Tree, case, choices, fill

for dimensions in choices("TexNoise", "noise_dimensions"):
    for out in ("Fac", "Color"):

        @case(f"noise {dimensions} {out}")
        def noise(t: Tree, dimensions: str = dimensions, out: str = out) -> None:
            made = t.add("TexNoise", noise_dimensions=dimensions)
            fill(
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


for kind in choices("TexNoise", "noise_type"):

    @case(f"noise {kind}")
    def noise_kind(t: Tree, kind: str = kind) -> None:
        made = t.add("TexNoise", noise_type=kind, normalize=False)
        fill(
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


for dimensions in choices("TexVoronoi", "voronoi_dimensions"):
    for feature in choices("TexVoronoi", "feature"):

        @case(f"voronoi {dimensions} {feature}")
        def voronoi(t: Tree, dimensions: str = dimensions, feature: str = feature) -> None:
            made = t.add("TexVoronoi", voronoi_dimensions=dimensions, feature=feature)
            fill(
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
        fill(t, made, {"Vector": t.space(), "Scale": 4.0})
        t.show(made.outputs[out], 0.5, 0.5)


for metric in choices("TexVoronoi", "distance"):

    @case(f"voronoi {metric}")
    def voronoi_metric(t: Tree, metric: str = metric) -> None:
        made = t.add("TexVoronoi", distance=metric, normalize=True)
        fill(
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
    fill(t, made, {"Vector": t.space(), "Scale": 3.0, "Detail": 1.6, "Roughness": 0.6})
    t.show(next(s for s in made.outputs if s.enabled))


for dimensions in choices("TexWhiteNoise", "noise_dimensions"):

    @case(f"white noise {dimensions}")
    def white(t: Tree, dimensions: str = dimensions) -> None:
        floor = t.out("VectorMath", "Vector", {"Vector": t.uv(7)}, operation="FLOOR")
        made = t.add("TexWhiteNoise", noise_dimensions=dimensions)
        w = t.out("Math", "Value", {"Value": t.axis("X", 0, 7)}, operation="FLOOR")
        fill(t, made, {"Vector": floor, "W": w})
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


for kind in choices("TexGradient", "gradient_type"):

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
