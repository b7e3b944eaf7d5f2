# SPDX-License-Identifier: GPL-3.0-or-later
"""Normal maps, bumps and displacement."""

from __future__ import annotations

from .trees import Socket, Tree, case, choices


def show(t: Tree, normal: Socket) -> None:
    t.surface(t.out("BsdfDiffuse", "BSDF", {"Normal": normal}))


@case("normals smooth")
def smooth(t: Tree) -> None:
    t.surface(t.out("BsdfDiffuse", "BSDF"))


for space in choices("NormalMap", "space"):

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
    way = t.out("Displacement", "Displacement", {"Height": wave, "Midlevel": 0.5, "Scale": 0.03})
    t.add("OutputMaterial", {"Surface": t.out("BsdfDiffuse", "BSDF"), "Displacement": way})
