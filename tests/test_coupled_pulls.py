"""Where blocks come from: nearest holders against a loop, per-block pull costs through files and methods."""

import json

import numpy as np
import pytest
from coupled_strategies import instances, replaced, small
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.instance import DATA_CENTRE, Instance
from mecpfm.coupled.methods import solve
from mecpfm.coupled.presolve import presolve
from mecpfm.coupled.pulls import nearest_holders, pulls_of
from mecpfm.errors import InputError


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))
def test_nearest_holder_equals_a_search_over_all_holders(seed, blocks, cloudlets):
    """The cheapest of the cloudlets that hold a block and the data centre; ties go to the lowest index."""
    random = np.random.default_rng(seed)
    between = random.integers(0, 4, (cloudlets, cloudlets)).astype(float)
    centre = random.integers(0, 6, cloudlets).astype(float)
    held = random.random((blocks, cloudlets)) < 0.4
    found = nearest_holders(between, centre, held)
    for b in range(blocks):
        for c in range(cloudlets):
            if held[b, c]:
                assert (found.pull_s_per_gb[b, c], found.source[b, c]) == (0, c)
                continue
            offers = [(between[i, c], 0, i) for i in range(cloudlets) if held[b, i]] + [(centre[c], 1, DATA_CENTRE)]
            cost, _, source = min(offers)
            assert (found.pull_s_per_gb[b, c], found.source[b, c]) == (cost, source)


def with_sources(seed: int) -> Instance:
    """A small instance whose pulls come from the nearest holders of drawn distances."""
    instance, random = small(seed, 5, 3, families=bool(seed % 3), per_request=4), np.random.default_rng(seed)
    sites = instance.sizes[2]
    between = random.integers(1, 6, (sites, sites)) / 4
    found = nearest_holders(between, random.integers(1, 9, sites) / 4, instance.cached)
    return replaced(instance, cloudlets={"pull_s_per_gb": found.pull_s_per_gb, "source": found.source})


@pytest.mark.parametrize("seed", range(12))
def test_pulls_of_a_plan_add_up_to_what_it_pays(seed):
    """Every pull has a holder, costs what the instance says, and all of them cost ``pulling_s``."""
    instance = with_sources(seed)
    plan = solve_nlip(instance)
    pulls = pulls_of(instance, np.array(plan.decisions["option"]))
    assert pulls.seconds.sum() == pytest.approx(plan.metrics["pulling_s"], abs=1e-12)
    for b, c, source in zip(pulls.block, pulls.cloudlet, pulls.source, strict=True):
        assert not instance.cached[b, c]
        assert source == DATA_CENTRE or instance.cached[b, source]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_methods_agree_with_enumeration_on_pulls_per_block(seed):
    """ILP and polish's bound on instances whose blocks come from holders of their own, plain and compressed."""
    instance = with_sources(seed)
    optimum = solve_nlip(instance).objective
    assert solve(instance, "ilp", solver="highs").objective == pytest.approx(optimum, abs=1e-6)
    assert solve_nlip(presolve(instance).instance).objective == pytest.approx(optimum, abs=1e-9)
    for method in ("polish", "no-sharing", "trimcaching", "rounding-nested"):
        plan = solve(instance, method, iterations=100)
        assert plan.feasible
        assert plan.bound <= optimum + 1e-9
        assert plan.objective >= optimum - 1e-9


@given(instances(families=True))
def test_one_rate_for_all_blocks_is_the_old_special_case(instance):
    """(C,) and the same figures as (B, C) have the same pulls."""
    wide = np.tile(instance.cloudlets.pull_s_per_gb, (instance.sizes[0], 1))
    assert (replaced(instance, cloudlets={"pull_s_per_gb": wide}).pull_s == instance.pull_s).all()


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_file_states_the_oldest_schema_that_knows_its_fields(tmp_path, suffix):
    """Plain instances stay /1; pulls per block and sources make /2; both come back as they were."""
    for instance, schema in ((small(2, 4, 2, families=True), "1"), (with_sources(4), "2")):
        path = tmp_path / f"instance{schema}{suffix}"
        instance.write(path)
        again = Instance.read(path)
        assert (again.pull_s == instance.pull_s).all()
        assert again.file_schema if schema == "1" else (again.cloudlets.source == instance.cloudlets.source).all()
        if suffix == ".json":
            assert json.loads(path.read_text())["schema"] == f"mecpfm.coupled/{schema}"


def test_what_a_file_says_of_sources_is_checked(tmp_path):
    """A source that does not hold the block, one that is no cloudlet, and /2 fields in a /1 file are refused."""
    instance = with_sources(5)
    sites = instance.sizes[2]
    b, c = np.argwhere(~instance.cached)[0]
    for value, reason in ((sites, rf"must be < C = {sites}\b"), (int(c), "does not hold"), (-2, "must be >= -1")):
        source = np.array(instance.cloudlets.source)
        source[b, c] = value
        with pytest.raises(ValueError, match=reason):
            replaced(instance, cloudlets={"source": source})
    content = {"schema": "mecpfm.coupled/1", **instance.to_object()}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="uses fields of"):
        Instance.read(path)
