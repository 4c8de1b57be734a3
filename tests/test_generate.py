"""The generator: released ranges, connected networks, streams that do not disturb each other, calibration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import shortest_path

from mecpfm.errors import InputError
from mecpfm.published.generate import Recipe, generate, named_streams, preheat, random_network
from mecpfm.published.options import tabulate
from mecpfm.records import Ragged

BASE = Recipe(cloudlets=30, models=6, families=2, requests=12)


def flat(instance):
    """Every array by its dotted name; ragged lists as nested lists."""
    return {name: value for name, value, _ in instance.leaves()}


def test_same_seed_same_arrays_other_seed_others():
    """The instance is a function of recipe and seed."""
    one, other, third = generate(BASE, 3), generate(BASE, 3), generate(BASE, 4)
    assert one.to_object() == other.to_object()
    assert one.to_object() != third.to_object()


def test_more_requests_keep_the_others():
    """Growing the workload leaves network and library untouched and every earlier request as it was."""
    small, large = generate(BASE, 5), generate(replace(BASE, requests=40), 5)
    assert small.cloudlets.to_object() == large.cloudlets.to_object()
    assert small.models.to_object() == large.models.to_object()
    assert np.array_equal(small.distance_s_per_gb, large.distance_s_per_gb)
    assert small.memory_per_gb == large.memory_per_gb
    for name in type(small.requests).model_fields:
        assert np.array_equal(getattr(small.requests, name), getattr(large.requests, name)[:12]), name
    assert np.array_equal(small.accuracy, large.accuracy[:12])
    assert np.array_equal(small.output_ratio, large.output_ratio[:12])


def test_more_models_keep_the_others():
    """Growing the library leaves network, workload and every earlier model's own data as they were."""
    small, large = generate(BASE, 5), generate(replace(BASE, models=15), 5)
    assert small.cloudlets.to_object() == large.cloudlets.to_object()
    assert small.requests.to_object() == large.requests.to_object()
    for name in ("shared_gb", "private_gb", "work_tflop", "family"):
        assert np.array_equal(getattr(small.models, name), getattr(large.models, name)[:6]), name
    assert small.models.private_at.tolist() == large.models.private_at.tolist()[:6]
    assert np.array_equal(small.accuracy, large.accuracy[:, :6])
    assert np.array_equal(small.output_ratio, large.output_ratio[:, :6])


def test_fixed_values_change_nothing_else():
    """Sweeping capacity, budget or accuracy requirement uses common random numbers for all the rest."""
    drawn = flat(generate(BASE, 7))
    for name, field in (
        ("capacity_gb", "cloudlets.capacity_gb"),
        ("cost_budget", "requests.cost_budget"),
        ("accuracy_requirement", "requests.accuracy_requirement"),
    ):
        fixed = flat(generate(replace(BASE, **{name: 0.5}), 7))
        assert (fixed[field] == 0.5).all()
        for other in drawn.keys() - {field, "models.shared_at", "models.private_at"}:
            assert np.array_equal(drawn[other], fixed[other]), (name, other)


RANGES = {
    "cloudlets.capacity_gb": (8, 24),
    "cloudlets.processing_tflops": (107, 312),
    "cloudlets.accessing_rate": (0.1, 0.5),
    "cloudlets.peak_power_w": (0.8, 2.5),
    "cloudlets.transmit_power_w": (0.8, 2.5),
    "cloudlets.idle_power_w": (0.1, 0.3),
    "cloudlets.leak_power_w": (0.1, 0.3),
    "cloudlets.service_rate_hz": (0.5, 0.9),
    "cloudlets.arrival_rate_hz": (0.1, 0.5),
    "models.work_tflop": (100, 300),
    "requests.instructions": (50, 100),
    "requests.cost_budget": (30_000, 50_000),
    "requests.accuracy_requirement": (0.1, 0.4),
    "requests.input_gb": (0.09, 0.5),
    "accuracy": (0.4, 1),
    "output_ratio": (0.1, 0.3),
}


def test_released_ranges_are_kept_and_used():
    """Every quantity stays in its released range and comes within 5 % of both ends."""
    arrays = flat(generate(Recipe(cloudlets=300, models=200, families=20, requests=300), 1))
    for name, (low, high) in RANGES.items():
        values, margin = arrays[name], 0.05 * (high - low)
        assert low <= values.min() <= low + margin, name
        assert high - margin <= values.max() <= high, name
    size = arrays["models.shared_gb"] + arrays["models.private_gb"]
    assert 5 <= size.min() <= 6
    assert 19 <= size.max() <= 20
    assert arrays["models.shared_gb"] == pytest.approx(size * 2 / 3)
    assert set(arrays["models.family"]) == set(range(20))
    assert set(np.unique(arrays["cloudlets.capacity_gb"])) == set(range(8, 25))
    assert 0 <= arrays["memory_per_gb"] <= 1
    assert len(np.unique(arrays["requests.rate_gb_per_s"])) == 1


@given(st.integers(1, 40), st.integers(0, 10_000))
def test_networks_are_connected_metrics(locations, seed):
    """Distances are finite, symmetric, zero only on the diagonal and keep the triangle inequality."""
    distance = random_network(locations, np.random.default_rng(seed))
    assert distance.shape == (locations, locations)
    assert np.isfinite(distance).all()
    assert np.allclose(distance, distance.T)
    assert (np.diag(distance) == 0).all()
    away = ~np.eye(locations, dtype=bool)
    assert (distance[away] >= 5).all()
    assert np.allclose(shortest_path(distance), distance)


