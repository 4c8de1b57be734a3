import itertools
from fractions import Fraction

import numpy as np
import pytest
from coupled_strategies import instances, replaced, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import solvers
from mecpfm.coupled import dual, waived
from mecpfm.coupled.belonging import model_gb
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import Certificate, terms, verify
from mecpfm.coupled.formulation import linear_model, solve_lp
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.incidence import incidence
from mecpfm.coupled.instance import LARGEST, SMALLEST, Instance, most
from mecpfm.coupled.multipliers import certificate, dual_of
from mecpfm.coupled.params import DualParams
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.structure import build
from mecpfm.errors import InputError
from mecpfm.kernels import coupled_masks, coupled_pack, coupled_sets
from mecpfm.kernels.coupled_sets import best_set

PATHS = pytest.mark.parametrize("exact_models", [14, 1, 0])
FAMILIES = pytest.mark.parametrize("families", [True, False])


def at(structure, point, cut=None, *, closely=False):
    """Bound, supergradient, cell values and cut prices at one point; ``closely`` solves closed cells to the end."""
    cells = structure.cells
    count = len(cells.first_record) - 1
    cut = np.zeros(count) if cut is None else cut.copy()
    node, work = dual.free(cells), dual.scratch(cells)
    sheet, amount = dual.sheet_of(point, cut, len(structure.option)), 1.0 if closely else 0.0
    bound = coupled_pack.evaluate(cells, point, cut, node, sheet, amount, work, False)
    return bound, sheet.slope, sheet.value, cut


def random_point(structure, seed):
    """Multipliers of the size a converged dual has, a third of them zero."""
    random = np.random.default_rng(seed)
    cells = structure.cells
    point = random.uniform(0, 1, len(dual.start(cells))) * random.choice([0, 0.3, 1], len(dual.start(cells)))
    point[: len(cells.remote_s)] = random.uniform(0, 1, len(cells.remote_s)) * cells.remote_s
    return point


@pytest.mark.kernels
@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_best_set_equals_enumeration(seed, forcing):
    """The best set of models by subset sums equals the best of all sets written out, forced models included."""
    random = np.random.default_rng(seed)
    n, count = int(random.integers(1, 6)), int(random.integers(0, 9))
    members = random.integers(1, 1 << n, random.integers(1, 5))
    unit = 2.0 ** int(random.integers(-40, 20))
    cost, weight = random.integers(0, 9, len(members)) * unit, random.integers(0, 9, count) * unit
    mask = random.integers(1, 1 << n, count)
    allowed = int(random.integers(1, 1 << n))
    must = allowed & int(random.integers(0, 1 << n)) if forcing else 0
    value, chosen = best_set(
        members, cost, allowed, must, mask, weight, count, np.empty(n), np.empty(n), np.empty(1 << n)
    )

    def worth(s):
        return weight[mask & s > 0].sum() - cost[members & s > 0].sum()

    sets = [s for s in range(1, 1 << n) if s & must == must and s & ~allowed == 0]
    assert value == max(map(worth, sets))
    assert chosen in sets
    assert worth(chosen) == value


def test_the_value_of_a_tie_is_that_of_the_better_set():
    """Of two models that cost the same but for 1e-11 the lower complement is chosen, and the value is the other's."""
    scratch = np.empty(2), np.empty(2), np.empty(4)
    cost, members, mask = np.array([0.5 - 1e-11, 0.5]), np.array([1, 2]), np.array([3])
    value, chosen = best_set(members, cost, 3, 0, mask, np.ones(1), 1, *scratch)
    assert (value, chosen) == (pytest.approx(0.5 + 1e-11, abs=1e-15), 2)
    cost = np.array([0.5, 0.5 + 1e-11])
    assert coupled_sets.best_single(members, cost, 3, mask, np.ones(1), 1, *scratch[:2]) == (0.5, 1)
    cost = np.array([0.5, 1 - 1e-11])
    assert best_set(members, cost, 3, 0, members, np.ones(2), 2, *scratch)[0] > 0.5
    cost, loses = np.array([0.25, 0.5 + 1e-11]), np.array([1.0, 0.5])  # a model that loses 1e-11 is not taken
    assert best_set(members, cost, 3, 0, members, loses, 2, *scratch)[0] == pytest.approx(0.75, abs=1e-14)
    assert coupled_sets.with_gifts(members, np.full(2, 0.5), 3, 0, mask, np.ones(1), 1, np.empty(4)) == (0.5, 2)
    none = np.zeros(0, dtype=np.int64), np.zeros(0), 0
    assert coupled_sets.best_single(members, cost, 0, *none, *scratch[:2]) == (-np.inf, 0)
    assert coupled_sets.best_single(members, np.zeros(2), 3, *none, *scratch[:2]) == (0, 1)
    assert best_set(members, np.zeros(2), 3, 0, *none, *scratch) == (0, 3)
    assert coupled_sets.with_gifts(members, np.zeros(2), 3, 0, *none, np.empty(4)) == (0, 3)


def test_sets_by_hand():
    """Of two models one serves all that both do; one that loses is the best there is, left out or not."""
    scratch = np.empty(4), np.empty(4), np.empty(16)
    cost, mask = np.array([0.45, 0.45, 0.1]), np.array([3, 4])
    value, chosen = best_set(np.array([1, 2, 4]), cost, 7, 0, mask, np.ones(2), 2, *scratch)
    assert (value, chosen) == (pytest.approx(1.45), 6)
    assert best_set(np.array([1]), np.ones(1), 1, 0, mask, np.ones(2), 0, *scratch) == (-1, 1)
    members, cost, masks = np.array([3, 5, 6, 7, 8]), np.array([3, 3, 3, 3, 0.5]), np.array([1, 2, 4])
    assert best_set(members, cost, 15, 0, masks, np.full(3, 0.25), 3, *scratch) == (-0.5, 8)


