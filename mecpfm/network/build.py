"""From tables to a coupled instance: paths, roofline or measured speeds, nearest holders (docs/your_own_network.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import ValidationError

from mecpfm.coupled.instance import LARGEST, Blocks, Cloudlets, Instance, Models, Options, Requests, most
from mecpfm.coupled.pulls import nearest_holders
from mecpfm.coupled.roofline import BATCH, Accelerator
from mecpfm.errors import InputError, nearest
from mecpfm.network.library import library
from mecpfm.network.network import Network
from mecpfm.network.routes import centre_site, home_sites, index_of, paths_between
from mecpfm.records import Ragged, explain
from mecpfm.typing import Array, Bools, Floats, Ints

AT_ONCE = 1_000_000
"""Combinations of user, site and model that are computed together: what bounds memory."""


@dataclass(frozen=True, eq=False)
class Built:
    """A network's instance and what its numbers are made of."""

    instance: Instance
    home: Ints
    """Own site of every user, shape (R,)."""
    path_s: Floats
    """One way between every two sites, s, shape (C, C)."""


def build(network: Network) -> Built:
    """Instance of a network.

    Users are classes: delays and compute are those of ``per_hour`` x period requests. A site is an option where it
    keeps the user's deadline, is within reach and beats the data centre.

    Raises
    ------
    InputError
        A site that no path joins to the others, or an amount that is out of range only once it is computed.

    Examples
    --------
    >>> from mecpfm.network.front import example
    >>> build(example(users=12)).instance.sizes[2:]  # sites, users
    (8, 12)
    """
    try:
        return _built(network)
    except ValidationError as error:
        reason = f"{explain(error)}; state rates, tokens and sizes that are less extreme"
        raise InputError(f"{network.source or 'network'}: {reason}") from None


def _built(network: Network) -> Built:
    path_s, pull = paths_between(network, "latency"), paths_between(network, "pull")
    centre = centre_site(network, path_s)
    home = home_sites(network)
    blocks, models = library(network.models, network.blocks)
    held = held_blocks(network, blocks, models)
    settings, remote = network.settings, network.settings.remote
    holders = nearest_holders(pull, pull[centre] + 8 / remote.gbit_s, held)
    sites, users, own = network.sites, network.users, network.sites.iloc[home].reset_index(drop=True)
    count = users["per_hour"].to_numpy() * settings.period_s / 3600
    far, best = _remote_s(network, path_s[home, centre]), network.models.groupby("task")["accuracy"].max()
    instance = Instance(
        blocks=blocks,
        models=models,
        cloudlets=Cloudlets(
            memory_gb=memory_gb(network),
            compute_s=sites["gpus"].to_numpy() * settings.period_s,
            pull_s_per_gb=holders.pull_s_per_gb,
            cached=Ragged.from_lists([np.flatnonzero(column) for column in held.T]),
            source=holders.source,
            name=tuple(sites["site"]),
            longitude_deg=sites["longitude_deg"].to_numpy(),
            latitude_deg=sites["latitude_deg"].to_numpy(),
        ),
        requests=Requests(
            remote_delay_s=far * count,
            remote_accuracy=best.reindex(users["task"]).to_numpy(dtype=float),
            weight=count,
            deadline_s=np.minimum(users["deadline_s"], LARGEST) if np.isfinite(users["deadline_s"]).any() else None,
            name=tuple(users["user"]),
            longitude_deg=users["longitude_deg"].fillna(own["longitude_deg"]).to_numpy(),
            latitude_deg=users["latitude_deg"].fillna(own["latitude_deg"]).to_numpy(),
        ),
        options=_options(network, path_s, home, far, count),
    )
    return Built(instance, home, path_s)


def memory_gb(network: Network) -> Floats:
    """Memory of the sites, GB: stated, or that of their accelerators together."""
    assert network.gpus is not None
    each = network.gpus.set_index("gpu")["memory_gb"].reindex(network.sites["gpu"]).to_numpy()
    stated = network.sites["memory_gb"].to_numpy()
    return np.where(np.isnan(stated), each * network.sites["gpus"].to_numpy(), stated)


def held_blocks(network: Network, blocks: Blocks, models: Models) -> Bools:
    """Whether block b is at site c now, shape (B, C)."""
    held = np.zeros((len(blocks.size_gb), len(network.sites)), dtype=bool)
    if network.holds is None:
        return held
    names, where = {name: b for b, name in enumerate(blocks.name or ())}, network.where("holds")
    whole = dict(zip(models.name or (), models.blocks.tolist(), strict=True))
    memory = memory_gb(network)
    at = index_of(network.sites["site"], network.holds["site"])
    for i, (c, block, model) in enumerate(
        zip(at, network.holds["block"], network.holds["model"], strict=True), start=1
    ):
        if bool(block) == bool(model):
            raise InputError(f"{where}: row {i}: needs block or model, one of them")
        if block and block not in names:
            raise InputError(f"{where}: column block, row {i}: {block!r} is unknown; {nearest(block, names)}")
        for b in (names[block],) if block else whole[model]:
            if blocks.size_gb[b] > most(memory[c : c + 1])[0]:
                name = (blocks.name or ())[b]
                raise InputError(f"{where}: row {i}: {name!r} is larger than the site's memory, {memory[c]:g} GB")
            held[b, c] = True
    return held


