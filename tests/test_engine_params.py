"""Parameters of the coupled engine: the defaults are what everything was made with, others change what they say."""

import contextlib
import json
import re
from dataclasses import fields, replace

import numpy as np
import pytest
from command import ROOT, mecpfm
from coupled_strategies import instances
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_coupled_swaps import assigned
from test_params import written

from mecpfm.coupled import baselines, diving, dual, exchange, local_search, methods, single
from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.coupled.certificate import verify
from mecpfm.coupled.engine import DEFAULT, TABLES, USED, EngineParams
from mecpfm.coupled.exchange import Exchanges
from mecpfm.coupled.generate import Recipe, generate
from mecpfm.coupled.params import AutoParams, DiveParams, DualParams, ExchangeParams, SearchParams, TreeParams
from mecpfm.coupled.structure import build
from mecpfm.coupled.table import METHODS
from mecpfm.errors import InputError, LimitError

NAMES = [(table, field.name) for table in TABLES for field in fields(getattr(DEFAULT, table))]
PLACES = "sndlib/nobel-germany"
"""Sites that come with the package: where real ones are fetched, others take their place in a recipe without a name."""
SMALL = Recipe(requests=40, cloudlets=5, models=16, families=2, regime="compute-bound", topology=PLACES)
INSTANCE = generate(SMALL, 2)


def default(table, name):
    return getattr(getattr(DEFAULT, table), name)


def spelled(params: EngineParams) -> str:
    """All of them as TOML."""
    tables = ((table, vars(getattr(params, table))) for table in TABLES)
    return "\n".join(
        f"[{table}]\n" + "".join(f"{key} = {value!r}\n" for key, value in own.items()) for table, own in tables
    )


def outcome(method, instance=INSTANCE, iterations=60, **wanted):
    """Everything that a method says, without its time, and its certificate's bytes."""
    plan, proof = methods.certified(instance, method, iterations=iterations, seed=3, **wanted)
    arrays = [(name, np.asarray(value, dtype=object).tolist()) for name, value in proof]
    return {**plan.to_object(), "runtime_s": 0.0}, repr(arrays)


@pytest.mark.parametrize("instance", [INSTANCE, assigned(requests=25, cloudlets=4)], ids=["coupled", "assigned"])
@pytest.mark.parametrize("method", ["auto", "polish", "trimcaching"])
def test_the_defaults_change_no_bit(tmp_path, method, instance):
    """Spelled out in a file, given as they are, or not given: one plan and one certificate."""
    params = EngineParams.read(written(tmp_path, spelled(DEFAULT)))
    assert params == DEFAULT
    plain = outcome(method, instance)
    assert outcome(method, instance, params=params) == outcome(method, instance, params=EngineParams()) == plain


def test_every_number_is_used_and_explained():
    """A field is read somewhere in the engine, and a sentence follows it."""
    folder = ROOT / "mecpfm" / "coupled"
    code = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name not in ("params.py", "engine.py"))
    stated = (folder / "params.py").read_text()
    for table, name in NAMES:
        assert re.search(rf"\.{name}\b", code), (table, name)
        assert re.search(rf'^    {name}: .*\n    """\S', stated, re.MULTILINE), (table, name)


VALUES = (
    st.integers(-2, 12_000)
    | st.floats()
    | st.sampled_from([0, 1, 0.5, 1.5, 2**70])
    | st.booleans()
    | st.text(max_size=3)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.sampled_from(NAMES), value=VALUES)
def test_a_file_changes_one_number_or_is_refused_in_one_line(tmp_path, at, value):
    """It has the value then, in the field's own type, and all else is as it was; else file and table are named."""
    table, name = at
    text = json.dumps(value) if isinstance(value, (bool, str)) else repr(value)
    path = written(tmp_path, f"[{table}]\n{name} = {text}\n")
    kind = type(default(table, name))
    right = type(value) in (kind, int) and type(value) is not bool
    try:
        read = EngineParams.read(path)
    except InputError as error:
        assert re.match(rf"{re.escape(str(path))}: ({table}: \w+ is |is not valid TOML)", str(error))
        assert "\n" not in str(error)
        return
    assert right
    assert type(getattr(getattr(read, table), name)) is kind
    assert getattr(getattr(read, table), name) == value
    assert replace(read, **{table: replace(getattr(read, table), **{name: default(table, name)})}) == DEFAULT


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[serach]\n", r"\[serach\] is unknown; did you mean 'search'\?"),
        ("[tree]\nleaf_option = 1\n", r"tree: leaf_option is unknown; did you mean 'leaf_options'\?"),
        ("[search]\nchunk = 0\n", r"search: chunk is 0; must be a whole number in \[1, "),
        ("[search]\nchunk = 2.5\n", "search: chunk is 2.5; must be a valid integer"),
        ("[dual]\ntheta = 3\n", r"dual: theta is 3.0; must be in \[1e-09, 2\]"),
        ("[auto]\nbound_share = nan\n", r"auto: bound_share is nan; must be in \[0, 1\]"),
        ("[auto]\nfewest_exchanges = 9.0\n", "auto: fewest_exchanges is 9.0; must be <= most_exchanges"),
        ("[learner]\nxi = 1\n", r"\[learner\] is unknown"),
    ],
)
def test_whatever_is_wrong_is_one_line(tmp_path, text, said):
    """File, table, field and reason."""
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"^{path}: {said}"):
        EngineParams.read(path)