@pytest.mark.parametrize("room", [8, 4])
def test_no_model_at_all_is_no_set(room):
    """Three models, each two of which share a block that costs more than all gain: one alone loses least."""
    scratch, masks = (np.empty(3), np.empty(3), np.empty(room)), np.array([1, 2, 4])
    members = np.array([3, 5, 6])
    value, chosen = best_set(members, np.ones(3), 7, 0, masks, np.full(3, 0.25), 3, *scratch)
    if room == 8:
        assert (value, chosen) == (-1.75, 4)
    assert -1.75 <= value <= 0.25
    # A fourth model that reduction leaves out loses least; where the first must be open, it is no way out.
    scratch, members, cost = (np.empty(4), np.empty(4), np.empty(room // 4)), np.array([3, 5, 6, 7, 8]), np.full(5, 3.0)
    cost[4] = 0.5
    assert best_set(members, cost, 15, 0, masks, np.full(3, 0.25), 3, *scratch)[0] == -0.5
    assert best_set(members, cost, 15, 1, masks, np.full(3, 0.25), 3, *scratch)[0] < -8


def places(mask):
    """The bits that are set."""
    return [k for k in range(63) if mask >> k & 1]


@pytest.mark.kernels
@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_sums_over_subsets_and_gifts_equal_a_plain_twin(seed):
    """What lies in each set of free models; which models are given away; and the best set beside those."""
    random = np.random.default_rng(seed)
    n, count = int(random.integers(1, 7)), int(random.integers(0, 9))
    members, mask = random.integers(1, 1 << n, random.integers(1, 7)), random.integers(1, 1 << n, count)
    cost, weight = random.integers(0, 9, len(members)) / 4, random.integers(0, 9, count) / 4
    free = int(random.integers(0, 1 << n))
    taken, gifts = (int(random.integers(0, 1 << n)) & ~free for _ in range(2))
    models = places(free)
    assert coupled_masks.bits(free) == len(models)
    table = np.empty(1 << len(models))
    coupled_sets.subset_sums(members, cost, free, taken, gifts, mask, weight, count, table)
    for place in range(len(table)):
        inside = sum(1 << k for i, k in enumerate(models) if place >> i & 1)
        assert coupled_masks.compress(inside | taken, free) == place
        assert coupled_masks.expand(place, free) == inside
        gain = (mask & (taken | gifts) == 0) & (mask & free > 0) & (mask & free & ~inside == 0)
        paid = (members & taken == 0) & (members & free > 0) & (members & free & ~inside == 0)
        assert table[place] == weight[gain].sum() - cost[paid].sum()
    left, most = free, int(random.integers(0, n))
    while left.bit_count() > most:
        left &= ~(1 << min(places(left), key=lambda k: (cost[members & left == 1 << k].sum(), k)))
    assert coupled_sets.given_away(members, cost, free, most) == free & ~left


@pytest.mark.kernels
@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_what_one_model_more_is_worth_equals_a_plain_twin(seed):
    """Gains and prices beside other models; a single best one; and reduction goes on until nothing is decided."""
    random = np.random.default_rng(seed)
    n, count = int(random.integers(1, 7)), int(random.integers(0, 9))
    members, mask = random.integers(1, 1 << n, random.integers(1, 7)), random.integers(1, 1 << n, count)
    unit = 2.0 ** int(random.integers(-40, 20))
    cost, weight = random.integers(0, 9, len(members)) * unit, random.integers(0, 9, count) * unit
    allowed = int(random.integers(1, 1 << n))
    must = allowed & int(random.integers(0, 1 << n)) & int(random.integers(0, 1 << n))
    reach, own = np.empty(n), np.empty(n)

    def beside(k, alive, taken):
        bit, rest = 1 << k, np.where(mask & alive & taken, 0, mask & alive)
        mine = (members & bit > 0) & (members & taken == 0)
        gains = weight[rest & bit > 0].sum(), weight[rest == bit].sum()
        return *gains, cost[mine & (members & alive == bit)].sum(), cost[mine & (members & alive != alive)].sum()

    coupled_sets.reachable(mask, weight, count, allowed, must, reach, own)
    for k in places(allowed & ~must):
        price = coupled_sets.adding(members, cost, allowed, must, 1 << k)
        assert (reach[k], own[k], *price) == beside(k, allowed, must)
    alone = [(weight[mask & 1 << k > 0].sum() - cost[members & 1 << k > 0].sum(), -k) for k in places(allowed)]
    best = coupled_sets.best_single(members, cost, allowed, mask, weight, count, reach, own)
    assert best == (max(alone)[0], 1 << -max(alone)[1])
    alive, taken = coupled_sets.reduce(members, cost, allowed, must, mask, weight, count, reach, own)
    assert taken & ~alive == must & ~taken == alive & ~allowed == 0
    for k in places(alive & ~taken):
        most, least, low, high = beside(k, alive, taken)
        assert most >= low
        assert least <= high


@pytest.mark.kernels
@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_the_best_set_beside_gifts_equals_enumeration(seed):
    """Models that serve for nothing serve in every set, and none of their own blocks is paid for."""
    random = np.random.default_rng(seed)
    n, count = int(random.integers(1, 7)), int(random.integers(0, 9))
    members, mask = random.integers(1, 1 << n, random.integers(1, 7)), random.integers(1, 1 << n, count)
    cost, weight = random.integers(0, 9, len(members)) / 4, random.integers(1, 9, count) / 4
    alive = int(random.integers(1, 1 << n))
    taken = alive & int(random.integers(0, 1 << n))
    table = np.empty(1 << int(random.integers(0, n)))
    value, chosen = coupled_sets.with_gifts(members, cost, alive, taken, mask, weight, count, table)
    price = np.where((members & taken > 0) | (members & alive == alive), 0, cost)
    gifts = coupled_sets.given_away(members, price, alive & ~taken, len(table).bit_length() - 1)
    always, rest = taken | gifts, places(alive & ~taken & ~gifts)

    def worth(s):
        return weight[mask & (s | always) > 0].sum() - (cost - price).sum() - price[members & s > 0].sum()

    sets = [sum(1 << k for i, k in enumerate(rest) if m >> i & 1) for m in range(1 << len(rest))]
    assert value == max(map(worth, sets))
    assert (chosen & ~always) in sets
    assert chosen & always == always
    assert worth(chosen & ~always) == value


@PATHS
@FAMILIES
@settings(max_examples=40)
@given(data=st.data())
def test_bound_at_any_multipliers_is_certified(exact_models, families, data):
    """At any multipliers the engine's bound equals the independent evaluation and is at most the optimum."""
    instance = data.draw(instances(families=families))
    structure = build(instance, exact_models=exact_models)
    point = random_point(structure, data.draw(st.integers(0, 2**32 - 1)))
    bound, _, _, cut = at(structure, point)
    saved = certificate(structure, dual.Dual(bound, point, cut, 0, 0.0))
    assert verify(instance, saved) == pytest.approx(bound, abs=1e-9)
    assert bound <= solve_nlip(instance).objective + 1e-9


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31 - 1), families=st.booleans(), exact_models=st.sampled_from([0, 0, 1, 14]))
def test_multipliers_come_back_from_their_certificate(seed, families, exact_models):
    """To the last bit, in any order of shares and families; a share it lacks is 0, one of nothing here is not read."""
    instance = small(seed, 5, 3, families=families, per_request=6)
    structure = build(instance, exact_models=exact_models)
    blocks, _, sites, requests = instance.sizes
    point, random, shares = random_point(structure, seed), np.random.default_rng(seed), len(structure.share_request)
    cut = random.random((sites, len(structure.cells.exact)))
    plain = certificate(structure, dual.Dual(1.0, point, cut.ravel(), 0, 0.0))
    assert dual_of(structure, None) is None
    there, left = random.permutation(len(plain.exact)), random.random(shares) < random.choice([0, 0.5, 0.9])
    where = np.stack([plain.share_cloudlet, plain.share_block, plain.share_request])
    # Numbered alike as a lost one: a request, or a block, beyond the last one of the place before.
    beyond = np.hstack([where[:, ~left] + [[0], [-1], [requests]], where[:, ~left] + [[-1], [blocks], [0]]])
    beyond = beyond[:, (beyond >= 0).all(axis=0)]
    kept = random.permutation(np.flatnonzero(left))
    places = np.vstack([np.hstack([beyond, where[:, kept]]), [0.5] * beyond.shape[1] + plain.share_s[kept].tolist()])
    prices = np.empty_like(cut)
    prices[:, there] = cut
    changed = {"family": there[plain.family], "cut_price": prices, "share_s": places[3]}
    names = ("share_cloudlet", "share_block", "share_request")
    changed |= {name: row.astype(np.int64) for name, row in zip(names, places[:3], strict=True)}
    found = dual_of(structure, plain.model_copy(update=changed))
    point[len(point) - shares :] *= left
    assert found.point.tolist() == point.tolist()
    assert found.cut.tolist() == cut.ravel().tolist()
    assert (found.bound, found.iterations, found.runtime_s) == (-np.inf, 0, 0.0)


