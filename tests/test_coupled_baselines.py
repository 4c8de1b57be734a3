"""Baselines of the coupled setting: feasible under the checker, and each does what its paper says."""

import numpy as np
import pytest
from coupled_strategies import instances, is_laminar, replaced
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import baselines, generalized_assignment
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.methods import solve
from mecpfm.coupled.rounding import TREES
from mecpfm.coupled.table import METHODS
from mecpfm.errors import InputError

any_instance = st.booleans().flatmap(lambda families: instances(families=families))


@pytest.fixture(scope="module")
def middle() -> Instance:
    """An instance of all the generator's parts with scarce memory and compute."""
    recipe = Recipe(requests=120, cloudlets=6, models=24, families=4, adaptation="mixed", memory_gb=40, period_s=2)
    return generate(recipe, seed=5)


@pytest.fixture(scope="module")
def few() -> Instance:
    """A small one, quick also without compiled kernels."""
    return generate(Recipe(requests=12, cloudlets=3, models=6, families=2, memory_gb=20, period_s=0.5), seed=5)


@given(any_instance)
@settings(max_examples=25)
def test_every_method_is_feasible_and_above_its_bound(instance: Instance) -> None:
    """Whatever the instance, every method's plan passes the checker and no bound exceeds the optimum.

    Methods that need a tree of blocks refuse an instance without.
    """
    optimum = solve_nlip(instance).objective
    for method in METHODS:
        if method in TREES and not is_laminar(instance):
            with pytest.raises(InputError, match="nested or disjoint"):
                solve(instance, method)
            continue
        plan = solve(instance, method, solver="highs", seed=3, iterations=100)
        assert plan.feasible, (method, plan.violations)
        assert plan.bound <= optimum + 1e-6, method
        assert plan.objective >= (plan.bound if method in ("lp", "lp-cut") else optimum) - 1e-6, method


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"nlip", "lp", "lp-cut", "ilp", "cocar"}))
def test_methods_repeat_bitwise(few: Instance, method: str) -> None:
    """The same seed gives the same feasible decision."""
    one, other = (solve(few, method, seed=1, iterations=20) for _ in range(2))
    assert one.feasible
    assert one.decisions == other.decisions
    assert one.objective >= one.bound


def test_unknown_method_is_named() -> None:
    """An unknown name is refused with the list of the known ones."""
    with pytest.raises(InputError, match="method is 'magic'; must be one of lp, lp-cut"):
        solve(generate(Recipe(requests=2, cloudlets=1, models=1, families=1)), "magic")


def tiny(**options: object) -> Instance:
    """Two cloudlets, two models that share block 0; options are set by the test."""
    return Instance(
        blocks={"size_gb": [4.0, 1.0, 2.0]},
        models={"blocks": [[0, 1], [0, 2]]},
        cloudlets={
            "memory_gb": [7.0, 7.0],
            "compute_s": [10.0, 10.0],
            "pull_s_per_gb": [1.0, 1.0],
            "cached": [[], []],
        },
        requests={"remote_delay_s": [20.0, 20.0, 20.0], "remote_accuracy": [1.0, 1.0, 1.0]},
        options={
            "request": [0, 0, 1, 1, 2, 2],
            "model": [0, 1, 0, 1, 0, 1],
            "cloudlet": [0, 0, 0, 0, 0, 0],
            "delay_s": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
            "compute_s": [1.0] * 6,
            "accuracy": [0.5, 0.9, 0.5, 0.9, 0.5, 0.9],
            **options,
        },
    )


def test_accuracy_first_takes_the_most_accurate() -> None:
    """Every request gets its most accurate option although another one is faster and the shared pull is the same."""
    assert baselines.accuracy_first(tiny()).tolist() == [1, 3, 5]


def test_accuracy_first_stops_at_the_capacity() -> None:
    """With compute for two requests the third goes remote."""
    full = replaced(tiny(), cloudlets={"compute_s": [2.0, 0.0]})
    assert baselines.accuracy_first(full).tolist() == [1, 3, REMOTE]


def test_popularity_counts_only_requests_nearby_and_serves_only_those() -> None:
    """Cloudlet 1, nearest to nobody, holds nothing; model 0, accepted by all, is held at cloudlet 0 and serves them."""
    assert baselines.popularity(tiny()).tolist() == [0, 2, 4]
    far = tiny(cloudlet=[0, 0, 0, 0, 1, 0], delay_s=[1.0, 2.0, 1.0, 2.0, 5.0, 2.0])
    assert baselines.popularity(far).tolist()[2] == 5


