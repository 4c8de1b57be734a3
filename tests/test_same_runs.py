"""Worlds, instances, decisions and tables stay the same when every function's and draw's last bit is another one."""

import dataclasses
import functools
import pickle
from dataclasses import replace

import numpy as np
import pytest
from nudged import DIRECTIONS, install, nudge

from mecpfm.bandits.problems import ProblemRecipe
from mecpfm.bandits.restricted import WTSRC
from mecpfm.coupled import dual, generate
from mecpfm.coupled.structure import MASK_BITS
from mecpfm.coupled.structure import build as cells_of
from mecpfm.data import marginals
from mecpfm.experiments import config
from mecpfm.kernels import arrays
from mecpfm.kernels.coupled_cut import TIE, serve
from mecpfm.online import placement, simulate, trace, world
from mecpfm.online.policy import POLICIES
from mecpfm.online.setting import SCENARIOS
from mecpfm.published import generate as published

SEED = 1


@pytest.fixture
def patch():
    """A monkeypatch that ends, together with what was computed under it, after the test."""
    marginals._curve.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    marginals._curve.cache_clear()


def bits(value):
    """Whatever a dataclass or tuple of arrays holds, as bytes."""
    fields = tuple(vars(value).values()) if dataclasses.is_dataclass(value) else tuple(value)
    return pickle.dumps([field for field in fields if not dataclasses.is_dataclass(field)])


def scenes():
    """Every scenario's scene of one seed, as bytes."""
    traces = {name: trace.load(False, name) for name in ("gentd26", "azure")}
    places = {name: world.build(one, traces[one.trace], SEED, real_sites=False) for name, one in SCENARIOS.items()}
    return {name: bits(place) + bits(place.world) for name, place in places.items()}


@pytest.fixture(scope="module")
def known():
    """The scenes as they are."""
    return scenes()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_worlds(direction, known, patch):
    """All nine scenarios, seed 1: the same World, history, scales and cap."""
    install(patch, direction)
    assert scenes() == known


def test_worlds_would_differ_if_nothing_were_settled(known, patch):
    """The nudges reach every scene: without rounding, none stays as it was."""
    patch.setattr(arrays, "settled", lambda x: x if np.ndim(x) else float(x))
    patch.setattr(arrays, "normal", lambda random, size: random.standard_normal(size))
    marginals._curve.cache_clear()
    plain = scenes()
    install(patch, 1)
    moved = scenes()
    assert all(moved[name] != plain[name] for name in SCENARIOS)


def offline():
    """Instances of both settings as bytes, and the prices and bound of a dual."""
    found = [published.generate(seed=SEED).to_object()]
    for regime in generate.REGIMES:
        instance = generate.generate(generate.Recipe(cloudlets=6, requests=60, regime=regime), SEED)
        found.append(instance.to_object())
    solved = dual.solve(cells_of(instance), iterations=300)
    return found, solved.point.tolist(), solved.cut.tolist(), solved.bound


def studies():
    """Tables of quick studies of restricted context."""
    recipes = {"tsrc-subsets": ProblemRecipe("copy", 400, 2, 5), "tsrc-drift": ProblemRecipe("", 400, 2, 5)}
    return {name: config.STUDIES[name].measure(recipe, SEED) for name, recipe in recipes.items()}


@pytest.fixture(scope="module")
def stated():
    """Instances, bounds and tables as they are."""
    return offline(), studies()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_instances_bounds_and_tables(direction, stated, patch):
    """Generated instances, multipliers of a dual and rows of studies are equal to the last bit."""
    install(patch, direction)
    assert (offline(), studies()) == stated


def decided(place):
    """What learners decide."""
    names = ("disjoint-wtsrc", "structured-wtsrc", "hybrid-lints", "priced-tsrc-delay")
    return {name: simulate.simulate(place, POLICIES[name], 0).log.place for name in names}


@functools.cache
def undisturbed(scenario):
    """A scene, and what is decided there."""
    setting = replace(SCENARIOS[scenario], requests=4_000)
    place = world.build(setting, trace.load(False, setting.trace), 0, real_sites=False)
    return place, decided(place)


@pytest.mark.parametrize("scenario", ["8 cloudlets", "LLM"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_decisions_without_rounding(direction, scenario):
    """Even where a world's own numbers differ by last bits, learners decide the same."""
    place, plain = undisturbed(scenario)
    names = ("net_s", "congestion", "speed", "static", "part_gb")
    moved = {name: nudge(getattr(place.world, name), direction) for name in names}
    for name, chosen in decided(replace(place, world=place.world._replace(**moved))).items():
        assert (chosen == plain[name]).all(), name


def solved(structure):
    return dual.solve(structure, iterations=placement.Planner().steps, memory_row=True)


@functools.cache
def forecast():
    """The view of a forecast of the policy's own, and its multipliers."""
    setting = replace(SCENARIOS["LLM"], requests=1_100)
    place = world.build(setting, trace.load(False, "azure"), 3, real_sites=False)
    run = simulate.Run(place, POLICIES["priced-cov"])
    run.advance(500)
    structure = cells_of(placement.forecast(run, placement.Planner()), exact_models=MASK_BITS)
    return structure, solved(structure)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_multipliers_without_rounding(direction):
    """Where costs differ by last bits so do the multipliers at the end: no tie sends the ascent elsewhere."""
    structure, plain = forecast()
    fields = {name: nudge(getattr(structure.cells, name), direction) for name in ("delay_s", "compute_s", "remote_s")}
    for name, field in fields.items():  # else Numba compiles anew
        field.flags.writeable = getattr(structure.cells, name).flags.writeable
    other = solved(replace(structure, cells=structure.cells._replace(**fields)))
    np.testing.assert_allclose(other.point, plain.point, rtol=1e-9, atol=1e-9)
    assert other.iterations == plain.iterations


def test_forgotten_rewards_leave_nothing():
    """A feature whose rewards have all left the window counts as one that never had any: no last bit remains."""
    policy = WTSRC(2, 30, 2, window=7, seed=3)
    random = np.random.default_rng(3)
    for _ in range(500):
        arm = policy.select(random.standard_normal(30))
        policy.update(arm, np.zeros(30), float(random.random()))
        inside = np.zeros(30)
        for row in policy.history[: min(policy.turn, 7)]:
            inside[row[1:].astype(int)] += row[0]
        assert policy.counts[1].tolist() == inside.tolist()
    assert (policy.counts[1] == 0).any()


def test_a_record_that_gains_nothing_but_rounding_is_not_served():
    """Where a price makes a record's gain vanish, rounding up or down is the same; so for two records of equal gain."""
    structure = cells_of(generate.generate(generate.Recipe(cloudlets=4, requests=60), 3))
    cells, work = structure.cells, dual.scratch(structure.cells)
    j = int(np.diff(cells.first_record).argmax())
    first, end = cells.first_record[j], cells.first_record[j + 1]
    count = end - first
    assert count >= 10
    work.place[:count] = np.arange(first, end)
    every = (1 << 62) - 1
    for share in (1 - 1e-12, 1.0, 1 + 1e-12):
        work.gain[:count] = cells.compute_s[first:end] * share
        assert serve(cells, every, 1.0, count, work)[0] == 0
    work.gain[:count] = cells.compute_s[first:end] + 2 * TIE * cells.remote_s[cells.request[first:end]]
    assert serve(cells, every, 1.0, count, work)[0] == len(np.unique(cells.request[first:end]))
