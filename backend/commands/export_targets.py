# SPDX-License-Identifier: GPL-3.0-or-later
"""What `worldfm world export` writes of a world, and where."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..shared.errors import InputError
from .options import refuse_existing

if TYPE_CHECKING:
    from ..shared.camera import Camera
    from ..shared.world import World
    from ..world.progress import Progress


ENDINGS = {"ply": ".ply", "splats": ".ply", "mesh": ".glb", "environment": ".hdr"}
"""Of the files that are written: others would promise what is not in them."""


@dataclass(frozen=True)
class Targets:
    """A file or a folder for each format that is wanted."""

    ply: Path | None
    transforms: Path | None
    meta: Path | None
    splats: Path | None
    mesh: Path | None
    colmap: Path | None
    environment: Path | None

    @property
    def named(self) -> list[Path]:
        """Those that are wanted."""
        return [target for target in astuple(self) if target is not None]

    def check(self, cameras: Path | None, overwrite: bool) -> None:
        """Raises InputError where nothing is wanted, or something in the way."""
        if not self.named:
            raise InputError(
                "Name what to write: --ply, --transforms, --meta, --splats, --mesh, --colmap or "
                "--environment."
            )
        if self.meta is not None and cameras is None:
            raise InputError("A meta.json holds a camera path; name one with --cameras.")
        for option, ending in ENDINGS.items():
            target = getattr(self, option)
            if target is not None and target.suffix.lower() != ending:
                raise InputError(
                    f"--{option} writes {ending[1:].upper()}; name a file in {ending}."
                )
        for target in self.named:
            refuse_existing(target, overwrite)

    def copy(self, world: World, path: list[Camera] | None, name: str) -> None:
        """Write points and memory as they are, in others' formats. path, name: of meta.json.

        Raises InputError where there is no memory for what needs some.
        """
        from ..world import exporters
        from ..world.origin import recall

        origin = recall(world.provenance)
        if self.ply is not None:
            exporters.export_ply(world.anchors, self.ply, origin)
        if self.transforms is not None:
            exporters.export_transforms(world.memory, self.transforms, origin)
        if self.meta is not None and path is not None:
            if not world.memory:
                raise InputError(
                    "The world has no memory frame to stand as the picture of meta.json."
                )
            exporters.export_meta(world.memory[0], path, self.meta, name)

    def bake(self, world: World, path: list[Camera] | None, progress: Progress) -> None:
        """Write what is computed of points and memory. path: its start is the environment's place.

        Raises InputError where there is too little for it.
        """
        if self.splats is not None:
            from ..world.bake_splats import export_splats

            progress(0.1, "Making splats")
            export_splats(world.anchors, world.memory, self.splats)
        if self.mesh is not None:
            from ..world.bake_mesh import export_mesh

            export_mesh(world.memory, self.mesh, progress)
        if self.colmap is not None:
            from ..world.export_colmap import export_colmap

            progress(0.5, "Writing the COLMAP model")
            export_colmap(world.anchors, world.memory, self.colmap)
        if self.environment is not None:
            from ..world.environment import export_environment

            place = path[0].position if path else None
            export_environment(world, place, self.environment, progress)