def rates(network: Network, gpu: list[str]) -> tuple[Floats, Floats]:
    """Seconds a prompt token and an answer token take, each of shape (len(gpu), K): measured, or by the roofline."""
    assert network.gpus is not None
    figures = network.gpus.set_index("gpu").reindex(gpu)
    here = Accelerator(*(figures[name].to_numpy()[:, None] for name in ("fp16_tflops", "bandwidth_gb_s")))
    parameters, one = network.models["parameters_b"].to_numpy()[None, :], np.ones(1)
    prefill, decode = here.prefill_s(parameters, one), here.decode_s(parameters, one)
    if network.speeds is not None:
        column = {name: k for k, name in enumerate(network.models["model"].tolist())}
        for row in network.speeds.itertuples():
            at = [i for i, name in enumerate(gpu) if name == row.gpu]
            prefill[at, column[str(row.model)]] = 1 / float(str(row.prefill_tokens_s))
            decode[at, column[str(row.model)]] = 1 / float(str(row.decode_tokens_s))
    return prefill, decode


def _remote_s(network: Network, path_s: Floats) -> Floats:
    """Delay of one request of each user in the data centre, by the most accurate model of its task; shape (R,)."""
    settings, users, models = network.settings, network.users, network.models
    best = models.sort_values("accuracy", ascending=False, kind="stable").drop_duplicates("task")
    k = best.index.to_series().set_axis(best["task"]).reindex(users["task"]).to_numpy()
    prefill, decode = rates(network, [settings.remote.gpu])
    inference = users["tokens_in"].to_numpy() * prefill[0, k] + users["tokens_out"].to_numpy() * decode[0, k]
    way = settings.access_ms / 1000 + 2 * (path_s + settings.remote.latency_ms / 1000)
    return np.asarray(way + settings.remote.congestion * inference)


def _options(network: Network, path_s: Floats, home: Ints, far_s: Floats, count: Floats) -> Options:
    """Models of the user's task that are accurate enough, at sites in reach that keep the deadline and beat remote."""
    settings, users, models = network.settings, network.users, network.models
    prefill, decode = rates(network, network.sites["gpu"].tolist())
    deadline = np.minimum(users["deadline_s"].to_numpy(), far_s)
    reach = min(settings.reach or len(path_s), len(path_s))
    near = np.argsort(path_s, axis=1, kind="stable")[:, :reach]
    of_task = {task: np.flatnonzero(models["task"] == task) for task in models["task"].unique()}
    accuracy, floor = models["accuracy"].to_numpy(), users["min_accuracy"].to_numpy()
    tokens_in, tokens_out = users["tokens_in"].to_numpy(), users["tokens_out"].to_numpy()
    task_of, found = users["task"].to_numpy(), []
    step = max(1, AT_ONCE // (reach * max(map(len, of_task.values()))))
    for start in range(0, len(users), step):
        pieces = []
        here = task_of[start : start + step]
        for task in pd.unique(here):
            part, k = start + np.flatnonzero(here == task), of_task[task]
            site = near[home[part]][:, :, None]
            before = tokens_in[part][:, None, None] * prefill[site, k]
            after = tokens_out[part][:, None, None] * decode[site, k]
            way = settings.access_ms / 1000 + 2 * path_s[home[part][:, None], near[home[part]]][:, :, None]
            delay = way + before + after
            good = (delay <= deadline[part][:, None, None]) & (accuracy[k] >= floor[part][:, None])[:, None, :]
            u, s, m = np.nonzero(good)
            times, work = count[part][u], (before + after / BATCH)[good]
            pieces.append((part[u], k[m], site[u, s, 0], delay[good] * times, work * times))
        request, model, cloudlet, *amounts = (np.concatenate(column) for column in zip(*pieces, strict=True))
        order = np.lexsort((model, cloudlet, request))
        found.append([column[order] for column in (request, model, cloudlet, *amounts)])
    request, model, cloudlet, delay_s, compute_s = _joined(found)
    by_model = _frozen(accuracy[model])
    return Options(
        request=request, model=model, cloudlet=cloudlet, delay_s=delay_s, compute_s=compute_s, accuracy=by_model
    )


def _joined(found: list[list[Array]]) -> list[Array]:
    """Columns of all parts, each part's let go as it is copied: memory for the whole and one column."""
    joined = []
    for i in range(len(found[0])):
        joined.append(_frozen(np.concatenate([part[i] for part in found])))
        for part in found:
            part[i] = part[i][:0].copy()
    return joined


def _frozen(values: Array) -> Array:
    """The array, read-only: a record takes it as it is."""
    values.flags.writeable = False
    return values
