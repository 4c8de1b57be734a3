"""What a run's forecasts lost, to what, and what is proved about it: the ledger that ``simulate-trace`` prints."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecpfm.bandits import certificate
from mecpfm.bandits.advice import Advice, consult
from mecpfm.bandits.certificate import Ledger
from mecpfm.kernels.delayed_ridge import Replay
from mecpfm.kernels.online_demand import CLIP
from mecpfm.online.features import Replayed, copied, replay
from mecpfm.online.simulate import RIDGE, Outcome, usual_s
from mecpfm.typing import Bools, Floats, Ints

DOUBT = 0.05
"""Probability with which the bounds that hold with some probability may fail."""
MOST_REPLAYED = 100_000
"""Requests above which nothing is told that needs the features which were hidden."""
MISSPECIFIED = 10.0
"""Mean squared distance of the expected demand from a linear rule on the real trace, by judgement, s^2."""
DELAYED_RIDGE = ("ridge", "covariance")
"""Keys of ``DEMAND`` whose forecaster is the one of docs/theory_online.md."""


def known(outcome: Outcome) -> Ints:
    """First request whose forecast knows the demand of each, T if none, shape (T,)."""
    return certificate.known_from(_asked(outcome), outcome.log.finish_s)


def ledger(outcome: Outcome) -> tuple[Ledger, Replay]:
    """Of a run whose forecaster is delayed ridge, on the features that it saw."""
    demand = outcome.demand
    start = np.zeros(demand.context.shape[1])
    start[-1] = usual_s(outcome.scene)
    return certificate.ledger(demand.context, outcome.target_s, known(outcome), start, demand.least, demand.cap, RIDGE)


def growth(outcome: Outcome) -> dict[str, Floats]:
    """Means over the first t requests, for every t, s^2, shape (T,): of delayed ridge or ``follow-probe``.

    ``measured`` errors, their ``bound`` on any data (O2, R3), ``expected``, the bound R1 with ``MISSPECIFIED`` (NaN for
    ``follow-probe``), and the best ``constant``.
    """
    work = outcome.target_s
    count = np.arange(1, len(work) + 1)
    if outcome.policy.demand == "follow":
        bound = advice(outcome, every_feature(outcome)).bounds()
        expected = np.full(len(work), np.nan)
    else:
        found, run = ledger(outcome)
        bound, expected = certificate.bounds(run, work, found.penalty, MISSPECIFIED)
    sums = {
        "measured": np.cumsum(np.square(outcome.log.guess_s - work)), "bound": bound, "expected": expected,
        "constant": np.cumsum(np.square(work)) - np.square(np.cumsum(work)) / count,
    }  # fmt: skip
    return {name: values / count for name, values in sums.items()}


def advice(outcome: Outcome, x: Floats) -> Advice:
    """Of a run of ``follow-probe``, given all features, shape (T, N + 1) with the constant last."""
    demand = outcome.demand
    run = outcome.target_s, known(outcome), probed(outcome), usual_s(outcome.scene)
    return consult(x[:, :-1], *run, demand.least, demand.cap, demand.rate, RIDGE)


def probed(outcome: Outcome) -> Bools:
    """Features that a run of ``follow-probe`` probed, shape (T, N)."""
    shown = outcome.demand.shown[:, :-1]
    found = np.zeros((len(shown), len(outcome.demand.raw)), dtype=bool)
    np.put_along_axis(found, shown, True, axis=1)
    return found


def every_feature(outcome: Outcome) -> Floats:
    """Features of all requests, hidden ones too, as the policy would have seen them; last a constant, (T, N + 1)."""
    scene, demand = outcome.scene, outcome.demand
    world = scene.world
    requests = Replayed(world.arrival, world.work, world.group, world.model, world.static)
    raw = replay(copied(scene.history), requests, _asked(outcome), outcome.log.finish_s)
    out = np.ones((len(raw), raw.shape[1] + 1))
    out[:, :-1] = np.clip((raw - demand.shift) / demand.scale, -CLIP, CLIP)
    return out


def account(outcome: Outcome) -> dict[str, Any] | None:
    """Means over requests, s^2; None where the policy forecasts nothing.

    ``forecast_s2 = best_s2 + regret_s2``, and ``regret_s2 = learning_s2 + delay_s2 - clipping_s2`` where these are
    told. ``bound_s2`` is O2, or R3 for ``follow-probe``.
    """
    if outcome.policy.dispatch != "structured":
        return None
    work, total = outcome.target_s, float(outcome.squared_error.sum())
    requests, width = len(work), outcome.demand.cap - outcome.demand.least
    risk = certificate.risk_bound(total, requests, max(width, 1e-9), DOUBT)
    sums: dict[str, Any] = {"forecast_s2": total, "constant_s2": float(np.square(work - work.mean()).sum())}
    if outcome.policy.demand in DELAYED_RIDGE:
        words, more = _of_ridge(outcome, work)
    elif outcome.policy.demand == "follow" and requests <= MOST_REPLAYED:
        words, more = _of_experts(outcome, work, total)
    else:
        words, more = {}, {}
    sums |= {**more, "risk_s2": risk}
    return {**{name: value / requests for name, value in sums.items()}, **words, "confidence": 1 - DOUBT}


def _of_ridge(outcome: Outcome, work: Floats) -> tuple[dict[str, Any], dict[str, float]]:
    found, _ = ledger(outcome)
    words: dict[str, Any] = {"best_of": "linear rule in hindsight"}
    sums = {
        "best_s2": found.best, "regret_s2": found.regret, "learning_s2": found.learning, "delay_s2": found.delay,
        "clipping_s2": found.clipping, "bound_s2": found.bound(),
    }  # fmt: skip
    if (size := outcome.demand.sight.observed) < len(outcome.demand.raw):
        words["best_of"] += " on what was shown"
        if len(work) <= MOST_REPLAYED:
            more, best = _subset(every_feature(outcome), work, size)
            words, sums = {**words, **more}, {**sums, **best}
    return words, sums


def _subset(x: Floats, work: Floats, size: int) -> tuple[dict[str, Any], dict[str, float]]:
    found = certificate.best_subset(x, work, size)
    return ({}, {}) if found is None else ({"subset": list(found[1])}, {"subset_s2": found[0]})


def _of_experts(outcome: Outcome, work: Floats, total: float) -> tuple[dict[str, Any], dict[str, float]]:
    x = every_feature(outcome)
    found = advice(outcome, x)
    least = certificate.hidden_bound(
        found.losses[:, :-1], probed(outcome), found.share, max(outcome.demand.cap - outcome.demand.least, 1e-9), DOUBT
    )
    surely = min(float(least.min()), float(found.losses[:, -1].sum()))  # the constant's losses are all seen
    words, best = _subset(x, work, 1)
    sums = {
        "best_s2": found.best, "regret_s2": total - found.best, "bound_s2": float(found.bounds()[-1]),
        "seen_regret_s2": total - surely, **best,
    }  # fmt: skip
    return {"best_of": "expert on one feature", **words}, sums


def sentence(found: dict[str, Any], features: int) -> str:
    """The account in a line."""
    said = [f"forecast {found['forecast_s2']:.1f} s²"]
    if "best_s2" in found:
        said.append(f"best {found['best_of']} {found['best_s2']:.1f}")
        if "subset_s2" in found:
            said[-1] += f" (on the best {len(found['subset'])} of {features} features {found['subset_s2']:.1f})"
        said.append(f"regret {found['regret_s2']:.1f} ({_parts(found)})")
        said.append(f"bound {found['bound_s2']:.1f}, constant rule {found['constant_s2']:.1f}")
    else:
        said.append(f"constant rule {found['constant_s2']:.1f}")
    return "; ".join([*said, f"conditional risk <= {found['risk_s2']:.1f} ({100 * found['confidence']:g} %)"])


def _parts(found: dict[str, Any]) -> str:
    if "seen_regret_s2" in found:
        return f"by what was seen <= {found['seen_regret_s2']:.1f}, {100 * found['confidence']:g} %"
    clipping = f", clipping -{found['clipping_s2']:.1f}" if found["clipping_s2"] >= 0.05 else ""
    return f"exact: learning {found['learning_s2']:.1f}, delay {found['delay_s2']:.1f}{clipping}"


def _asked(outcome: Outcome) -> Floats:
    """When each request's forecast was made, shape (T,), s."""
    return np.asarray(outcome.scene.world.arrival + outcome.held_s)
