"""Theorem 2, strength: LP <= LP with the cut <= prices of blocks <= configurations <= optimum; each may be strict."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from coupled_strategies import instances, replaced
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from test_coupled_auto import crowded

from mecpfm import solvers
from mecpfm.coupled.audit import audit
from mecpfm.coupled.belonging import model_gb
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.formulation import solve_lp
from mecpfm.coupled.instance import Instance, most
from mecpfm.coupled.lp_proof import lp_certificate
from mecpfm.coupled.methods import certified
from mecpfm.coupled.proof import Proof
from mecpfm.coupled.structure import families
from mecpfm.errors import InputError, LimitError
from mecpfm.network.prices import carry_prices

SEEDS = st.integers(0, 2**32 - 1)
ANY = st.booleans().flatmap(lambda families: instances(families=families))


def fitting(instance):
    """Options that fit their cloudlet on their own."""
    options, cloudlets = instance.options, instance.cloudlets
    fits = options.compute_s <= most(cloudlets.compute_s)[options.cloudlet]
    return np.flatnonzero(fits & (model_gb(instance)[options.model] <= most(cloudlets.memory_gb)[options.cloudlet]))


def columns(instance, rows, models):
    """Every choice of options ``rows`` of a cloudlet, one a request at most, with every larger set of models open."""
    options, of = instance.options, instance.models.blocks
    by = {}
    for o in rows.tolist():
        by.setdefault(int(options.request[o]), []).append(o)
    for chosen in itertools.product(*[[None, *some] for some in by.values()]):
        taken = [o for o in chosen if o is not None]
        used = {int(options.model[o]) for o in taken}
        for more in itertools.product([False, True], repeat=len(models)):
            opened = {k for k, one in zip(models, more, strict=True) if one}
            if used <= opened and opened:
                yield taken, sorted({b for k in opened for b in of[k].tolist()})


def at_cells(instance):
    """(cell, cloudlet, options, blocks) of every solution of every (cloudlet, family), an empty one aside."""
    rows, (family, _) = fitting(instance), families(instance)
    options = instance.options
    cell = options.cloudlet[rows] * (family.max() + 1) + family[options.model[rows]]
    for one in np.unique(cell).tolist():
        mine = rows[cell == one]
        models = np.unique(options.model[mine]).tolist()
        for taken, blocks in columns(instance, mine, models):
            yield one, int(options.cloudlet[mine[0]]), taken, blocks


def at_cloudlets(instance):
    """The same of every cloudlet, as far as it keeps compute and memory: configurations."""
    options, cloudlets, size = instance.options, instance.cloudlets, instance.blocks.size_gb
    rows = fitting(instance)
    for c in np.unique(options.cloudlet[rows]).tolist():
        mine = rows[options.cloudlet[rows] == c]
        for taken, blocks in columns(instance, mine, np.unique(options.model[mine]).tolist()):
            compute = options.compute_s[taken].sum() <= most(cloudlets.compute_s)[c]
            if compute and size[blocks].sum() <= most(cloudlets.memory_gb)[c]:
                yield c, c, taken, blocks


def master(instance, found, *, coupled):
    """Least cost of a mixture of columns, one a group, each request once; ``coupled`` keeps capacities and cuts."""
    options, cloudlets, (blocks, _, sites, requests) = instance.options, instance.cloudlets, instance.sizes
    found = list(found)
    groups = {group: i for i, group in enumerate(dict.fromkeys(one[0] for one in found))}
    member = [set(blocks.tolist()) for blocks in instance.models.blocks]
    rows, serve = np.zeros((len(groups) + (2 + blocks) * sites, len(found) + requests)), []
    for j, (group, c, taken, opened) in enumerate(found):
        rows[groups[group], j] = 1
        serve += [(int(options.request[o]), j) for o in taken]
        if coupled:
            rows[len(groups) + c, j] = options.compute_s[taken].sum()
            rows[len(groups) + sites + c, j] = instance.blocks.size_gb[opened].sum()
            for b in opened:
                load = sum(options.compute_s[o] for o in taken if b in member[options.model[o]])
                rows[len(groups) + (2 + b) * sites + c, j] = load - cloudlets.compute_s[c]
    once = np.hstack([np.zeros((requests, len(found))), np.eye(requests)])
    for r, j in serve:
        once[r, j] = 1
    cost = [options.delay_s[taken].sum() + instance.pull_s[opened, c].sum() for _, c, taken, opened in found]
    upper = np.r_[np.ones(len(groups)), cloudlets.compute_s, cloudlets.memory_gb, np.zeros(blocks * sites)]
    return linprog([*cost, *instance.requests.remote_delay_s], rows, upper, once, np.ones(requests)).fun


def chain(instance):
    """LP, LP with the cut, what its duals prove, the most that any prices prove, configurations, optimum: s."""
    plain, cut = (solve_lp(instance, cut=cut, solver="highs")[0].bound for cut in (False, True))
    proved = verify(instance, lp_certificate(instance))
    best, whole = (
        master(instance, at_cells(instance), coupled=True),
        master(instance, at_cloudlets(instance), coupled=False),
    )
    return plain, cut, proved, best, whole, solve_nlip(instance).objective


@settings(max_examples=40)
@given(ANY)
def test_bounds_form_a_chain(instance):
    """Each bound is at most the next, on any small instance; what the LP's duals prove is at least the LP's value."""
    values = chain(instance)
    for low, high in itertools.pairwise(values):
        assert low <= high + 1e-6 * max(1, values[-1])


def one_place(sizes, models, wants, *, remote, compute=9.0, places=1):
    """Requests with options (model, compute) without delay at each of some equal cloudlets; 1 s/GB."""
    rows = [(r, k, c, g) for r, some in enumerate(wants) for k, g in some for c in range(places)]
    request, model, cloudlet, work = (list(column) for column in zip(*rows, strict=True))
    one = [1.0] * places
    return Instance.model_validate(
        {
            "blocks": {"size_gb": sizes},
            "models": {"blocks": models},
            "cloudlets": {
                "memory_gb": [99.0] * places, "compute_s": [compute] * places, "pull_s_per_gb": one,
                "cached": [[]] * places,
            },
            "requests": {"remote_delay_s": remote, "remote_accuracy": [1.0] * len(remote)},
            "options": {
                "request": request, "model": model, "cloudlet": cloudlet, "compute_s": work,
                "delay_s": [0.0] * len(rows), "accuracy": [1.0] * len(rows),
            },
        }
    )  # fmt: skip


def cuts(dear=10.0):
    """Compute for one of two requests that want one model; a third wants another of the same backbone."""
    wants = [[(0, 1.0)], [(0, 1.0)], [(1, 0.0)]]
    return one_place([1.0, dear, 0.1], [[0, 1], [0, 2]], wants, remote=[10.0, 10.0, 5.0], compute=1.0)


def triangle(size=1.0, **rest):
    """Three requests, each of which takes two of three models: half of each serves all, two whole ones do."""
    wants = [[(a, 0.0), (b, 0.0)] for a, b in ((0, 1), (1, 2), (0, 2))]
    # Blocks of next to nothing make the three models one family.
    return one_place([size] * 3 + [0.0], [[k, 3] for k in range(3)], wants, remote=[10.0] * 3, **rest)


def test_each_bound_may_be_strictly_above_the_one_before():
    """The cut, prices of blocks, and configurations each lift the bound somewhere."""
    plain, cut, proved, best, whole, optimum = chain(cuts())
    assert (plain, cut, proved) == pytest.approx((16.1, 21.1, 21.1))
    assert (best, whole, optimum) == pytest.approx((21.1, 21.1, 21.1))
    plain, cut, proved, best, *_ = chain(triangle())
    assert plain == cut == pytest.approx(1.5)
    assert best == pytest.approx(2.0) and cut - 1e-9 <= proved <= best + 1e-9
    knapsack = one_place([0.0], [[0]], [[(0, 2.0)], [(0, 2.0)]], remote=[1.0, 1.0], compute=3.0)
    _, cut, proved, best, whole, optimum = chain(knapsack)
    assert (cut, proved, best) == pytest.approx((0.5, 0.5, 0.5))
    assert (whole, optimum) == pytest.approx((1.0, 1.0))


def test_configurations_may_be_strictly_below_the_optimum():
    """Three cloudlets, each good for one of the triangle's models: halves of all serve all."""
    wants = [[(0, 0.0), (1, 0.0)], [(1, 0.0), (2, 0.0)], [(0, 0.0), (2, 0.0)]]
    instance = one_place([1.0] * 3, [[k] for k in range(3)], wants, remote=[10.0] * 3, places=3)
    here = instance.options.model == instance.options.cloudlet
    instance = instance.with_options(np.flatnonzero(here))
    *_, whole, optimum = chain(instance)
    assert whole == pytest.approx(1.5)
    assert optimum == pytest.approx(2.0)