@PATHS
@FAMILIES
@settings(max_examples=40)
@given(data=st.data())
def test_slope_is_a_supergradient(exact_models, families, data):
    """The bound is concave: nowhere does it exceed the plane that value and slope at another point define."""
    structure = build(data.draw(instances(families=families)), exact_models=exact_models)
    seed = data.draw(st.integers(0, 2**31))
    here, there = random_point(structure, seed), random_point(structure, seed + 1)
    bound, slope, _, _ = at(structure, here)
    assert at(structure, there)[0] <= bound + slope @ (there - here) + 1e-6


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=40)
@given(data=st.data())
def test_the_short_proof_that_a_cell_is_closed_changes_nothing(families, data):
    """Bound and supergradient are bitwise those without it; what it says of a closed cell is no less than its value."""
    structure = build(data.draw(instances(families=families, requests=8, cloudlets=3, per_request=5)))
    seed = data.draw(st.integers(0, 2**31))
    point = random_point(structure, seed)
    cut = np.random.default_rng(seed).choice([0, 0.1, 1], len(structure.cells.first_record) - 1)
    bound, slope, value, _ = at(structure, point, cut)
    close, closely, least, _ = at(structure, point, cut, closely=True)
    assert bound == close
    assert (slope == closely).all()
    assert ((value == least) | ((value <= 0) & (value >= least))).all()


