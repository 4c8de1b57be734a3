"""Errors of forecasts on the trace, measured, proved, and of the simplest rule: ``python benchmarks/bounds.py``.

Prints the tables of docs/theory_online.md ("How sharp"): means over 8,000 requests, s^2, a column a seed. With
MECPFM_DATA_DIR naming a folder that holds GenTD26 and the EUA sites, these are the real ones.
"""

import math
from dataclasses import replace

import numpy as np

from mecpfm.bandits import certificate
from mecpfm.online import ledger
from mecpfm.online.policy import named
from mecpfm.online.setting import BASE
from mecpfm.online.simulate import Outcome, simulate
from mecpfm.online.trace import load
from mecpfm.online.world import build

SEEDS, REQUESTS, DELTA = (0, 1, 2), 8_000, 0.05
OTHERS = ("structured-random-ei", "structured-tsrc-delay", "structured-tsrc", "structured-cov")


def ridge(outcome: Outcome) -> dict[str, str]:
    """Delayed ridge: its ledger, every bound, the constant rule."""
    found, _ = ledger.ledger(outcome)
    old = (math.sqrt(found.ridged) + math.sqrt(found.outstanding * found.weighed)) ** 2 + found.weighed
    width = outcome.demand.cap - outcome.demand.least
    worst = found.outstanding * width**2 * found.log_det
    doubted = found.outstanding * found.doubted
    parts = (found.ridged, found.weighed, found.delay - found.omega, found.omega, -found.clipping)
    values = {
        "measured": found.squared, "regret to the best linear rule (C1)": found.regret,
        "O2, from the run": found.bound(), "O2 with W": found.bound(found.crossed), "O2 with D P": found.bound(doubted),
        "O2 with D Q": old, "O2 with D Y^2 ln det": found.bound(worst) - found.weighed + width**2 * found.log_det,
        "R1, b = 0": found.expected_bound(), "R1, mean b^2 = 10": found.expected_bound(ledger.MISSPECIFIED),
        "R1, b = 0, with W": found.expected_bound(0.0, found.crossed),
        "R1, b = 0, with D P": found.expected_bound(0.0, doubted),
        "conditional risk (C3, 95 %)": certificate.risk_bound(found.squared, found.requests, width, DELTA),
        "constant rule": found.constant,
    }  # fmt: skip
    said = {name: f"{value / found.requests:.1f}" for name, value in values.items()}
    sums = " + ".join(f"{value / found.requests:.2f}" for value in parts)
    return {"V + Q + C + Omega - K": sums, **said, "D; ln det": f"{found.outstanding}; {found.log_det:.0f}"}


def linearity(outcome: Outcome) -> dict[str, str]:
    """Whether the expected demand is linear: a martingale's z, residuals, and what products of features explain."""
    found, run = ledger.ledger(outcome)
    x, work, requests = outcome.demand.context, outcome.target_s, found.requests
    rest = work - x @ np.linalg.lstsq(x, work, rcond=None)[0]
    terms = (1 - run.leverage) * (run.prompt - run.raw)
    z = (terms @ rest) / math.sqrt(np.sum(np.square(terms * rest)))
    lags = (float(np.mean(rest[lag:] * rest[:-lag]) / np.mean(rest**2)) for lag in (1, 2, 5, 20))
    first, second = np.triu_indices(x.shape[1] - 1)
    products = x[:, first] * x[:, second]
    products = (products - products.mean(axis=0)) / (products.std(axis=0) + 1e-9)
    whole, gains = products.T @ products, np.zeros(3)
    for block in np.array_split(np.arange(requests), 10):
        train = np.ones(requests, dtype=bool)
        train[block] = False
        left = work - x @ np.linalg.lstsq(x[train], work[train], rcond=None)[0]
        gram, right = whole - products[block].T @ products[block], products[train].T @ left[train]
        for i, penalty in enumerate((100.0, 1000.0, 5000.0)):
            more = left[block] - products[block] @ np.linalg.solve(gram + penalty * np.eye(len(gram)), right)
            gains[i] += (np.sum(left[block] ** 2) - np.sum(more**2)) / requests
    fifths = np.array_split(rest[np.argsort(work - rest)] ** 2, 5)
    omega = (1 - run.leverage) * np.square(run.prompt - run.raw)
    return {
        "martingale of Omega and residuals, z": f"{z:.1f}",
        "autocorrelation of residuals at lags 1, 2, 5, 20": ", ".join(f"{value:.2f}" for value in lags),
        f"explained by {products.shape[1]} products, cross-fitted, at most": f"{gains.max():.1f}",
        "variance of residuals over fifths of the forecast": " ".join(f"{one.mean():.0f}" for one in fifths),
        "share of Omega in the first 1,000 requests": f"{omega[:1000].sum() / omega.sum():.0%}",
    }


def following(outcome: Outcome) -> dict[str, str]:
    """``follow-probe``: R3's terms, what is certified from what was seen."""
    x, work = ledger.every_feature(outcome), outcome.target_s
    found, requests = ledger.advice(outcome, x), len(work)
    first, second, delay = found.terms()
    width, total = outcome.demand.cap - outcome.demand.least, float(np.square(outcome.log.guess_s - work).sum())
    hidden = certificate.hidden_bound(found.losses[:, :-1], ledger.probed(outcome), found.share, width, DELTA)
    least = min(hidden.min(), found.losses[:, -1].sum())  # the constant's losses are all seen
    c = found.rate * width**2 / (2 * found.share)
    apriori = (found.best + first) / (1 - c)
    values = {
        "best single rule in hindsight": certificate.best_subset(x, work, 1)[0], "best expert": found.best,
        "+ ln K / eta": first, "+ second order": second, "+ delay": delay, "(delay at most)": found.delay_bound(),
        "R3": found.bounds()[-1], "R3 before the run, without delay": apriori, "measured": total,
        "regret to the best expert": total - found.best, "the same from what was seen (C4, 95 %)": total - least,
        "constant rule": np.square(work - work.mean()).sum(),
    }  # fmt: skip
    return {name: f"{value / requests:.1f}" for name, value in values.items()}


def main() -> None:
    trace = load(name="gentd26")
    print(f"{trace.source}, seeds {SEEDS}")
    tables: dict[str, list[dict[str, str]]] = {
        name: [] for name in ("ridge on all features", "linear?", "follow-probe", "beside")
    }
    for seed in SEEDS:
        scene = build(replace(BASE, requests=REQUESTS), trace, seed)
        full, one = (simulate(scene, named(name), seed) for name in ("structured-full", "follow-probe"))
        others = {name: ledger.account(simulate(scene, named(name), seed)) for name in OTHERS}
        tables["ridge on all features"].append(ridge(full))
        tables["linear?"].append(linearity(full))
        tables["follow-probe"].append(following(one))
        tables["beside"].append({name: f"{found['forecast_s2']:.1f}" for name, found in others.items()})
    for name, columns in tables.items():
        print(f"\n{name}, s^2 a request")
        for row in columns[0]:
            print(f"| {row} | {' | '.join(column[row] for column in columns)} |")


if __name__ == "__main__":
    main()
