# SPDX-License-Identifier: GPL-3.0-or-later
"""Closures as lobes: what Principled's sockets do, mixing, constants and what is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.conditioning.anchors.materials import UNASSIGNED, CompiledMaterial
from backend.shared.scene import Material

from .surfaces import compiled, link, quad

RED, GREY = [0.8, 0.1, 0.1, 1.0], [0.5, 0.5, 0.5, 1.0]


def test_a_constant_material_is_computed_once_and_is_the_same_everywhere() -> None:
    material = compiled(("BSDF_PRINCIPLED", {}, {"Base Color": RED, "Roughness": 0.3}))
    assert material.constant is not None and material.opaque and not material.emits
    lobes = material.evaluate(quad())
    np.testing.assert_allclose(lobes.diffuse, np.tile(RED[:3], (64, 1)), rtol=1e-6)
    np.testing.assert_allclose(lobes.specular, 0.04, rtol=1e-5)
    np.testing.assert_allclose(lobes.roughness, 0.3)
    np.testing.assert_allclose(lobes.normal, quad().normal)


def test_metal_reflects_its_colour_and_is_not_diffuse() -> None:
    lobes = compiled(("BSDF_PRINCIPLED", {}, {"Base Color": RED, "Metallic": 1.0})).constant
    assert not lobes.diffuse.any()
    np.testing.assert_allclose(lobes.specular[0], RED[:3], rtol=1e-6)
    np.testing.assert_allclose(lobes.edge, 1)


def test_alpha_lets_through_and_dims_all_else() -> None:
    material = compiled(
        (
            "BSDF_PRINCIPLED",
            {},
            {"Alpha": 0.25, "Emission Color": RED, "Emission Strength": 2.0, "Base Color": GREY},
        )
    )
    assert not material.opaque and material.emits
    lobes = material.constant
    np.testing.assert_allclose(lobes.transparent, 0.75)
    np.testing.assert_allclose(lobes.diffuse, 0.125)
    np.testing.assert_allclose(lobes.emission[0], np.array(RED[:3]) * 0.5, rtol=1e-6)


def test_transmission_takes_from_diffuse() -> None:
    lobes = compiled(
        ("BSDF_PRINCIPLED", {}, {"Base Color": GREY, "Transmission Weight": 0.75, "IOR": 1.3})
    ).constant
    np.testing.assert_allclose(lobes.diffuse, 0.125, rtol=1e-6)
    np.testing.assert_allclose(lobes.transmission, 0.75 * np.sqrt(0.5), rtol=1e-6)
    np.testing.assert_allclose(lobes.ior, 1.3, rtol=1e-6)


def test_mixed_closures_weigh_by_the_factor_and_roughness_by_what_shines() -> None:
    lobes = compiled(
        ("BSDF_DIFFUSE", {}, {"Color": RED}),
        ("BSDF_GLOSSY", {}, {"Color": GREY, "Roughness": 0.2}),
        ("MIX_SHADER", {}, {"Fac": 0.25, "Shader": link(0, "BSDF"), "Shader_001": link(1, "BSDF")}),
        out="Shader",
    ).constant
    np.testing.assert_allclose(lobes.diffuse[0], np.array(RED[:3]) * 0.75, rtol=1e-6)
    np.testing.assert_allclose(lobes.specular, 0.125)
    np.testing.assert_allclose(lobes.roughness, 0.2)


def test_a_chain_of_added_shaders_is_walked_once_a_node() -> None:
    """Each Add has the one before it twice: 2^20 paths to the closure."""
    chain = [
        ("ADD_SHADER", {}, {"Shader": link(i, "Shader"), "Shader_001": link(i, "Shader")})
        for i in range(20)
    ]
    lobes = compiled(("EMISSION", {}, {"Strength": 1.0}), *chain, out="Shader").constant
    np.testing.assert_allclose(lobes.emission, 2.0**20)


def test_a_factor_that_varies_leaves_a_mix_transparent_somewhere() -> None:
    nodes = (
        ("VERTEX_COLOR", {}, {}),
        ("BSDF_TRANSPARENT", {}, {}),
        ("BSDF_DIFFUSE", {}, {"Color": GREY}),
        (
            "MIX_SHADER",
            {},
            {"Fac": link(0, "Color"), "Shader": link(1, "BSDF"), "Shader_001": link(2, "BSDF")},
        ),
    )
    material = compiled(*nodes, out="Shader")
    assert material.constant is None and not material.opaque and not material.emits
    lobes = material.evaluate(quad())
    assert np.ptp(lobes.transparent) > 0.5
    np.testing.assert_allclose(lobes.transparent + 2 * lobes.diffuse, 1, rtol=1e-5)


def test_a_value_in_place_of_a_shader_shines() -> None:
    lobes = compiled(("RGB", {}, {"Color": RED}), out="Color").constant
    np.testing.assert_allclose(lobes.emission[0], RED[:3])


def test_a_surface_of_volume_alone_lets_all_light_in() -> None:
    text = '{"nodes": [{"type": "VOLUME_SCATTER"}], "volume": {"node": 0, "out": "Volume"}}'
    material = CompiledMaterial(Material("fog", text), ())
    np.testing.assert_allclose(material.constant.transparent, 1)
    assert not material.opaque


def test_no_material_is_cycles_grey() -> None:
    np.testing.assert_allclose(CompiledMaterial(UNASSIGNED, ()).constant.diffuse, 0.8, rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"nodes": 3}',
        '{"nodes": [{"props": {}}], "surface": null}',
        '{"nodes": [], "surface": {"node": 0, "out": "BSDF"}}',
        '{"nodes": [{"type": "EMISSION", "inputs": {"Color": [1]}}], "surface": null}',
        '{"nodes": [{"type": "EMISSION", "inputs": {"Color": {"node": 0, "out": "x"}}}]}',
        '{"nodes": [{"type": "EMISSION", "inputs": {"Strength": NaN}}]}',
        '{"nodes": [{"type": "VALTORGB", "props": {"ramp": [[1]]}}, {"type": "EMISSION", "inputs": '
        '{"Color": {"node": 0, "out": "Color"}}}], "surface": {"node": 1, "out": "Emission"}}',
    ],
)
def test_a_broken_program_is_a_grey_surface_and_one_sentence(text: str) -> None:
    material = CompiledMaterial(Material("odd", text), ())
    assert len(material.problems) == 1 and "'odd' can't be read" in material.problems[0]
    np.testing.assert_allclose(material.evaluate(quad()).diffuse, 0.8, rtol=1e-6)


def test_an_unknown_closure_is_named_and_keeps_its_colour() -> None:
    material = compiled(("BSDF_FROM_THE_FUTURE", {}, {"Color": RED}))
    assert "BSDF_FROM_THE_FUTURE" in material.problems[0]
    np.testing.assert_allclose(material.constant.diffuse[0], RED[:3], rtol=1e-6)


def test_the_mean_stands_for_the_surface() -> None:
    material = compiled(
        ("VERTEX_COLOR", {"layer_name": "Col"}, {}),
        ("BSDF_DIFFUSE", {}, {"Color": link(0, "Color")}),
    )
    mean = material.mean(quad())
    np.testing.assert_allclose(mean.diffuse[0], [0.5, 0.5, 0], atol=1e-5)
    assert material.mean() is material.mean() and len(material.mean().diffuse) == 1


def test_a_long_chain_of_nodes_is_no_deep_recursion() -> None:
    chain = [
        ("MATH", {"operation": "ADD"}, {"Value": link(i, "Value"), "Value_001": 1.0})
        for i in range(3000)
    ]
    material = compiled(
        ("LIGHT_PATH", {}, {}),
        ("MATH", {"operation": "ADD"}, {"Value": link(0, "Is Camera Ray"), "Value_001": 0.0}),
        *[(t, p, {**i, "Value": link(n + 1, "Value")}) for n, (t, p, i) in enumerate(chain)],
        ("EMISSION", {}, {"Strength": link(3001, "Value")}),
        out="Emission",
    )
    np.testing.assert_allclose(material.evaluate(quad()).emission, 3001)


def test_what_is_no_number_is_no_light() -> None:
    nodes = (
        ("VERTEX_COLOR", {}, {}),
        ("MATH", {"operation": "POWER"}, {"Value": 1e30, "Value_001": 1e30}),
        (
            "VECT_MATH",
            {"operation": "MULTIPLY"},
            {"Vector": link(0, "Color"), "Vector_001": link(1, "Value")},
        ),
        (
            "VECT_MATH",
            {"operation": "SUBTRACT"},
            {"Vector": link(2, "Vector"), "Vector_001": link(2, "Vector")},
        ),
        ("BSDF_DIFFUSE", {}, {"Color": link(3, "Vector")}),
    )
    lobes = compiled(*nodes).evaluate(quad())
    assert np.isfinite(lobes.diffuse).all() and np.isfinite(lobes.normal).all()


def test_shadow_rays_see_the_shader_made_for_them() -> None:
    nodes = (
        ("LIGHT_PATH", {}, {}),
        ("BSDF_GLASS", {}, {}),
        ("BSDF_TRANSPARENT", {}, {}),
        (
            "MIX_SHADER",
            {},
            {
                "Fac": link(0, "Is Shadow Ray"),
                "Shader": link(1, "BSDF"),
                "Shader_001": link(2, "BSDF"),
            },
        ),
    )
    material = compiled(*nodes, out="Shader")
    assert not material.opaque
    assert not material.evaluate(quad()).transparent.any()
    shadow = replace(quad(), is_camera=False, is_shadow=True)
    np.testing.assert_allclose(material.evaluate(shadow).transparent, 1)


def test_sheen_is_brighter_when_grazing() -> None:
    cloth = compiled(("BSDF_SHEEN", {}, {"Color": [1, 1, 1, 1], "Roughness": 0.5}))
    front = cloth.evaluate(quad()).diffuse
    aside = np.tile(np.float32([0.96, 0, 0.28]), (64, 1))
    np.testing.assert_allclose(front, 0.0187, rtol=1e-3)
    assert (cloth.evaluate(replace(quad(), incoming=aside)).diffuse > 0.3).all()


def test_what_is_taken_for_something_else_is_said() -> None:
    material = compiled(
        ("AMBIENT_OCCLUSION", {}, {"Color": RED}), ("BSDF_DIFFUSE", {}, {"Color": link(0, "Color")})
    )
    assert "AMBIENT_OCCLUSION" in material.problems[0] and "open place" in material.problems[0]
    np.testing.assert_allclose(material.constant.diffuse[0], RED[:3], rtol=1e-6)


def test_a_principled_material_with_sheen_is_compiled() -> None:
    velvet = compiled(("BSDF_PRINCIPLED", {}, {"Sheen Weight": 0.6, "Sheen Roughness": 0.5}))
    assert velvet.problems == []
    assert velvet.constant is None


def test_closures_side_by_side_take_nothing_from_each_other() -> None:
    """What reflects in Principled lies on top; a Glossy that is mixed in does not."""
    diffuse, glossy = ("BSDF_DIFFUSE", {}, {}), ("BSDF_GLOSSY", {}, {"Roughness": 0.2})
    layered = ("BSDF_PRINCIPLED", {}, {"Roughness": 0.2})
    shaders = {"Shader": link(0, "BSDF"), "Shader_001": link(1, "BSDF")}

    def of(*nodes: tuple) -> float:
        return float(compiled(*nodes, out="Shader").constant.layered[0])

    mixed = ("MIX_SHADER", {}, {"Fac": 0.5, **shaders})
    assert of(diffuse, glossy, mixed) == 0
    assert float(compiled(layered).constant.layered[0]) == 1
    assert 0 < of(layered, glossy, mixed) < 0.1  # in parts of what reflects