@settings(max_examples=25)
@given(SEEDS)
def test_models_of_one_block_have_the_strength_of_the_lp(seed):
    """Where each model is one block of its own, cells as integer problems lift nothing."""
    random = np.random.default_rng(seed)
    models, places = int(random.integers(1, 4)), int(random.integers(1, 3))
    wants = [[(int(k), float(random.integers(4))) for k in random.integers(models, size=2)] for _ in range(3)]
    remote, sizes = random.integers(1, 9, 3).astype(float), random.integers(6, size=models).astype(float)
    compute = float(random.integers(1, 5))
    instance = one_place(
        sizes, [[k] for k in range(models)], wants, remote=remote.tolist(), compute=compute, places=places
    )
    instance = instance.with_options(fitting(instance))
    _, cut, proved, best, *_ = chain(instance)
    assert (proved, best) == pytest.approx((cut, cut), rel=1e-6, abs=1e-6)


def drawn(instance, seed, exact=True):
    """A certificate of random prices, blocks' among them, so large that most prices of blocks are negative."""
    random = np.random.default_rng(seed)
    blocks, _, sites, requests = instance.sizes
    family, _ = families(instance)
    scale = random.choice([0.3, 3, 30])
    most = instance.requests.remote_delay_s
    paid = [] if exact else itertools.product(range(sites), range(blocks), range(requests))
    shares = [one for one in paid if random.random() < 0.5]
    place = np.array(shares, dtype=np.int64).reshape(-1, 3).T
    return Certificate(
        bound_s=np.float64(0),
        request_price_s=most * random.choice([1, random.random()]),
        compute_price=random.choice([0, 1], sites) * random.random(sites),
        memory_price_s_per_gb=random.choice([0, 1], sites) * random.random(sites),
        family=family, exact=np.full(family.max() + 1, int(exact)),
        cut_price=random.choice([0, 1], (sites, family.max() + 1)) * random.random((sites, family.max() + 1)),
        share_cloudlet=place[0], share_block=place[1], share_request=place[2], share_s=random.random(len(shares)),
        memory_row=np.int64(1) if random.random() < 0.3 else None,
        block_price=random.choice([0, 1], (blocks, sites)) * random.random((blocks, sites)) * scale,
    )  # fmt: skip


