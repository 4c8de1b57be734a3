"""Readers of other people's instances, in benchmarks/: text and numbers back and forth, one line for what is wrong."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecpfm.coupled.brute_force import solve_nlip
from mecpfm.errors import InputError

FOLDER = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(FOLDER))
import orlib  # noqa: E402
import public  # noqa: E402
import targets  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
QUIET = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def words(*arrays, wrap):
    """Numbers as text, so many to a line."""
    flat = [f"{value:g}" for array in arrays for value in np.ravel(array).tolist()]
    return "\n".join(" ".join(flat[i : i + wrap]) for i in range(0, len(flat), wrap))


def written(tmp_path, text):
    path = tmp_path / "problem.txt"
    path.write_text(text)
    return path


def cheapest(cost, compute, capacity, opening, remote):
    """Every assignment written out; -1 is remote."""
    sites, count = cost.shape
    best = math.inf
    for at in itertools.product(range(-1, sites), repeat=count):
        load = np.zeros(sites)
        total = float(opening[sorted({c for c in at if c >= 0})].sum())
        for r, c in enumerate(at):
            total += remote[r] if c < 0 else cost[c, r]
            if c >= 0:
                load[c] += compute[c, r]
        if (load <= capacity).all():
            best = min(best, total)
    return best


@QUIET
@given(seed=SEEDS, wrap=st.integers(1, 9), capacitated=st.booleans())
def test_location_is_read_as_it_is_written(tmp_path, seed, wrap, capacitated):
    """Whatever the lines: the optimum of the instance is that of the problem."""
    random = np.random.default_rng(seed)
    m, n = (int(value) for value in random.integers(1, 4, 2))
    capacity, opening = random.integers(1, 12, m), random.integers(0, 9, m)
    demand, cost = random.integers(1, 6, n), random.integers(0, 20, (n, m))
    text = words([m, n], np.stack([capacity, opening], axis=1), np.column_stack([demand, cost]), wrap=wrap)
    instance, offset = orlib.location(written(tmp_path, text), capacitated=capacitated)
    compute = np.tile(demand, (m, 1)) * capacitated
    expected = cheapest(cost.T, compute, capacity, opening, cost.max(axis=1) + opening.max())
    assert offset == 0
    assert solve_nlip(instance).objective == pytest.approx(expected)


@QUIET
@given(seed=SEEDS, wrap=st.integers(1, 9), maximise=st.booleans())
def test_assignment_is_read_as_it_is_written(tmp_path, seed, wrap, maximise):
    """Minimum and maximum: costs, or offset less cost, are those of the problem."""
    random = np.random.default_rng(seed)
    m, n = (int(value) for value in random.integers(1, 4, 2))
    value, resource = random.integers(1, 20, (m, n)), random.integers(1, 6, (m, n))
    capacity = random.integers(1, 12, m)
    instance, offset = orlib.generalised(
        written(tmp_path, words([m, n], value, resource, capacity, wrap=wrap)), maximise=maximise
    )
    found = solve_nlip(instance).objective
    remote = np.zeros(n) if maximise else 5.0 * value.max(axis=0)
    expected = cheapest(-value if maximise else value, resource, capacity, np.zeros(m), remote)
    assert (offset - found if maximise else found) == pytest.approx(-expected if maximise else expected)


@QUIET
@given(seed=SEEDS, wrap=st.integers(1, 9))
def test_set_union_is_read_as_it_is_written(tmp_path, seed, wrap):
    """Offset less cost is the best profit of items whose elements fit."""
    random = np.random.default_rng(seed)
    items, elements = (int(value) for value in random.integers(1, 5, 2))
    relation = random.random((items, elements)) < 0.5
    relation[np.arange(items), random.integers(0, elements, items)] = True
    profit, weight, room = random.integers(1, 30, items), random.integers(1, 9, elements), int(random.integers(1, 20))
    text = f"\n\nm={items}    n={elements}     knapsack size={room} \n\nThe profit of {items} items\n"
    text += f"{words(profit, wrap=wrap)}\n\nThe weight of {elements} elements\n{words(weight, wrap=wrap)}\n\n"
    instance, offset = orlib.set_union(written(tmp_path, text + f"Relation matrix\n\n{words(relation, wrap=wrap)}"))
    sets = [np.array(inside) for inside in itertools.product([False, True], repeat=items)]
    fitting = [inside for inside in sets if weight[relation[inside].any(axis=0)].sum() <= room]
    best = max(int(profit[inside].sum()) for inside in fitting)
    assert offset - solve_nlip(instance).objective == pytest.approx(best)


@QUIET
@given(family=st.sampled_from(sorted(orlib.READERS)), text=st.text() | st.text("0123456789. -eE\n").map("3 2 ".__add__))
def test_any_text_is_read_or_refused_in_one_line(tmp_path, family, text):
    """Never a traceback, and the line names the file."""
    path = tmp_path / "problem.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        orlib.read(path, family)
    except InputError as error:
        assert "\n" not in str(error)
        assert str(error).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("family", "text", "reason"),
    [
        ("gap", "2 2 1 2 3", "costs: 3 of 4 numbers left"),
        ("gap", "1 1 1 1 1 7", "1 numbers too many"),
        ("gap", "0 2", "number of agents: 0 must be a whole number > 0"),
        ("gap", "1.5 2", "number of agents: 1.5 must be a whole number > 0"),
        ("sscflp", "1 1 -3 0 1 1", "'-3' must be from 0 to 1e+09"),
        ("sscflp", "1 1 capacity 0 1 1", "a word stands where a number must"),
        ("uflp", "1 1 x 0 1 1", "'x' is no number"),
        ("sukp", "m=1 n=1 knapsack size=3\n1 items\n5\n1 elements\n2\n7", "relation matrix: must hold 0 and 1 only"),
        ("sukp", "m=1 n=1 knapsack size=3\n1 items\n5\n1 elements\n2\n0", "relation matrix: item 0 has no element"),
        ("tsp", "1", "family is 'tsp'; known: sscflp, uflp, gap, gapmax, sukp"),
    ],
)  # fmt: skip
def test_errors_name_the_field(tmp_path, family, text, reason):
    """What is wrong with a file, in words."""
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        orlib.read(path, family)
    assert str(caught.value) == f"{path}: {reason}"


def test_a_word_for_the_capacity_does_where_none_is_needed(tmp_path):
    """OR-Library's capa, capb and capc leave the capacity to the reader."""
    instance, _ = orlib.location(written(tmp_path, "1 1 capacity 4 1 2"), capacitated=False)
    assert solve_nlip(instance).objective == 6.0


