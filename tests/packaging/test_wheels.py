# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels that the extension ships, and the zips that carry them."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

from wheels import build_extension, fetch, lock_requirements, sbom

ROOT = Path(__file__).resolve().parents[2]
LOCK = json.loads((ROOT / "wheels" / "lock.json").read_text())
MANIFEST = tomllib.loads((ROOT / "blender_manifest.toml").read_text())


def test_manifest_and_lock_name_the_same_wheels():
    assert sorted(MANIFEST["wheels"]) == sorted(f"./wheels/{name}" for name in LOCK)


def test_every_platform_has_its_uv():
    wheels = [name for name in LOCK if name.startswith("uv-")]
    assert len(wheels) == len(MANIFEST["platforms"])
    assert all("-py3-none-" in name for name in LOCK), "a wheel depends on the Python version"


def put_wheel(monkeypatch, content: bytes, name: str) -> None:
    def download(package: str, platform: str, folder: Path) -> None:
        (folder / name).write_bytes(content)

    monkeypatch.setattr(fetch, "download", download)


def test_a_wheel_that_is_not_the_locked_one_is_not_kept(monkeypatch, tmp_path):
    put_wheel(monkeypatch, b"something else", "a-1-py3-none-any.whl")
    with pytest.raises(fetch.WheelError, match="SHA-256"):
        fetch.fetch("a-1-py3-none-any.whl", "a==1", "any", "0" * 64, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_refused(monkeypatch, tmp_path):
    put_wheel(monkeypatch, b"wheel", "a-2-py3-none-any.whl")
    with pytest.raises(fetch.WheelError, match="bring the lock up to date"):
        fetch.fetch("a-1-py3-none-any.whl", "a==1", "any", "0" * 64, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_is_fetched_once(monkeypatch, tmp_path):
    digest = hashlib.sha256(b"wheel").hexdigest()
    put_wheel(monkeypatch, b"wheel", "a-1-py3-none-any.whl")
    assert fetch.fetch("a-1-py3-none-any.whl", "a==1", "any", digest, tmp_path)
    assert not fetch.fetch("a-1-py3-none-any.whl", "a==1", "any", digest, tmp_path)
    assert (tmp_path / "a-1-py3-none-any.whl").read_bytes() == b"wheel"


def make_zip(folder: Path, *names: str, size: int = 10) -> Path:
    package = folder / "worldfm-1-linux_x64.zip"
    with zipfile.ZipFile(package, "w") as archive:
        for name in ("wheels/a.whl", "wheels/b.whl", *names):
            archive.writestr(name, os.urandom(size))
    return package


def test_a_zip_with_tests_in_it_is_refused(tmp_path):
    with pytest.raises(build_extension.BuildError, match=r"tests/test_a\.py"):
        build_extension.check(make_zip(tmp_path, "tests/test_a.py"))


def test_a_zip_that_is_too_big_is_refused(tmp_path):
    package = make_zip(tmp_path, "data.bin", size=21_000_000)
    with pytest.raises(build_extension.BuildError, match="too big"):
        build_extension.check(package)


def test_the_built_zip_has_what_a_user_needs():
    try:
        package = build_extension.package_for_this_system(ROOT / "dist")
    except build_extension.BuildError as error:
        pytest.skip(str(error))
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
    assert {"blender_manifest.toml", "__init__.py", "LICENSE", "backend/__main__.py"} <= names
    assert {f"backend/models/embedded/{n}" for n in ("config.json", "model.safetensors")} <= names
    assert "backend/requirements.txt" in names
    left_out = build_extension.NOT_FOR_USERS
    assert not [name for name in names if name.startswith(left_out)]


def test_what_serves_imports_nothing_that_the_zip_leaves_out():
    """The modules that stay, alone in a folder, still name only one another."""
    left_out = [
        pattern.strip("/")
        for pattern in tomllib.loads((ROOT / "blender_manifest.toml").read_text())["build"][
            "paths_exclude_pattern"
        ]
        if pattern.startswith("/backend/")
    ]
    kept = {
        path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        for path in (ROOT / "backend").rglob("*.py")
        if not any(
            path.relative_to(ROOT).match(pattern)
            or path.relative_to(ROOT).as_posix().startswith(pattern + "/")
            for pattern in left_out
        )
    }
    assert "backend/serving/server" in kept and "backend/training/loop" not in kept
    missing = []
    for name in kept:
        file = ROOT / f"{name}.py"
        package = Path(name).parent if file.is_file() else Path(name)
        file = file if file.is_file() else ROOT / name / "__init__.py"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            base = package
            for _ in range(node.level - 1):
                base = base.parent
            target = base.joinpath(*(node.module or "").split("."))
            whole = target.as_posix()
            inside = {f"{whole}/{alias.name}" for alias in node.names}
            if whole not in kept and not inside <= kept:
                missing.append(f"{name} imports {whole}")
    assert missing == []


def test_one_system_needs_two_wheels_and_every_system_is_known():
    systems = {entry["platform"] for entry in LOCK.values()} - {"any"}
    for system in systems:
        assert len(fetch.wheels_for(LOCK, system)) == 2
    assert fetch.this_system() in systems


def test_the_bill_of_materials_names_all_that_is_shipped_and_installed(tmp_path):
    document = json.loads(sbom.write_sbom(tmp_path).read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    references = [part["bom-ref"] for part in document["components"]]
    assert len(set(references)) == len(references), "a reference stands twice"
    named = {part["name"] for part in document["components"]}
    assert {"websockets", "uv", "torch", "numpy", "embedded", "embedded_depth"} <= named
    for part in document["components"]:
        files = part.get("hashes") or part["externalReferences"]
        assert files, f"{part['name']} has no hash"
    shipped = {h["content"] for p in document["components"] for h in p.get("hashes", [])}
    assert {wheel["sha256"] for wheel in LOCK.values()} <= shipped
    again = sbom.write_sbom(tmp_path).read_text()
    assert json.loads(again) == document


def test_the_bill_of_materials_is_what_lies_in_the_zip():
    """Each file of somebody else's in the zip, and each package that its locks name, by hash."""
    package = os.environ.get("WORLDFM_TEST_ZIP", "")
    if not package:
        pytest.skip("make test builds the zip")
    parts = sbom.sbom()["components"]
    part_of = {"extension": set(), "backend": set()}
    for part in parts:
        about = {one["name"]: one["value"] for one in part["properties"]}
        more = [h for ref in part.get("externalReferences", []) for h in ref["hashes"]]
        part_of[about["worldfm:part"]] |= {h["content"] for h in [*part.get("hashes", []), *more]}
    text = {".py", ".md", ".toml", ".json", ".txt", ""}
    with zipfile.ZipFile(package) as archive:
        binary = [n for n in archive.namelist() if Path(n).suffix not in text and n[-1] != "/"]
        assert {Path(name).suffix for name in binary} == {".whl", ".safetensors"}
        for name in binary:
            assert hashlib.sha256(archive.read(name)).hexdigest() in part_of["extension"], name
        locks = [n for n in archive.namelist() if n.startswith("backend/requirements")]
        assert len(locks) == 4
        for name in locks:
            lock = archive.read(name).decode()
            assert lock == (ROOT / name).read_text("utf-8"), "the zip is older than the lock"
            locked = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock))
            assert locked and locked <= part_of["backend"], name


def test_a_build_of_pytorch_is_locked_from_its_indexs_page():
    files = [f"torch-2.13.0%2Bcpu-cp312-cp312-{s}.whl" for s in ("linux_s390x", "win_arm64")]
    files += [
        "torch-2.13.0%2Bcpu-cp310-cp310-win_amd64.whl",
        "torch-2.14.0%2Bcpu-cp312-cp312-win_amd64.whl",
    ]
    page = "".join(f'<a href="/x/{name}#sha256={i:064x}">' for i, name in enumerate(files))
    lock = lock_requirements.lock_build("cpu", page, "2.13.0")
    assert lock.splitlines()[1:] == ["torch==2.13.0+cpu \\", f"    --hash=sha256:{1:064x}"]
    more = lock.replace("0001", "0002")
    assert lock_requirements.lock_build("cpu", page, "2.13.0", more).count("--hash") == 2
    with pytest.raises(ValueError, match="no wheels"):
        lock_requirements.lock_build("cpu", page, "2.15.0")
