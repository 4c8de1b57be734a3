"""Restricted context: what is revealed, how it is credited, and that choosing it well pays."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.bandits.linear import LinTS
from mecpfm.bandits.replay import replay
from mecpfm.bandits.restricted import TSRC, WTSRC, RandomEI, RandomFix
from mecpfm.errors import InputError
from mecpfm.kernels import episode, linear_bandit


def labelled(seed, features, arms=3, rows=60):
    """Random contexts with labels that depend on feature 0 alone."""
    random = np.random.default_rng(seed)
    contexts = random.uniform(-1, 1, (rows, features))
    return contexts, np.minimum(((contexts[:, 0] + 1) / 2 * arms).astype(int), arms - 1)


def steps(policy, contexts, rewards):
    """Play and learn given rewards; yields after every round."""
    for context, reward in zip(contexts, rewards, strict=True):
        arm = policy.select(context)
        policy.update(arm, context, reward)
        yield arm


@given(st.integers(0, 2**32), st.integers(1, 10))
@settings(max_examples=20)
def test_everything_visible_is_thompson_sampling(seed, features):
    """TSRC and both controls with d = N play LinTS's arms draw for draw: features draw from a stream of their own."""
    contexts, labels = labelled(seed, features)
    expected = replay(LinTS(3, features, seed=seed), contexts, labels, 100)
    for kind in (TSRC, WTSRC, RandomEI, RandomFix):
        assert np.array_equal(replay(kind(3, features, features, seed=seed), contexts, labels, 100), expected)


@pytest.mark.parametrize("kind", [TSRC, WTSRC, RandomEI, RandomFix])
def test_without_features_every_arm_ties(kind):
    """With d = 0 the context is all zero: arm 0 is played whatever was learnt."""
    contexts, _ = labelled(1, 4)
    policy = kind(3, 4, 0, seed=1)
    assert set(steps(policy, contexts, np.random.default_rng(1).random(len(contexts)))) == {0}


@given(st.integers(0, 2**32), st.integers(2, 12), st.data())
@settings(max_examples=20)
def test_an_endless_window_is_tsrc(seed, features, data):
    """WTSRC with an infinite window, or one as long as the run, equals TSRC reward for reward."""
    observed = data.draw(st.integers(1, features))
    contexts, labels = labelled(seed, features)
    expected = replay(TSRC(3, features, observed, seed=seed), contexts, labels, 80)
    for window in (np.inf, 80):
        policy = WTSRC(3, features, observed, window=window, seed=seed)
        assert np.array_equal(replay(policy, contexts, labels, 80), expected)


@given(st.integers(0, 2**32), st.integers(1, 9))
@settings(max_examples=20)
def test_window_counts_are_recounted(seed, window):
    """The ring's counts equal a recount over the last w rounds after every round."""
    random = np.random.default_rng(seed)
    policy = WTSRC(2, 6, 2, window=window, seed=seed)
    contexts, rewards = random.uniform(-1, 1, (30, 6)), random.random(30)
    seen = []
    for turn, _ in enumerate(steps(policy, contexts, rewards)):
        seen.append(policy.shown)
        expected = np.zeros((2, 6))
        for back in range(max(0, turn - window + 1), turn + 1):
            expected[:, seen[back]] += [[1], [rewards[back]]]
        np.testing.assert_allclose(policy.counts, expected, atol=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12), st.data())
def test_the_largest_keys_are_revealed(keys, data):
    """The d largest keys, ties to the lowest index, in ascending order: as a stable sort of pairs says."""
    observed = data.draw(st.integers(1, len(keys)))
    ranked = sorted(range(len(keys)), key=lambda i: (-keys[i], i))
    assert linear_bandit.reveal(np.array(keys), observed).tolist() == sorted(ranked[:observed])