def lp_with_common_cuts(instance):
    """The LP with the cut of those blocks only that all models of their family contain."""
    structure, use = build(instance), incidence(instance)
    holders = np.bincount(structure.block, np.asarray((structure.blocks > 0).sum(axis=0)).ravel())
    alike = {b: structure.family[k] for k, blocks in enumerate(instance.models.blocks) for b in blocks.tolist()}
    model = linear_model(instance, cut=True).relaxed()
    size = np.bincount(structure.family)
    common = np.array([holders[b] == size[alike[b]] for b in use.block.tolist()], dtype=bool)
    model.row_upper[len(model.row_upper) - len(common) :][~common] = np.inf
    return solvers.solve(model, "highs").objective


@FAMILIES
@settings(max_examples=25)
@given(data=st.data())
def test_exact_families_reach_the_lp_with_the_common_cuts(families, data):
    """With every family solved exactly the converged bound is at least the LP with the common blocks' cuts, to 1 %."""
    instance = data.draw(instances(families=families, requests=8, cloudlets=3, per_request=5))
    found = dual.solve(build(instance), params=DualParams(theta_end=1e-6))
    without = solve_lp(instance, solver="highs")[0].objective
    common = lp_with_common_cuts(instance)
    assert common >= without - 1e-6
    assert found.bound >= 0.99 * common - 1e-6


def test_the_lp_with_all_cuts_may_be_above_every_multiplier():
    """One cell, compute for one of two requests: the private block's cut lifts the LP, one price a cell cannot."""
    instance = Instance.model_validate(
        {
            "blocks": {"size_gb": [1.0, 10.0, 0.1]},
            "models": {"blocks": [[0, 1], [0, 2]]},
            "cloudlets": {"memory_gb": [12.0], "compute_s": [1.0], "pull_s_per_gb": [1.0], "cached": [[]]},
            "requests": {"remote_delay_s": [10.0, 10.0, 5.0], "remote_accuracy": [1.0] * 3},
            "options": {
                "request": [0, 1, 2], "model": [0, 0, 1], "cloudlet": [0] * 3,
                "delay_s": [0.0] * 3, "compute_s": [1.0, 1.0, 0.0], "accuracy": [1.0] * 3,
            },
        }
    )  # fmt: skip
    assert dual.solve(build(instance), params=DualParams(theta_end=1e-6)).bound == pytest.approx(16.1, rel=1e-4)
    assert lp_with_common_cuts(instance) == pytest.approx(16.1)
    assert solve_lp(instance, cut=True, solver="highs")[0].objective == pytest.approx(21.1)
    assert solve_nlip(instance).objective == pytest.approx(21.1)


@FAMILIES
@settings(max_examples=15)
@given(data=st.data())
def test_price_sharing_has_the_strength_of_the_lp(families, data):
    """With every family relaxed the converged bound lies between the LP less 1 % and the LP of the useful options."""
    instance = presolve(data.draw(instances(families=families, requests=8, cloudlets=3, per_request=5))).instance
    found = dual.solve(build(instance, exact_models=0), params=DualParams(theta_end=1e-6))
    lp = solve_lp(instance, solver="highs")[0].objective
    assert 0.99 * lp - 1e-6 <= found.bound <= lp + 1e-6


def wide(models):
    """One request, one cloudlet, one backbone with many private blocks: 1 GB together with the first."""
    return {
        "blocks": {"size_gb": [0.5] * (models + 1)},
        "models": {"blocks": [[0, k + 1] for k in range(models)]},
        "cloudlets": {"memory_gb": [2.0], "compute_s": [9.0], "pull_s_per_gb": [1.0], "cached": [[]]},
        "requests": {"remote_delay_s": [9.0], "remote_accuracy": [1.0]},
        "options": {
            "request": [0] * models, "model": list(range(models)), "cloudlet": [0] * models,
            "delay_s": [2.0] * models, "compute_s": [1.0] * models, "accuracy": [1.0] * models,
        },
    }  # fmt: skip


def test_a_component_wider_than_a_mask_is_relaxed():
    """A family of 100 models falls back to price sharing by itself and still certifies the optimum 3 s."""
    instance = Instance.model_validate(wide(100))
    structure = build(instance)
    assert not structure.cells.exact.any()
    found = dual.solve(structure, params=DualParams(theta_end=1e-6))
    assert 2.7 <= found.bound <= 3 + 1e-9
    assert verify(instance, certificate(structure, found)) == pytest.approx(found.bound, abs=1e-9)


def test_families_follow_from_the_blocks():
    """Models that share a block, directly or through others, are one family; others are not."""
    instance = small(3, 4, 2, families=True)
    content = [set(row.tolist()) for row in instance.models.blocks]
    structure = build(instance)
    for k, mine in enumerate(content):
        for other, theirs in enumerate(content):
            if mine & theirs:
                assert structure.family[k] == structure.family[other]
    assert len(np.unique(structure.family * 64 + structure.rank)) == len(content)


def test_records_hold_every_useful_option_once():
    """Sorted options are distinct, faster than remote, and lie in the record of their request and delay."""
    instance = small(11, 12, 3, families=True, per_request=9)
    structure = build(instance)
    cells, options = structure.cells, instance.options
    assert len(np.unique(structure.option)) == len(structure.option) == cells.first_option[-1]
    record = np.repeat(np.arange(len(cells.request)), np.diff(cells.first_option))
    assert (options.request[structure.option] == cells.request[record]).all()
    assert (options.delay_s[structure.option] == cells.delay_s[record]).all()
    assert (cells.models[record] >> structure.rank[structure.model] & 1).all()
    assert (options.delay_s < instance.requests.remote_delay_s[options.request])[structure.option].all()


