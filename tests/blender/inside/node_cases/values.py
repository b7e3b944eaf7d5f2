# SPDX-License-Identifier: GPL-3.0-or-later
"""Arithmetic of numbers and vectors, ramps and curves."""

from __future__ import annotations

from .trees import Socket, Tree, case, choices

for operation in choices("Math", "operation"):

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


for operation in choices("VectorMath", "operation"):

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


for kind in choices("MapRange", "interpolation_type"):
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


for kind in choices("Clamp", "clamp_type"):

    @case(f"clamp {kind}")
    def clamp(t: Tree, kind: str = kind) -> None:
        inputs = {"Value": t.axis("X", -1, 2), "Min": 0.8, "Max": 0.3}
        t.show(t.out("Clamp", "Result", inputs, clamp_type=kind))