def written_out(instance, given_):
    """The bound of theorem 2 word by word: the cheapest of all solutions of each cell at the certificate's prices."""
    options, cloudlets, size = instance.options, instance.cloudlets, instance.blocks.size_gb
    lam, mu, eta, v = given_.block_price, given_.compute_price, given_.memory_price_s_per_gb, given_.request_price_s
    worth = {}
    for cell, c, taken, blocks in at_cells(instance):
        f = cell - c * (given_.family.max() + 1)
        value = given_.cut_price[c, f] * cloudlets.compute_s[c]
        for b in blocks:
            value -= instance.pull_s[b, c] + eta[c] * size[b] - lam[b, c] * cloudlets.compute_s[c]
        for o in taken:
            pays = mu[c] + given_.cut_price[c, f] + sum(lam[b, c] for b in instance.models.blocks[options.model[o]])
            value += v[options.request[o]] - options.delay_s[o] - pays * options.compute_s[o]
        worth[cell] = max(worth.get(cell, 0.0), value)
    return v.sum() - mu @ cloudlets.compute_s - eta @ cloudlets.memory_gb - sum(worth.values())


@given(ANY, SEEDS)
def test_prices_of_blocks_prove_what_the_theorem_says_and_no_more_than_the_optimum(instance, seed):
    """verify equals the theorem's formula over all solutions of all cells, at prices that may make blocks negative."""
    given_ = drawn(instance, seed)
    proved = verify(instance, given_)
    assert proved <= solve_nlip(instance).objective + 1e-9
    plain = given_.model_copy(update={"memory_row": None})
    expected = written_out(instance, plain)
    assert verify(instance, plain) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert proved >= verify(instance, plain) - 1e-9


