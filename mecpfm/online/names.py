"""What a dispatcher calls things, and the one check of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from mecpfm.errors import InputError, nearest
from mecpfm.online.world import Scene
from mecpfm.typing import Floats, Ints

SHOWN = 40
"""Characters of an unknown name that an error repeats."""


class SceneNames(NamedTuple):
    """What sites, users, models and features are called, and what is assumed of a user's request that says nothing."""

    sites: tuple[str, ...]
    users: tuple[str, ...]
    models: tuple[str, ...]
    features: tuple[str, ...]
    home: Ints
    """Site of each user, shape (U,)."""
    group: Ints
    """Whose past service times tell of the user's, shape (U,)."""
    payload_gb: Floats
    static: Floats
    """Features, shape (U, S)."""


class HasScene(Protocol):
    """What a dispatcher can stand on: a network in tables."""

    def scene(self, features: Mapping[str, tuple[float, float]] | None = None) -> tuple[Scene, SceneNames]:
        """What happens there, with these further features, and what things are called."""


class Ticket(NamedTuple):
    """Where a request goes."""

    number: int
    """Counts up from 0; never given twice, not after loading either."""
    site: str
    """Name of the site, or ``data centre``."""
    small: bool
    """Whether the model's small variant serves it (scenario ``variants``)."""
    service_s: float | None
    """Predicted service time there, s; None where the policy predicts none."""


def index_of(kind: str, name: str, known: Mapping[str, int]) -> int:
    """Number of a name; InputError with the nearest known one otherwise."""
    try:
        return known[name]
    except (KeyError, TypeError):
        name = str(name)[:SHOWN]
        raise InputError(f"{kind} {name!r} is unknown; {nearest(name, known)}") from None


def number(name: str, value: float, most: float, least: float = 0.0) -> float:
    """A finite number in a range; InputError otherwise."""
    try:
        if least <= value <= most:
            return float(value)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name} is {value!r}; must be a number from {least:g} to {most:g}")


def names_of(scene: Scene) -> SceneNames:
    """Names in a scene, which has only numbers: a user is ``home:group``."""
    world = scene.world
    pairs = np.unique(np.column_stack([world.home, world.group]), axis=0)
    features = world.static.shape[1]
    return SceneNames(
        sites=tuple(map(str, range(len(world.speed)))),
        users=tuple(f"{home}:{group}" for home, group in pairs.tolist()),
        models=tuple(map(str, range(len(world.base)))),
        features=tuple(f"feature {i}" for i in range(features)),
        home=pairs[:, 0],
        group=pairs[:, 1],
        payload_gb=np.full(len(pairs), world.payload_gb.mean()),
        static=np.tile(scene.shift[:features], (len(pairs), 1)),
    )
