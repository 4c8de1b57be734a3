"""Problems that tell whether restricted context is used well: labelled tables, and drawn ones whose answer is known."""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecpfm import ranges
from mecpfm.errors import InputError
from mecpfm.extras import lacks
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

TABLES = ("digits", "iris", "wine", "breast_cancer")
"""Data sets that lie inside scikit-learn, so that nothing is downloaded."""
WEIGHTS = {"one": (1.0,), "equal": (1.0, 1.0), "weak": (1.0, 0.5), "copy": (1.0, 0.8)}
"""Drawn problems: weights of features 0, 1, ...; in "copy" feature 2 is feature 0 with noise of deviation 0.3."""
DRAWN_ROWS = 4000


class Labelled(NamedTuple):
    """A bandit problem with two or more arms: playing the label of a row pays 1, everything else 0."""

    contexts: Floats
    """Shape (n, N)."""
    labels: Ints
    """Shape (n,), 0 to K - 1."""


@dataclass(frozen=True)
class ProblemRecipe:
    """What a study of restricted context plays: a problem, how long, and how many features may be seen."""

    problem: str
    rounds: int
    observed: int
    features: int = 0
    """N of a drawn problem; a table brings its own."""


def table(name: str, *, centred: bool = True) -> Labelled:
    """A data set of scikit-learn; pixels are divided by 16, other features by their standard deviation.

    ``centred`` subtracts each feature's mean, so that a hidden feature, which enters as zero, counts as an average one.
    InputError for an unknown name or without scikit-learn.
    """
    ranges.one_of(TABLES, "table", name)
    if missing := lacks("sklearn"):
        raise InputError(f"table {name}: {missing}")
    contexts, labels = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(return_X_y=True)
    contexts = contexts / (16.0 if name == "digits" else contexts.std(axis=0))
    return Labelled(contexts - contexts.mean(axis=0) if centred else contexts, labels.astype(np.int64))


def drawn(name: str, features: int, seed: int, rows: int = DRAWN_ROWS) -> Labelled:
    """Standard normal features and two arms; the label is the sign of ``WEIGHTS[name]`` times the first features."""
    ranges.one_of(WEIGHTS, "problem", name)
    random, weights = np.random.default_rng(seed), WEIGHTS[name]
    contexts = arrays.normal(random, (rows, features))
    if name == "copy":
        contexts[:, 2] = (contexts[:, 0] + 0.3 * arrays.normal(random, rows)) / np.sqrt(1.09)
    return Labelled(contexts, ((contexts[:, : len(weights)] * weights).sum(axis=1) > 0).astype(np.int64))


def drifting(features: int, seed: int, rows: int, *, drift: bool) -> Labelled:
    """The sign of feature 0 is the label, in the second half that of the last feature if there is ``drift``."""
    contexts = arrays.normal(np.random.default_rng(seed), (rows, features))
    deciding = contexts[:, 0].copy()
    if drift:
        deciding[rows // 2 :] = contexts[rows // 2 :, -1]
    return Labelled(contexts, (deciding > 0).astype(np.int64))


def worth(problem: Labelled, subset: tuple[int, ...]) -> float:
    """Share of labels (0 or 1) that the least-squares linear rule on these features gets right; none: arm 0's share."""
    if not subset:
        return float(np.mean(problem.labels == 0))
    seen = problem.contexts[:, list(subset)]
    rule = arrays.fitted(seen, 2.0 * problem.labels - 1)
    return float(np.mean(((seen * rule).sum(axis=1) > 0) == problem.labels))


def enumerate_worth(problem: Labelled, observed: int) -> dict[tuple[int, ...], float]:
    """Worth of every subset of ``observed`` features; InputError beyond eight features."""
    features = problem.contexts.shape[1]
    if not features <= 8:
        raise InputError(f"features are {features}; subsets are enumerated up to 8")
    return {subset: worth(problem, subset) for subset in itertools.combinations(range(features), observed)}
