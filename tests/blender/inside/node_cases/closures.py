# SPDX-License-Identifier: GPL-3.0-or-later
"""Closures, mixed and added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .trees import Tree, case

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
principled("emission", {"Emission Color": (1, 0.5, 0.2, 1), "Emission Strength": 3.0, "Alpha": 0.5})
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
        t.out("MixShader", "Shader", {"Fac": t.axis("X"), "Shader": first, "Shader_001": second})
    )


@case("closure added")
def added(t: Tree) -> None:
    first = t.out("BsdfDiffuse", "BSDF", {"Color": base})
    second = t.out("Emission", "Emission", {"Color": t.colors()})
    t.surface(t.out("AddShader", "Shader", {"Shader": first, "Shader_001": second}))
