"""What holds for a whole network: the fields of network.toml, read, checked and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mecpfm.errors import InputError, nearest
from mecpfm.files import read_toml

SETTINGS = "network.toml"
LARGEST = 1e9


@dataclass(frozen=True)
class Remote:
    """The data centre: the site it hangs on, its accelerator and the way there, one way.

    Examples
    --------
    >>> import mecpfm as mp
    >>> mp.Remote(congestion=6).gbit_s
    10.0
    """

    site: str = ""
    """Empty: the most central site."""
    gpu: str = "A100-40GB"
    congestion: float = 3.0
    """How many times longer inference takes than on an idle accelerator."""
    latency_ms: float = 25.0
    gbit_s: float = 10.0


@dataclass(frozen=True)
class Settings:
    """What holds for the whole network: ``network.toml``.

    Examples
    --------
    >>> import mecpfm as mp
    >>> mp.Settings(period_s=600, remote=mp.Remote(congestion=6)).reach
    0
    """

    period_s: float = 3600.0
    """Time that the plan is for, s: capacities and rates are of this period."""
    access_ms: float = 5.0
    """From a user to its own site and back, ms."""
    reach: int = 0
    """How many of the nearest sites may serve a user; 0: all."""
    topology: str = ""
    """In place of ``links.csv``: a topohub network, or a GraphML file by its path from the folder."""
    link_gbit_s: float = 10.0
    """What a link of the topology carries where the topology does not say."""
    remote: Remote = field(default_factory=Remote)


def read_settings(path: Path) -> Settings:
    """Settings of a file, the defaults where there is none; InputError names file, field and reason."""
    return settings_of(str(path), read_toml(path)) if path.exists() else Settings()


def settings_of(where: str, content: Mapping[str, Any], before: Settings = Settings()) -> Settings:
    """Settings as ``before`` but for what ``content`` says; InputError, which begins with ``where``."""
    own, remote = {name: value for name, value in content.items() if name != "remote"}, content.get("remote", {})
    if not isinstance(remote, Mapping):
        raise InputError(f"{where}: remote must be a table: [remote]")
    far = replace(before.remote, **_values(where, before.remote, remote, "remote."))
    return replace(before, **_values(where, before, own), remote=far)


def changed_settings(before: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with some fields changed; text is a number for a field of numbers, and is added where it has a sign.

    InputError for a field that says where tables come from: they are there.
    """
    for name in sorted(changes.keys() & {"topology", "link_gbit_s"}):
        raise InputError(f"settings: {name} says how links are read; change links instead")
    far = changes.get("remote", {})
    wanted: dict[str, Any] = _numbers(before, {name: value for name, value in changes.items() if name != "remote"})
    if isinstance(far, Mapping):
        far = _numbers(before.remote, far)
    return settings_of("settings", {**wanted, "remote": far}, before)


def _numbers(before: Settings | Remote, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Text in place of numbers, as the command line gives it, as numbers."""
    found = dict(changes)
    for name, text in changes.items():
        now = getattr(before, name, None)
        if not isinstance(text, str) or not isinstance(now, (int, float)):
            continue
        try:
            value = float(text) + (now if text[:1] in ("+", "-") else 0)
        except ValueError:
            raise InputError(f"settings: {name}: {text!r} must be a number, +8 adds") from None
        found[name] = int(value) if isinstance(now, int) and value.is_integer() else value
    return found


def _values(path: str, default: Any, given: Mapping[str, Any], prefix: str = "") -> Mapping[str, Any]:
    """Values of known keys, of the kind that the defaults have."""
    known = {name: value for name, value in vars(default).items() if not isinstance(value, Remote)}
    for name, value in given.items():
        if name not in known:
            raise InputError(f"{path}: {prefix}{name} is unknown; {nearest(name, known)}")
        if isinstance(known[name], str) != isinstance(value, str) or isinstance(value, (bool, list, dict)):
            raise InputError(f"{path}: {prefix}{name} is {value!r}; must be like {known[name]!r}")
        least = 0 if name in ("reach", "latency_ms", "access_ms") else 1e-9
        if not isinstance(value, str) and not least <= value <= LARGEST:
            raise InputError(f"{path}: {prefix}{name} is {value}; must be from {least:g} to {LARGEST:g}")
        if name == "reach" and not isinstance(value, int):
            raise InputError(f"{path}: reach is {value}; must be a whole number")
    return given
