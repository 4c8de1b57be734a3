"""Restricted context against known answers: public tables, enumerated subsets, drift, and what is credited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecpfm.bandits.epsilon_greedy import EpsilonGreedy
from mecpfm.bandits.linear import LinTS, LinUCB
from mecpfm.bandits.policy import Policy
from mecpfm.bandits.problems import Labelled, Recipe, drawn, drifting, enumerate_worth, table
from mecpfm.bandits.replay import replay
from mecpfm.bandits.restricted import TSRC, WTSRC, RandomEI, RandomFix, Restricted
from mecpfm.bandits.ridge import OnlineRidge, dispatch_bound, error_bound, hindsight
from mecpfm.kernels import arrays, linear_bandit
from mecpfm.typing import Floats

Rows = list[dict[str, Any]]

SUBSETS: dict[str, Callable[..., Restricted]] = {"ol": TSRC, "random-ei": RandomEI, "random-fix": RandomFix}
WINDOWS = (50, 100, 200, 400, 800, 1600)
"""Windows of WTSRC under drift; 800 of 4,000 rounds is the one that is claimed."""
BLOCKS = 20
MEMORY = 400
"""Window of WTSRC where it is held against the enumerated best subset."""
CREDITED = ("tsrc-error", "tsrc-delay", "random-ei", "random-fix", "all-features", "no-features")
SPEEDS = np.array([0.4, 0.6, 1.0, 1.5, 2.5])
TOP = 60.0
"""Demand lies in [0, TOP], seconds at speed 1."""


def practice(recipe: Recipe, seed: int) -> Rows:
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


def _table_policies(observed: int, arms: int, features: int, seed: int) -> dict[str, Policy]:
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


def subsets(recipe: Recipe, seed: int) -> Rows:
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


def drift(recipe: Recipe, seed: int) -> Rows:
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


def credit(recipe: Recipe, seed: int) -> Rows:
    """Dispatch with an unknown demand, features credited with the delay or with the error of the forecast.

    Delay = backlog of the arm + demand / speed. Backlogs (exponential, mean 60 s) vary more than demands, which depend
    on features 0 and 1. ``excess_s`` is the mean loss to the oracle that knows the demand, ``squared`` the mean squared
    error in s^2, both over the second half; ``informative`` the share of the two features' chances that were taken.
    """
    x, demand, backlog = _dispatch_problem(np.random.default_rng(seed), recipe.rounds, recipe.features)
    rows, late = [], slice(recipe.rounds // 2, None)
    for name in CREDITED:
        forecast, shown = _forecasts(name, recipe.observed, x, demand, backlog, seed)
        excess = _excess(backlog, demand, forecast)
        rows.append(
            {
                "method": name, "observed": recipe.observed, "excess_s": float(excess[late].mean()),
                "squared": float(np.mean((forecast - demand)[late] ** 2)),
                "informative": float(shown[late, :2].mean()),
            }
        )  # fmt: skip
    return rows


def _forecasts(
    name: str, observed: int, x: Floats, demand: Floats, backlog: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Forecasts of shape (T,) and, of shape (T, N), which features were seen; one constant is always seen."""
    rounds, features = x.shape
    kind = {"random-ei": RandomEI, "random-fix": RandomFix}.get(name, TSRC)
    observed = {"all-features": features, "no-features": 0}.get(name, observed)
    # Only the choice of features is used of the policy: the demand has one model, not one an arm.
    eyes, model = (
        kind(1, features, observed, seed=seed),
        OnlineRidge(1 + features, top=TOP, start=_middle(1 + features)),
    )
    forecast, seen, typical = np.empty(rounds), np.zeros((rounds, features)), 5.0
    for t in range(rounds):
        shown = eyes.reveal()
        seen[t, shown] = 1
        context = np.concatenate([[1.0], linear_bandit.masked(x[t], shown)])
        forecast[t] = model.arrive(context)[0]
        model.complete(context, forecast[t], float(demand[t]))
        error = abs(forecast[t] - demand[t])
        if name == "tsrc-delay":
            arm = int(np.argmin(backlog[t] + forecast[t] / SPEEDS))
            reward = 1 - min((backlog[t, arm] + demand[t] / SPEEDS[arm]) / 120, 1.0)
        else:
            reward = float(error < typical)
        typical += 0.3 if error > typical else -0.3  # steps towards the running median, in seconds
        linear_bandit.credit(eyes.counts, eyes.history, t, shown, reward)
    return forecast, seen