@given(ANY, SEEDS)
def test_relaxed_families_with_prices_of_blocks_prove_no_more_than_the_optimum(instance, seed):
    """The same where all families pay by shares, cloudlet by cloudlet as at once."""
    given_ = drawn(instance, seed, exact=False)
    proved = verify(instance, given_)
    assert proved <= solve_nlip(instance).objective + 1e-9
    assert Proof.of(instance, given_).bound == proved


@settings(max_examples=20)
@given(ANY)
def test_large_families_keep_the_strength_of_the_lp(instance):
    """With every family relaxed the LP's duals, linking rows as shares, prove its value again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mecpfm.coupled.lp_proof.families", lambda one: (families(one)[0], families(one)[1] & False))
        proved = verify(instance, lp_certificate(instance))
    optimum = solve_nlip(instance).objective
    lp = solve_lp(instance.with_options(fitting(instance)), cut=True, solver="highs")[0].bound
    assert lp - 1e-6 * max(1, optimum) <= proved <= optimum + 1e-9


@pytest.mark.parametrize("found", [{"status": "feasible"}, {"status": "optimal", "duals": None}])
def test_what_a_limit_left_of_the_lp_is_no_certificate(found, monkeypatch):
    """Duals before the optimum prove less than the LP's value; without any there is nothing to read."""
    solve = solvers.solve
    monkeypatch.setattr(solvers, "solve", lambda *given, **options: replace(solve(*given, **options), **found))
    with pytest.raises(LimitError, match="without the LP's optimum"):
        lp_certificate(cuts())


def test_duals_of_small_amounts_keep_the_strength_of_the_lp():
    """Each price is one of its own row's unit, where memory, compute or the cut binds and all amounts are below 1."""
    bound = np.zeros(3, dtype=bool)
    for whole in (cuts(), *(crowded(seed) for seed in range(8))):
        amounts = {
            "blocks": ["size_gb"], "cloudlets": ["memory_gb", "compute_s"], "requests": ["remote_delay_s"],
            "options": ["delay_s", "compute_s"],
        }  # fmt: skip
        groups = {one: {name: getattr(getattr(whole, one), name) / 32 for name in amounts[one]} for one in amounts}
        instance = replaced(whole, **groups)
        lp = solve_lp(instance.with_options(fitting(instance)), cut=True, solver="highs")[0].bound
        proof = lp_certificate(instance)
        assert verify(instance, proof) >= lp - 1e-7
        prices = (proof.compute_price, proof.memory_price_s_per_gb, proof.block_price)
        bound |= [bool((price > 0).any()) for price in prices]
    assert bound.all()


