# SPDX-License-Identifier: GPL-3.0-or-later
"""Every English text that Blender's side shows and that can be translated, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = (
    "*.py", "operators/*.py", "panels/*.py", "viewport/*.py", "scene_sync/*.py",
    "backend/shared/trust.py", "backend/client/client.py", "backend/client/ticket.py",
    "backend/client/pending.py", "backend/serving/*.py", "backend/pipelines/*.py",
)  # fmt: skip
SPOKEN = ("text", "name", "description", "heading", "confirm_text")
"""Keywords of layouts and properties whose values are shown."""
CALLS = {"iface_", "Button", "NextStep", "StringProperty", "IntProperty", "FloatProperty",
         "BoolProperty", "EnumProperty", "PointerProperty", "CollectionProperty", "operator",
         "prop", "label", "menu", "column", "IntVectorProperty", "FloatVectorProperty",
         "invoke_props_dialog"}  # fmt: skip
NAMES_OF_THINGS = {"CUDA", "JSON", "PLY", "meta.json", "WorldFM", "Cycles", "EEVEE", "Intel"}
"""The same in every language."""


def ui_strings() -> dict[str, str]:
    """Each text, and where it stands."""
    found: dict[str, str] = {}
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            if path.name in ("translations.py", "setup.py"):
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for line, text in _texts(tree):
                if _is_language(text):
                    found.setdefault(text, f"{path.relative_to(ROOT)}:{line}")
    return found


def _is_language(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) > 1 and text not in NAMES_OF_THINGS and not text.startswith("WORLDFM_")


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    keywords = [k for node in ast.walk(tree) if isinstance(node, ast.Call) for k in node.keywords]
    shown = {ast.unparse(k.value) for k in keywords if k.arg in SPOKEN}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in shown:
            yield from _constants(node, [node.value])  # chosen before it is shown
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _of_items(node)


def _of_class(node: ast.ClassDef) -> Iterator[tuple[int, str]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name = statement.targets[0].id
            if name in ("bl_label", "stopped") and isinstance(statement.value, ast.Constant):
                yield statement.lineno, str(statement.value.value)
    if "_OT_" in node.name:  # an operator's docstring is its tooltip
        yield node.lineno, (ast.get_docstring(node) or "").replace("\n", " ")


def _of_call(node: ast.Call) -> Iterator[tuple[int, str]]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(
        node.func, "id", ""
    )  # fmt: skip
    if called in ("poll_message_set", "iface_", "Progress", "stage"):
        yield from _constants(node, node.args[:1])
    if called == "NextStep":
        yield from _constants(node, node.args[1:2])
    if called == "Button":
        yield from _constants(node, node.args[1:2])
    if called == "draw_text":
        yield from _constants(node, node.args[2:3])
    if called in CALLS:
        shown = [k.value for k in node.keywords if k.arg in SPOKEN]
        untranslated = any(k.arg == "translate" for k in node.keywords)
        hidden = any("HIDDEN" in ast.dump(k.value) for k in node.keywords if k.arg == "options")
        if untranslated or hidden:
            return
        yield from _constants(node, shown)
        for keyword in node.keywords:
            if keyword.arg == "items":
                yield from _items(keyword.value)


def _of_items(node: ast.Assign | ast.AnnAssign) -> Iterator[tuple[int, str]]:
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if ast.unparse(target).endswith(".stage") or "status_text" in ast.unparse(target):
        yield from _constants(node, getattr(node.value, "elts", [node.value]))
    if isinstance(target, ast.Name) and target.id == "_TITLES" and isinstance(node.value, ast.Dict):
        for value in node.value.values:
            yield from _constants(node, getattr(value, "elts", [])[:1])
    if (
        isinstance(target, ast.Name)
        and target.id == "SENTENCES"
        and isinstance(node.value, ast.Dict)
    ):
        yield from _constants(node, node.value.values)
    if isinstance(target, ast.Name) and target.id in ("SOURCES", "ENGINES", "DEPTHS"):
        yield from _items(node.value)


def _items(node: ast.expr | None) -> Iterator[tuple[int, str]]:
    if not isinstance(node, ast.Tuple | ast.List):
        return
    for item in node.elts:
        if isinstance(item, ast.Tuple):
            yield from _constants(item, item.elts[1:3])


def _constants(node: ast.AST, values: list[ast.expr]) -> Iterator[tuple[int, str]]:
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield node.lineno, value.value
        elif isinstance(value, ast.IfExp):
            yield from _constants(node, [value.body, value.orelse])
