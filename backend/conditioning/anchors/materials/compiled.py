# SPDX-License-Identifier: GPL-3.0-or-later
"""A material, ready to be evaluated at many points at once."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from ....shared.scene import Material, Texture
from ..lobes import Lobes
from ..shading_points import ShadingPoints
from . import nodes as _nodes  # noqa: F401 - registers them
from .blend import Blend, Closure, average
from .closures import depends_on_view, is_known, walk
from .evaluation import Evaluation, Outputs, Resources
from .nodes.image import alpha_is_one, numbers
from .nodes.vectors import displaced_normals
from .patch import patch
from .program import Link, Program, parse
from .pyramid import Pyramids
from .registry import NODES
from .values import FLOAT

UNASSIGNED = Material(
    "", '{"nodes": [{"type": "BSDF_DIFFUSE"}], "surface": {"node": 0, "out": "BSDF"}}'
)
"""What a surface without material is in Cycles."""
_GREY = '{"nodes": [{"type": "BSDF_PRINCIPLED"}], "surface": {"node": 0, "out": "BSDF"}}'


_FINE = {f"TEX_{name}" for name in ("NOISE", "BRICK", "CHECKER", "WAVE", "MAGIC", "VORONOI")}
_FINE |= {"TEX_WHITE_NOISE", "TEX_GABOR"}
BROKEN = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What nodes raise whose settings are not of the kinds that Blender gives them."""