def test_the_certificate_of_the_lp_with_the_cut_is_its_own(tmp_path):
    """Method lp-cut states what its duals prove, in schema 2; the file survives and verify accepts plan and bound."""
    instance = cuts()
    plan, proof = certified(instance, "lp-cut")
    assert plan.bound == pytest.approx(21.1) == float(proof.bound_s)
    instance.write(tmp_path / "instance.json")
    for name in ("proof.json", "proof.npz"):
        proof.write(tmp_path / name)
        found = audit(tmp_path / "instance.json", tmp_path / name)
        assert not found.complaints and found.bound == pytest.approx(21.1)
    assert json.loads((tmp_path / "proof.json").read_text())["schema"] == "mecpfm.certificate/2"


@pytest.mark.parametrize("change", ["other block", "other cloudlet", "none", "tenfold"])
def test_a_tampered_price_of_a_block_is_caught(tmp_path, change):
    """One multiplier elsewhere, left out or too large proves less than the certificate states, and verify says so."""
    instance = cuts()
    proof = lp_certificate(instance)
    price = proof.block_price.copy()
    b = int(price[:, 0].argmax())
    if change == "other block":
        price[[b, 2]] = price[[2, b]]
    elif change == "other cloudlet":  # the first of two, whose options are elsewhere
        instance = instance.model_copy(
            update={"cloudlets": one_place([1.0], [[0]], [[(0, 0.0)]], remote=[1.0], compute=1.0, places=2).cloudlets}
        )
        proof = lp_certificate(instance)
        price = proof.block_price[:, ::-1].copy()
    else:
        price[b] *= 10.0 if change == "tenfold" else 0.0
    instance.write(tmp_path / "instance.json")
    proof.model_copy(update={"block_price": price}).write(tmp_path / "proof.json")
    found = audit(tmp_path / "instance.json", tmp_path / "proof.json")
    assert found.bound < 21 and any("proves only" in complaint for complaint in found.complaints)


def test_a_negative_price_of_a_block_and_one_of_no_block_are_refused(tmp_path):
    """A wrong sign is named by its place; so is a table of another library."""
    proof = lp_certificate(cuts())
    content = proof.model_dump()
    with pytest.raises(ValueError, match=r"block_price\[0\]\[0\].* must be >= 0"):
        Certificate.model_validate({**content, "block_price": -proof.block_price - 1})
    with pytest.raises(InputError, match="prices of 2 blocks; the instance has 3"):
        verify(cuts(), proof.model_copy(update={"block_price": proof.block_price[:2]}))


def test_prices_of_blocks_are_slopes_of_the_bound():
    """One more second of compute is worth what the blocks' prices say; the range holds where it is claimed."""
    instance = cuts()
    proof = Proof.of(instance, lp_certificate(instance))
    price, step = proof.price(0, "compute_s"), 1e-2
    more = instance.model_copy(
        update={"cloudlets": instance.cloudlets.model_copy(update={"compute_s": np.array([1 + step])})}
    )
    assert proof.moved(more).bound == pytest.approx(proof.bound - price * step)
    assert proof.moved(more).bound == verify(more, proof.given)
    assert proof.valid_range(0, "compute_s").most >= step


def test_prices_of_blocks_are_carried_to_a_changed_instance():
    """A new cloudlet is free of them, what stays keeps them, and they prove no more than the new optimum."""
    old = cuts()
    wants = [[(0, 1.0)], [(0, 1.0)], [(1, 0.0)]]
    new = one_place([1.0, 10.0, 0.1], [[0, 1], [0, 2]], wants, remote=[10.0, 10.0, 5.0], compute=1.0, places=2)
    proof = lp_certificate(old)
    carried = carry_prices(old, proof, new)
    assert carried.block_price.tolist() == [[price, 0.0] for price in proof.block_price[:, 0].tolist()]
    assert verify(new, carried) <= solve_nlip(new).objective + 1e-9