def test_popularity_fills_by_what_fits() -> None:
    """The more popular model that does not fit is skipped, the smaller one is held."""
    small = replaced(tiny(), cloudlets={"memory_gb": [5.0, 5.0]})
    votes = replaced(
        small, options={"request": [0, 0, 1, 2], "model": [0, 1, 1, 1], **_first(4)}, cloudlets={"memory_gb": [5.5, 5]}
    )
    assert baselines.popularity(votes).tolist() == [0, REMOTE, REMOTE]


def _first(count: int) -> dict[str, list[float]]:
    return {
        "cloudlet": [0] * count,
        "delay_s": [1.0] * count,
        "compute_s": [1.0] * count,
        "accuracy": [0.5] * count,
    }


def requests_in_order(models: list[int]) -> Instance:
    """One cloudlet with room for one of three models of 1 GB each; request i accepts ``models[i]`` alone."""
    count = len(models)
    return Instance(
        blocks={"size_gb": [1.0, 1.0, 1.0]},
        models={"blocks": [[0], [1], [2]]},
        cloudlets={"memory_gb": [1.0], "compute_s": [99.0], "pull_s_per_gb": [0.0], "cached": [[]]},
        requests={"remote_delay_s": [5.0] * count, "remote_accuracy": [1.0] * count},
        options={"request": list(range(count)), "model": models, **_first(count)},
    )


def test_lru_keeps_the_last_and_lfu_the_most_asked() -> None:
    """Requests 0 0 1 2: a cache of one ends with model 2, an LRU of two with 1 and 2, an LFU of two with 0 and 2."""
    instance = requests_in_order([0, 0, 1, 2])
    assert baselines.lru(instance).tolist() == [REMOTE, REMOTE, REMOTE, 3]
    two = replaced(instance, cloudlets={"memory_gb": [2.0]})
    assert baselines.lru(two).tolist() == [REMOTE, REMOTE, 2, 3]
    assert baselines.lfu(two).tolist() == [0, 1, REMOTE, 3]


def test_replacement_evicts_the_backbone_its_name_says() -> None:
    """Memory for one backbone of two, asked a a b: recency ends with b's family, frequency with a's; both count uses.

    With memory for both, nothing leaves and the two agree; a small block of the family that left stays.
    """
    families, size = [[0, 2], [0, 3], [1, 4]], [4.0, 4.0, 0.5, 0.5, 0.5]
    asked = [families[k] for k in (0, 1, 2)]
    assert baselines.cache(asked, size, 6.0, by_frequency=False) == [1, 2, 3, 4]
    assert baselines.cache(asked, size, 6.0, by_frequency=True) == [0, 2, 3, 4]
    for by_frequency in (False, True):
        assert baselines.cache(asked, size, 10.0, by_frequency=by_frequency) == [0, 1, 2, 3, 4]
        assert baselines.cache(asked, size, 4.0, by_frequency=by_frequency) == [], "no model fits on its own"
    instance = Instance(
        blocks={"size_gb": size},
        models={"blocks": families},
        cloudlets={"memory_gb": [6.0], "compute_s": [9.0], "pull_s_per_gb": [0.0], "cached": [[]]},
        requests={"remote_delay_s": [5.0] * 3, "remote_accuracy": [1.0] * 3},
        options={"request": [0, 1, 2], "model": [0, 1, 2], **_first(3)},
    )
    assert baselines.lru(instance).tolist() == [REMOTE, REMOTE, 2]
    assert baselines.lfu(instance).tolist() == [0, 1, REMOTE]


def slow_cache(demands: list[list[int]], size: list[float], memory: float, by_frequency: bool) -> list[int]:
    """One eviction at a time, then whatever left for nothing comes back: written as the sentence says it."""
    held: list[int] = []
    for now, wanted in enumerate(demands):
        if sum(size[b] for b in wanted) > memory:
            continue
        seen = [[*blocks] for blocks in demands[: now + 1] if sum(size[b] for b in blocks) <= memory]
        held += [b for b in wanted if b not in held]

        def worth(b: int, seen: list[list[int]] = seen) -> tuple[float, ...]:
            recency = max(i for i, blocks in enumerate(seen) if b in blocks)
            return (sum(b in blocks for blocks in seen) if by_frequency else 0, recency, -size[b], b)

        left = []
        while sum(size[b] for b in held) > memory:
            left.append(min(held, key=worth))
            held.remove(left[-1])
        for b in reversed(left):
            if sum(size[c] for c in held) + size[b] <= memory:
                held.append(b)
    return sorted(held)