def test_the_example_of_the_docs_is_read(tmp_path):
    """Its tables are all there are, each with a number that is another than by default."""
    page = (ROOT / "docs" / "command_line.md").read_text()
    example = re.search(r"    # solve, networks.*\n((?:    .*\n)+)", page)
    assert example is not None
    read = EngineParams.read(written(tmp_path, example[1].replace("    ", "", 1).replace("\n    ", "\n")), "auto")
    assert [table for table in TABLES if getattr(read, table) != getattr(DEFAULT, table)] == [*TABLES]


def test_a_method_refuses_what_it_would_pass_over(tmp_path):
    """From a file its name is in the line; the bound's numbers are for all, a table that is as it was for any."""
    path = written(tmp_path, "[tree]\nnodes = 3\n")
    assert EngineParams.read(path, "branch").tree.nodes == 3
    with pytest.raises(InputError, match=rf"^{path}: \[tree\] is for the methods auto branch; method is 'polish'$"):
        EngineParams.read(path, "polish")
    with pytest.raises(InputError, match=r"^\[auto\] is for the methods auto; method is 'remote'$"):
        methods.solve(INSTANCE, "remote", params=EngineParams(auto=AutoParams(bound_share=0.1)))
    assert set(USED) <= set(METHODS)
    assert all(set(used) <= set(TABLES) for used in USED.values())
    for method in METHODS:
        EngineParams(dual=DualParams(iterations=3)).require_use(method)
        EngineParams(search=SearchParams(chunk=25)).require_use(method)


@st.composite
def drawn_params(draw):
    """A few numbers at the ends of their ranges, or far from the default."""
    params = DEFAULT
    for table, name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6)):
        ends = [0, 1, 2, 50] if isinstance(default(table, name), int) else [0.0, 1e-6, 0.3, 1.0, 2.0]
        with contextlib.suppress(InputError):
            own = replace(getattr(params, table), **{name: draw(st.sampled_from(ends))})
            params = replace(params, **{table: own})
    return params


@settings(max_examples=60, deadline=None)
@given(data=st.data(), params=drawn_params(), method=st.sampled_from(sorted(USED)), timed=st.booleans())
def test_no_number_makes_a_plan_or_a_bound_wrong(data, params, method, timed):
    """Bound <= optimum <= cost by enumeration, the certificate's too, with a clock and without."""
    instance = data.draw(instances(families=True, requests=5, cloudlets=2, per_request=4))
    params = replace(DEFAULT, **{table: getattr(params, table) for table in USED[method]})
    limit = {"time_limit": 0.05} if timed else {"iterations": 15}
    if method == "branch":
        limit["time_limit"] = 2.0
    try:
        plan, proof = methods.certified(instance, method, params=params, **limit)
    except LimitError:  # no time for the master programme
        assert (method, timed) == ("rounding-configurations", True)
        return
    optimum = solve_nlip(instance).objective
    slack = 1e-6 * (1 + optimum)
    assert plan.feasible
    assert plan.objective >= optimum - slack
    assert plan.bound <= optimum + slack
    assert verify(instance, proof) <= optimum + slack


def test_the_command_plans_as_python_does(tmp_path):
    """With a file's parameters, another plan or way to it than without; a bad field is exit code 2, nothing written."""
    INSTANCE.write(tmp_path / "instance.npz")
    words = ("solve", tmp_path / "instance.npz", "--method", "polish", "--iterations", 60, "--seed", 3, "--json")
    path = written(tmp_path, "[dual]\niterations = 20\n")
    done = mecpfm(*words, "--params", path, "--certificate", tmp_path / "proof.npz")
    ours, _ = outcome("polish", params=EngineParams(dual=DualParams(iterations=20)))
    assert {**json.loads(done.stdout), "runtime_s": 0.0} == ours
    assert ours["bound"] < outcome("polish")[0]["bound"]
    written(tmp_path, "[dual]\niterations = -1\n")
    bad = mecpfm(*words[:-1], "--params", path, "--certificate", tmp_path / "other.npz")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == f"mecpfm: error: {path}: dual: iterations is -1; must be a whole number in [1, 1000000000]\n"
    assert not (tmp_path / "other.npz").exists()


