"""The kernels of the coupled bound, cell by cell, under any branching decisions: all sets of models written out."""

import math
from fractions import Fraction

import numpy as np
import pytest
from coupled_strategies import instances, small
from hypothesis import given, settings
from hypothesis import strategies as st
from test_coupled_auto import SEEDS, best_subset, crowded

from mecpfm.coupled import dual
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.structure import build
from mecpfm.kernels import coupled_ascent, coupled_cut, coupled_dual, coupled_fix, coupled_pack

pytestmark = pytest.mark.kernels


class Drawn:
    """Cells of a small instance, multipliers, and branching decisions that leave every forced cell a model."""

    def __init__(self, instance, exact_models, seed):
        self.structure = build(instance, exact_models=exact_models)
        self.cells = cells = self.structure.cells
        self.random = random = np.random.default_rng(seed)
        self.requests, self.sites, self.families = len(cells.remote_s), len(cells.capacity_s), len(cells.exact)
        length = len(dual.start(cells))
        self.point = random.uniform(0, 1, length) * random.choice([0, 0.3, 1], length)
        self.point[: self.requests] = random.uniform(0, 1, self.requests) * cells.remote_s
        self.count = self.sites * self.families
        self.cut = random.choice([0, 0.1, 1], self.count) * random.uniform(0, 1, self.count)
        whole = dual.free(cells).allowed
        allowed = np.where(random.random(self.count) < 0.7, whole, whole & random.integers(0, 64, self.count))
        forced = allowed & random.integers(0, 64, self.count) * (random.random(self.count) < 0.3)
        state = random.choice([-1, 0, 0, 0, 1], self.count)
        self.exact = np.tile(cells.exact, self.sites)
        state[(allowed == 0) | ~self.exact] = 0
        self.node = coupled_dual.Node(state, allowed, np.where(self.exact, forced, 0))

    def cost(self, j):
        """Masks and prices of the blocks of an exact cell."""
        c, f = divmod(j, self.families)
        mine = slice(self.cells.first_block[f], self.cells.first_block[f + 1])
        eta = self.point[self.requests + self.sites + c]
        return self.cells.members[mine], self.cells.pull_s[c, mine] + eta * self.cells.size_gb[mine]

    def sets(self, j):
        """The sets of models that may be open in a cell."""
        allowed, must = int(self.node.allowed[j]), int(self.node.forced[j])
        return [s for s in range(1, allowed + 1) if s & ~allowed == 0 and s & must == must]

    def gain(self, j, lam, s):
        """What requests gain by the models of a set at a further price of compute, and the compute that they take."""
        cells, c, best = self.cells, j // self.families, {}
        for i in range(cells.first_record[j], cells.first_record[j + 1]):
            mu, request = self.point[self.requests + c] + lam, int(cells.request[i])
            a = self.point[request] - cells.delay_s[i] - mu * cells.compute_s[i]
            if cells.models[i] & s:
                best[request] = max(best.get(request, (0.0, 0.0)), (float(a), float(cells.compute_s[i])))
        return sum(a for a, _ in best.values()), sum(g for _, g in best.values())

    def worth(self, j, lam, s):
        """Gain less prices of one set, and its compute."""
        gain, load = self.gain(j, lam, s)
        members, cost = self.cost(j)
        return gain - float(cost[members & s > 0].sum()), load

    def tangent(self, j, lam):
        """Value of a cell and its slope at a price of the cut."""
        value, load = max((self.worth(j, lam, s) for s in self.sets(j)), default=(-math.inf, 0.0))
        capacity = float(self.cells.capacity_s[j // self.families])
        return value + lam * capacity, capacity - load

    def lowest(self, j):
        """Least value of a cell over the price of the cut, by tangents until they meet it."""
        left, right = (0.0, *self.tangent(j, 0.0)), (1e6, *self.tangent(j, 1e6))
        if left[2] >= 0 or not self.sets(j):
            return left[1]
        for _ in range(100):
            lam = (left[1] - left[2] * left[0] - right[1] + right[2] * right[0]) / (right[2] - left[2])
            value, slope = self.tangent(j, lam)
            if value <= left[1] + left[2] * (lam - left[0]) + 1e-10:
                return value
            left, right = ((lam, value, slope), right) if slope < 0 else (left, (lam, value, slope))
        raise AssertionError("the tangents do not meet")

    def relaxed(self, j):
        """What requests gain in a relaxed cell after their shares."""
        cells, c, best = self.cells, j // self.families, {}
        w = self.point[self.requests + 2 * self.sites :]
        for i in range(cells.first_record[j], cells.first_record[j + 1]):
            request, shares = int(cells.request[i]), cells.share[cells.first_share[i] : cells.first_share[i + 1]]
            a = self.point[request] - cells.delay_s[i] - self.point[self.requests + c] * cells.compute_s[i]
            if cells.models[i] & self.node.allowed[j]:
                best[request] = max(best.get(request, 0.0), a - w[shares].sum())
        return sum(best.values())

    def without_cells(self):
        """What the multipliers are worth without any cell, shares beyond a block's price taken off."""
        cells, (v, mu, eta, w) = self.cells, np.split(self.point, np.cumsum([self.requests, *[self.sites] * 2]))
        total = v.sum() - (mu * cells.capacity_s).sum() - (eta * cells.memory_gb).sum()
        for c in range(self.sites):
            for b in range(cells.first_block[-1], len(cells.size_gb)):
                at = c * len(cells.size_gb) + b
                paid = w[cells.first_share_of[at] : cells.first_share_of[at + 1]].sum()
                total -= max(paid - cells.pull_s[c, b] - eta[c] * cells.size_gb[b], 0.0)
        return total

    def sizes(self):
        """Memory that each cell takes at least, by the kernel."""
        size = np.empty(self.count)
        coupled_pack.least(self.cells, self.node, size)
        return size

    def evaluate(self, packs, point=None, amount=1.0):
        """Bound, supergradient, values, cut prices, options used and cells open of either kernel."""
        point, cut = self.point if point is None else point, self.cut.copy()
        sheet, work = dual.sheet_of(point, cut, len(self.structure.option)), dual.scratch(self.cells)
        sheet.size[:] = self.sizes()
        bound = coupled_pack.evaluate(self.cells, point, cut, self.node, sheet, amount, work, packs)
        _, slope, value, opened, used = sheet
        if not packs:
            opened = np.where(self.node.state == 1, 1.0, value > 0)
        return bound, slope, value, cut, used, opened

    def knapsack(self, c, value, size, state):
        """Most that exact cells of one cloudlet are worth that fit it."""
        here = slice(c * self.families, (c + 1) * self.families)
        state = np.where(self.cells.exact, state[here], -1)
        room = float(self.cells.memory_gb[c]) * coupled_pack.ROOM
        must, never = np.flatnonzero(state == 1), np.flatnonzero(state == -1)
        return best_subset(np.where(state < 0, 0, value[here]), size[here], room, must, never)


def drawn(exact_models):
    """Cells of any kind."""
    some = st.booleans().flatmap(lambda families: instances(families=families, requests=6, per_request=5))
    return st.builds(Drawn, st.one_of(some, st.builds(crowded, SEEDS)), st.just(exact_models), SEEDS)


def at_one_cloudlet(size, models, remote, options, *, pull=0.0, compute=9.0):
    """Instance of one cloudlet; ``options`` are request, model, delay and compute, a column each."""
    request, model, delay, load = options
    return Instance(
        blocks={"size_gb": size},
        models={"blocks": models},
        cloudlets={"memory_gb": [9.0], "compute_s": [compute], "pull_s_per_gb": [pull], "cached": [[]]},
        requests={"remote_delay_s": remote, "remote_accuracy": np.ones(len(remote))},
        options={
            "request": request, "model": model, "cloudlet": np.zeros(len(request), dtype=np.int64), "delay_s": delay,
            "compute_s": load, "accuracy": np.ones(len(request)),
        },
    )  # fmt: skip


KINDS = pytest.mark.parametrize("exact_models", [14, 1, 0])
PACKS = pytest.mark.parametrize("packs", [False, True])


@KINDS
@PACKS
@settings(max_examples=40)
@given(data=st.data())
def test_bound_and_cells_equal_a_slow_twin(exact_models, packs, data):
    """The bound from its parts; open cells' values at their price of the cut, which is the best; closed ones' above."""
    case = data.draw(drawn(exact_models))
    bound, _, value, cut, _, opened = case.evaluate(packs, amount=data.draw(st.sampled_from([0.0, 1.0])))
    assert set(opened.tolist()) <= {0.0, 1.0}
    expected = case.without_cells()
    for j in range(case.count):
        state, scale = case.node.state[j], case.requests * case.cells.remote_s.max()
        if not case.exact[j]:
            assert value[j] == pytest.approx(case.relaxed(j), abs=1e-9)
            expected -= value[j]
        elif state < 0:
            assert value[j] == -math.inf
        elif state == 1 or value[j] > 0:
            assert cut[j] >= 0
            assert value[j] == pytest.approx(case.tangent(j, cut[j])[0], abs=1e-9)
            assert state == 1 or value[j] <= case.lowest(j) + 1e-5 * scale
        else:
            assert value[j] >= case.lowest(j) - 1e-9
    if packs:
        inside = sum(case.knapsack(c, value, case.sizes(), case.node.state) for c in range(case.sites))
        assert not math.isfinite(bound) or value[opened > 0].sum() == pytest.approx(inside, abs=1e-9)
        expected -= inside
    else:
        expected -= np.where(case.node.state == 1, value, np.maximum(value, 0))[case.exact].sum()
    assert bound == pytest.approx(expected, abs=1e-9)


@KINDS
@PACKS
@settings(max_examples=25)
@given(data=st.data())
def test_the_slope_holds_along_every_multiplier(exact_models, packs, data):
    """No change of one multiplier raises the bound above the plane; slopes are what the options used leave."""
    case = data.draw(drawn(exact_models))
    amount = data.draw(st.sampled_from([0.25, 1.0]))
    bound, slope, _, _, used, _ = case.evaluate(packs, amount=amount)
    if not math.isfinite(bound):
        return
    for i in range(len(case.point)):
        for step in (-0.2, 0.2):
            there = case.point.copy()
            there[i] = max(there[i] + step, 0.0)
            other = case.evaluate(packs, there, 0.0)[0]
            assert other <= bound + slope[i] * (there[i] - case.point[i]) + 1e-6
    cells = case.cells
    record = np.repeat(np.arange(len(cells.request)), np.diff(cells.first_option))
    site = np.repeat(np.arange(case.count), np.diff(cells.first_record))[record] // case.families
    used /= amount
    served = np.bincount(cells.request[record], used, case.requests)
    load = np.bincount(site, used * cells.compute_s[record], case.sites)
    assert slope[: case.requests] == pytest.approx(1 - served, abs=1e-9)
    assert slope[case.requests :][: case.sites] == pytest.approx(load - cells.capacity_s, abs=1e-9)
    mask = np.left_shift(1, case.structure.rank[case.structure.model])
    allowed = case.node.allowed[np.repeat(np.arange(case.count), np.diff(cells.first_record))[record]]
    assert (used[mask & allowed == 0] == 0).all()


@KINDS
@settings(max_examples=25)
@given(data=st.data())
def test_parts_of_the_cloudlets_add_up(exact_models, data):
    """Cloudlets evaluated in two parts give bound and slope of all at once, and leave no slope behind."""
    case = data.draw(drawn(exact_models))
    bound, slope, *_ = case.evaluate(True, amount=0.0)
    cells, again, parts = case.cells, np.empty(len(case.point)), np.zeros((2, len(case.point)))
    total, middle = coupled_dual.linear(cells, case.point, again), int(case.random.integers(0, case.sites + 1))
    value, opened, cut = np.empty(case.count), np.empty(case.count), case.cut.copy()
    for part, (begin, end) in zip(parts, ((0, middle), (middle, case.sites)), strict=True):
        total += coupled_pack.sites(
            cells, begin, end, 0.0, case.point, cut, case.node, case.sizes(), part, value, opened, np.empty(0), 0.0,
            dual.scratch(cells), False, True,
        )  # fmt: skip
    assert coupled_pack.finish(cells, case.point, again, total, parts) == pytest.approx(bound, abs=1e-9)
    if math.isfinite(bound):
        assert again == pytest.approx(slope, abs=1e-9)
    assert not parts.any()


@settings(max_examples=40)
@given(case=drawn(14))
def test_what_an_open_cell_takes_at_least(case):
    """Blocks that all models allowed contain, and those of models forced; nothing for relaxed families."""
    memory = case.cells.memory_gb
    assert (most(memory) <= memory * coupled_pack.ROOM).all()
    assert (memory * coupled_pack.ROOM <= most(memory) * (1 + 1e-8)).all()
    for j, size in enumerate(case.sizes()):
        members, allowed, forced = case.cost(j)[0], case.node.allowed[j], case.node.forced[j]
        first = case.cells.first_block[j % case.families]
        own = case.cells.size_gb[first : first + len(members)]
        needed = ((members & allowed == allowed) | (members & forced > 0)) & case.exact[j]
        assert size == pytest.approx(own[needed].sum(), abs=1e-12)


@settings(max_examples=40)
@given(case=drawn(14), short=st.booleans())
def test_what_a_model_is_worth_equals_enumeration(case, short):
    """Best sets with each model, at the cell's price of the cut; with too short a table, and so gifts, no less."""
    work, models = dual.scratch(case.cells), len(dual.scratch(case.cells).reach)
    if short:
        work = work._replace(table=np.empty(1))
    cut = np.where(case.node.state == 1, 0.0, case.cut)
    top, best = np.empty(case.count), np.empty((case.count, models))
    coupled_fix.tables(case.cells, case.point, cut, case.node, top, best, work)
    for j in range(case.count):
        sets = case.sets(j) if case.exact[j] and case.node.state[j] >= 0 else []
        room = cut[j] * case.cells.capacity_s[j // case.families] * (case.node.state[j] == 0)
        value = {s: case.worth(j, cut[j], s)[0] + room for s in sets}
        free = (int(case.node.allowed[j]) & ~int(case.node.forced[j])).bit_count()
        exactly = not short or free == 0
        for k in range(models):
            expected = max((v for s, v in value.items() if s >> k & 1), default=-math.inf)
            assert best[j, k] == pytest.approx(expected, abs=1e-9) if exactly else best[j, k] >= expected - 1e-9
            assert best[j, k] <= top[j]
        expected = max(value.values(), default=-math.inf)
        assert top[j] == pytest.approx(expected, abs=1e-9) if exactly else top[j] >= expected - 1e-9


def test_each_model_is_searched_for_alone_where_a_table_is_too_short():
    """One model gains 1 s for 0.5 s, the other nothing for 8 s; 0.25 s is what the cut leaves."""
    none, masks, weight = np.empty(0), np.array([1]), np.ones(1)
    ints = np.empty(0, dtype=np.int64)
    work = coupled_cut.Work(none, ints, masks, weight, ints, np.empty(2), np.empty(2), np.empty(1), ints)
    best = np.empty(2)
    members, cost = np.array([1, 2]), np.array([0.5, 8.0])
    assert coupled_fix.one_by_one(members, cost, 3, 0, 1, 0.25, best, work) == 0.75
    assert best.tolist() == [0.75, -7.25]


@settings(max_examples=60)
@given(case=st.sampled_from([14, 1]).flatmap(drawn))
def test_what_opening_and_closing_cost_equals_enumeration(case):
    """The knapsack of a cloudlet with a cell inside, and without it, against the best."""
    top = np.where(case.random.random(case.count) < 0.2, -np.inf, case.random.integers(-4, 9, case.count) / 4)
    state, size = case.node.state.copy(), case.random.integers(0, 9, case.count) / 4
    top[state == 1] = np.maximum(top[state == 1], -1)
    opening, closing = np.empty(case.count), np.empty(case.count)
    found = coupled_fix.conditional(case.cells, case.node, top, size, opening, closing)
    best = [case.knapsack(c, np.maximum(top, -9), size, state) for c in range(case.sites)]
    assert found == sum(best)
    for j in range(case.count):
        c, now = j // case.families, state[j]
        if now < 0 or top[j] == -math.inf or not case.exact[j]:
            assert (opening[j], closing[j]) == (math.inf, 0.0)
            continue
        if not math.isfinite(best[c]):
            continue
        inside, outside = state.copy(), state.copy()
        inside[j], outside[j] = 1, -1
        values = [case.knapsack(c, np.maximum(top, -9), size, changed) for changed in (inside, outside)]
        assert opening[j] == best[c] - values[0] + top[j]
        assert closing[j] == (math.inf if now == 1 else best[c] - values[1])


@given(SEEDS)
def test_a_step_equals_a_plain_twin(seed):
    """Deflected, scaled, projected; slopes that point out of the box, and those of rounding, count for nothing."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 6))
    upper = random.choice([1.0, 2.0, np.inf], n)
    point = np.minimum(random.choice([0.0, 0.5, 1.0, 2.0], n), upper)
    slope, step = random.integers(-2, 3, n) / 2, random.integers(-2, 3, n) / 2
    slope[random.random(n) < 0.2] = 1e-12
    scale, length = random.choice([0.5, 1.0, 4.0], n), float(random.choice([0.25, 1.0]))
    heard = np.where(np.abs(slope) < 1e-9 * (np.abs(slope).max() > 0.1), 0.0, slope)
    heard[((point <= 0) & (heard < 0)) | ((point >= upper) & (heard > 0))] = 0.0
    direction = heard + 0.9 * step
    norm = (scale * direction**2).sum()
    wanted = np.clip(point + length / norm * scale * direction, 0, upper) if norm else point.copy()
    found = point.copy()
    assert coupled_ascent.move(found, step, slope.copy(), scale, upper, length) == (norm > 0)
    assert found == pytest.approx(wanted, abs=1e-12)
    assert step == pytest.approx(direction, abs=1e-15)


def test_what_rounding_leaves_of_a_slope_is_measured_as_steps_are():
    """Beside a slope of 1 whose square counts 1e8 times, one of 1e-6 is noise."""
    step = np.zeros(2)
    assert coupled_ascent.move(np.ones(2), step, np.array([1.0, 1e-6]), np.array([1e8, 1.0]), np.full(2, 9.0), 1.0)
    assert step.tolist() == [1.0, 0.0]


def ascent(bound, stalled=0.0):
    """State of an ascent in one multiplier that stands at 1, with the best at 0.5."""
    control = np.array([bound, 1.0, stalled])
    return coupled_ascent.DualState(*(np.array([value]) for value in (1.0, 0.25, 0.5, 0.0, 2.0)), control)


def test_the_ascent_keeps_the_best_and_goes_back_to_it():
    """Better bounds are kept, by more than a millionth they end a stall; the 15th without one shrinks the step."""
    rest = np.ones(1), np.array([9.0]), 8.0
    state = ascent(2.0)
    assert coupled_ascent.advance(state, 3.0, np.ones(1), *rest)
    assert (*state.control, *state.best, *state.best_cut) == (3.0, 1.0, 0.0, 1.0, 0.25)
    assert state.step == pytest.approx([1 + 0.9 * 2])
    assert state.point == pytest.approx([1 + 0.05 * 3 / 2.8])
    for better, stalled in ((1.0, 4.0), (2.0, 4.0), (2.0 + 1e-6, 4.0), (2.0 + 4e-6, 0.0)):
        state = ascent(2.0, 3.0)
        assert coupled_ascent.advance(state, better, np.ones(1), *rest)
        assert state.control[2] == stalled
        assert state.control[0] == max(better, 2.0)
        assert state.best == (1.0 if better > 2.0 else 0.5)
    state = ascent(2.0, 14.0)
    assert coupled_ascent.advance(state, 1.0, np.ones(1), *rest)
    assert (*state.control, *state.point, *state.step) == (2.0, 0.7, 0.0, 0.5, 0.0)
    assert not coupled_ascent.advance(ascent(2.0), math.inf, np.ones(1), *rest)
    low = ascent(0.0)
    assert coupled_ascent.advance(low, 0.0, np.ones(1), *rest)
    assert low.point == pytest.approx([1 + 0.05 * 0.01 * 8 / 2.8])
    near = ascent(7.9)
    assert coupled_ascent.advance(near, 7.0, np.ones(1), *rest)
    assert near.point == pytest.approx([1 + 1.0 / 2.8])


@pytest.mark.parametrize("exact_models", [14, 0])
@PACKS
def test_an_ascent_is_evaluations_and_steps(exact_models, packs):
    """Bit by bit those one after the other; over at the target, below the least step, and where no step is left."""
    case = Drawn(small(8, 6, 2, families=True, per_request=6), exact_models, 0)
    case.node = dual.free(case.cells)

    def begun(cells):
        point, cut = dual.start(cells), np.zeros(len(cells.first_record) - 1)
        control = np.array([-np.inf, 1.0, 0.0])
        return coupled_ascent.DualState(point, cut, point.copy(), cut.copy(), np.zeros(len(point)), control)

    def ascend(cells, state, target, iterations, end=0.0):
        scale, upper, work = dual.scaling(cells), dual.ceiling(cells), dual.scratch(cells)
        rest = (end, work, dual.sheet_of(state.point, state.cut), 0.0, packs)
        return coupled_pack.ascend(cells, state, dual.free(cells), scale, upper, target, iterations, *rest)

    whole, steps, target = begun(case.cells), begun(case.cells), float(case.cells.remote_s.sum())
    assert ascend(case.cells, whole, target, 20) == 20
    scale, upper = dual.scaling(case.cells), dual.ceiling(case.cells)
    for _ in range(20):
        case.cut = steps.cut
        bound, slope, _, steps.cut[:], *_ = case.evaluate(packs, steps.point, 0.0)
        assert coupled_ascent.advance(steps, bound, slope, scale, upper, target)
    assert all((one == other).all() for one, other in zip(whole, steps, strict=True))
    best, theta, _ = whole.control
    assert ascend(case.cells, whole, best, 9) == 0
    assert ascend(case.cells, whole, target, 1, theta) == 1
    assert ascend(case.cells, whole, target, 9, 2 * theta) == 0
    first = begun(case.cells)
    assert ascend(case.cells, first, -1.0, 9) == 1
    useless = build(small(8, 6, 2, families=True, per_request=0)).cells
    assert ascend(useless, begun(useless), math.inf, 9) == 1


@PACKS
def test_a_closed_cell_is_worth_what_its_common_blocks_leave(packs):
    """Two requests of 5 s each, a block of both and one of each: closed at no price of the cut, or at that before.

    The last one is closed by what each of the two pulls alone.
    """
    both = [1.0, 0.5, 0.5]
    cases = ((both, 10, 0.5, 0, 0), (both, 11, 0.5, -1, 0), (both, 9, 2, 0, 2), (both, 9.5, 2, -0.5, 2))
    for size, pull, before, value, after in (*cases, ([0.0, 1.0, 1.0], 5, 0, 0, 0)):
        options = [0, 1], [0, 1], [0.0, 0.0], [1.0, 1.0]
        instance = at_one_cloudlet(size, [[0, 1], [0, 2]], [5.0, 5.0], options, pull=pull, compute=1.5)
        case = Drawn(instance, 14, 0)
        case.node, case.point = dual.free(case.cells), np.array([5.0, 5.0, 0.0, 0.0])
        case.cut = np.array([float(before)])
        bound, slope, *found, _, opened = case.evaluate(packs, amount=0.0)
        assert (bound, *slope, *found[0], *found[1], *opened) == (10, 1, 1, -1.5, -9, value, after, 0)


@given(SEEDS, st.sampled_from([0.0, 0.25, 1.0]))
def test_several_records_of_a_request_equal_a_plain_twin(seed, price):
    """Which ones gain, what each set of models gains by them, and whom it serves; ties by order."""
    random = np.random.default_rng(seed)
    request = np.repeat(np.arange(3), random.choice([0, 1, 2, 7], 3))
    count, v = len(request), random.integers(4, 13, 3) / 4
    options = (
        request,
        random.integers(0, 3, count),
        random.integers(0, 9, count) / 4,
        random.integers(0, 9, count) / 4,
    )
    cells = build(at_one_cloudlet([1.0, 0, 0, 0], [[0, 1], [0, 2], [0, 3]], [3.0] * 3, options)).cells
    mu, allowed = float(random.choice([0.0, 0.25])), int(random.integers(1, 8))
    work = dual.scratch(cells)
    gain = v[cells.request] - cells.delay_s - mu * cells.compute_s
    wanted = np.flatnonzero((gain > 0) & (cells.models & allowed > 0))
    found = coupled_cut.gather(cells, 0, np.append(v, [0.0, 0.0]), mu, allowed, work)
    assert work.place[:found].tolist() == wanted.tolist()
    assert work.gain[:found].tolist() == gain[wanted].tolist()
    left = gain - price * cells.compute_s

    def best(chosen):
        """Of each request that gains the first of its best records."""
        some = [[i for i in wanted if cells.request[i] == r and cells.models[i] & chosen] for r in range(3)]
        first = [max(records, key=left.__getitem__) for records in some if records]
        return [i for i in first if left[i] > 0]

    assert coupled_cut.most(cells, price, found, work) == left[best(7)].sum()
    pairs = coupled_cut.layers(cells, price, found, work)
    for chosen in range(8):
        assert work.weight[:pairs][work.mask[:pairs] & chosen > 0].sum() == left[best(chosen)].sum()
    for chosen in range(8):
        served, load = coupled_cut.serve(cells, chosen, price, found, work)
        assert work.served[:served].tolist() == best(chosen)
        assert load == cells.compute_s[best(chosen)].sum()


@pytest.mark.parametrize(
    ("v", "price", "wanted"),
    [(10.0, 1.0, [0]), (10.0, 1.01, [1]), (8.999, 0.9985, []), (8.999, 0.99, [0]), (9.0, 0.9995, [])],
)
def test_serving_leaves_to_order_what_rounding_might_decide(v, price, wanted):
    """Of 1e6 s a billionth counts: to gain 0.5 ms is not to gain, and by 0.5 ms no record is better than the first."""
    cells = build(at_one_cloudlet([1.0], [[0]], [1e6], ([0, 0], [0, 0], [8.0, 8.9995], [1.0, 0.0]))).cells
    work = dual.scratch(cells)
    count = coupled_cut.gather(cells, 0, np.array([v, 0.0, 0.0]), 0.0, 1, work)
    served, load = coupled_cut.serve(cells, 1, price, count, work)
    assert (work.served[:served].tolist(), load) == (wanted, float(wanted == [0]))


@given(SEEDS, st.sampled_from([0.0, 0.1, 1.0, 10.0]))
def test_the_price_of_the_cut_is_found_from_anywhere(seed, start):
    """One model, twelve requests, compute for some: the least value lies where one of them gains nothing any more."""
    random = np.random.default_rng(seed)
    gain, compute = random.uniform(1, 9, 12), random.uniform(0.2, 2, 12)
    capacity = float(compute.sum() * random.uniform(0.2, 0.8))
    options = np.arange(12), np.zeros(12, dtype=np.int64), np.zeros(12), compute
    case = Drawn(at_one_cloudlet([0.0], [[0]], gain, options, compute=capacity), 14, 0)
    case.node, case.point, case.cut = dual.free(case.cells), np.append(gain, [0.0, 0.0]), np.array([start])

    def worth(price):
        return price * capacity + np.maximum(gain - price * compute, 0).sum()

    lowest, scale = min(map(worth, gain / compute)), gain.sum()
    for packs in (False, True):
        _, slope, (value,), (price,), *_ = case.evaluate(packs)
        assert (value, slope[12]) == pytest.approx((worth(price), 0), abs=1e-9)
        assert lowest - 1e-9 <= value <= lowest + 1e-7 * scale
    work = dual.scratch(case.cells)
    count = coupled_cut.gather(case.cells, 0, case.point, 0.0, 1, work)
    problem = coupled_cut.Problem(case.cells.members, np.zeros(1), capacity, 1, 0, False)
    value, price, low, high, share = coupled_cut.solve_cell(case.cells, problem, start, count, work, True)
    assert (value, share * low.slope + (1 - share) * high.slope) == pytest.approx((worth(price), 0), abs=1e-9)
    assert lowest - 1e-9 <= value <= lowest + 1e-4 * scale


@PACKS
def test_where_the_search_for_the_price_of_the_cut_looks(packs):
    """Gains of 3, 2 and 1 s, compute for two: any price from 1 to 2 is best, and the first one met in there is kept."""
    options = [0, 1, 2], [0] * 3, [0.0] * 3, [1.0] * 3
    case = Drawn(at_one_cloudlet([0.0], [[0]], [3.0, 2.0, 1.0], options, compute=2.0), 14, 0)
    case.node, case.point = dual.free(case.cells), np.array([3.0, 2.0, 1.0, 0.0, 0.0])
    for start, price in ((0.0, 0.5 * 2.5), (0.5, 0.5 * 1.2 * 2.5), (1.5, 1.5), (3.0, 1.5)):
        case.cut = np.array([start])
        bound, slope, *found, _, opened = case.evaluate(packs, amount=0.0)
        assert [bound, *slope, *found[0], *opened] == [1, 0, 0, 1, 0, -9, 5, 1]
        assert found[1] == pytest.approx([price])
    case.cut = np.array([1e-9])  # twelve steps do not lead there
    _, slope, value, cut, *_ = case.evaluate(packs, amount=0.0)
    assert slope.tolist() == [0, 0, 0, 1, -9]
    assert cut == pytest.approx([1e-9 * 1.2 * 2.5**10])
    assert value == pytest.approx(6 - cut, abs=1e-12)
    work = dual.scratch(case.cells)
    count = coupled_cut.gather(case.cells, 0, case.point, 0.0, 1, work)
    little = coupled_cut.Problem(case.cells.members, np.full(1, 4.5), 2.0, 1, 0, False)
    assert coupled_cut.solve_cell(case.cells, little, 3.0, count, work, False)[:2] == pytest.approx((0.5, 1.5))
    problem = coupled_cut.Problem(case.cells.members, np.zeros(1), 2.0, 1, 0, False)
    assert coupled_cut.solve_cell(case.cells, problem, 0.5, count, work, True)[1] == pytest.approx(0.5 * 1.02 * 2.5)


@PACKS
def test_a_relaxed_cell_that_gains_nothing_serves_nobody_and_a_block_just_paid_is_not_opened(packs):
    """A request of 8 s pays 5 s of delay and 3 s for a block of 3 s: no slope but that of its price and capacities."""
    instance = at_one_cloudlet([1.0], [[0]], [9.0], ([0], [0], [5.0], [1.0]), pull=3.0, compute=4.0)
    case = Drawn(instance, 0, 0)
    case.node = dual.free(case.cells)
    for price, wanted in (([8, 0, 0, 3], [8, 1, -4, -9, 0]), ([8.5, 0, 0, 3.25], [8, 0, -3, -8, 0])):
        case.point = np.array(price, dtype=float)
        bound, slope, *_ = case.evaluate(packs, amount=0.0)
        assert [bound, *slope] == wanted


@PACKS
def test_a_cloudlet_is_solved_at_its_own_prices(packs):
    """9 s a second of compute at the first cloudlet do not keep a request from the second."""
    two = [9.0, 9.0]
    instance = at_one_cloudlet([1.0], [[0]], [5.0], ([0], [0], [0.0], [1.0])).change(
        cloudlets={"memory_gb": two, "compute_s": two, "pull_s_per_gb": [0.0, 0.0], "cached": [[], []]},
        options={"cloudlet": [1]},
    )
    case = Drawn(instance, 14, 0)
    case.node, case.point, case.cut = dual.free(case.cells), np.array([5.0, 9.0, 0.0, 0.0, 0.0]), np.zeros(2)
    bound, slope, *_ = case.evaluate(packs, amount=0.0)
    assert [bound, *slope] == [-81, 0, -9, -8, -9, -8]


def test_gains_of_one_request_in_layers():
    """1 s by the second model, 0.75 s by the third, 0.5 s by the first, at a price of 0.75 for the compute of that."""
    options = [0, 0, 0], [0, 1, 2], [1.0, 2.0, 2.25], [2.0, 0.0, 0.0]
    cells = build(at_one_cloudlet([1.0, 0, 0, 0], [[0, 1], [0, 2], [0, 3]], [9.0], options)).cells
    work = dual.scratch(cells)
    count = coupled_cut.gather(cells, 0, np.array([3.0, 0.0, 0.0]), 0.0, 7, work)
    assert (count, coupled_cut.layers(cells, 0.75, count, work)) == (3, 3)
    assert work.mask[:3].tolist() == [2, 6, 7]
    assert work.weight[:3].tolist() == [0.25, 0.25, 0.5]


@PACKS
def test_a_cell_is_open_that_is_worth_half_a_second_or_must_be(packs):
    """5 s for 4.5 s of pulling; where it must be open, 5 s for 5.5 s, at no price of the cut."""
    for pull, state, wanted in ((4.5, 0, [4.5, 0, -8, -8, 0.5, 1]), (5.5, 1, [5.5, 0, -8, -8, -0.5, 1])):
        instance = at_one_cloudlet([1.0], [[0]], [5.0], ([0], [0], [0.0], [1.0]), pull=pull)
        case = Drawn(instance, 14, 0)
        case.node = dual.free(case.cells)._replace(state=np.array([state]))
        case.point, case.cut = np.array([5.0, 0.0, 0.0]), np.zeros(1)
        bound, slope, value, cut, _, opened = case.evaluate(packs, amount=0.0)
        assert [bound, *slope, *value, *opened] == wanted
        assert cut == 0


def test_a_record_is_served_by_its_lowest_open_model():
    """Two requests, one of the first and third model and one of all three, whichever are open."""
    options = [0, 0, 1, 1, 1], [0, 2, 0, 1, 2], [1.0] * 5, [1.0] * 5
    structure = build(at_one_cloudlet([1.0, 0, 0, 0], [[0, 1], [0, 2], [0, 3]], [9.0, 9.0], options))
    assert structure.cells.models.tolist() == [5, 7]
    for i, chosen in np.ndindex(2, 8):
        if serving := [k for k in ((0, 2), (0, 1, 2))[i] if chosen >> k & 1]:
            option = coupled_dual.first_open(structure.cells, i, chosen)
            assert (options[0][structure.option[option]], options[1][structure.option[option]]) == (i, serving[0])


def test_the_fractional_knapsack_by_hand():
    """Densest first, ties by index; the item that does not fit is cut, and nothing after it counts."""
    value, size = np.array([2.0, 3.0, 1.0, 4.0, 1.0]), np.array([2.0, 1.0, 1.0, 0.0, 4.0])
    items = np.arange(5)
    coupled_pack.densest(value, size, items)
    assert items.tolist() == [3, 1, 0, 2, 4]
    assert coupled_pack.fractional(value, size, items, 0, 2.0) == 4 + 3 + 1
    assert coupled_pack.fractional(value, size, items, 1, 3.0) == 3 + 2
    assert coupled_pack.fractional(value, size, items, 2, 9.0) == 2 + 1 + 1
    assert coupled_pack.fractional(value, size, items, 4, 1.0) == 0.25


@given(SEEDS)
def test_densest_first_equals_a_stable_sort(seed):
    """By value a GB, infinite where an item takes nothing; of equals the lowest index."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 9))
    value, size, items = random.integers(1, 9, n) / 4, random.integers(0, 5, n) / 4, np.arange(n)
    coupled_pack.densest(value, size, items)
    ratio = [Fraction(v) / Fraction(s) if s else math.inf for v, s in zip(value, size, strict=True)]
    assert items.tolist() == sorted(range(n), key=lambda i: -ratio[i])


def test_the_knapsack_takes_what_is_worth_something_and_of_equal_sets_the_first():
    """An item of no value stays out; of equal ones in a room for one the first is in."""
    taken, state = np.empty(3, dtype=bool), np.zeros(3, dtype=np.int64)
    assert coupled_pack.pack(np.array([1.0, 0.0, 2.0]), np.zeros(3), state, 0.0, taken) == 3.0
    assert taken.tolist() == [True, False, True]
    assert coupled_pack.pack(np.array([2.0, 6.9, 3.9]), np.array([1.0, 3.5, 2.0]), state, 4.0, taken) == 6.9
    assert taken.tolist() == [False, True, False]
    assert coupled_pack.pack(np.ones(3), np.ones(3), state, 1.0, taken) == 1.0
    assert taken.tolist() == [True, False, False]