def test_a_folder_of_text_files_is_read_and_judged(tmp_path):
    """The published value of a maximum becomes a cost, and a bound above it is called false."""
    (tmp_path / "gap.txt").write_text("2 2 5 3 2 4 1 1 1 1 1 1")
    listed = [{"name": "one", "family": "gapmax", "file": "gap.txt", "published": 9}]
    (tmp_path / "optima.json").write_text(json.dumps(listed))
    (case,) = public.published(tmp_path, "")
    assert case.published == 0.0
    run = public.auto(case.instance, 5.0, 1)
    assert (run.cost, run.proof < math.inf) == (0.0, True)
    assert "FALSE" not in public.row(case._replace(published=1e-9), "auto", run)
    assert "FALSE" in public.row(case._replace(published=5.0), "auto", public.Run(7.0, 6.0, 1.0))
    assert public.verdict(public.Run(7.0, 6.0, 9.0), public.Run(7.0, 7.0, 9.0)) == "loss"
    assert public.verdict(public.Run(7.0, 7.0, 3.0), public.Run(7.0, 7.0, 1.0)) == "loss"
    assert public.verdict(public.Run(7.0, 7.0, 1.4), public.Run(7.0, 7.0, 1.0)) == "tie"
    assert public.verdict(public.Run(7.0, 6.0, 9.0), public.Run(math.inf, 6.0, 9.0)) == "win"


def test_without_the_data_folder_one_line_says_where_to_get_it(tmp_path, monkeypatch):
    """And a folder whose list is damaged is named too."""
    command = [sys.executable, str(FOLDER / "public.py"), "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"mecpfm: error: {tmp_path / 'optima.json'}: is not there; {public.SOURCES}\n"
    (tmp_path / "optima.json").write_text("{}")
    monkeypatch.setattr(sys, "argv", command[1:])
    with pytest.raises(InputError) as caught:
        public.main()
    assert str(caught.value) == f"{tmp_path / 'optima.json'}: must be a list of objects"


@pytest.mark.parametrize(
    ("measured", "sign", "word"),
    [(0.2, 1, "aim met"), (0.9, 1, "must met"), (1.1, 1, "not met"), (math.inf, 1, "not met"), (math.nan, 1, "no data"),
     (99.0, -1, "aim met"), (0.7, -1, "must met"), (0.4, -1, "not met")],
)  # fmt: skip
def test_a_target_is_met_or_not(measured, sign, word):
    """Where less is better and where more is; without a proof or without data nothing is met."""
    must, aim = (1.0, 0.3) if sign > 0 else (0.5, 0.9)
    assert str(targets.Row("work", "s", measured, must, aim, sign)).endswith(f"| {word} |")


def test_targets_count_runs_and_time_beyond_limits():
    """Median of the runs; an hour's limit is not passed, and no data is said to be none."""
    bench = targets.Bench(2)
    assert bench.runs(targets.drawn("c", 0, 2, 6), 3600.0).gap == 0.0
    assert bench.over == [(3600.0, 0.0)] * 2
    bench.over.append((10.0, 1.0))
    assert [row.measured for row in bench.kept()] == [0.5, 2.0]
    assert math.isnan(next(targets.knapsacks(bench, [])).measured)


@pytest.mark.parametrize("kind", "cde")
def test_drawn_assignments_are_those_of_a_seed(kind):
    """Whole numbers, four fifths of the mean load fit."""
    one, same, other = (targets.drawn(kind, seed, 3, 10) for seed in (1, 1, 2))
    assert one.options.delay_s.tolist() == same.options.delay_s.tolist() != other.options.delay_s.tolist()
    load = np.bincount(one.options.cloudlet, one.options.compute_s)
    assert one.cloudlets.compute_s.tolist() == np.floor(0.8 * load / 3).tolist()
    assert (one.options.delay_s == np.round(one.options.delay_s)).all()
