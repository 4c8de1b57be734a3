"""A network in tables as the ground that the trace simulator serves requests on (docs/live.md says what that assumes).

One figure stands for what differs from path to path: pulls between sites, pulls from the data centre, the way there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mecpfm.errors import InputError, nearest
from mecpfm.kernels import arrays
from mecpfm.network.build import held_blocks, memory_gb, rates
from mecpfm.network.library import library
from mecpfm.network.network import Network
from mecpfm.network.routes import centre_site, home_sites, paths_between
from mecpfm.online.setting import AS_GIVEN, Setting
from mecpfm.online.trace import GPU, Trace, accelerator
from mecpfm.online.world import Ground
from mecpfm.typing import Bools, Floats, Ints

LEAST_S = 1e-9
"""Tables whose users want no tokens would make speeds of nothing."""


class Served(NamedTuple):
    """Requests of a trace on a network's sites."""

    setting: Setting
    trace: Trace
    """Models are rows of the table."""
    ground: Ground
    assumed: tuple[str, ...]
    """What neither trace nor tables say, in words."""


def serve(network: Network, trace: Trace, requests: int, load: float | None, seed: int) -> Served:
    """Ground, and what of the trace is found in the tables.

    Users and models are matched by name. Where the tables know none of a trace's names, models take turns, and whoever
    asks is given a user of the table, drawn by ``per_hour``.

    Raises
    ------
    InputError
        A name that the tables lack where they have others, a site too small for a model, memory that is held twice.
    """
    setting, ground = _ground(network, requests, load)
    names = network.models["model"].tolist()
    model = _matched(network, "models", trace, trace.model_names, names)
    user = _matched(network, "users", trace, trace.group_names, network.users["user"].tolist())
    words = []
    if model is None:
        model = np.arange(int(trace.model.max()) + 1) % len(names)
        words.append(f"models: the trace's {len(model)}, as they first come, are the table's {len(names)} in turn")
    if user is None:
        weight = network.users["per_hour"].to_numpy()
        random = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[2])
        user = random.choice(len(weight), int(trace.origin.max()) + 1, p=weight / weight.sum())
        words.append("homes: those of the table's users, drawn by per_hour")
    ground = ground._replace(home=ground.home[user])
    return Served(setting, trace._replace(model=model[trace.model]), ground, (*_said(network, setting, ground), *words))


def expected_s(network: Network) -> Floats:
    """Service time of each user by each model at speed 1, s, shape (U, K): an L4's roofline, one request at a time."""
    tokens = (network.users[name].to_numpy()[:, None] for name in ("tokens_in", "tokens_out"))
    return np.asarray(accelerator().inference_s(network.models["parameters_b"].to_numpy()[None, :], *tokens))


def may_serve(network: Network) -> Bools:
    """Whether a model is for a user's task, shape (U, K)."""
    return np.asarray(network.users["task"].to_numpy()[:, None] == network.models["task"].to_numpy()[None, :])


def _ground(network: Network, requests: int, load: float | None) -> tuple[Setting, Ground]:
    """The tables' sites; ``home`` is that of their users."""
    path_s, pull = paths_between(network, "latency"), paths_between(network, "pull")
    centre, count = centre_site(network, path_s), len(path_s)
    far = float((pull[centre] + 8 / network.settings.remote.gbit_s).mean())
    between = float(pull.sum() / (count * (count - 1))) if count > 1 else far
    remote, access_s = network.settings.remote, network.settings.access_ms / 1000
    reach = min(network.settings.reach or count, count)
    near = np.ascontiguousarray(np.argsort(path_s, axis=1, kind="stable")[:, :reach])
    base, part_gb, held = _parts(network)
    setting = replace(
        AS_GIVEN, cloudlets=count, reach=reach, requests=requests, load=load,
        edge_gb_s=1 / between, centre_gb_s=1 / far, payload_gb_s=1 / between, remote_payload_gb_s=1 / far,
        remote_path_s=access_s + 2 * (float(path_s[centre].mean()) + remote.latency_ms / 1000),
        remote_load_s=0.0, congestion_s=0.0,
        remote_speed=float(_speed(network, [remote.gpu])[0] / remote.congestion),
    )  # fmt: skip
    ground = Ground(
        near,
        access_s + 2 * np.take_along_axis(path_s, near, axis=1),
        _speed(network, network.sites["gpu"].tolist()) * network.sites["gpus"].to_numpy(),
        memory_gb(network), home_sites(network), base, part_gb, held,
    )  # fmt: skip
    _check_memory(network, ground)
    return setting, ground