class CompiledMaterial:
    """A material's program, parsed once; what is the same everywhere is computed here.

    constant: the lobes (of one point, without normal) where nothing varies over the surface,
    else None. opaque: nothing passes straight through anywhere. refracts: it may be
    glass somewhere. emits: it may shine somewhere. fine: it may change faster than pixels tell,
    as pictures, which are filtered, do not. displaced: its normals are those of a displacement.
    problems: a sentence for each thing that is shown otherwise than Blender would.
    """

    def __init__(
        self,
        material: Material,
        textures: tuple[Texture, ...],
        units: float = 1.0,
        pyramids: Pyramids | None = None,
    ) -> None:
        """units: metres in one of Blender's units (`Scene.units`). pyramids: those that a scene's
        materials share; None = its own."""
        self.name = material.name
        self._units = units
        self._pyramids = pyramids or Pyramids()
        self.problems: list[str] = []
        self._mean: Lobes | None = None
        try:
            program = parse(material.program)
            self._check(program, textures)
            self._compile(program, textures)
        except BROKEN as error:
            self.problems[:] = [
                f"The material {material.name!r} can't be read ({error}); it is shown grey."
            ]
            self._compile(parse(_GREY), textures)

    def _compile(self, program: Program, textures: tuple[Texture, ...]) -> None:
        self._program = program
        wanted = self._wanted(textures)
        pyramids = {n: self._pyramids.of(textures[n]) for n in wanted}
        self._resources = Resources(pyramids, self._units)
        self._folded: dict[int, Outputs] = {}
        varying = self._fold()
        unknown = {index: self._unknown(index) for index in varying}
        possible = self._blend(None, {**unknown, **self._folded})
        self.opaque = "transparent" not in possible.sums
        self.refracts = "transmission" in possible.sums
        self.emits = "emission" in possible.sums
        self.constant = None if self._reaches(varying) else possible.lobes(1, None)
        self.displaced = program.displacement is not None
        self.fine = self.constant is None and any(n.type in _FINE for n in program.nodes)
        if self.constant is None:
            self.evaluate(patch(self._layers(), side=2))

    def evaluate(self, points: ShadingPoints) -> Lobes:
        """What the surface is at N points."""
        made = Lobes.nothing(len(points))
        made.normal[:] = points.normal
        self.put(made, np.arange(len(points)), points)
        return made

    def put(self, lobes: Lobes, rows: np.ndarray, points: ShadingPoints) -> None:
        """Write what the surface is at N points to `rows` (N,) of lobes that are nothing yet but
        for the points' normals."""
        if self.constant is not None:
            for f in fields(lobes):
                value = getattr(self.constant, f.name)
                if f.name != "normal" and value.any():
                    getattr(lobes, f.name)[rows] = value
            return
        if self._program.displacement is not None:
            points = replace(points, normal=self._displaced(points))
            lobes.normal[rows] = points.normal
        self._blend(points, self._folded).put(lobes, rows, points.normal)

    def mean(self, points: ShadingPoints | None = None) -> Lobes:
        """One point that stands for the whole surface: the mean over `points`.

        Without any: over one square that carries every texture once; kept.
        """
        if self.constant is not None:
            return self.constant
        if points is not None:
            return average(self.evaluate(points))
        if self._mean is None:
            self._mean = average(self.evaluate(patch(self._layers())))
        return self._mean

    def _check(self, program: Program, textures: tuple[Texture, ...]) -> None:
        """Name what is not followed, and what is missing."""
        types = sorted({n.type for n in program.nodes})
        for kind in types:
            if not is_known(kind):
                self.problems.append(
                    f"The material {self.name!r} has a {kind} node, which is not followed: "
                    "capture where it is seen, or bake the material."
                )
            elif kind in NODES and NODES[kind].instead:
                self.problems.append(
                    f"In the material {self.name!r} a {kind} node is taken for "
                    f"{NODES[kind].instead}."
                )
        for node in program.nodes:
            if node.type == "TEX_IMAGE" and not numbers(node, range(len(textures))):
                self.problems.append(
                    f"A picture of the material {self.name!r} is missing; it is shown pink."
                )

    def _wanted(self, textures: tuple[Texture, ...]) -> set[int]:
        return {
            number
            for node in self._program.nodes
            if node.type in ("TEX_IMAGE", "TEX_ENVIRONMENT")
            for number in numbers(node, range(len(textures))).values()
        }

    def _fold(self) -> set[int]:
        """Evaluate once what needs no points; gives back the other nodes."""
        varying: set[int] = set()
        evaluation = Evaluation(self._program, None, self._resources)
        for index, node in enumerate(self._program.nodes):
            links = [k.node for k in node.inputs.values() if isinstance(k, Link)]
            kind = NODES.get(node.type)
            alone = kind.varies if kind is not None else depends_on_view(node)
            if alone or any(k in varying for k in links):
                varying.add(index)
            elif kind is not None:
                evaluation.value(Link(index, ""))
        self._folded = evaluation.known
        return varying

    def _unknown(self, index: int) -> Outputs:
        """Outputs of a node that varies, as NaN: any number."""
        node = self._program.nodes[index]
        kind = NODES.get(node.type)
        outputs = {} if kind is None else kind.outputs
        found = {
            name: (np.full(() if of is FLOAT else 3, np.nan, np.float32), of)
            for name, of in outputs.items()
        }
        if node.type == "TEX_IMAGE" and alpha_is_one(node, self._resources.textures):
            found["Alpha"] = np.ones((), np.float32), FLOAT
        return found

    def _reaches(self, varying: set[int]) -> bool:
        surface = self._program.surface
        if surface is None or self._program.displacement is None:
            return surface is not None and surface.node in varying
        return True

    def _displaced(self, points: ShadingPoints) -> np.ndarray:
        displacement = self._program.displacement
        assert displacement is not None
        with np.errstate(all="ignore"):
            evaluation = Evaluation(self._program, points, self._resources, self._folded)
            return displaced_normals(evaluation, displacement)

    def _blend(self, points: ShadingPoints | None, known: dict[int, Outputs]) -> Blend:
        blend = Blend()
        surface = self._program.surface
        if surface is not None:
            with np.errstate(all="ignore"):
                walk(Evaluation(self._program, points, self._resources, known), surface, blend)
        elif self._program.volume:
            blend.add(Closure(transparent=np.ones(3, np.float32)), np.ones((), np.float32))
        return blend

    def _layers(self) -> set[str]:
        names = ("uv_map", "layer_name", "attribute_name")
        found = {node.props.get(name) for node in self._program.nodes for name in names}
        return {name for name in found if isinstance(name, str) and name}