def test_certificate_survives_its_file(tmp_path):
    """Multipliers written to JSON and .npz and read again prove the same bound."""
    instance = small(5, 6, 2, families=True, per_request=6)
    structure = build(instance)
    saved = certificate(structure, dual.solve(structure))
    for name in ("c.json", "c.npz"):
        saved.write(tmp_path / name)
        assert verify(instance, Certificate.read(tmp_path / name)) == pytest.approx(float(saved.bound_s), abs=1e-9)


def test_certificate_of_another_instance_is_refused():
    """Multipliers of the wrong shape raise an error that names both sizes; negative ones never get that far."""
    one, other = small(5, 6, 2, families=True), small(5, 4, 2, families=True)
    structure = build(one)
    saved = certificate(structure, dual.solve(structure))
    with pytest.raises(InputError, match=r"certificate is for \(K, C, R\)"):
        verify(other, saved)
    with pytest.raises(ValueError, match="must be >= 0"):
        Certificate(**{**dict(saved), "request_price_s": -saved.request_price_s - 1})


def test_certificate_may_not_split_a_family():
    """A certificate that gives the models of one block to two exact families is refused: its sum would count twice."""
    instance = small(3, 6, 2, families=True)
    structure = build(instance)
    saved = certificate(structure, dual.solve(structure))
    family = np.arange(len(saved.family))
    cut = np.zeros((instance.sizes[2], len(family)))
    torn = Certificate(**{**dict(saved), "family": family, "exact": np.ones_like(family), "cut_price": cut})
    with pytest.raises(InputError, match="splits the models"):
        verify(instance, torn)


@pytest.mark.kernels
@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_short_table_only_raises_the_best_set(seed, forcing):
    """With fewer sets than models allow the value is an upper bound, and one that holds whichever set is the best."""
    random = np.random.default_rng(seed)
    n, count, room = int(random.integers(2, 7)), int(random.integers(0, 9)), int(random.integers(1, 4))
    members = random.integers(1, 1 << n, random.integers(1, 6))
    cost, weight = random.integers(0, 9, len(members)) / 4, random.integers(0, 9, count) / 4
    mask, allowed = random.integers(1, 1 << n, count), int(random.integers(1, 1 << n))
    must = allowed & int(random.integers(0, 1 << n)) if forcing else 0
    found = [
        best_set(members, cost, allowed, must, mask, weight, count, np.empty(n), np.empty(n), np.empty(1 << size))
        for size in (n, room)
    ]
    assert found[1][0] >= found[0][0] - 1e-12
    assert found[1][1] & ~allowed == 0
    assert found[1][1] & must == must
    private = sum(cost[b] for b in range(len(cost)) if int(members[b] & allowed).bit_count() < allowed.bit_count())
    assert found[1][0] <= found[0][0] + private + 1e-12


@pytest.mark.kernels
@FAMILIES
@settings(max_examples=40)
@given(data=st.data())
def test_gifts_never_prove_too_much(families, data):
    """Families with more models than sets are written out for: engine and check stay below the optimum."""
    instance = data.draw(instances(families=families))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dual, "EXACT_MODELS", 0)
        patch.setattr(dual, "UNDECIDED", 1)
        patch.setattr(waived, "MOST", 1)
        structure = build(instance, exact_models=62)
        found = dual.solve(structure, iterations=60, memory_row=data.draw(st.booleans()))
        checked = verify(instance, certificate(structure, found))
    optimum = solve_nlip(instance).objective * (1 + 1e-9)
    assert found.bound <= optimum
    assert checked <= optimum


def beside_gifts(table, needs, pays, fixed, left):
    """Value of a family of which some models serve for nothing, every set of the rest written out."""
    always, ways = left.taken | left.gifts, [0.0]
    for k in range(len(left.rest)):
        ways.append(fixed + table[:, k].sum() - pays[needs[:, k]].sum())
    for inside in itertools.product([False, True], repeat=int(left.rest.sum())):
        opened = always.copy()
        opened[left.rest] = inside
        owed = left.paid | needs[:, opened & left.rest].any(axis=1)
        ways.append(fixed + table[:, opened].max(axis=1, initial=0).sum() - pays[owed].sum())
    return max(ways)


@FAMILIES
@settings(max_examples=30)
@given(data=st.data())
def test_a_large_family_counts_what_its_gifts_leave_and_in_full_without_any(families, data):
    """Beyond ``waived.MOST`` models a cell is worth what is left beside the gifts, not more; without gifts, all."""
    instance = data.draw(instances(families=families, requests=6, cloudlets=1, per_request=6))
    structure, seed = build(instance), data.draw(st.integers(0, 2**32 - 1))
    cut = np.random.default_rng(seed).choice([0, 0.1, 1], len(structure.cells.first_record) - 1)
    saved = certificate(structure, dual.Dual(0.0, random_point(structure, seed), cut, 0, 0.0))
    options, calls, narrowed = instance.options, [], waived.narrowed
    for f in range(len(saved.exact)):
        rows = np.flatnonzero(saved.family[options.model] == f)
        whole = terms(instance, saved, rows, 0).exact
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waived, "MOST", 1)
            patch.setattr(
                waived, "narrowed", lambda *given_: calls.append((*given_, narrowed(*given_))) or calls[-1][-1]
            )
            large = terms(instance, saved, rows, 0).exact
        if calls:
            *given_, left = calls.pop()
            fixed = float(saved.cut_price[0, f] * instance.cloudlets.compute_s[0])
            assert large == pytest.approx([beside_gifts(*given_, fixed, left)], abs=1e-9)
            assert large[0] >= whole[0] - 1e-9
            if left.gifts.any():
                continue
        assert large == pytest.approx(whole, abs=1e-9)


