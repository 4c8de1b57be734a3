"""How well the service time of a request can be predicted, and from how few features.

Split by time (first 60 % train, last 40 % test), ridge regression, service times capped at the 99 % quantile of the
training part; every R^2 is out of sample, against the mean of the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mecpfm.errors import InputError
from mecpfm.kernels import arrays
from mecpfm.online.features import DYNAMIC_NAMES, names, survey
from mecpfm.online.setting import BASE
from mecpfm.online.trace import Trace
from mecpfm.typing import Floats

TRAIN, CAP_QUANTILE, RIDGE = 0.6, 0.99, 1.0
GROUP, MODEL, LOAD = slice(0, 4), slice(4, 6), slice(6, 12)
"""Places of a group's, a model's and the load's features among ``DYNAMIC_NAMES``."""
TIME_OF_DAY = ("hour (sine)", "hour (cosine)")


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of standardised features and work: all that ridge on any subset needs."""

    names: tuple[str, ...]
    train: Floats
    """Products of features and, last, the centred work over the training part, shape (N + 1, N + 1)."""
    test: Floats
    """The same over the test part, with a constant in the last place, shape (N + 2, N + 2)."""
    variance: float
    """Sum of squares of the test part's work around its mean."""

    def coefficients(self, subset: Sequence[int]) -> Floats:
        """Ridge coefficients of a subset, shape (d,)."""
        own = np.asarray(subset, dtype=np.int64)
        gram = self.train[np.ix_(own, own)] + RIDGE * np.eye(len(own))
        return arrays.solved(gram, self.train[own, -1])

    def r2(self, subset: Sequence[int]) -> float:
        """Out-of-sample R^2 of a subset."""
        error = np.zeros(len(self.test))
        error[-2] = 1.0
        if len(subset):
            error[np.asarray(subset, dtype=np.int64)] = -self.coefficients(subset)
        return 1 - arrays.dot((self.test * error).sum(axis=1), error) / self.variance

    def fit(self, subset: Sequence[int]) -> float:
        """Squared work that a subset explains on the training part, for choosing among subsets."""
        own = np.asarray(subset, dtype=np.int64)
        return arrays.dot(self.train[own, -1], self.coefficients(subset))

    def greedy(self, size: int) -> list[int]:
        """Forward selection on the training part: the first ``size`` features, each the best next one."""
        chosen: list[int] = []
        while len(chosen) < size:
            rest = [i for i in range(len(self.names)) if i not in chosen]
            chosen.append(max(rest, key=lambda i: self.fit([*chosen, i])))
        return chosen


def observations(trace: Trace) -> tuple[Floats, Floats]:
    """Raw causal features, shape (n, N), and capped work, shape (n,), s.

    Requests are served on arrival at speed 1; times are the trace's own.
    """
    if len(trace.time_s) < 10:
        raise InputError(f"{trace.source}: has {len(trace.time_s)} requests; at least 10 are needed to predict")
    work = np.clip(trace.work_s, *BASE.work_s)
    raw = survey(trace.time_s, work, trace, slice(0, len(work)))
    return raw, np.minimum(work, np.quantile(work[: int(TRAIN * len(work))], CAP_QUANTILE))


def moments(trace: Trace) -> Moments:
    """Moments of a trace; features are standardised by the training part and clipped to 4 deviations, as online."""
    raw, work = observations(trace)
    split = int(TRAIN * len(work))
    shift, scale = raw[:split].mean(axis=0), raw[:split].std(axis=0)
    features = np.clip((raw - shift) / np.where(scale > 1e-9, scale, 1.0), -4, 4)
    centre, mean = features[:split].mean(axis=0), work[:split].mean()
    joined = np.column_stack([features - centre, work - mean])
    test = np.column_stack([joined[split:], np.ones(len(work) - split)])
    variance = float(((work[split:] - work[split:].mean()) ** 2).sum())
    return Moments(names(trace), arrays.products(joined[:split], joined[:split]), arrays.products(test, test), variance)


def feature_sets(trace: Trace, found: Moments | None = None) -> pd.DataFrame:
    """R^2 by set of features.

    Returns
    -------
    Columns ``source``, ``features`` (request, group history, model history, load, time of day, all), ``count`` and
    ``r2`` (a share of the variance; negative: worse than the mean of the test part).
    """
    found = found or moments(trace)
    static = len(trace.static_names)
    dynamic = list(range(static, static + len(DYNAMIC_NAMES)))
    clock = [i for i, name in enumerate(trace.static_names) if name in TIME_OF_DAY]
    sets = {
        "request": [i for i in range(static) if i not in clock],
        "group history": dynamic[GROUP],
        "model history": dynamic[MODEL],
        "load": dynamic[LOAD],
        "time of day": clock,
        "all": list(range(len(found.names))),
    }
    rows = [(trace.source, name, len(subset), found.r2(subset)) for name, subset in sets.items() if subset]
    return pd.DataFrame(rows, columns=["source", "features", "count", "r2"])


def subset_curve(
    trace: Trace, sizes: Sequence[int], draws: int = 200, seed: int = 0, found: Moments | None = None
) -> pd.DataFrame:
    """R^2 by number d of observed features, chosen well or at random.

    Parameters
    ----------
    sizes
        Values of d, each in 1..N.
    draws
        Random subsets a size.

    Returns
    -------
    Two rows a size, ``choice`` greedy (forward on the training part) and random: ``source``, ``observed``, ``choice``,
    ``r2`` (random: mean), ``low`` and ``high`` (random: 5 % and 95 % quantile of the subsets, else r2) and ``subset``
    (greedy: names, joined by ``; ``).
    """
    found = found or moments(trace)
    total = len(found.names)
    if bad := [size for size in sizes if not 1 <= size <= total]:
        raise InputError(f"size is {bad[0]}; must be between 1 and the {total} features")
    order = found.greedy(max(sizes, default=0))
    rows = []
    for size in sizes:
        random = np.random.default_rng((seed, size))
        best = found.r2(order[:size])
        values = [found.r2(random.permutation(total)[:size].tolist()) for _ in range(draws)]
        low, high = np.quantile(values, (0.05, 0.95))
        chosen = "; ".join(found.names[i] for i in order[:size])
        rows.append((trace.source, size, "greedy", best, best, best, chosen))
        rows.append((trace.source, size, "random", float(np.mean(values)), float(low), float(high), ""))
    return pd.DataFrame(rows, columns=["source", "observed", "choice", "r2", "low", "high", "subset"])
