"""Policies without a context, and the replay of labelled data."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mecpfm.bandits.linear import LinTS, LinUCB
from mecpfm.bandits.replay import replay
from mecpfm.bandits.restricted import ADMS, TSRC, WTSRC, RandomEI, RandomFix
from mecpfm.bandits.tabular import UCB1, EpsilonGreedy, RandomArm
from mecpfm.errors import InputError
from mecpfm.kernels import tabular_bandit


def history(policy, rewards):
    """Arms played when arm k always pays rewards[k], for len(rewards) + 4 rounds."""
    arms = []
    for _ in range(len(rewards) + 4):
        arms.append(policy.select())
        policy.update(arms[-1], None, rewards[arms[-1]])
    return arms


def test_ucb1_follows_the_index_computed_by_hand():
    """With rewards 0.2, 0.5, 0.4 the indices mean + sqrt(2 ln t / n) give this order of play.

    t=3: bonus 1.482 for all, so arm 1; t=4: 1.865, 1.677, 2.065, so arm 2; t=5: 1.994, 1.769, 1.669, so arm 0;
    t=6: 1.539, 1.839, 1.739, so arm 1.
    """
    assert history(UCB1(3), [0.2, 0.5, 0.4]) == [0, 1, 2, 1, 2, 0, 1]


def test_greedy_stays_with_the_first_arm_that_pays():
    """Without exploration the first tie goes to arm 0, whose positive mean then beats the zeros of unplayed arms."""
    assert history(EpsilonGreedy(3, epsilon=0), [0.1, 0.9, 0.9]) == [0] * 7


def test_greedy_leaves_an_arm_that_costs():
    """A negative mean falls behind the 0 of an unplayed arm, so arms are tried in index order until one pays."""
    assert history(EpsilonGreedy(3, epsilon=0), [-1, -1, 0.5]) == [0, 1, 2, 2, 2, 2, 2]


@given(st.integers(0, 2**32), st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_epsilon_greedy_is_its_definition(seed, epsilon, rewards):
    """A twin with plain lists and the same uniforms plays the same arms."""
    policy, random = EpsilonGreedy(len(rewards), epsilon=epsilon, seed=seed), np.random.default_rng(seed)
    paid, count = [0.0] * len(rewards), [0] * len(rewards)  # sum() would compensate rounding from Python 3.12 on
    for _ in range(25):
        coin, pick = random.random(2)
        means = [total / n if n else 0 for total, n in zip(paid, count, strict=True)]
        expected = int(pick * len(rewards)) if coin < epsilon else means.index(max(means))
        arm = policy.select()
        assert arm == expected
        policy.update(arm, None, rewards[arm])
        paid[arm] += rewards[arm]
        count[arm] += 1


def test_what_a_tally_says_at_the_edges():
    """A coin equal to the chance does not explore; any bonus tries each arm first; worse than all is arm 0 alone."""
    tally = np.array([[2.0, 1.0, 0.0], [1.0, 0.75, 0.0]])
    assert tabular_bandit.choose(tally, 0.0, 0.9, 0.0, 0.0) == 1
    assert tabular_bandit.choose(tally, 0.25, 0.9, 0.25, 0.0) == 1
    assert tabular_bandit.choose(tally, 0.2, 0.9, 0.25, 0.0) == 2
    assert tabular_bandit.choose(tally, 0.0, 0.0, 0.0, 1e-9) == 2
    assert tabular_bandit.choose(np.array([[1.0], [-np.inf]]), 0.0, 0.0, 0.0, 0.0) == 0
    tabular_bandit.update(tally, 1, 0.5)
    assert tally.tolist() == [[2, 2, 0], [1, 1.25, 0]]


def test_random_arms_are_uniform():
    """Counts of 10,000 draws among 5 arms stay within 4.5 standard deviations of their mean."""
    policy = RandomArm(5, seed=3)
    counts = np.bincount([policy.select() for _ in range(10_000)], minlength=5)
    assert np.abs(counts - 2000).max() < 4.5 * math.sqrt(10_000 * 0.2 * 0.8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomArm(4, seed=5),
        lambda: EpsilonGreedy(4, epsilon=0.5, seed=5),
        lambda: UCB1(4),
        lambda: LinUCB(4, 6),
        lambda: LinTS(4, 6, seed=5),
        lambda: TSRC(4, 6, 2, seed=5),
        lambda: WTSRC(4, 6, 2, window=3, seed=5),
        lambda: RandomEI(4, 6, 2, seed=5),
        lambda: RandomFix(4, 6, 2, seed=5),
        lambda: ADMS(4, 6, 2, seed=5),
    ],
)
def test_reset_and_a_second_object_repeat_the_run(make):
    """The same seed gives the same rewards, from a new object and from a reset one."""
    random = np.random.default_rng(0)
    contexts, labels = random.uniform(-1, 1, (30, 6)), random.integers(0, 4, 30)
    policy = make()
    first = replay(policy, contexts, labels, 300, seed=1)
    policy.reset()
    assert np.array_equal(replay(policy, contexts, labels, 300, seed=1), first)
    assert np.array_equal(replay(make(), contexts, labels, 300, seed=1), first)
    assert 0 < first.sum() < 300


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomArm(0), "arms is 0; must be a whole number in"),
        (lambda: EpsilonGreedy(3, epsilon=1.5), r"epsilon is 1.5; must be in \[0, 1\]"),
        (lambda: EpsilonGreedy(3, epsilon=math.nan), "epsilon is nan"),
        (lambda: UCB1(3, bonus=0), "bonus is 0; must be finite and > 0"),
        (lambda: LinUCB(3, 0), "features is 0"),
        (lambda: LinUCB(3, 2, alpha=-1), "alpha"),
        (lambda: LinTS(3, 2, v=math.inf), "must be finite"),
        (lambda: LinTS(3, 2, ridge=0), "ridge is 0; must be finite and > 0"),
        (lambda: TSRC(3, 4, 5), r"observed is 5; must be in \[0, features = 4\]"),
        (lambda: TSRC(3, 4, -1), "observed is -1"),
        (lambda: WTSRC(3, 4, 2, window=0), "window is 0"),
        (lambda: WTSRC(3, 4, 2, window=2.5), "whole number"),
        (lambda: ADMS(3, 4, 2, explore=2), r"explore is 2; must be in \[0, 1\]"),
        (lambda: replay(RandomArm(2), np.zeros((0, 3)), np.zeros(0, int), 5), "n >= 1"),
    ],
)
def test_constructors_state_their_bounds(make, message):
    """A parameter out of range is refused by a message that holds the bound."""
    with pytest.raises(InputError, match=message):
        make()


def test_rewards_and_arms_are_checked():
    """An arm that does not exist and a reward that is not a number are refused before anything is stored."""
    policy = RandomArm(2)
    for arm, reward in ((2, 0.5), (-1, 0.5), (0, math.nan)):
        with pytest.raises(ValueError, match=r"no such arm|must be a number"):
            policy.update(arm, None, reward)
    assert not policy.tally.any()