def test_a_family_of_many_models_is_certified():
    """Twenty models of tiny blocks of their own: the bound keeps the cut, and the check proves as much."""
    instance = generate(Recipe(requests=30, cloudlets=2, models=20, families=1), seed=0)
    view = build(instance, exact_models=62)
    given_away, shared = (dual.solve(one, iterations=200, memory_row=True) for one in (view, build(instance)))
    assert verify(instance, certificate(view, given_away)) >= given_away.bound * (1 - 1e-9)
    assert given_away.bound > shared.bound


@PATHS
@FAMILIES
@settings(max_examples=60)
@given(data=st.data())
def test_no_prices_prove_more_than_the_optimum(exact_models, families, data):
    """Prices of any size up to the largest allowed, where rounding swallows delays, never prove too much."""
    instance = data.draw(instances(families=families))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    far = random.choice([0, 1], instance.sizes[3]) * LARGEST / 2
    tiny = np.maximum(random.uniform(0, random.choice([1e-7, 1]), len(instance.options.delay_s)), SMALLEST)
    remote = instance.requests.remote_delay_s + far
    instance = replaced(instance, requests={"remote_delay_s": remote}, options={"delay_s": tiny})
    structure = build(instance, exact_models=exact_models)
    saved = certificate(structure, dual.solve(structure, iterations=0))
    drawn = {}
    for name in ("request_price_s", "compute_price", "memory_price_s_per_gb", "cut_price", "share_s"):
        shape = getattr(saved, name).shape
        large = 10.0 ** random.uniform(-3, random.choice([2, 18, 100]), shape)
        drawn[name] = random.choice([0, 1], shape) * random.choice([large, random.uniform(0, 3, shape)])
    drawn["request_price_s"] = random.choice([remote, drawn["request_price_s"]])
    bound = verify(instance, Certificate(**{**dict(saved), **drawn}))
    assert np.isfinite(bound)
    assert bound <= solve_nlip(instance).objective * (1 + 1e-12)


def proved_exactly(instance, saved):
    """What prices prove, in fractions: no rounding at all."""
    options, cloudlets, fraction = instance.options, instance.cloudlets, np.vectorize(Fraction, otypes=[object])
    v = np.minimum(fraction(saved.request_price_s), fraction(instance.requests.remote_delay_s))
    mu, eta = fraction(saved.compute_price), fraction(saved.memory_price_s_per_gb)
    load, size = fraction(options.compute_s), fraction(instance.blocks.size_gb)
    gain = v[options.request] - fraction(options.delay_s) - mu[options.cloudlet] * load
    price = fraction(instance.pull_s) + size[:, None] * eta[None, :]
    fits = model_gb(instance)[options.model] <= most(cloudlets.memory_gb)[options.cloudlet]
    fits &= options.compute_s <= most(cloudlets.compute_s)[options.cloudlet]
    blocks = [set(own.tolist()) for own in instance.models.blocks]
    names = zip(saved.share_cloudlet.tolist(), saved.share_block.tolist(), saved.share_request.tolist(), strict=True)
    share, paid = dict(zip(names, map(Fraction, saved.share_s.tolist()), strict=True)), {}
    for (c, b, _), w in share.items():
        paid[b, c] = paid.get((b, c), 0) + w
    total = v.sum() - (mu * fraction(cloudlets.compute_s)).sum() - (eta * fraction(cloudlets.memory_gb)).sum()
    total -= sum(max(w - price[at], 0) for at, w in paid.items())

    def worth(rows, models, lam=0, shares=0):
        best = {}
        for o in rows:
            if options.model[o] in models:
                r, k = int(options.request[o]), int(options.model[o])
                owed = sum(share.get((int(options.cloudlet[o]), b, r), 0) for b in blocks[k]) if shares else 0
                best[r] = max(best.get(r, 0), gain[o] - lam * load[o] - owed)
        return sum(best.values())

    for c, f in np.ndindex(saved.cut_price.shape):
        useful = fits & (gain > 0)  # a set without a gain is no better than none
        rows = np.flatnonzero(useful & (options.cloudlet == c) & (saved.family[options.model] == f)).tolist()
        models = sorted({int(options.model[o]) for o in rows})
        if not saved.exact[f]:
            total -= worth(rows, models, shares=1)
            continue
        lam, value = Fraction(float(saved.cut_price[c, f])), [0]
        for some in itertools.chain.from_iterable(itertools.combinations(models, n + 1) for n in range(len(models))):
            met = set().union(*(blocks[k] for k in some))
            fixed = lam * Fraction(float(cloudlets.compute_s[c])) - sum(price[b, c] for b in met)
            value.append(fixed + worth(rows, some, lam))
        total -= max(value)
        if saved.compute_row is not None and len(models) == 1:
            room, pays = Fraction(float(most(cloudlets.compute_s)[c])), sum(price[b, c] for b in blocks[models[0]])
            subsets = itertools.chain.from_iterable(itertools.combinations(rows, n) for n in range(len(rows) + 1))
            best = max(sum(gain[o] for o in some) for some in subsets if sum(load[o] for o in some) <= room)
            total += max(value) - min(max(value), max(best - pays, 0))
    return total


