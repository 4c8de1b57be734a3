"""Compute rows kept where each cloudlet has one set of blocks: knapsacks, bound, fixing and what verify makes of it."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from coupled_strategies import small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.clock import FOREVER
from mecpfm.coupled import dual, methods, single
from mecpfm.coupled.audit import audit
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.multipliers import certificate
from mecpfm.coupled.proof import Proof
from mecpfm.coupled.structure import build
from mecpfm.errors import InputError
from mecpfm.kernels import coupled_single as kernels

SEEDS = st.integers(0, 2**32 - 1)


def located(seed, *, whole=True):
    """One model of two blocks at up to three cloudlets, whose compute takes about half of the requests."""
    random = np.random.default_rng(seed)
    cloudlets, count = int(random.integers(1, 4)), int(random.integers(2, 6))
    reach = random.random((count, cloudlets)) < 0.9
    request, site = np.nonzero(reach)
    compute = random.integers(1, 9, len(request)) / (1 if whole else 7)
    return Instance(
        blocks={"size_gb": [0.5, 1.0]},
        models={"blocks": [[0, 1], [1]]},
        cloudlets={
            "memory_gb": random.integers(0, 3, cloudlets), "compute_s": random.integers(0, 16, cloudlets) / 1.0,
            "pull_s_per_gb": random.integers(0, 4, cloudlets) / 2, "cached": [[] for _ in range(cloudlets)],
        },
        requests={"remote_delay_s": random.integers(8, 30, count) / 4, "remote_accuracy": np.ones(count)},
        options={
            "request": request, "model": np.zeros(len(request), dtype=np.int64), "cloudlet": site,
            "delay_s": random.integers(0, 9, len(request)) / 4, "compute_s": compute,
            "accuracy": np.ones(len(request)),
        },
    )  # fmt: skip


def rows_of(instance):
    """Its knapsacks; None where it has none."""
    structure = build(instance)
    return structure, single.sites(structure)


def worth(value, size, room, must=None):
    """Most that a set is worth, every set written out; one that holds item ``must`` where that is given."""
    best = -math.inf
    for inside in itertools.product([False, True], repeat=len(value)):
        if must is not None and not inside[must]:
            continue
        if size[np.array(inside, dtype=bool)].sum() <= room:
            best = max(best, float(value[np.array(inside, dtype=bool)].sum()))
    return best


def slow_bound(instance, v):
    """The bound at prices v, and what it rises by with each option, every set of requests written out."""
    options, loss = instance.options, np.full(len(instance.options.request), math.inf)
    bound = float(v.sum())
    for c in range(instance.sizes[2]):
        fits = instance.blocks.size_gb.sum() <= most(instance.cloudlets.memory_gb)[c]
        room = float(most(instance.cloudlets.compute_s)[c])
        rows = np.flatnonzero((options.cloudlet == c) & fits & (options.compute_s <= room))
        rows = rows[options.delay_s[rows] < instance.requests.remote_delay_s[options.request[rows]]]
        value, size = v[options.request[rows]] - options.delay_s[rows], options.compute_s[rows]
        price = float(instance.pull_s[:, c].sum())
        top = max(worth(value, size, room) - price, 0.0)
        bound -= top
        for i, row in enumerate(rows):
            loss[row] = top - (worth(value, size, room, i) - price)
    return bound, loss


def priced(structure, v):
    point = dual.start(structure.cells)
    point[:] = 0.0
    point[: len(v)] = v
    return dual.Dual(0.0, point, np.zeros(len(structure.cells.first_record) - 1), 0, 0.0, True, True)


@pytest.mark.kernels
@settings(max_examples=100)
@given(seed=SEEDS, by_table=st.booleans())
def test_bound_slope_and_losses_equal_enumeration(seed, by_table):
    """By the table of rooms and by the search for the best set; decimals of compute count in full."""
    instance = located(seed)
    structure, rows = rows_of(instance)
    if rows is None:
        return
    random = np.random.default_rng(seed)
    v = random.uniform(0, 1, instance.sizes[3]) * instance.requests.remote_delay_s
    slope, taken, table = np.empty(len(v)), np.empty(len(rows.request), dtype=bool), single._tables(rows)
    wide = rows if by_table else rows._replace(room_units=np.full_like(rows.room_units, kernels.SMALL))
    expected, loss = slow_bound(instance, v)
    wider = table if by_table else np.empty((len(table), kernels.SMALL + 1))
    assert kernels.evaluate(wide, v, slope, wider, taken) == pytest.approx(expected)
    other = v + random.uniform(-1, 1, len(v))
    assert slow_bound(instance, other)[0] <= expected + float(slope @ (other - v)) + 1e-9
    found = np.empty(len(rows.request))
    assert kernels.losses(rows, v, found, table, table.copy()) == pytest.approx(expected)
    assert found == pytest.approx(loss[structure.option])


@settings(max_examples=100)
@given(seed=SEEDS, whole=st.booleans())
def test_no_bound_is_false_and_fixing_keeps_a_better_plan(seed, whole):
    """Whole amounts and others: the bound is at most the optimum, the check proves it, an optimum keeps its options."""
    instance = located(seed, whole=whole)
    structure, rows = rows_of(instance)
    if rows is None:
        return
    plan, plain = solve_nlip(instance), dual.solve(structure, memory_row=True)
    found = single.ascend(structure, rows, plain, plan.objective, FOREVER)
    given_ = certificate(structure, found, instance)
    proved = verify(instance, given_)
    assert found.bound - 1e-9 <= proved <= plan.objective + 1e-9
    assert proved == pytest.approx(slow_bound(instance, found.point[: instance.sizes[3]])[0])
    assert Proof.of(instance, given_).bound == proved
    bound, loss = single.losses(structure, rows, found)
    kept = loss < plan.objective + 0.01 - bound
    assert bound <= plan.objective + 1e-9
    used = {o for o in plan.decisions["option"] if o >= 0}
    best = min(solve_nlip(instance.with_options(np.sort(structure.option[kept]))).objective, plan.objective + 0.01)
    assert used <= set(structure.option[kept].tolist()) or best == pytest.approx(plan.objective)


@settings(max_examples=100)
@given(seed=SEEDS, families=st.none() | st.booleans())
def test_the_check_reads_any_prices_with_compute_rows(seed, families):
    """Prices of every kind, cells of any kind: never above the optimum, nor below what is proved without."""
    instance, random = located(seed, whole=seed % 2 == 0), np.random.default_rng(seed)
    if families is not None:
        instance = small(seed, 4, 2, families=families)
    structure = build(instance)
    point = random.uniform(0, 1, len(dual.start(structure.cells))) * random.choice([0, 1])
    point[: instance.sizes[3]] = random.uniform(0, 1, instance.sizes[3]) * instance.requests.remote_delay_s
    cut = random.uniform(0, 1, len(structure.cells.first_record) - 1)
    plain = certificate(structure, dual.Dual(0.0, point, cut, 0, 0.0), instance)
    kept = plain.model_copy(update={"compute_row": np.int64(1)})
    assert verify(instance, plain) - 1e-9 <= verify(instance, kept) <= solve_nlip(instance).objective + 1e-9
    more = instance.cloudlets.compute_s.copy()
    more[0] += 3
    other = instance.change(cloudlets={"compute_s": more})
    assert Proof.of(instance, kept).moved(other).bound == verify(other, kept)


def full(models=((0,),), capacity=3.0, **options):
    """Two requests of 2 s of compute where 3 s are: one of them goes, which no price on compute shows."""
    same = {
        "request": [0, 1], "model": [0, 0], "cloudlet": [0, 0], "delay_s": [1.0, 1.0], "compute_s": [2.0, 2.0],
        "accuracy": [1.0, 1.0],
    }  # fmt: skip
    return Instance(
        blocks={"size_gb": [1.0]},
        models={"blocks": [list(blocks) for blocks in models]},
        cloudlets={"memory_gb": [1.0], "compute_s": [capacity], "pull_s_per_gb": [1.0], "cached": [[]]},
        requests={"remote_delay_s": [10.0, 10.0], "remote_accuracy": [1.0, 1.0]},
        options={**same, **options},
    )


def test_a_file_says_that_compute_rows_are_kept_and_proves_less_without(tmp_path):
    """Schema 2, read back; the same numbers without the word, or with a higher bound, are refused."""
    instance, structure = full(), build(full())
    rows = single.sites(structure)
    found = single.ascend(structure, rows, dual.solve(structure), 12.0, FOREVER)
    assert found.bound == pytest.approx(12.0)
    path, problem = tmp_path / "prices.json", tmp_path / "instance.json"
    instance.write(problem)
    certificate(structure, found, instance).write(path)
    assert '"mecpfm.certificate/2"' in path.read_text()
    assert verify(instance, Certificate.read(path)) == pytest.approx(12.0)
    assert audit(problem, path).complaints == ()
    for changed in (replace(found, compute_row=False), replace(found, bound=12.1)):
        certificate(structure, changed, instance).write(path)
        assert any("proves only" in complaint for complaint in audit(problem, path).complaints)
    path.write_text(path.read_text().replace('"compute_row": 1', '"compute_row": 2'))
    with pytest.raises(InputError, match="compute_row"):
        Certificate.read(path)


def test_only_instances_of_this_kind_have_knapsacks():
    """Not where compute never binds, two models are in reach, or a request has two options at a cloudlet."""
    assert single.sites(build(full())) is not None
    assert single.sites(build(full(capacity=4.0))) is None
    assert single.sites(build(full(models=((0,), (0,)), model=[0, 1]))) is None
    assert single.sites(build(full(request=[0, 0], delay_s=[1.0, 2.0], compute_s=[4.0, 1.5]))) is None
    assert single.sites(build(full(request=[0, 0], delay_s=[1.0, 2.0], compute_s=[2.5, 1.5]))) is None


def test_cells_of_several_models_prove_what_they_did():
    """What a set of models needs together is not the knapsack of their requests."""
    instance = full(models=((0,), (0,)), model=[0, 1])
    plain = certificate(build(instance), dual.solve(build(instance)), instance)
    kept = plain.model_copy(update={"compute_row": np.int64(1)})
    assert verify(instance, kept) == verify(instance, plain)


def test_a_knapsack_worth_half_a_second_takes_that_off():
    """Two requests at 2.5 s gain 1.5 s each, one fits, and the model costs 1 s: 5 s less 0.5 s; of 4 s less 2 s."""
    given_ = certificate(build(full()), priced(build(full()), np.array([2.5, 2.5])))
    assert verify(full(), given_) == pytest.approx(4.5)
    more = full(capacity=4.0)
    assert Proof.of(full(), given_).moved(more).bound == verify(more, given_) == pytest.approx(3.0)


def test_the_default_proves_by_compute_rows_alone():
    """No branching needed: the certificate itself proves the plan."""
    plan, given_ = methods.certified(full(), "auto", iterations=10)
    assert (plan.status, plan.objective) == ("optimal", 12.0)
    assert verify(full(), given_) == pytest.approx(12.0)
