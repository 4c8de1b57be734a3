"""Following one expert and probing others, with every expert's forecasts known: what R3 of docs/theory_online.md says.

A run of ``follow-probe`` sees the losses of few experts a round. Whoever has all features and demands at hand can
replay the others and put numbers to the statement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.kernels import arrays
from mecpfm.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Advice:
    """Forecasts, losses and weights of N + 1 experts, the last one the constant; arrays of shape (T, N + 1)."""

    forecasts: Floats
    losses: Floats
    """Squared errors, seen or not."""
    weights: Floats
    """Probabilities of following each, from the losses known at the arrival."""
    ahead: Floats
    """The same if losses of outstanding requests counted too."""
    unknown: Floats
    """Estimated losses of outstanding requests."""
    share: float
    """Probability of being probed, m / N; the constant is always seen."""
    rate: float

    @property
    def seen(self) -> Floats:
        """Probability of each expert to be seen in a round, shape (N + 1,)."""
        return np.append(np.full(self.losses.shape[1] - 1, self.share), 1.0)

    @property
    def expected(self) -> float:
        """Squared errors of the run, over the draws of whom to follow."""
        return float((self.weights * self.losses).sum())

    @property
    def best(self) -> float:
        """Squared errors of the best expert."""
        return float(self.losses.sum(axis=0).min())

    def terms(self) -> tuple[float, float, float]:
        """What R3 adds to the best expert: for the number of experts, for estimating, for the delay."""
        first = float(arrays.log(self.losses.shape[1])) / self.rate
        second = float((self.ahead * np.square(self.losses) / self.seen).sum()) * self.rate / 2
        return first, second, float(((self.weights - self.ahead) * self.losses).sum())

    def delay_bound(self) -> float:
        """What the third term is at most."""
        return float((self.weights * self.losses * self.unknown).sum()) * self.rate

    def bounds(self) -> Floats:
        """R3 for the first t requests, for every t, with the run's values for expectations, shape (T,)."""
        first, _, _ = self.terms()
        priced = (self.ahead * np.square(self.losses) / self.seen).sum(axis=1) * self.rate / 2
        late = ((self.weights - self.ahead) * self.losses).sum(axis=1)
        return np.asarray(np.cumsum(self.losses, axis=0).min(axis=1) + first + np.cumsum(priced + late))


def consult(
    x: Floats, work: Floats, known: Ints, probed: Bools, start: float, low: float, high: float, rate: float,
    ridge: float = 1.0,
) -> Advice:  # fmt: skip
    """Replay all experts: delayed ridge on feature j and a constant, updated where j was probed; the constant always.

    Parameters
    ----------
    x
        All features, shape (T, N).
    work, known
        Demands, in [low, high], and the first request that knows each (:func:`.certificate.known_from`), shape (T,).
    probed
        As many a row, drawn before anything of the row is known, shape (T, N).
    start
        What all forecast before anything is known.
    """
    requests, features = x.shape
    share = float(probed.sum()) / (requests * features)
    pair, told = np.column_stack([x, np.zeros(requests)]), np.column_stack([probed, np.ones(requests, dtype=bool)])
    weight = told / np.append(np.full(features, share), 1.0)
    squares, crosses, counts = np.full(features + 1, ridge), np.zeros(features + 1), np.full(features + 1, ridge)
    slopes, levels, estimate, pending = np.zeros((4, features + 1))
    forecasts, losses, weights, ahead, unknown = np.zeros((5, requests, features + 1))
    ready: dict[int, list[int]] = {}
    for t in range(requests):
        for s in ready.pop(t, ()):
            change = np.where(told[s], work[s] - forecasts[s], 0.0)
            slopes, levels = slopes + change * pair[s], levels + change
            estimate, pending = estimate + losses[s] * weight[s], pending - losses[s] * weight[s]
        area = squares * counts - crosses * crosses
        raw = pair[t] * (counts * slopes - crosses * levels) + squares * levels - crosses * slopes
        forecasts[t] = np.clip(start + raw / area, low, high)
        losses[t], unknown[t] = np.square(forecasts[t] - work[t]), pending
        for into, known_losses in ((weights, estimate), (ahead, estimate + pending)):
            into[t] = arrays.exp(-rate * (known_losses - known_losses.min()))
            into[t] /= into[t].sum()
        squares, crosses = squares + told[t] * pair[t] ** 2, crosses + told[t] * pair[t]
        counts, change = counts + told[t], np.where(told[t], forecasts[t] - start, 0.0)
        slopes, levels, pending = slopes + change * pair[t], levels + change, pending + losses[t] * weight[t]
        ready.setdefault(int(known[t]), []).append(t)
    return Advice(forecasts, losses, weights, ahead, unknown, share, rate)
