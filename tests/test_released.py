"""The learner as released: its slips are there, and they make it a random arm, whatever the facts leave open."""

import numpy as np
import pytest

from mecpfm.bandits.restricted import ReleasedTSRC
from mecpfm.errors import InputError
from mecpfm.experiments.config import STUDIES, profile
from mecpfm.experiments.statistics import interval
from mecpfm.experiments.studies.published import COMPARED, compared
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.online import simulate
from mecpfm.published.policies import POLICIES

CREDITS = {
    "never": lambda policy, _: np.zeros(policy.features),
    "always": lambda policy, before: before + np.isin(np.arange(policy.features), policy.shown),
}
"""The two ends of what may count as a good round."""


def test_coordinates_change_their_meaning():
    """Arms see the shown entries packed in index order, so that the first coordinate is now this feature, now that."""
    policy, context, first = ReleasedTSRC(2, 12, 3, seed=4), np.arange(1.0, 13), set()
    for _ in range(30):
        policy.select(context)
        assert policy.seen.tolist() == (policy.shown + 1.0).tolist()
        first.add(int(policy.shown[0]))
        policy.update(0, context, 0.5)
    assert len(first) > 3
    assert policy.arms.state.shape == (3 * 4 // 2 + 3, 2)


def test_failures_are_never_counted():
    """A round below the mean of the rewards leaves every credit as it was; one that reaches it credits the shown."""
    policy, context = ReleasedTSRC(2, 6, 2, seed=1), np.ones(6)
    for reward, good in ((0.5, True), (0.4, False), (0.9, True), (0.6, True), (0.1, False)):
        before = policy.credits.copy()
        arm = policy.select(context)
        policy.update(arm, context, reward)
        assert (policy.credits - before).sum() == (2 if good else 0)
        assert (policy.credits[policy.shown] - before[policy.shown]).tolist() == [1.0 * good] * 2


def test_reset_forgets_everything():
    """After a reset the same rewards give the same arms."""
    policy, contexts = ReleasedTSRC(3, 8, 4, seed=2), np.random.default_rng(0).random((40, 8))

    def played():
        arms = []
        for context in contexts:
            arms.append(policy.select(context))
            policy.update(arms[-1], context, arms[-1] / 3)
        return arms

    first = played()
    policy.reset()
    assert played() == first


@pytest.mark.parametrize("observed", [0, 9])
def test_bad_numbers_are_named(observed):
    """It needs a coordinate, and no more than there are; rewards lie in [0, 1]."""
    with pytest.raises(InputError, match=rf"observed is {observed}; must be in \[1, features = 8\]"):
        ReleasedTSRC(2, 8, observed)
    policy = ReleasedTSRC(2, 8, 2)
    policy.select(np.ones(8))
    with pytest.raises(InputError, match="reward"):
        policy.update(0, np.ones(8), 1.5)


def test_it_alone_sees_the_context_undivided(monkeypatch):
    """The published context is U(0, 100) times the round; every other policy sees it over 100 T."""
    instance, seen = generate(Recipe(cloudlets=5, models=3, requests=20), seed=0), {}

    class Spy:
        def __init__(self, divided):
            self.of = seen.setdefault(divided, [])

        def select(self, context):
            self.of.append(context)
            return 0

        def update(self, arm, context, reward):
            pass

    for divided in (True, False):
        rule = POLICIES["ol-released"]._replace(learner=lambda _, spy=Spy(divided): spy, divided=divided)
        monkeypatch.setitem(POLICIES, "ol-released", rule)
        simulate(instance, "ol-released", seed=3)
    small, large = (np.array(seen[divided][-20:]) for divided in (True, False))
    np.testing.assert_allclose(large, 100 * 20 * small, rtol=1e-15)
    assert large[-1].max() > 1000 > 1 >= small.max()
    assert [name for name, rule in POLICIES.items() if not rule.divided] == ["ol-released"]


@pytest.mark.parametrize("credit", ["mean", *CREDITS])
def test_it_is_a_random_arm(credit, monkeypatch):
    """Total delay is within 6 % of a random arm's by one rule, whichever rounds count as good; OL's is not."""
    if credit != "mean":

        class Read(ReleasedTSRC):
            def update(self, arm, context, reward):
                before = self.credits
                super().update(arm, context, reward)
                self.credits = CREDITS[credit](self, before.copy())

        monkeypatch.setitem(POLICIES, "ol-released", POLICIES["ol-released"]._replace(learner=Read))
    saved = {"ol-released": [], "ol": []}
    for seed in range(30):
        instance = generate(Recipe(sites="uniform"), seed)
        random = simulate(instance, "random", seed=seed).delay.sum()
        for name, of in saved.items():
            of.append(1 - simulate(instance, name, seed=seed).delay.sum() / random)
    _, low, high = interval(saved["ol-released"])
    assert -0.06 < low < high < 0.06
    assert interval(saved["ol"])[1] > 0.15


def test_sensitivity_points_change_what_they_say():
    """Holder divisors 50 and 10 in the sweeps they were released for; the second set as it is, then with slack ones."""
    chosen = profile("quick")
    holders, second = (list(STUDIES[name].points(chosen)) for name in ("holders", "second-parameters"))
    assert {(p.recipe.name.split()[0], p.recipe.recipe.holder_divisor) for p in holders} == {
        ("models", 50), ("requests", 10),
    }  # fmt: skip
    assert {p.recipe.recipe.parameters for p in second} == {"second"}
    assert [p.recipe.name for p in second if p.recipe.recipe.cost_budget] == [
        f"requests {n}, slack budgets" for n in (10, 30, 50, 100)
    ]
    for points in (holders, second):
        assert [p.value for p in points] == list(range(len(points)))
    rows = compared(second[0].recipe, 0)
    assert [row["method"] for row in rows] == list(COMPARED)
    assert {row["case"] for row in rows} == {"requests 10"}
