"""A dispatcher's file: one .npz archive with every array, the rest as JSON text, and a digest of it all; no pickle."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mecpfm.archives import read_npz
from mecpfm.errors import InputError
from mecpfm.files import write_atomic
from mecpfm.kernels.online_history import History
from mecpfm.kernels.online_records import Constants, World
from mecpfm.online.desk import Desk
from mecpfm.online.dispatcher import Dispatcher
from mecpfm.online.names import SceneNames
from mecpfm.online.policy import Policy
from mecpfm.online.rows import InFlight
from mecpfm.online.setting import Setting
from mecpfm.online.world import Scene

SCHEMA = "mecpfm.dispatcher/1"
NUMBERS = ("next", "given_up", "now", "offset", "due", "patience_s")
"""Scalars of the desk."""


def write(agent: Dispatcher, path: Path) -> None:
    """Write a dispatcher, atomically; InputError where that is impossible."""
    desk, names, scene = agent._desk, agent.names, agent._scene
    rows = np.full(desk.rows.count, -1, dtype=np.int64)
    for given, row in desk.open.items():
        rows[row] = given
    arrays = {**desk.rows.arrays(), "scene.shift": scene.shift, "scene.scale": scene.scale, "tickets": rows}
    texts: dict[str, Any] = {}
    for name, value in names._asdict().items():
        (texts if isinstance(value, tuple) else arrays)[f"names.{name}"] = value
    told = {
        **texts,
        "setting": asdict(scene.setting), "policy": asdict(agent.policy), "constants": scene.world.constants._asdict(),
        "cap_s": scene.cap_s, "desk": {name: getattr(desk, name) for name in NUMBERS},
        "random": [random.bit_generator.state for random in desk.rows.random],
    }  # fmt: skip
    content = {"schema": np.array(SCHEMA), "told": np.array(json.dumps(told)), **arrays}
    buffer = io.BytesIO()
    np.savez(buffer, **content, digest=np.array(_digest(content)))  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue(), parents=False)


def read(kind: type[Dispatcher], path: Path) -> Dispatcher:
    """The dispatcher of a file; InputError when it cannot be read, is damaged or is something else."""
    content = _flat(read_npz(path))
    if "schema" not in content or content["schema"].tolist() != SCHEMA:
        raise InputError(f"{path}: schema: is no dispatcher that was saved ({SCHEMA})")
    stated = content.pop("digest", np.array(""))
    if stated.tolist() != _digest(content):
        raise InputError(f"{path}: digest: is damaged: its content is not what was saved")
    try:
        told = json.loads(content["told"].tolist())
        return _restored(kind, content, told)
    except (KeyError, TypeError, ValueError, IndexError, InputError) as error:
        raise InputError(f"{path}: is not usable ({error})") from None


def _restored(kind: type[Dispatcher], content: dict[str, Any], told: dict[str, Any]) -> Dispatcher:
    given: dict[str, Any] = {
        name: tuple(told[key]) if (key := f"names.{name}") in told else content[key] for name in SceneNames._fields
    }
    stated: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in told["setting"].items()}
    policy, setting = Policy(**told["policy"]), Setting(**stated)
    fields = {name: content[f"world.{name}"].copy() for name in World._fields if name != "constants"}
    scene = Scene(
        World(**fields, constants=Constants(**told["constants"])),
        History(*(content[f"history.{name}"] for name in History._fields)),
        content["scene.shift"].copy(), content["scene.scale"].copy(), told["cap_s"], setting, 0,
    )  # fmt: skip
    rows = InFlight(scene, policy, 0, len(fields["arrival"]), len(content["line.arrival"]))
    for name, array in rows.arrays().items():
        if not array.size:  # what this policy does not keep, and files of before do not name
            continue
        saved = content[name]
        if saved.shape != array.shape or saved.dtype != array.dtype:
            raise ValueError(f"{name} has shape {saved.shape}; must be {array.shape}")
        array[...] = saved
    for random, state in zip(rows.random, told["random"], strict=True):
        random.bit_generator.state = state
    desk = Desk(rows, told["desk"]["patience_s"])
    for name in NUMBERS:
        setattr(desk, name, told["desk"][name])
    tickets = content["tickets"].tolist()
    desk.open = dict(sorted((given, row) for row, given in enumerate(tickets) if given >= 0))
    desk.free = [row for row in range(rows.count - 1, -1, -1) if tickets[row] < 0]
    agent = kind.__new__(kind)
    agent._begin(desk, scene, policy, SceneNames(**given))
    return agent


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in nested.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def _digest(content: dict[str, Any]) -> str:
    """SHA-256 of names, kinds, shapes and bytes, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(content):
        array = np.ascontiguousarray(content[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()
