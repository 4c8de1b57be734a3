"""Bounds of large instances: parts of the cloudlets at once, steps and cells of a rule of their own."""

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled import dual, split
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.multipliers import certificate
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_cut as kernels
from mecpfm.kernels.coupled_ascent import BOUND, STALLED, THETA, DualState
from mecpfm.kernels.coupled_sets import TIE

SEEDS = st.integers(0, 2**32 - 1)
FAMILIES = pytest.mark.parametrize("families", [True, False])


def solve_large(structure, **options):
    """The bound as if the instance were a large one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "RECORDS", 0)
        return dual.solve(structure, memory_row=True, **options)


@pytest.mark.kernels
def test_parts_give_the_same_bits_for_any_number_of_threads():
    """Multipliers, cut prices and bound; every part has cloudlets of its own."""
    structure = build(generate(Recipe(requests=80, cloudlets=9, models=12), seed=2))
    found = [solve_large(structure, iterations=80, threads=threads) for threads in (1, 2, 5)]
    assert len({(one.bound, one.point.tobytes(), one.cut.tobytes()) for one in found}) == 1
    ends = split.parts(structure.cells)
    assert ends[0] == 0
    assert ends[-1] == 9
    assert (np.diff(ends) > 0).all()


@pytest.mark.parametrize("regime", ["mixed", "memory-bound", "compute-bound"])
def test_fewer_steps_prove_as_much(regime):
    """Within 0.1 % of the small duals' ascent on instances that the latter is for; the check confirms it."""
    instance = generate(Recipe(requests=200, cloudlets=12, models=24, regime=regime), seed=2)
    structure = build(instance)
    whole, found = dual.solve(structure, memory_row=True), solve_large(structure)
    assert found.bound >= whole.bound * (1 - 1e-3)
    assert found.iterations < 500
    assert verify(instance, certificate(structure, found)) == pytest.approx(found.bound, rel=1e-9)


@FAMILIES
@settings(max_examples=40)
@given(data=st.data())
def test_they_prove_no_more_than_is_true(families, data):
    """What the check finds is at least the bound and at most the optimum, at the start and at the end of the ascent."""
    instance = data.draw(instances(families=families))
    structure = build(instance)
    optimum = solve_nlip(instance).objective
    for iterations in (data.draw(st.integers(1, 60)), 2_000):
        found = solve_large(structure, iterations=iterations)
        proved = verify(instance, certificate(structure, found))
        assert found.bound <= proved + 1e-9
        assert proved <= optimum + 1e-6 * (1 + instance.requests.remote_delay_s.sum())


def test_an_ascent_goes_on_where_it_stopped():
    """In pieces, as between two looks at the clock, it ends at the same bits."""
    structure = build(generate(Recipe(requests=60, cloudlets=6, models=12), seed=1))
    whole, pieces = solve_large(structure), solve_large(structure, params=DualParams(chunk=7))
    assert (whole.bound, whole.iterations) == (pieces.bound, pieces.iterations)
    assert (whole.point == pieces.point).all()


def test_the_climb_ends_at_the_best_point_when_it_fails():
    """The first fall of theta takes the ascent back; from then on it falls with every step, less with better ones."""
    point, none = np.array([1.0, 2.0]), np.zeros(0)
    state = DualState(point.copy(), none, point.copy(), none, np.zeros(2), np.array([-np.inf, 1.0, 0.0]))

    def step(bound):
        return split.settle(state, bound, np.array([1.0, -1.0]), np.ones(2), np.full(2, 9.0), 100.0)

    assert step(10.0)
    assert (state.point != point).all()
    for _ in range(split.FAILED):
        assert state.control[THETA] == 1
        assert step(9.0)
    assert state.control.tolist() == [10.0, split.WORSE, split.FAILED]
    assert (state.point == point).all()
    assert step(10.0)
    assert state.control[THETA] == split.WORSE**2
    assert step(11.0)
    assert (state.control[BOUND], state.control[STALLED]) == (11.0, 0)
    assert state.control[THETA] == split.WORSE**2 * split.BETTER
    assert not step(np.inf)


def gathered(data, families):
    """A cell of a small instance, multipliers, and the gains that a plain loop finds in it."""
    structure = build(small(data.draw(SEEDS), 6, 2, families=families, per_request=6))
    cells, work = structure.cells, dual.scratch(structure.cells)
    random = np.random.default_rng(data.draw(SEEDS))
    point, mu = random.integers(0, 25, len(dual.start(cells))) / 4, float(random.integers(0, 5)) / 8
    j = int(random.integers(0, len(cells.first_record) - 1))
    allowed = int(random.integers(0, 16))
    plain = []
    for i in range(cells.first_record[j], cells.first_record[j + 1]):
        a = point[cells.request[i]] - cells.delay_s[i] - mu * cells.compute_s[i]
        if a > 0 and cells.models[i] & allowed:
            plain.append((i, a))
    count = kernels.gather(cells, j, point, mu, allowed, work)
    assert list(zip(work.place[:count].tolist(), work.gain[:count].tolist(), strict=True)) == plain
    return cells, work, plain, count, float(random.integers(0, 9)) / 8


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=150)
@given(data=st.data())
def test_loops_without_branches_equal_plain_ones(families, data):
    """Gains of a cell, the best record of each request for every set of models, and the coverage function of sets."""
    cells, work, plain, count, lam = gathered(data, families)
    requests = sorted({int(cells.request[i]) for i, _ in plain})
    assert kernels.lone(cells.request, work.place, count) == (len(requests) == count)
    for chosen in range(16):
        best = {}
        for i, a in plain:
            r, left = int(cells.request[i]), a - lam * cells.compute_s[i]
            top = best[r][1] if r in best else 0.0
            if cells.models[i] & chosen and left > top + TIE * cells.remote_s[r]:
                best[r] = (i, left)
        n, load = kernels.serve(cells, chosen, lam, count, work)
        assert work.served[:n].tolist() == [best[r][0] for r in sorted(best)]
        assert load == sum(cells.compute_s[i] for i, _ in best.values())
        n = kernels.layers(cells, lam, count, work)
        covered = sum(w for w, m in zip(work.weight[:n], work.mask[:n], strict=True) if m & chosen)
        assert covered == pytest.approx(sum(a for _, a in best.values()), abs=1e-6)


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=60)
@given(data=st.data())
def test_a_rough_price_of_the_cut_bounds_its_cell(families, data):
    """It is no lower than the best price's value, and is the value at the price that is returned."""
    cells, work, _, count, _ = gathered(data, families)
    if not count:
        return
    members = np.array([1, 2, 3, 15], dtype=np.int64)
    problem = kernels.Problem(members, np.array([0.25, 0.5, 0.0, 0.25]), 1.0, 15, 0, False)
    start, scale = data.draw(st.sampled_from([0.0, 0.1, 1.0])), work.gain[:count].sum()
    exact = kernels.solve_cell(cells, problem, start, count, work, False)[0]
    value, lam, *_ = kernels.solve_cell(cells, problem, start, count, work, True)
    assert value == kernels.probe(cells, lam, problem, count, work).value
    assert value >= min(exact, 0.0) - 2 * kernels.CUT_TOLERANCE * scale