@given(st.integers(0, 10_000), st.booleans())
def test_replacement_equals_its_slow_twin(seed: int, by_frequency: bool) -> None:
    """Random demands on up to four families of shared blocks, sizes in quarters of a GB so that sums are exact."""
    random = np.random.default_rng(seed)
    size = (random.integers(0, 9, 8) / 4).tolist()
    models = [sorted(random.choice(8, random.integers(1, 4), replace=False).tolist()) for _ in range(5)]
    demands = [models[k] for k in random.integers(0, 5, 12)]
    memory = float(random.integers(0, 20)) / 4
    found = baselines.cache(demands, size, memory, by_frequency=by_frequency)
    assert found == slow_cache(demands, size, memory, by_frequency)


def test_nearest_goes_by_coordinates_where_there_are_any() -> None:
    """The nearer cloudlet counts although the other one is faster; across the date line too; else the faster one."""
    pair = tiny(cloudlet=[0, 1] * 3, delay_s=[1.0, 2.0] * 3)
    assert baselines.nearest(pair).tolist() == [0, 0, 0]
    placed = replaced(
        pair,
        cloudlets={"longitude_deg": [100.0, -179.0], "latitude_deg": [60.0, 60.0]},
        requests={"longitude_deg": [179.0, 101.0, 100.0], "latitude_deg": [60.0, 60.0, 0.0]},
    )
    assert baselines.nearest(placed).tolist() == [1, 0, 0]


def test_trimcaching_counts_shared_blocks_once() -> None:
    """With memory for the backbone and both adapters, both models are placed though each alone takes most of it."""
    apart = tiny(
        request=[0, 1, 2],
        model=[0, 1, 1],
        **{name: values[:3] for name, values in {**_first(3), "accuracy": [0.5] * 3}.items()},
    )
    choice = baselines.trimcaching(apart)
    assert choice.tolist() == [0, 1, 2]
    assert assess(apart, "x", choice).metrics["pulling_s"] == 7
    assert (baselines.trimcaching(baselines.unshared(apart)) == REMOTE).sum() == 1


def test_trimcaching_pulls_nothing_that_does_not_pay() -> None:
    """When pulling costs more than it saves everything stays remote."""
    dear = replaced(tiny(), cloudlets={"pull_s_per_gb": [50.0, 50.0]})
    assert (baselines.trimcaching(dear) == REMOTE).all()


def slow_placement(instance: Instance, per_byte: bool) -> np.ndarray:
    """Slow twin of the kernel: every score is computed anew before every placement."""
    options, blocks = instance.options, instance.models.blocks
    _, models, sites, _ = instance.sizes
    opened = np.zeros(instance.pull_s.shape, dtype=bool)
    current = instance.requests.remote_delay_s.copy()
    left, memory = (getattr(instance.cloudlets, name) * baselines.SLACK for name in ("compute_s", "memory_gb"))
    choice = baselines.remote(instance)
    while True:
        best: tuple[float, int, list[int], list[int]] = (0.0, -1, [], [])
        for j in range(sites * models):
            c, k = divmod(j, models)
            new = [int(b) for b in blocks[k] if not opened[b, c]]
            need = sum(float(instance.blocks.size_gb[b]) for b in new)
            mine = np.flatnonzero((options.cloudlet == c) & (options.model == k))
            save = current[options.request[mine]] - options.delay_s[mine]
            mine, save = mine[save > 0], save[save > 0]
            if options.compute_s[mine].sum() > left[c]:
                order = np.argsort(-save / np.maximum(options.compute_s[mine], 1e-12), kind="stable")
                mine, save = mine[order], save[order]
            room, chosen, saved = left[c], [], 0.0
            for o, s in zip(mine.tolist(), save.tolist(), strict=True):
                if options.compute_s[o] <= room:
                    room -= options.compute_s[o]
                    chosen.append(o)
                    saved += s
            gain = saved - sum(float(instance.pull_s[b, c]) for b in new)
            score = max(gain, 0.0) / (max(need, 1e-9) if per_byte else 1.0)
            if need <= memory[c] and score > best[0]:
                best = (score, j, chosen, new)
        score, j, chosen, new = best
        if score == 0:
            return choice
        c = j // models
        memory[c] -= sum(float(instance.blocks.size_gb[b]) for b in new)
        opened[new, c] = True
        for o in chosen:
            r = int(options.request[o])
            if choice[r] >= 0:
                left[options.cloudlet[choice[r]]] += options.compute_s[choice[r]]
            choice[r], current[r] = o, options.delay_s[o]
            left[c] -= options.compute_s[o]


