# SPDX-License-Identifier: GPL-3.0-or-later
"""What the extension and its backend are made of: an SBOM in CycloneDX's JSON (version 1.6).

    python wheels/sbom.py OUTPUT_DIR

Names the wheels that the zips carry, the embedded networks and every package of the backend's
lock, each with the SHA-256 of its files. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wheels.lock_requirements import LOCK, ROOT, TORCH_LOCK, blocks

LOCKED = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;\s*([^\\]*?))?\s*\\")
NAMESPACE = uuid.UUID("6f1c2d0e-6c43-5b0e-9d5b-2f8f6a8f2a11")


def components() -> Iterator[dict[str, Any]]:
    """Everything that is not this project's own code."""
    for name, wheel in json.loads((ROOT / "wheels" / "lock.json").read_text("utf-8")).items():
        package, version = wheel["package"].split("==")
        about = {"worldfm:part": "extension", "worldfm:file": name}
        yield _package(package, version, [wheel["sha256"]], about)
    for file in (LOCK, TORCH_LOCK, *sorted(TORCH_LOCK.parent.glob("requirements-torch-*.txt"))):
        for block in blocks(file.read_text("utf-8")):
            found = LOCKED.match(block)
            if found is None:
                raise ValueError(f"{file.name} has a line that is not locked: {block[:60]!r}")
            about = {"worldfm:part": "backend"}
            if found[3]:
                about["worldfm:marker"] = found[3]
            hashes = re.findall(r"sha256:([0-9a-f]{64})", block)
            yield _package(found[1], found[2], hashes, about)
    for path in sorted((ROOT / "backend" / "models").glob("embedded*/*.safetensors")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield _network(path.parent.name, path.parent.name, "GPL-3.0-or-later", digest)
        if path.parent.name == "embedded_depth":  # its tensors `seen.*`, unchanged
            yield _network("embedded_depth#features", "efficientnet-lite0", "Apache-2.0", digest)


def _network(reference: str, name: str, licence: str, digest: str) -> dict[str, Any]:
    """A network, or somebody's part of one, in the file with the hash `digest`."""
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{reference}",
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": licence}}],
        "properties": [{"name": "worldfm:part", "value": "extension"}],
    }


def _package(name: str, version: str, hashes: list[str], about: dict[str, str]) -> dict[str, Any]:
    """A package of the index. Of several files (systems, Pythons) each is a reference of its own,
    for a component's own hashes would all have to be of one file."""
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"{purl}#{about.get('worldfm:file') or about.get('worldfm:marker', '')}",
        "name": name,
        "version": version,
        "purl": purl,
        "properties": [{"name": key, "value": value} for key, value in about.items()],
    }
    if len(hashes) == 1:
        return made | {"hashes": [{"alg": "SHA-256", "content": hashes[0]}]}
    files = [{"alg": "SHA-256", "content": digest} for digest in hashes]
    return made | {
        "externalReferences": [
            {"type": "distribution", "url": purl, "hashes": [digest]} for digest in files
        ]
    }


def sbom() -> dict[str, Any]:
    """The whole document."""
    project = tomllib.loads((ROOT / "blender_manifest.toml").read_text("utf-8"))
    found = list(components())
    content = json.dumps(found, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, project['version'] + content)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": project["id"],
                "name": project["name"],
                "version": project["version"],
                "licenses": [{"license": {"id": "GPL-3.0-or-later"}}],
            }
        },
        "components": found,
    }


def write_sbom(folder: Path) -> Path:
    """Write it as worldfm-VERSION.cdx.json."""
    document = sbom()
    version = document["metadata"]["component"]["version"]
    path = folder / f"worldfm-{version}.cdx.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description="Write what the extension is made of.")
    parser.add_argument("output", type=Path, help="folder of the zips")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    print(write_sbom(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