def _speed(network: Network, gpu: list[str]) -> Floats:
    """How many times faster than an L4 accelerators serve the tables' users, each by every model of its task."""
    weight = network.users["per_hour"].to_numpy()[:, None] * may_serve(network)
    weight = weight / weight.sum(axis=1, keepdims=True)
    tokens_in, tokens_out = (network.users[name].to_numpy()[:, None] for name in ("tokens_in", "tokens_out"))
    share_in, share_out = (weight * tokens_in).sum(axis=0), (weight * tokens_out).sum(axis=0)
    prefill, decode = rates(network, gpu)
    here = (share_in * prefill + share_out * decode).sum(axis=1)
    usual = (weight * expected_s(network)).sum()
    return np.asarray(arrays.settled(np.maximum(usual, LEAST_S) / np.maximum(here, LEAST_S)))


def _parts(network: Network) -> tuple[Ints, Floats, Bools]:
    """Backbone of each model, sizes of all parts (backbones, one of nothing, then what models own), who holds them."""
    table = network.models
    shared = dict(zip(table["backbone"], table["backbone_gb"], strict=True)) | {"": 0.0}
    order = {name: i for i, name in enumerate(shared)}
    base = np.array([order[name] for name in table["backbone"]], dtype=np.int64)
    blocks, models = library(network.models, network.blocks)
    at, there = {name: b for b, name in enumerate(blocks.name or ())}, held_blocks(network, blocks, models)
    held = np.zeros((len(network.sites), len(shared) + len(table)), dtype=bool)
    for part, name in enumerate([*shared, *table["model"]]):
        if name in at:
            held[:, part] = there[at[name]]
    return base, np.concatenate([np.array(list(shared.values())), table["own_gb"].to_numpy()]), held


def _check_memory(network: Network, ground: Ground) -> None:
    """Every site can hold every model, and what it holds."""
    size = ground.part_gb[ground.base] + ground.part_gb[len(ground.part_gb) - len(ground.base) :]
    site, largest = int(ground.memory_gb.argmin()), int(size.argmax())
    names, where = network.sites["site"], network.where("sites")
    if size[largest] > ground.memory_gb[site]:
        raise InputError(
            f"{where}: row {site + 1}: {names.iloc[site]!r} has {ground.memory_gb[site]:g} GB; online, every site must "
            f"have room for every model, and {network.models['model'].iloc[largest]!r} takes {size[largest]:g}"
        )
    assert ground.held is not None
    full = (ground.held * ground.part_gb).sum(axis=1)
    if (over := full > ground.memory_gb + 1e-9).any():
        site = int(over.argmax())
        raise InputError(
            f"{network.where('holds')}: site {names.iloc[site]!r} holds {full[site]:g} GB; "
            f"it has {ground.memory_gb[site]:g}"
        )


def _matched(network: Network, table: str, trace: Trace, names: tuple[str, ...], known: list[str]) -> Ints | None:
    """Rows of a table by name; None where it knows none of them."""
    place = {name: i for i, name in enumerate(known)}
    lost = [name for name in names if name not in place]
    if len(lost) == len(names):
        return None
    if lost:
        raise InputError(f"{trace.source}: {lost[0]!r} is not in {network.where(table)}; {nearest(lost[0], known)}")
    return np.array([place[name] for name in names], dtype=np.int64)


def _said(network: Network, setting: Setting, ground: Ground) -> tuple[str, ...]:
    return (
        f"sites: {setting.cloudlets} of {network.source or 'the tables'}, the nearest {setting.reach} serve",
        f"speeds: {ground.speed.min():.3g} to {ground.speed.max():.3g} times an {GPU} on the table's users, "
        f"{ground.speed.sum():.3g} in all; one request at a time, several GPUs as one",
        f"links: {setting.edge_gb_s:.3g} GB/s between sites, {setting.centre_gb_s:.3g} from the data centre (means)",
        f"data centre: speed {setting.remote_speed:.3g}, {setting.remote_path_s:.3g} s away, no further congestion",
    )