@given(any_instance, st.booleans())
@settings(max_examples=60)
def test_placement_by_gain_equals_its_slow_twin(instance: Instance, per_byte: bool) -> None:
    """Renewing scores on demand places what renewing all of them places, by gain and by gain per byte."""
    found = baselines.trimcaching(instance, per_byte=per_byte)
    assert found.tolist() == slow_placement(instance, per_byte).tolist()


def test_placement_twin_at_a_middle_size() -> None:
    """The same on an instance with hundreds of candidates and full cloudlets, where the two rules differ."""
    few = generate(
        Recipe(requests=60, cloudlets=4, models=16, families=4, regime="memory-bound", shared_fraction=0.3), seed=4
    )
    found = [baselines.trimcaching(few, per_byte=per_byte).tolist() for per_byte in (True, False)]
    assert found == [slow_placement(few, per_byte).tolist() for per_byte in (True, False)]
    assert found[0] != found[1]


def test_first_fit_respects_order_and_capacity(middle: Instance) -> None:
    """First fit equals a plain loop over the options with sets of opened blocks."""
    options, of = middle.options, middle.models.blocks
    order = np.random.default_rng(0).permutation(len(options.request))
    left, memory = middle.cloudlets.compute_s.copy(), middle.cloudlets.memory_gb.copy()
    opened: list[set[int]] = [set() for _ in left]
    expected = np.full(middle.sizes[3], REMOTE)
    for o in order.tolist():
        r, c = int(options.request[o]), int(options.cloudlet[o])
        new = set(of[options.model[o]].tolist()) - opened[c]
        need = middle.blocks.size_gb[sorted(new)].sum()
        if expected[r] == REMOTE and options.compute_s[o] <= left[c] and need <= memory[c]:
            expected[r] = o
            left[c] -= options.compute_s[o]
            memory[c] -= need
            opened[c] |= new
    assert baselines.first_fit(middle, order).tolist() == expected.tolist()


@given(any_instance)
def test_shmoys_tardos_bounds_cost_and_load(instance: Instance) -> None:
    """GAP rounding: delay without pulls <= its LP <= any feasible decision's, load <= twice the compute."""
    choice, value = generalized_assignment.shmoys_tardos(instance)
    chosen = choice[choice != REMOTE]
    options = instance.options
    cost = options.delay_s[chosen].sum() + instance.requests.remote_delay_s[choice == REMOTE].sum()
    assert cost <= value + 1e-6
    load = np.bincount(options.cloudlet[chosen], options.compute_s[chosen], instance.sizes[2])
    assert (load <= 2 * instance.cloudlets.compute_s + 1e-9).all()
    optimum = solve_nlip(instance)
    assert value <= optimum.objective - optimum.metrics["pulling_s"] + 1e-6


def test_shmoys_tardos_uses_the_slack_the_theorem_grants(middle: Instance) -> None:
    """On a tight instance some load exceeds its capacity: the bound of two is needed, and the method repairs it."""
    tight = replaced(middle, cloudlets={"compute_s": np.full(6, 1.0)})
    choice, _ = generalized_assignment.shmoys_tardos(tight)
    assert any("compute" in finding for finding in assess(tight, "raw", choice).violations)
    repaired = baselines.first_fit(tight, choice[choice != REMOTE])
    assert assess(tight, "repaired", repaired).feasible
    assert set(repaired) <= {*choice, REMOTE}


def test_independent_draws_have_their_marginals() -> None:
    """Over 4000 draws an option is taken as often as its fraction says, within four standard errors."""
    instance = replaced(tiny(), cloudlets={"memory_gb": [99.0, 99.0], "compute_s": [99.0, 99.0]})
    x = np.array([0.25, 0.5, 0.0, 1.0, 0.1, 0.0])
    draws = np.random.default_rng(7).random((4000, 3))
    counts = np.zeros(6)
    for u in draws:
        choice = baselines.independent(instance, x, u)
        counts[choice[choice >= 0]] += 1
    error = 4 * np.sqrt(np.maximum(x * (1 - x), 1e-12) / 4000)
    assert (np.abs(counts / 4000 - x) <= error + 1e-12).all()


def test_no_sharing_reports_what_it_planned_for(few: Instance) -> None:
    """Without sharing a decision costs at least what it costs with sharing, and both are reported."""
    plan = solve(few, "no-sharing", iterations=20)
    assert plan.metrics["unshared_delay_s"] >= plan.objective
    assert solve(few, "remote").objective == pytest.approx(few.requests.remote_delay_s.sum())