@PATHS
@FAMILIES
@settings(max_examples=30)
@given(data=st.data())
def test_rounding_never_helps(exact_models, families, data):
    """At prices and delays with all their bits, what is proved is below what fractions prove, by a few last bits."""
    instance = data.draw(instances(families=families, cloudlets=4))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))

    def uneven(values):
        return np.where(values > SMALLEST, values * random.uniform(0.9, 1, values.shape), values)

    remote, size = uneven(instance.requests.remote_delay_s), uneven(instance.blocks.size_gb)
    delay, compute = uneven(instance.options.delay_s), uneven(instance.options.compute_s)
    instance = replaced(
        instance,
        blocks={"size_gb": size},
        requests={"remote_delay_s": remote},
        options={"delay_s": delay, "compute_s": compute},
    )
    structure = build(instance, exact_models=exact_models)
    cut = random.uniform(0, 1, len(structure.cells.first_record) - 1)
    point = random_point(structure, int(random.integers(2**31)))
    saved = certificate(structure, dual.Dual(0.0, point, cut, 0, 0.0))
    if random.random() < 0.5:
        saved = saved.model_copy(update={"compute_row": np.int64(1)})
    exactly = proved_exactly(instance, saved)
    assert exactly - Fraction(1, 10**11) <= Fraction(verify(instance, saved)) <= exactly


def forged(**fields):
    """A certificate for ``narrow()`` of no prices but those given."""
    zero = {
        "bound_s": 0.0, "request_price_s": [0.0], "compute_price": [0.0], "memory_price_s_per_gb": [0.0],
        "family": [0], "exact": [1], "cut_price": [[0.0]],
        "share_cloudlet": [], "share_block": [], "share_request": [], "share_s": [],
    }  # fmt: skip
    return Certificate.model_validate(zero | fields)


def narrow(**groups):
    """One request of 10 s remotely, 0 s at the edge."""
    content = wide(1)
    content["models"]["blocks"] = [[0]]
    content["blocks"]["size_gb"], content["cloudlets"]["pull_s_per_gb"] = [1.0], [0.0]
    content["requests"]["remote_delay_s"], content["options"]["delay_s"] = [10.0], [0.0]
    for group, fields in groups.items():
        content[group] |= fields
    return Instance.model_validate(content)


@pytest.mark.parametrize("field", ["request_price_s", "compute_price", "memory_price_s_per_gb", "cut_price", "share_s"])
@pytest.mark.parametrize("price", [np.nextafter(1e100, np.inf), 1e308, np.inf, np.nan])
def test_prices_that_overflow_are_refused(field, price):
    """A product of infinity and zero would be NaN and hide a cell."""
    where = {"share_cloudlet": [0], "share_block": [0], "share_request": [0], "share_s": [0.0]}
    with pytest.raises(ValueError, match=rf"{field}\[0\].* must be (finite|<= 1e\+100)"):
        forged(**where | {field: [[price]] if field == "cut_price" else [price]})


@pytest.mark.parametrize("field", ["exact", "memory_row", "compute_row", "family", "share_block", "cut_price"])
def test_flags_and_indices_have_ranges(field):
    """A row is kept by 1 alone, a family is exact by 0 or 1, no index and no price is negative."""
    row, bad = field.endswith("row"), {"exact": [-1, 2], "memory_row": [0, 2], "compute_row": [0, 2]}.get(field, [-1])
    shares = {"share_cloudlet": [0], "share_block": [0], "share_request": [0], "share_s": [0.0]}
    for value in bad:
        with pytest.raises(ValueError, match=rf"{field}.* must be (>=|<=)"):
            forged(**shares | {field: value if row else [[value]] if field == "cut_price" else [value]})
    assert forged(exact=[0]).exact == 0
    assert verify(narrow(), forged(memory_row=1, compute_row=1, request_price_s=[10.0])) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("price", [1e17, 1e100])
def test_huge_request_prices_prove_no_more_than_the_remote_delay(price):
    """1e17 - (1e17 - 10) is 16 in floats: a price above the remote delay counts as the remote delay."""
    assert 0 >= verify(narrow(), forged(request_price_s=[price])) >= -1e-12
    assert 10 - 1e-12 <= verify(narrow(options={"delay_s": [10.0]}), forged(request_price_s=[price])) <= 10


def test_what_takes_nothing_fits_where_nothing_is():
    """Without memory and compute a model of 0 GB serves a request of 0 s: no price proves that it cannot."""
    nothing = {"memory_gb": [0.0], "compute_s": [0.0]}
    instance = narrow(blocks={"size_gb": [0.0]}, cloudlets=nothing, options={"compute_s": [0.0]})
    assert solve_nlip(instance).objective == 0
    assert verify(instance, forged(request_price_s=[10.0])) <= 0


def test_cancellation_proves_nothing():
    """1e9 - (1e9 - 1e-7) is 1.2e-7 in floats, more than the plan of 1e-7 s at the edge costs."""
    instance = narrow(requests={"remote_delay_s": [1e9]}, options={"delay_s": [1e-7]})
    assert verify(instance, forged(request_price_s=[1e9])) <= solve_nlip(instance).objective


def test_gains_that_rounding_hides_are_charged():
    """3 x 1/3 is 1 in floats, and 2^-54 more than in truth: none of 1,024 options gains as computed, each does."""
    n, third = 32, 1 / 3
    request, cloudlet = (place.ravel().tolist() for place in np.indices((n, n)))
    same = {"model": [0] * n * n, "delay_s": [0.0] * n * n, "compute_s": [third] * n * n, "accuracy": [1.0] * n * n}
    instance = narrow(
        cloudlets={
            "memory_gb": [1.0] * n, "compute_s": [third] * n, "pull_s_per_gb": [0.0] * n, "cached": [[]] * n
        },
        requests={"remote_delay_s": [1.0] * n, "remote_accuracy": [1.0] * n},
        options={"request": request, "cloudlet": cloudlet, **same},
    )  # fmt: skip
    prices = {"request_price_s": [1.0] * n, "compute_price": [3.0] * n, "memory_price_s_per_gb": [0.0] * n}
    saved = forged(**prices, cut_price=[[0.0]] * n)
    assert Fraction(verify(instance, saved)) <= proved_exactly(instance, saved)