def test_the_data_centre_is_twice_as_far():
    """No cloudlet reaches the data centre in less than 10 s/GB, while cloudlets may be 5 s/GB apart."""
    distance = np.stack([random_network(31, np.random.default_rng(seed)) for seed in range(20)])
    assert distance[:, -1, :-1].min() >= 10
    between = distance[:, :-1, :-1]
    assert 5 <= between[between > 0].min() < 5.5


@given(st.integers(1, 120), st.integers(0, 10_000), st.sampled_from([10, 20, 50]))
def test_preheating_counts(cloudlets, seed, divisor):
    """A model starts on 1 to max(1, C // divisor) different cloudlets, both ends included, and in the data centre."""
    held = preheat(cloudlets, np.random.default_rng(seed), divisor)
    assert held[-1] == cloudlets
    assert len(np.unique(held)) == len(held)
    assert 1 <= len(held) - 1 <= max(1, cloudlets // divisor)


@pytest.mark.parametrize(("divisor", "most"), [(20, 5), (10, 10), (50, 2)])
def test_preheating_reaches_both_ends(divisor, most):
    """Of 100 cloudlets 1 to 100 // divisor hold a model, each number about equally often; 20 is the default."""
    random = np.random.default_rng(1)
    counts = np.bincount([len(preheat(100, random, divisor)) - 1 for _ in range(400 * most)], minlength=most + 1)
    assert counts[0] == 0
    assert (np.abs(counts[1:] - 400) < 80).all()
    for given_divisor in ({}, {"holder_divisor": divisor}):
        models = generate(Recipe(cloudlets=100, models=40, **given_divisor), 0).models
        held = max(len(models.private_at[k]) for k in range(40)) - 1
        assert held == (most if given_divisor else 5)


def test_the_second_parameter_set_changes_three_ranges_only():
    """Capacity 24 to 80 GB, budget 1000 to 3000, instructions 10 to 30; whatever else is drawn stays as it is."""
    first, second = (generate(Recipe(requests=400, parameters=name), 1) for name in ("released", "second"))
    for values, low, high in (
        (second.cloudlets.capacity_gb, 24, 80),
        (second.requests.cost_budget, 1000, 3000),
        (second.requests.instructions, 10, 30),
    ):
        assert low <= values.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < values.max() <= high
    kept = [(one.cloudlets.processing_tflops, one.requests.input_gb, one.accuracy) for one in (first, second)]
    assert all(np.array_equal(a, b) for a, b in zip(*kept, strict=True))
    with pytest.raises(InputError, match="parameters is 'third'; must be one of released, second"):
        Recipe(parameters="third")


def test_shared_holders_are_the_union_over_the_family():
    """The shareable part sits wherever any model of the family sits; the private part where the model itself does."""
    models = generate(Recipe(models=20, families=4), 2).models
    for k in range(20):
        siblings = np.flatnonzero(models.family == models.family[k])
        union = set().union(*(models.private_at[i].tolist() for i in siblings))
        assert set(models.shared_at[k].tolist()) == union
        assert models.private_at[k][-1] == 100


def test_streams_are_independent():
    """No two streams, of the same or of different names, start alike."""
    supplies = named_streams(0)
    first = [next(supply).random() for supply in supplies.values() for _ in range(5)]
    assert len(set(first)) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cloudlets": 0}, "cloudlets is 0; must be a whole number in"),
        ({"models": -1}, "models is -1; must be a whole number in"),
        ({"families": 0}, "families is 0; must be a whole number in"),
        ({"requests": 0}, "requests is 0; must be a whole number in"),
        ({"shared_fraction": 1.5}, r"shared_fraction is 1.5; must be in \[0, 1\]"),
        ({"shared_fraction": float("nan")}, r"shared_fraction is nan; must be in \[0, 1\]"),
    ],
)
def test_contradictory_recipes_are_refused(change, message):
    """Empty sizes and impossible fractions are an InputError that names the field."""
    with pytest.raises(InputError, match=message):
        Recipe(**change)


@pytest.mark.parametrize(("cloudlets", "models", "families", "requests"), [(1, 1, 1, 1), (2, 1, 5, 3), (19, 3, 1, 1)])
def test_smallest_sizes_work(cloudlets, models, families, requests):
    """One cloudlet, one model, more families than models and fewer than 20 cloudlets all give valid instances."""
    instance = generate(Recipe(cloudlets, models, families, requests), 0)
    assert instance.sizes == (cloudlets, models, requests)


def test_every_generated_queue_is_stable():
    """Arrivals stay at or below 0.5/s and service at or above 0.5/s: no instance is infeasible by its queues."""
    for seed in range(20):
        assert np.isfinite(tabulate(generate(BASE, seed)).queue).all()


@pytest.mark.parametrize("listed", [True, False])
def test_the_released_nonshare_figure_cannot_tell_whether_the_data_centre_is_a_holder(listed):
    """Most accurate model, unmerged holders: over 60 seeds both readings lie within the released 15603 +- 402 s."""
    totals = []
    for seed in range(60):
        instance = generate(Recipe(cloudlets=100, models=10, families=5, requests=100), seed)
        at = [held[held < 100 + listed] for held in instance.models.private_at]
        models = instance.models.model_copy(update={"private_at": Ragged.from_lists(at)})
        instance = instance.model_copy(update={"models": models})
        options = tabulate(instance, shared_at=models.private_at)
        best = instance.accuracy.argmax(axis=1)
        totals.append(options.delay[np.arange(100), best].sum())
    assert abs(np.mean(totals) - 15_603) <= 402
    assert np.std(totals, ddof=1) / np.sqrt(60) == pytest.approx(329 if listed else 354, rel=0.05)