def regret(recipe: Recipe, seed: int) -> Rows:
    """Squared errors of online ridge and losses of its dispatch against the bounds O1 to O3, by round.

    A request is outstanding for a geometric number of arrivals with mean ``observed``, the study's axis; every feature
    is seen. Cumulative: ``squared``, ``best`` (of the best linear rule in hindsight), ``bound`` (from the learner's own
    leverages and errors) and ``worst_case`` (from ln det alone) in s^2, ``loss`` and ``loss_bound`` in s.
    """
    random = np.random.default_rng(seed)
    rounds, lag = recipe.rounds, recipe.observed
    x, demand, backlog = _dispatch_problem(random, rounds, recipe.features)
    x = np.column_stack([np.ones(rounds), x])
    done = np.arange(rounds) + random.geometric(1 / (1 + lag), rounds)  # the first arrival that knows the demand
    forecast, leverage = delayed(x, demand, done)
    outstanding = np.array([int((done[:t] > t).sum()) for t in range(rounds)])
    loss, errors = _excess(backlog, demand, forecast), (forecast - demand) ** 2
    spreads = np.full(rounds, 1 / SPEEDS.min() - 1 / SPEEDS.max())
    rows: Rows = []
    for end in np.unique((arrays.spaced(20, rounds, 25) + 1e-9).astype(int)):
        best, most = hindsight(x[:end], demand[:end], 1.0, _middle(x.shape[1])), int(outstanding[:end].max())
        squared, log_det = float(errors[:end].sum()), -float(arrays.log1p(-leverage[:end]).sum())
        rows.append(
            {
                "method": "ridge", "lag": lag, "round": int(end), "outstanding": most, "squared": squared, "best": best,
                "bound": error_bound(best, arrays.dot(leverage[:end], errors[:end]), most),
                "worst_case": error_bound(best, TOP**2 * log_det, most),
                "loss": float(loss[:end].sum()), "loss_bound": dispatch_bound(spreads[:end], squared),
            }
        )  # fmt: skip
    return rows


def _middle(features: int) -> Floats:
    """The rule of who knows nothing but the range of demands: half of it, by the constant feature 0."""
    return np.concatenate([[TOP / 2], np.zeros(features - 1)])


def delayed(x: Floats, demand: Floats, done: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Forecasts and leverages, shape (T,), when arrival ``done[s]`` (> s) is the first that knows demand s."""
    model = OnlineRidge(x.shape[1], top=TOP, start=_middle(x.shape[1]))
    forecast, leverage = np.empty(len(x)), np.empty(len(x))
    ready: dict[int, list[int]] = {}
    for s, arrival in enumerate(done.tolist()):
        ready.setdefault(arrival, []).append(s)
    for t in range(len(x)):
        for s in ready.get(t, ()):
            model.complete(x[s], forecast[s], float(demand[s]))
        forecast[t], leverage[t] = model.arrive(x[t])
    return forecast, leverage


def _dispatch_problem(random: np.random.Generator, rounds: int, features: int) -> tuple[Floats, Floats, Floats]:
    """Features (T, N), demands in [0, TOP] that depend on the first two, and backlogs (T, arms) that vary more."""
    x = arrays.normal(random, (rounds, features))
    noise = 4 * arrays.normal(random, rounds)
    demand = np.clip(20 + 8 * x[:, 0] + 6 * x[:, 1] + noise, 0, TOP)
    return x, demand, arrays.settled(random.exponential(60, (rounds, len(SPEEDS))))


def _excess(backlog: Floats, demand: Floats, forecast: Floats) -> Floats:
    """Loss in s, shape (T,), of the arm of least forecast delay to the arm of least true delay on the same backlogs."""
    delay = backlog + demand[:, None] / SPEEDS
    arm = np.argmin(backlog + forecast[:, None] / SPEEDS, axis=1)
    excess: Floats = delay[np.arange(len(demand)), arm] - delay.min(axis=1)
    return excess


MEASURES: dict[str, Callable[[Recipe, int], Rows]] = {
    "tsrc-practice": practice, "tsrc-subsets": subsets, "tsrc-drift": drift, "tsrc-credit": credit,
    "tsrc-regret": regret,
}  # fmt: skip
