# SPDX-License-Identifier: GPL-3.0-or-later
"""What outlives engines and files: the one backend client and the scenes read so far.

Blender makes and destroys engine objects at every switch of shading; state lives here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import bpy

from .backend.client import BackendClient, BackendState, LaunchSettings
from .backend.shared.errors import BackendError
from .backend.shared.frame import FrameReply
from .backend.shared.scene import Scene
from .backend.shared.world import World
from .scene_sync.adapted import chosen_model
from .scene_sync.bakes import forget_layers
from .scene_sync.memory import forget_frames
from .scene_sync.scene_reader import SceneReader
from .scene_sync.textures import forget_textures
from .scene_sync.world import WorldBuilder

ROOT = Path(__file__).resolve().parent
PYTHON_VARIABLE = "WORLDFM_PYTHON"
"""Environment variable that names the backend's Python, for render farms."""

MODELS_VARIABLE = "WORLDFM_MODELS"
"""Environment variable that tells the backend where models lie."""

_users_models = os.environ.get(MODELS_VARIABLE, "")

_client: BackendClient | None = None
_sources: dict[str, WorldSource] = {}
_latest: FrameReply | None = None
_shown: Scene | None = None
_shown_final = False


@dataclass(eq=False)
class WorldSource:
    """What turns one scene, for one purpose, into worlds again and again."""

    reader: SceneReader = field(default_factory=SceneReader)
    builder: WorldBuilder = field(default_factory=WorldBuilder)


def unshown() -> tuple[str, ...]:
    """A sentence for each thing that scenes read so far have and frames lack."""
    return tuple(dict.fromkeys(s for one in _sources.values() for s in one.builder.problems))


def unbaked() -> bool:
    """Whether Bake Materials would show something better in the scenes read so far."""
    return any(one.builder.unbaked for one in _sources.values())


def data_folder() -> Path:
    """Where the backend, models and logs lie: the user's choice, or Blender's place for them."""
    chosen = preferences().data_folder
    return Path(chosen or bpy.utils.extension_path_user(__package__, create=True))


def models_folder() -> Path:
    """Where models lie: the environment's choice, or beside the backend."""
    return Path(_users_models or data_folder() / "models")


def preferences() -> bpy.types.AddonPreferences:
    """The add-on's preferences."""
    return bpy.context.preferences.addons[__package__].preferences


def named_python() -> str:
    """The interpreter that the environment or the user names for the backend; "" = none."""
    return os.environ.get(PYTHON_VARIABLE) or preferences().python


def backend_python() -> Path:
    """The interpreter that has the backend's libraries. Raises BackendError when none is set."""
    named = named_python()
    python = Path(named) if named else installed_python()
    if python is None or not python.is_file():
        why = "it is not installed; install it in"
        if named:
            why = f"there is no Python at '{named}'; correct or empty the field Python in"
        raise BackendError(
            f"The WorldFM backend cannot start because {why} Preferences > Add-ons > WorldFM."
        )
    # every backend process inherits it, whoever starts it
    os.environ[MODELS_VARIABLE] = str(models_folder())
    return python


def installed_python() -> Path | None:
    """The Python of the environment that the preferences installed, if there is one."""
    folder = data_folder() / "environment"
    places = (folder / "bin" / "python", folder / "Scripts" / "python.exe")
    return next((place for place in places if place.is_file()), None)


def launch_settings(model: str) -> LaunchSettings:
    """How to start a backend for `model` on the device of the preferences."""
    chosen = preferences()
    return LaunchSettings(
        python=backend_python(),
        root=ROOT,
        data_dir=data_folder(),
        model=bpy.path.abspath(model) if model.startswith("//") else model,
        device=chosen.device,
        threads=chosen.threads,
        gives_way=not bpy.app.background,  # nobody looks at a farm's Blender
    )


def client() -> BackendClient:
    """The one client, started or not."""
    global _client
    if _client is None:
        _client = BackendClient()
    return _client


def running_client(scene: bpy.types.Scene) -> BackendClient:
    """The client, with a backend for the scene's model up or on its way.

    Raises BackendError when the backend is not installed.
    """
    chosen = client()
    chosen.start(launch_settings(chosen_model(scene)))
    return chosen


def mend(_settings: object, context: bpy.types.Context) -> None:
    """The user changed how a backend is started (a property's update): one that failed otherwise is
    started anew."""
    chosen = client()
    if chosen.state is not BackendState.FAILED:
        return
    try:
        launch = launch_settings(chosen_model(context.scene))
    except BackendError:
        return  # panels and viewports say why
    if launch != chosen.launch:
        chosen.start(launch)


def source(key: str) -> WorldSource:
    """The source of the world `key`."""
    return _sources.setdefault(key, WorldSource())


def forget_view(key: str, slots: Iterable[str] = ()) -> None:
    """A viewport and its world are gone, and what else it asked for under the names in `slots`."""
    _sources.pop(key, None)
    if _client is not None:
        for slot in (key, *slots):
            _client.forget_view(slot)
        _client.forget_world(key)


def forget_scenes() -> None:
    """Another file was loaded: nothing that was read belongs to it."""
    global _latest, _shown
    if _client is not None:
        for key in _sources:
            _client.forget_world(key)
    _sources.clear()
    _latest = _shown = None
    forget_frames()
    forget_textures()
    forget_layers()


def note_frame(reply: FrameReply, world: World | None = None, final: bool = False) -> None:
    """A viewport or a final render shows this frame now. world: that it may be of."""
    global _latest, _shown, _shown_final
    _latest, _shown, _shown_final = reply, None, final
    if world is not None and world.revision == reply.world_revision:
        _shown = world.scene


def latest_frame() -> FrameReply | None:
    """The frame that was shown last, for what keeps or copies it."""
    return _latest


def latest_scene() -> tuple[Scene | None, bool]:
    """The scene that the latest frame is of, None where it is not known or has no surfaces, and
    whether a final render showed it."""
    return _shown, _shown_final


def shut_down() -> None:
    """End the backend, as when the extension is disabled."""
    global _client
    forget_scenes()
    if _client is not None:
        _client.stop()
        _client = None
    if not _users_models:
        os.environ.pop(MODELS_VARIABLE, None)
