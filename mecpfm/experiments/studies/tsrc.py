"""Studies of restricted context where the answer is known: public tables, enumerated subsets, drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from mecpfm.bandits.linear import LinTS, LinUCB
from mecpfm.bandits.policy import BanditPolicy
from mecpfm.bandits.problems import Labelled, ProblemRecipe, drawn, drifting, enumerate_worth, table
from mecpfm.bandits.replay import replay
from mecpfm.bandits.restricted import TSRC, WTSRC, RandomEI, RandomFix, Restricted
from mecpfm.bandits.tabular import EpsilonGreedy
from mecpfm.experiments.study import Point, Profile, Rows, study
from mecpfm.typing import Floats

SUBSETS: dict[str, Callable[..., Restricted]] = {"ol": TSRC, "random-ei": RandomEI, "random-fix": RandomFix}
"""Policies that see some of the features."""
WINDOWS = (50, 100, 200, 400, 800, 1600)
"""Windows of WTSRC under drift; 800 of 4,000 rounds is the one that is claimed."""
BLOCKS = 20
"""Blocks of rounds over which rewards under drift are averaged."""
MEMORY = 400
"""Window of WTSRC where it is held against the enumerated best subset."""
SEEDS = {"quick": 6, "paper": 24}
"""Of the drawn problems."""
FEW_SEEDS = {"quick": 3, "paper": 12}
"""Of the public tables, which take longest."""
TABLE_SIZES = {
    "digits": (64, (3, 6, 13, 32)),
    "iris": (4, (1, 2)),
    "wine": (13, (1, 3, 6)),
    "breast_cancer": (30, (2, 3, 6, 15)),
}
"""Features of each public table and how many may be seen: about 5, 10, 20 and 50 % of them."""
SUBSET_PROBLEMS = (("one", 1), ("one", 2), ("equal", 2), ("weak", 2), ("copy", 2), ("weak", 3))
"""Drawn problems of eight features, and how many features may be seen."""


def _tables(*names: str, quick: int, paper: int) -> Callable[[Profile], list[Point]]:
    """Points of tables: none, some and all features, for so many rounds in each profile."""

    def points(chosen: Profile) -> list[Point]:
        rounds = quick if chosen.name == "quick" else paper
        sizes = [(name, d) for name in names for d in (0, *TABLE_SIZES[name][1], TABLE_SIZES[name][0])]
        return [Point(float(d), ProblemRecipe(name, rounds, d)) for name, d in sizes]

    return points


_PRACTICE: dict[str, Any] = {
    "shows": "restricted context on public tables (scikit-learn)",
    "seeds": FEW_SEEDS, "needs": "sklearn",
}  # fmt: skip


@study("tsrc-tables", points=_tables("iris", "wine", "breast_cancer", quick=1_000, paper=5_000), **_PRACTICE)
@study("tsrc-digits", points=_tables("digits", quick=2_000, paper=10_000), **_PRACTICE)
def practice(recipe: ProblemRecipe, seed: int) -> Rows:
    """Share of right guesses on a table: restricted policies at ``observed`` features, full ones at 0 (meaning none).

    ``prepared`` says whether features were centred before hidden ones were set to zero; ``late`` is the second half.
    """
    rows = []
    for prepared in ("centred", "raw"):
        problem = table(recipe.problem, centred=prepared == "centred")
        arms, features = int(problem.labels.max()) + 1, problem.contexts.shape[1]
        for name, policy in _table_policies(recipe.observed, arms, features, seed).items():
            reward = replay(policy, problem.contexts, problem.labels, recipe.rounds, seed=seed)
            late = reward[recipe.rounds // 2 :]
            rows.append(
                {
                    "method": name, "table": recipe.problem, "features": features, "observed": recipe.observed,
                    "prepared": prepared, "reward": float(reward.mean()), "late": float(late.mean()),
                }
            )  # fmt: skip
    return rows


def _table_policies(observed: int, arms: int, features: int, seed: int) -> dict[str, BanditPolicy]:
    """Restricted policies; with all features the full ones, with none what can be done without a context."""
    if observed == features:
        return {"lints": LinTS(arms, features, seed=seed), "linucb": LinUCB(arms, features, alpha=0.1)}
    if observed == 0:
        return {"ol": TSRC(arms, features, 0, seed=seed), "epsilon-greedy": EpsilonGreedy(arms, seed=seed)}
    return {name: make(arms, features, observed, seed=seed) for name, make in SUBSETS.items()}


def watch(policy: Restricted, problem: Labelled) -> tuple[Floats, list[tuple[int, ...]]]:
    """Play every row once, in order: rewards of shape (n,) and the revealed features of each round."""
    rewards, shown = np.empty(len(problem.labels)), []
    for turn, (context, label) in enumerate(zip(problem.contexts, problem.labels.tolist(), strict=True)):
        arm = policy.select(context)
        rewards[turn] = arm == label
        policy.update(arm, context, rewards[turn])
        shown.append(tuple(policy.shown.tolist()))
    return rewards, shown


@study(
    "tsrc-subsets",
    shows="which features TSRC settles on",
    points=lambda _: [Point(float(d), ProblemRecipe(name, 3_000, d, 8)) for name, d in SUBSET_PROBLEMS],
    seeds=SEEDS,
)
def subsets(recipe: ProblemRecipe, seed: int) -> Rows:
    """The subset that is revealed most in the last quarter, against the best of all by enumeration.

    ``found``, ``best`` and ``mean`` are worths (share of labels that a linear rule on the subset gets right); ``share``
    is how often the subset was revealed in the last quarter, ``late`` the reward there.
    """
    problem = drawn(recipe.problem, recipe.features, seed, recipe.rounds)
    worths = enumerate_worth(problem, recipe.observed)
    sizes, rows = (2, recipe.features, recipe.observed), []
    policies: dict[str, Restricted] = {
        "ol": TSRC(*sizes, seed=seed),
        "wtsrc": WTSRC(*sizes, window=MEMORY, seed=seed),
        "random-fix": RandomFix(*sizes, seed=seed),
    }
    for name, policy in policies.items():
        rewards, shown = watch(policy, problem)
        late = len(shown) - len(shown) // 4
        [(most, count)] = Counter(shown[late:]).most_common(1)
        rows.append(
            {
                "method": name, "problem": recipe.problem, "observed": recipe.observed,
                "subset": " ".join(map(str, most)), "found": worths[most], "best": max(worths.values()),
                "mean": float(np.mean(list(worths.values()))),
                "share": count / (len(shown) - late), "late": float(rewards[late:].mean()),
            }
        )  # fmt: skip
    return rows


@study(
    "tsrc-drift",
    shows="recovery after a change",
    points=lambda _: [Point(2.0, ProblemRecipe("drift", 4_000, 2, 10))],
    seeds=SEEDS,
)
def drift(recipe: ProblemRecipe, seed: int) -> Rows:
    """Rewards by block and overall when the deciding feature changes half way, and when it does not."""
    sizes, rows = (2, recipe.features, recipe.observed), []
    for name in ("drift", "steady"):
        problem = drifting(recipe.features, seed, recipe.rounds, drift=name == "drift")
        policies: dict[str, Restricted] = {"ol": TSRC(*sizes, seed=seed), "random-ei": RandomEI(*sizes, seed=seed)}
        policies |= {f"wtsrc-{window}": WTSRC(*sizes, window=window, seed=seed) for window in WINDOWS}
        policies["lints"] = TSRC(2, recipe.features, recipe.features, seed=seed)
        for method, policy in policies.items():
            reward = watch(policy, problem)[0]
            blocks = reward[: recipe.rounds // BLOCKS * BLOCKS].reshape(BLOCKS, -1).mean(axis=1)
            half = len(reward) // 2
            parts = {"all": reward.mean(), "first": reward[:half].mean(), "second": reward[half:].mean()}
            parts |= {f"block-{i + 1}": value for i, value in enumerate(blocks)}
            rows += [{"method": method, "problem": name, "part": key, "reward": float(v)} for key, v in parts.items()]
    return rows
