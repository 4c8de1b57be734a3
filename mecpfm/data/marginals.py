"""Quantiles of the committed tables, inverted, and the classes in which they are given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from mecpfm.data.tables import trace_structure, trace_summary
from mecpfm.data.traces import QUANTILES
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

Figures = Mapping[str, Mapping[str, float]]

TOP = 10
"""Models with rows of their own, by their number of requests; all others together are ``other``."""
CLASSES = {"1-5": 1, "6-20": 6, "21-99": 21, "100-": 100}
"""Groups by their number of requests, from the stated one on."""
BINS = 20


def figures(trace: str = "gentd26") -> Figures:
    """The committed structure of a trace as ``figures()[quantity][item]``."""
    table = trace_structure()
    table = table[table["trace"] == trace]
    return {str(name): dict(zip(part["item"], part["value"], strict=True)) for name, part in table.groupby("quantity")}


def inverse(
    quantity: str, uniforms: Floats, trace: str = "gentd26", finer: Mapping[str, float] | None = None
) -> Floats:
    """Values at levels in [0, 1] of a quantity of ``trace_summary.csv``, linear in log(1 + x) between its quantiles.

    ``finer`` adds quantiles by level. Above the last but one, log(1 + x) is a power of the level that makes the mean
    the committed one: the largest value says little of the others near it.
    """
    levels, logs, power = _curve(quantity, trace, tuple((finer or {}).items()))
    return _at(uniforms, levels, logs, power)


def _at(points: Floats, levels: Floats, logs: Floats, power: float) -> Floats:
    part = arrays.power(((points - levels[-2]) / (1 - levels[-2])).clip(0), power)
    found = arrays.interpolated(points, levels[:-1], logs[:-1]) + part * (logs[-1] - logs[-2])
    return np.asarray(arrays.settled(arrays.expm1(found)))


@lru_cache(maxsize=64)
def _curve(quantity: str, trace: str, finer: tuple[tuple[str, float], ...]) -> tuple[Floats, Floats, float]:
    """Levels, log quantiles and the power of the last piece."""
    table = trace_summary()
    row = table[(table["trace"] == trace) & (table["quantity"] == quantity)].iloc[0]
    known = {level: arrays.log1p(row[name]) for name, level in QUANTILES.items()}
    known |= {float(level): arrays.log1p(value) for level, value in finer}
    levels = np.array(sorted(known))
    logs = np.array([known[level] for level in levels])
    grid = (np.arange(20_000) + 0.5) / 20_000
    low, high = 0.1, 30.0
    for _ in range(40):  # a higher power means a lower mean
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _at(grid, levels, logs, middle).mean() > row["mean"] else (low, middle)
    return levels, logs, arrays.settled(low)


def ranked(scores: Floats) -> Floats:
    """Levels of scores among themselves: (rank + 1/2) / n, in (0, 1)."""
    return np.asarray((np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 0.5) / len(scores))


def between(known: Mapping[str, float], uniforms: Floats) -> Floats:
    """Values at levels in [0, 1] of quantiles in ``trace_structure.csv``, log-linear; the lowest extends to level 0."""
    levels = sorted(known, key=float)
    logs = arrays.log([known[name] for name in levels])
    return np.asarray(arrays.settled(arrays.exp(arrays.interpolated(uniforms, [float(name) for name in levels], logs))))


def bins(levels: Floats) -> Ints:
    """Which of ``BINS`` equal parts of [0, 1] each level lies in."""
    return np.minimum((levels * BINS).astype(np.int64), BINS - 1)


def effects(frame: pd.DataFrame) -> pd.DataFrame:
    """What shifts log service time besides the model: logs of images and steps, a LoRA, no negative prompt."""
    return pd.DataFrame(
        {
            "log2 images": arrays.log(frame["images"]) / arrays.log(2.0),
            "log steps": arrays.log(frame["steps"] / 30),
            "lora": (frame["loras"] > 0).astype(float),
            "no_negative": (frame["negative_prompt_length"] == 0).astype(float),
        }
    )
