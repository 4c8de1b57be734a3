"""Requests like those of GenTD26 and of Azure where a trace is absent: drawn from the committed figures alone.

A model of each trace, not a copy. GenTD26: marginals by inverse transform of the quantiles in ``trace_summary.csv``;
who comes back when, who asks for which model, which fields a group keeps, what service takes: ``trace_structure.csv``.
Not modelled: the hour of the day, popularity that drifts, gaps that know who comes, dependence between a request's
fields beyond its model.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from mecpfm import ranges
from mecpfm.data.drawn_fields import ITEMS, fields, kept
from mecpfm.data.marginals import BINS, CLASSES, TOP, Figures, between, bins, effects, figures, inverse, ranked
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

CUMULATED_GAPS = 0.9922
"""Correlation of the slow part of log gaps from one to the next: what takes 0.39 at lag 1 to 0.26 at lag 50."""


def drawn_gentd26(requests: int, seed: int) -> pd.DataFrame:
    """Requests with the columns of :func:`mecpfm.data.traces.gentd26`, in the order of arrival.

    ``time_s`` holds whole seconds from 0. The figures are those of 26,392 requests. InputError for less than one.
    """
    ranges.no_less("requests", requests, 1)
    known = figures()
    streams = [np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(5)]
    gaps = np.floor(inverse("gap_s", ranked(_slow(known, requests, streams[0])), finer=known["gap_s"]) + 0.5)
    gaps[0] = 0.0
    group = _groups(known, requests, streams[1])
    home = _homes(known, np.bincount(group), streams[2])
    model = _models(known, group, home, streams[2])
    frame = pd.DataFrame({"time_s": np.cumsum(gaps), "group": group, "model": model})
    for name, values in fields(known, group, home, model, streams[3]).items():
        frame[name] = values
    level = ranked(_log_work(known, frame, streams[4]))
    frame["exec_s"] = np.floor(inverse("exec_s", level, finer=known["exec_s"]) + 0.5)
    frame["group"] = [f"group {code}" for code in group]
    frame["model"] = [f"model {code}" for code in model]
    order = "time_s type exec_s group prompt_length negative_prompt_length images steps model loras"
    return frame[order.split()]


def drawn_azure(name: Literal["conv", "code"], requests: int, seed: int) -> pd.DataFrame:
    """Requests with the columns of :func:`mecpfm.data.traces.azure`, ``time_s`` from 0.

    Gaps are independent draws of their quantiles. The rank of generated tokens depends on the quantile bin of context
    tokens only: its normal score has the committed mean and deviation of the bin. InputError for less than one.
    """
    ranges.no_less("requests", requests, 1)
    trace = f"azure-{name}"
    known = figures(trace)
    random = np.random.default_rng((seed, 0 if name == "conv" else 1))
    level = random.random(requests)
    mean, deviation = (np.array([known[what][str(i)] for i in range(BINS)]) for what in ("bin_mean", "bin_sd"))
    own = bins(level)
    scores = mean[own] + deviation[own] * arrays.normal(random, requests)
    gaps = inverse("gap_s", random.random(requests), trace)
    tokens = {"context_tokens": level, "generated_tokens": ranked(scores)}
    columns = {
        column: np.floor(inverse(column, levels, trace) + 0.5).astype(np.int64) for column, levels in tokens.items()
    }
    return pd.DataFrame({"time_s": np.cumsum(gaps) - gaps[0], **columns})


def _slow(known: Figures, count: int, random: np.random.Generator) -> Floats:
    """A slow AR(1) plus noise, variance 1: correlation ``share CUMULATED_GAPS^lag``."""
    share = known["gap_autocorrelation"]["1"] / CUMULATED_GAPS
    noise = arrays.normal(random, (2, count))
    state = np.empty(count)
    state[0] = noise[0, 0]
    for i in range(1, count):
        state[i] = CUMULATED_GAPS * state[i - 1] + np.sqrt(1 - CUMULATED_GAPS * CUMULATED_GAPS) * noise[0, i]
    return np.asarray(np.sqrt(share) * state + np.sqrt(1 - share) * noise[1])


def _groups(known: Figures, requests: int, random: np.random.Generator) -> Ints:
    """Who asks, in the order of arrival: sizes, then distances between a group's requests, laid out in a circle."""
    count = max(1, round(known["first_share"][""] * requests))
    size = np.round(between(known["group_size"], (np.arange(count) + 0.5) / count)).astype(np.int64)
    # Rounding, and what a short trace cuts off, is made good by the larger groups: the many small ones stay right.
    spare = np.where(size >= min(CLASSES["21-99"], int(size.max())), size - 1.0, 0.0) + 1e-9
    size += np.diff(np.round(np.cumsum(spare) * (requests - size.sum()) / spare.sum()), prepend=0).astype(np.int64)
    size = np.maximum(size, 1)
    size[-1] += requests - size.sum()
    owner = np.repeat(random.permutation(count), size)
    step = between(known["return_distance"], random.random(requests))
    first = np.cumsum(size) - size
    step[first] = arrays.uniform(random, 0, requests, count)
    walked = np.cumsum(step)
    place = (walked - np.repeat(walked[first] - step[first], size)) % requests
    return np.asarray(pd.factorize(owner[np.argsort(place, kind="stable")])[0], dtype=np.int64)