def test_hidden_features_are_exact_zeros_and_cannot_matter():
    """Changing what is hidden changes neither the masked context nor the arm; what is shown stays as it is."""
    one, other = TSRC(4, 8, 3, seed=1), TSRC(4, 8, 3, seed=1)
    context = np.arange(1.0, 9)
    one.select(context)
    changed = np.full(8, 1e9)
    changed[one.shown] = context[one.shown]
    other.select(changed)
    assert np.array_equal(one.seen, other.seen)
    assert np.count_nonzero(one.seen) == 3
    assert np.array_equal(one.seen[one.shown], context[one.shown])


def test_kernel_and_numpy_draw_the_same_keys():
    """Beta and uniform keys drawn inside a kernel are bit for bit those of NumPy's arrays, whatever the counts."""
    counts = np.array([[0, 1, 5, 300, 7.0], [0, 0.3, 5, 12.5, 0]])
    for rule in (linear_bandit.BETA, linear_bandit.UNIFORM):
        ours, theirs = np.random.default_rng(9), np.random.default_rng(9)
        view = episode.Visibility(rule, 2, np.zeros(5), counts, np.zeros((0, 3)))
        for _ in range(200):
            episode.draw_keys(view, ours)
            beta = rule == linear_bandit.BETA
            expected = theirs.beta(1 + counts[1], 1 + counts[0] - counts[1]) if beta else theirs.random(5)
            assert np.array_equal(view.keys, expected)


def test_random_subsets_change_and_fixed_ones_stay():
    """Random-EI covers all features in 200 rounds, each about equally often; Random-fix keeps its subset."""
    ei, fix = RandomEI(2, 10, 3, seed=2), RandomFix(2, 10, 3, seed=2)
    count = np.bincount(np.concatenate([ei.reveal() for _ in range(200)]), minlength=10)
    assert np.abs(count - 60).max() < 4.5 * np.sqrt(200 * 0.3 * 0.7)
    first = fix.reveal()
    assert all(np.array_equal(fix.reveal(), first) for _ in range(5))
    assert len({tuple(RandomFix(2, 10, 3, seed=s).reveal()) for s in range(5)}) > 1


@pytest.mark.parametrize("seed", range(3))
def test_tsrc_finds_the_one_relevant_feature(seed):
    """Of 20 features only feature 0 predicts the reward: in the last half TSRC (d = 2) looks at it in 4 of 5 rounds."""
    contexts, labels = labelled(seed, 20, arms=2, rows=500)
    policy, looks = TSRC(2, 20, 2, seed=seed), []
    rows = np.random.default_rng(seed).integers(0, 500, 4000)
    for row in rows:
        arm = policy.select(contexts[row])
        policy.update(arm, contexts[row], float(arm == labels[row]))
        looks.append(0 in policy.shown)
    assert np.mean(looks[:40]) < 0.5
    assert np.mean(looks[2000:]) > 0.8


def test_rewards_outside_the_unit_interval_are_refused():
    """Beta counts need rewards in [0, 1]: others raise and leave no trace."""
    policy = TSRC(2, 4, 2)
    policy.select(np.ones(4))
    for reward in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match=r"reward is .*; must be in \[0, 1\]"):
            policy.update(0, np.ones(4), reward)
    assert not policy.counts.any()


@pytest.mark.parametrize("length", [1, 3, 5])
def test_a_context_of_another_length_is_refused(length):
    """A context shorter or longer than the number of features raises instead of being read past its end."""
    policy = TSRC(2, 4, 4)
    with pytest.raises(InputError, match="number of features"):
        policy.select(np.ones(length))


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="a minute in plain Python")
def test_order_on_handwritten_digits():
    """Digits, 2,000 draws, 13 of 64 features: all features >= TSRC >= random subsets >= chance (10 %)."""
    data = pytest.importorskip("sklearn.datasets").load_digits()
    contexts = (data.data - data.data.mean(axis=0)) / 16
    full, tsrc, random = (
        np.mean([replay(make(seed), contexts, data.target, 2000, seed=seed).mean() for seed in range(2)])
        for make in (
            lambda seed: LinTS(10, 64, seed=seed),
            lambda seed: TSRC(10, 64, 13, seed=seed),
            lambda seed: RandomEI(10, 64, 13, seed=seed),
        )
    )
    assert full > tsrc > random > 0.2