def test_a_network_is_planned_with_them_too(tmp_path):
    """The folder's way through the command, and cores of the default method."""
    assert mecpfm("new", tmp_path / "net", "--users", 12).returncode == 0
    words = ("solve", tmp_path / "net", "--iterations", 20, "--threads", 1, "--params")
    assert mecpfm(*words, written(tmp_path, "[auto]\nfirst_iterations = 5\n")).returncode == 0
    bad = mecpfm(*words, written(tmp_path, "[auto]\nfirst_iterations = 0\n"))
    assert bad.returncode == 2
    assert "auto: first_iterations is 0; must be a whole number in [1, 1000000000]" in bad.stderr


@pytest.mark.kernels
def test_numbers_of_the_search_change_it():
    """Looks at the clock, neighbours, and the temperature's begin."""
    view = build(INSTANCE)
    bound, told = dual.solve(view), []
    local_search.improve(view, bound, iterations=50, params=SearchParams(chunk=5), progress=lambda *_: told.append(1))
    assert len(told) == 10
    assert local_search.moves(view, 2).near.shape[1] == 3
    plans = []
    for heat in (1e6, 1e-6):
        local_search.improve(view, bound, iterations=50, params=SearchParams(hot=heat, cold=heat), seen=plans.append)
    assert len(plans) == 4
    assert (plans[1] != plans[3]).sum() > 5


@pytest.mark.kernels
def test_numbers_of_the_bound_change_it():
    """Fewer iterations prove less, and what they prove is true; also in dives."""
    view, full = build(INSTANCE), dual.solve(build(INSTANCE))
    short = dual.solve(view, params=DualParams(iterations=7))
    assert (short.iterations, short.bound < full.bound) == (7, True)
    _, proof = methods.certified(INSTANCE, "remote", params=EngineParams(dual=DualParams(iterations=7)))
    assert float(proof.bound_s) == pytest.approx(short.bound)
    assert verify(INSTANCE, proof) == pytest.approx(short.bound)
    limit = float(view.cells.remote_s.sum()) + 1
    few, many = (
        diving.dive(view, full, limit=limit, params=EngineParams(dive=DiveParams(iterations=each))) for each in (1, 200)
    )
    assert few.dual.iterations == 1 < many.dual.iterations
    assert few.dual.bound <= many.dual.bound
    assert diving.core(view, full, DiveParams(hopeless=0.0, kept_options=50)).option.size < view.option.size


@pytest.mark.kernels
def test_numbers_of_the_exchanges_change_them():
    """More exchanges an iteration find another plan; too many requests, and there are no swaps; shares double."""
    larger = replace(SMALL, requests=150, cloudlets=10, models=48, families=8)
    instance = generate(replace(larger, period_s=1.0, memory_gb=16.0, backhaul_gbit_s=50.0, reach=5), 1)
    view, first = build(instance), baselines.trimcaching(instance)
    few, many = (
        exchange.improve(view, first, iterations=30, params=ExchangeParams(exchanges=each)) for each in (1, 60)
    )
    assert many.cost < few.cost - 1
    small = build(assigned())
    rows = single.sites(small)
    assert Exchanges.of(small, rows, EngineParams(exchange=ExchangeParams(pair_most=11))) is None
    found = Exchanges.of(small, rows, EngineParams(auto=AutoParams(fewest_exchanges=0.5, most_exchanges=3.0)))
    assert found is not None
    assert found.each == 3.0
    found.paid(True)
    assert found.each == 3.0
    shares = [(found.paid(False), found.each)[1] for _ in range(4)]
    assert shares == [1.5, 0.75, 0.5, 0.5]


@pytest.mark.kernels
def test_numbers_of_the_default_and_its_tree_change_them():
    """Where HiGHS gets no leaf the word is the multipliers', and a short first round is told of earlier."""
    plain, none = outcome("auto")[0], outcome("auto", params=EngineParams(tree=TreeParams(leaf_options=0)))[0]
    assert (plain["solver"] == "none", none["solver"] == "none") == (False, True)
    counts = []
    params = EngineParams(auto=AutoParams(first_iterations=8, recombine_share=0.0), tree=TreeParams(leaf_options=0))
    methods.solve(INSTANCE, "auto", iterations=60, params=params, progress=lambda done, *_: counts.append(done))
    assert 8 in counts