def _popularity(known: Figures, quantity: str, given: str) -> Floats:
    """Probability of each model: the ranked ones', then Zipf's law (exponent 1) for what is left to all others."""
    shares = np.array([known[quantity].get(f"{given} > {item}", 0.0) for item in ITEMS])
    tail = 1 / np.arange(1, round(known["models"][""]) - TOP + 1)
    weights = np.concatenate([shares[:-1], shares[-1] * tail / tail.sum()])
    return np.asarray(weights / weights.sum())


def _homes(known: Figures, size: Ints, random: np.random.Generator) -> Ints:
    """Each group's home model by popularity rank from 0, so that the requests of each class share as they should."""
    home = np.empty(len(size), dtype=np.int64)
    place = np.searchsorted(list(CLASSES.values()), size, side="right") - 1
    for i, name in enumerate(CLASSES):
        own = random.permutation(np.flatnonzero(place == i))
        lacking = _popularity(known, "home_share", name) * size[own].sum()
        for who in own[np.argsort(-size[own], kind="stable")]:  # few big groups decide the shares, so they come first
            home[who] = int(lacking.argmax())
            lacking[home[who]] -= size[who]
    return home


def _models(known: Figures, group: Ints, home: Ints, random: np.random.Generator) -> Ints:
    """Models by popularity rank from 0: each group has a home model, leaves it, wanders and returns."""
    models, size = round(known["models"][""]), np.bincount(group)
    away = np.cumsum([_popularity(known, "away_share", item) for item in ITEMS], axis=1)
    others = np.empty((len(group), 4), dtype=np.int64)
    rank = np.minimum(home, TOP)[group]
    for k in range(len(ITEMS)):
        mine = rank == k
        others[mine] = np.searchsorted(away[k], random.random((int(mine.sum()), 4))).clip(max=models - 1)
    stay = [known["home_stay"][ITEMS[min(k, TOP)]] for k in range(models)]
    back, again = known["home_return"][""], known["home_return"][""] + known["away_repeat"][""]
    chance = random.random(len(group))
    last = np.full(len(size), -1)
    out = np.empty(len(group), dtype=np.int64)
    for i, who in enumerate(group):
        own, before = home[who], last[who]
        other = next((k for k in others[i] if k not in (own, before)), others[i, -1])
        if before < 0:
            out[i] = own if size[who] == 1 or chance[i] < known["home_first"][""] else other
        elif before == own:
            out[i] = own if chance[i] < stay[own] else other
        else:
            out[i] = own if chance[i] < back else before if chance[i] < again else other
        last[who] = out[i]
    return out


def _log_work(known: Figures, frame: pd.DataFrame, random: np.random.Generator) -> Floats:
    """Log service time: model, its group's habit, what the request asks for, noise."""
    model = frame["model"].to_numpy()
    count = round(known["models"][""])

    def by_rank(name: str) -> Floats:
        return np.array([known[name][ITEMS[min(k, TOP)]] for k in range(count)])

    level = by_rank("model_log_work")
    level[TOP:] += known["model_spread"]["other"] * arrays.normal(random, count - TOP)
    who = frame["group"].to_numpy()
    habit = kept(who, random.random(len(who)) < known["habit_keep"][""], *arrays.normal(random, (2, len(who))))
    habit *= by_rank("model_habit_sd")[model]
    noise = arrays.normal(random, len(frame)) * by_rank("model_noise_sd")[model]
    extra = effects(frame)
    asked = (extra.to_numpy() * [known["slope"][str(name)] for name in extra]).sum(axis=1)
    return np.asarray(arrays.settled(level[model] + habit + asked + noise))
