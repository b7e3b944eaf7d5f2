# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom, read from the source."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLENDERS_ROOMS = ("operators", "panels", "scene_sync", "viewport")
BLENDERS_MODULES = {
    "bpy",
    "bpy_extras",
    "bl_math",
    "blf",
    "gpu",
    "gpu_extras",
    "mathutils",
    "bl_ui",
    "numpy",
}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def sources(*folders: str) -> dict[str, ast.Module]:
    """Module name -> its tree, of all files below these folders."""
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return {module_of(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def blenders_side() -> dict[str, ast.Module]:
    root = {f.stem: ast.parse(f.read_text(encoding="utf-8")) for f in sorted(ROOT.glob("*.py"))}
    return {**root, **sources(*BLENDERS_ROOMS)}


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(tree: ast.AST, when_called: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that happen; `when_called`: those within functions as well."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif is_for_types(node):
            continue
        elif when_called or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(node, when_called)


def named(module: str, is_package: bool, node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules (or things in them) that an import names, absolute."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    parts = module.split(".") if is_package else module.split(".")[:-1]
    parts = parts[: len(parts) - node.level + 1] if node.level else []
    base = ".".join([*parts, *(node.module or "").split(".")]).strip(".")
    return [f"{base}.{alias.name}".strip(".") for alias in node.names]


def all_named(modules: dict[str, ast.Module], when_called: bool = True) -> dict[str, set[str]]:
    packages = {one for one in modules if (ROOT / one.replace(".", "/")).is_dir()}
    return {
        module: {
            name
            for node in imports(tree, when_called)
            for name in named(module, module in packages, node)
        }
        for module, tree in modules.items()
    }


def test_blenders_side_imports_the_backends_shared_types_and_its_client_only() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, names in all_named(blenders_side()).items()
        for name in names
        if name.startswith("backend.") and name.split(".")[1] not in {"shared", "client"}
    ]
    assert wrong == []


def test_scenes_are_read_without_a_client() -> None:
    """Benchmarks and training read them in a Blender that has no wheels."""
    names = all_named(sources("scene_sync"))
    wrong = [f"{m} imports {n}" for m in names for n in names[m] if n.startswith("backend.client")]
    assert wrong == []


def test_blenders_side_needs_nothing_but_blender_numpy_and_the_standard_library() -> None:
    side = blenders_side()
    own = {module.split(".")[0] for module in side} | {"backend", "demo"}
    known = own | BLENDERS_MODULES | set(sys.stdlib_module_names)
    wrong = [
        f"{module} imports {name}"
        for module, names in all_named(side).items()
        for name in names
        if name.split(".")[0] not in known
    ]
    assert wrong == []


def test_shared_types_need_numpy_and_the_standard_library_only() -> None:
    for module, names in all_named(sources("backend/shared")).items():
        for name in names:
            room = name.split(".")
            inside = room[:2] == ["backend", "shared"]
            assert inside or room[0] in {"numpy", *sys.stdlib_module_names}, f"{module}: {name}"


def test_the_client_needs_shared_types_websockets_and_the_standard_library() -> None:
    known = {"numpy", "websockets", *sys.stdlib_module_names}
    for module, names in all_named(sources("backend/client")).items():
        for name in names:
            room = name.split(".")
            inside = room[0] == "backend" and room[1] in {"shared", "client"}
            assert inside or room[0] in known, f"{module}: {name}"


def test_what_serves_knows_nothing_of_blender_or_training() -> None:
    rooms = ("serving", "pipelines", "conditioning", "models", "world")
    for module, names in all_named(sources(*(f"backend/{room}" for room in rooms))).items():
        for name in names:
            assert name.split(".")[0] != "bpy", module
            assert not name.startswith(("backend.training", "backend.evaluation")), module


def test_no_cycle_of_imports() -> None:
    """Not even one that Python lets pass because one of its modules is half loaded."""
    modules = {**blenders_side(), **sources("backend")}
    needs = {
        module: {_known(name, modules) for name in names} - {None, module}
        for module, names in all_named(modules, when_called=False).items()
    }
    circles = list(_circles(needs))
    assert circles == []


def _known(name: str, modules: dict[str, ast.Module]) -> str | None:
    """The module that an imported name is, or is in."""
    return (
        name
        if name in modules
        else next((m for m in [name.rpartition(".")[0]] if m in modules), None)
    )


def _circles(needs: dict[str, set[str | None]]) -> Iterator[list[str]]:
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> Iterator[list[str]]:
        if module in way:
            yield [*way[way.index(module) :], module]
            return
        if module not in done:
            for other in sorted(filter(None, needs[module])):
                yield from visit(other, [*way, module])
            done.add(module)

    for module in sorted(needs):
        yield from visit(module, [])


def test_nothing_is_there_that_nobody_names() -> None:
    """Functions, classes and constants of modules; hooks of libraries are methods or decorated."""
    files = [f for folder in ("backend", *BLENDERS_ROOMS) for f in (ROOT / folder).rglob("*.py")]
    mine = [*files, *ROOT.glob("*.py")]
    others = [f for folder in ("tests", "demo", "wheels") for f in (ROOT / folder).rglob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in (*mine, *others)]
    texts.append((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    count = Counter(word for text in texts for word in re.findall(r"[A-Za-z_]\w*", text))
    unused = [
        f"{module_of(file)}: {name}"
        for file in mine
        for name in _defined(ast.parse(file.read_text(encoding="utf-8")))
        if count[name] == 1
    ]
    assert unused == []


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