def test_a_block_of_two_models_is_paid_once():
    """10 s of gain for 6 s of pulling, whichever of two equal models serves: 6 s are proved, not 10 s."""
    same = {"request": [0, 0], "model": [0, 1], "cloudlet": [0, 0], "delay_s": [0.0] * 2, "compute_s": [1.0] * 2}
    options = same | {"accuracy": [1.0] * 2}
    instance = narrow(models={"blocks": [[0], [0]]}, cloudlets={"pull_s_per_gb": [6.0]}, options=options)
    assert verify(instance, forged(family=[0, 0], request_price_s=[10.0])) == pytest.approx(6.0)


def test_what_a_set_does_not_open_is_not_paid():
    """A model of one block gains 9 s beside one of two blocks that gains 8 s: 1 s is proved, not 2 s."""
    same = {"request": [0, 0], "model": [0, 1], "cloudlet": [0, 0], "delay_s": [0.0] * 2, "compute_s": [1.0] * 2}
    instance = narrow(
        blocks={"size_gb": [1.0, 1.0]},
        models={"blocks": [[0], [0, 1]]},
        cloudlets={"pull_s_per_gb": [1.0]},
        options=same | {"accuracy": [1.0] * 2},
    )
    assert verify(instance, forged(family=[0, 0], request_price_s=[10.0])) == pytest.approx(1.0)


def test_cells_of_several_cloudlets_and_families_stay_apart():
    """One family gains 1 s at the first of three cloudlets, the other 9 s at the last: 10 s of 20 s are proved."""
    two, three = [1.0, 1.0], [0.0, 0.0, 0.0]
    instance = narrow(
        blocks={"size_gb": two},
        models={"blocks": [[0], [1]]},
        cloudlets={
            "memory_gb": [2.0] * 3, "compute_s": [9.0] * 3, "pull_s_per_gb": [9.0, 0.0, 1.0], "cached": [[]] * 3
        },
        requests={"remote_delay_s": [10.0, 10.0], "remote_accuracy": two},
        options={
            "request": [0, 1], "model": [1, 0], "cloudlet": [0, 2], "delay_s": [0.0, 0.0], "compute_s": two,
            "accuracy": two,
        },
    )  # fmt: skip
    prices = {"compute_price": three, "memory_price_s_per_gb": three, "cut_price": [[0.0, 0.0]] * 3}
    saved = forged(request_price_s=[10.0, 10.0], family=[0, 1], exact=[1, 1], **prices)
    assert verify(instance, saved) == pytest.approx(10.0)


def test_a_large_family_whose_models_are_all_taken_is_paid_once(monkeypatch):
    """Two models gain 10 s each and pull 3 s together: nothing is left to write out, and 3 s of 20 s are proved."""
    monkeypatch.setattr(waived, "MOST", 1)
    two = [1.0, 1.0]
    instance = narrow(
        blocks={"size_gb": [1.0] * 3},
        models={"blocks": [[0, 1], [0, 2]]},
        cloudlets={"memory_gb": [9.0], "pull_s_per_gb": [1.0]},
        requests={"remote_delay_s": [10.0, 10.0], "remote_accuracy": two},
        options={
            "request": [0, 1], "model": [0, 1], "cloudlet": [0, 0], "delay_s": [0.0, 0.0], "compute_s": two,
            "accuracy": two,
        },
    )  # fmt: skip
    assert verify(instance, forged(request_price_s=[10.0, 10.0], family=[0, 0])) == pytest.approx(3.0)


def test_relaxed_families_by_hand():
    """Who pays no share gains 10 s in full; a block's price of 1 takes 1 s off that and 9 s off the bound."""
    assert verify(narrow(), forged(exact=[0], request_price_s=[10.0])) == pytest.approx(0.0, abs=1e-12)
    priced = forged(exact=[0], request_price_s=[10.0], block_price=[[1.0]])
    assert verify(narrow(), priced) == pytest.approx(10 - 9 - 9)
    share = {"share_cloudlet": [0], "share_block": [0], "share_request": [0], "share_s": [4.0]}
    one = forged(exact=[0], request_price_s=[10.0], **share)
    assert verify(narrow(cloudlets={"pull_s_per_gb": [3.0]}), one) == pytest.approx(10 - (10 - 4) - (4 - 3))


@pytest.mark.parametrize("name", ["cloudlet", "block", "request"])
def test_shares_of_nothing_are_refused(name):
    """An index beyond the instance is named, not looked up."""
    where = {"share_cloudlet": [0, 0], "share_block": [0, 0], "share_request": [0, 0], "share_s": [0.0, 0.0]}
    with pytest.raises(InputError, match=rf"share_{name}\[1\] is 7; must be < 1"):
        verify(narrow(), forged(**where | {f"share_{name}": [0, 7]}))


def test_ascent_is_repeatable_and_resumable_from_a_warm_start():
    """Two runs agree bitwise; a warm start never ends below the bound it started from."""
    structure = build(small(8, 12, 3, families=True, per_request=9))
    one, two = dual.solve(structure, iterations=60), dual.solve(structure, iterations=60)
    assert one.bound == two.bound
    assert (one.point == two.point).all()
    assert dual.solve(structure, warm=one, params=DualParams(warm_theta=0.1)).bound >= one.bound
