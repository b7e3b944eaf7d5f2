# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender knows of a scene arrives as it is: meshes, objects, materials as programs."""

from __future__ import annotations

import pytest

ALL = 63


@pytest.fixture(scope="module")
def found(shared_blender):
    return shared_blender("surfaces.py")


def test_meshes_are_read_exactly(found):
    meshes = found["meshes"]
    assert meshes["units"] == 0.5 and meshes["shared"]
    assert meshes["matrix"] == [[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert meshes["vertices"] == [[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]
    assert meshes["bounds"][0][:2] == [-1, -1] and meshes["bounds"][1][:2] == [1, 1]


def test_normals_are_flat_smooth_or_bent_as_blender_has_them(found):
    meshes = found["meshes"]
    assert meshes["flat"] and meshes["smooth"] == pytest.approx([0, 0, 1])
    assert meshes["bent"] == pytest.approx([0, 0.6, 0.8], abs=1e-3)


def test_layers_of_a_mesh_are_read_exactly(found):
    meshes = found["meshes"]
    assert meshes["uv"] == [["UVMap"], "UVMap"]
    assert meshes["byte"] == pytest.approx([0.25, 0.5, 1, 0.75], abs=0.005)
    assert meshes["float"] == [0.25, 0.5, 1, 0.75] and meshes["active"] == "FLOAT_COLOR"


def test_texts_are_meshes_too(found):
    meshes = found["meshes"]
    assert len(meshes["text"]) == 1 and meshes["triangles"] == meshes["text"][0] + 10


def test_what_is_being_edited_is_there_with_its_copies(found):
    assert found["edited"] == [
        ["Divided", 9, ["UVMap"]],
        ["Edited", 4, ["UVMap"]],
        ["Twin", 4, ["UVMap"]],
    ]


def test_a_flat_face_bends_its_smooth_neighbours_normals(found):
    # as Cycles' normal pass shows; a sharp edge parts them
    fold = found["flat_beside_smooth"]
    assert fold["blended"][0] == pytest.approx([0, -(0.5**0.5), 0.5**0.5], abs=1e-3)
    assert fold["blended"][1] == pytest.approx([0, -1, 0], abs=1e-3)
    assert fold["sharp"][0] == pytest.approx([0, 0, 1], abs=1e-3)


def test_copies_without_depth_are_not_there_as_cycles_has_them(found):
    boxes = found["without_depth"]
    assert boxes["read"] == ["Deep", "Own"]
    missed = [name for name, light in boxes["rendered"].items() if light > 0.99]
    assert missed == ["One", "Two"]


def test_objects_say_who_sees_them_and_in_which_materials(found):
    objects = found["objects"]
    assert objects["slots"] == ["Green"] and objects["override"] == ["Red"]
    assert objects["visible"] == {
        "Square": ALL - 1 - 32,
        "Cut": ALL,
        "Indirect": ALL - 1,
        "Held": ALL,
    }
    assert objects["holdout"] == {"Square": False, "Cut": True, "Indirect": False, "Held": True}
    assert objects["catcher"] and objects["color"] == [0.5, 0.25, 1, 1]


def test_objects_that_cannot_be_shown_are_said(found):
    objects = found["objects"]
    assert len(objects["problems"]) == 2
    assert "'Broken'" in objects["problems"][0] and "NaN" in objects["problems"][0]
    assert "'Flat'" in objects["problems"][1] and "scale" in objects["problems"][1]


def test_meshes_that_are_as_they_were_are_the_same_ones(found):
    assert found["unchanged"] == {"kept": True, "edited": False, "moved": 1}


def test_materials_are_programs(found):
    graph = found["graph"]
    assert graph["types"] == ["BSDF_PRINCIPLED", "CONVERT", "CURVE_RGB", "MATH", "VALTORGB"]
    assert graph["surface"] and graph["earlier"] and not graph["normal"]


def test_nodes_keep_their_properties_and_inputs(found):
    graph = found["graph"]
    assert graph["math"]["props"] == {"operation": "MULTIPLY", "use_clamp": False}
    assert graph["math"]["inputs"] == {"Value": 0.25, "Value_001": 2.0}
    assert graph["base"] == [0.5, 0.25, 0.125, 1] and graph["converted"] == "CONVERT"


def test_ramps_and_curves_are_tables(found):
    graph = found["graph"]
    assert graph["ramp"] == [257, [1, 0, 0, 1]]
    assert graph["curve"] == pytest.approx([0.5, 0.5, 0.5], abs=1e-3)


def test_materials_without_nodes_are_what_cycles_shows(found):
    plain = found["no_nodes"]
    principled = plain["version"] >= 5  # as Cycles: measured in 4.2, 4.5 and 5.0
    assert plain["grey"]["type"] == ("BSDF_PRINCIPLED" if principled else "BSDF_DIFFUSE")
    name = "Base Color" if principled else "Color"
    assert plain["grey"]["inputs"][name] == [0.8, 0.8, 0.8, 1]


def test_objects_without_surfaces_are_left_out_and_volumes_said(found):
    plain = found["no_nodes"]
    assert plain["instances"] == ["Black", "Grey", "Round"] and plain["empty"] is None
    assert plain["viewpoints"] == [5]
    assert plain["problems"] == [
        "'Smoke' is a volume object and is not shown.",
        "The volume in 'Cloud' is not shown.",
    ]
    assert plain["background"] == [[[0, 0, 0]]]


def test_large_scenes_are_made_coarser(found):
    budget = found["budget"]
    assert budget["before"] > 600_000 and 20_000 < budget["after"] <= 100_000
    assert budget["instances"] == 42 and 0.85 < budget["radius"][0] < budget["radius"][1] < 1.01
    assert len(set(budget["corners"])) == 1 and budget["same"] and budget["enough"] == []
    assert budget["memory"] > 10**9 and budget["most"] == [20e6, 5_333_333, 10_666_666, 20e6]
    (said,) = budget["said"]
    assert "0.7 M triangles" in said and "coarser" in said and "left out" not in said


def test_too_many_objects_lose_the_smallest(found):
    budget = found["budget"]
    assert budget["few"][0] <= 10_000 and "smallest objects" in budget["few"][1][0]
    assert budget["kept"]
