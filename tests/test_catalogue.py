"""The names in help, completion and lists are those that are registered, and what is said of them is so."""

import math
from typing import Any

import numpy as np
import pytest
from command import mecpfm

from mecpfm.cli import catalogue
from mecpfm.coupled import generate as coupled_generate
from mecpfm.coupled import library
from mecpfm.coupled import methods as coupled
from mecpfm.errors import InputError
from mecpfm.experiments import config
from mecpfm.online import policy, setting
from mecpfm.published import methods as published
from mecpfm.published import online
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.policies import POLICIES


@pytest.mark.parametrize(
    ("listed", "registered"),
    [
        (catalogue.PUBLISHED, published.METHODS),
        (catalogue.COUPLED, coupled.METHODS),
        (catalogue.SIMULATED, POLICIES),
        (catalogue.SOURCES, online.SOURCES),
        (catalogue.TRACE, policy.POLICIES),
        (catalogue.SCENARIOS, (*setting.SCENARIOS, setting.GIVEN)),
        (catalogue.REGIMES, coupled_generate.REGIMES),
        (catalogue.TRACES, coupled_generate.TRACES),
        (catalogue.ADAPTATIONS, library.ADAPTATIONS),
        (catalogue.PROFILES, config.PROFILES),
    ],
)
def test_lists_hold_what_is_registered(listed: Any, registered: Any):
    """Nothing is missing and nothing is listed that is not there."""
    assert set(listed) == set(registered)


def test_published_flags_are_so():
    """A bound where one is said to be, the same plan for every seed where none counts, a limit where one is heeded."""
    instance = generate(Recipe(cloudlets=8, requests=5, models=4, families=2), seed=3)
    for name, entry in catalogue.PUBLISHED.items():
        if name == "nlip":
            continue  # enumerates where Gurobi is absent
        first, second = (published.solve(instance, name, seed=seed) for seed in (1, 2))
        assert math.isfinite(first.bound) == entry.bound, name
        if not entry.seed:
            assert first.decisions == second.decisions, name
        assert entry.time == (name in published.SOLVED), name


def test_the_random_ones_are_those_that_draw():
    """Policies whose decisions depend on the seed, by their own draws or by the drawn context, are said to."""
    instance = generate(Recipe(cloudlets=8, requests=60, models=6, families=2), seed=3)
    for name, (_, draws) in catalogue.SIMULATED.items():
        arms = [online.simulate(instance, name, seed=seed, rounds=60).arm for seed in range(4)]
        assert draws == any(not np.array_equal(arms[0], arm) for arm in arms[1:]), name


def test_a_wrong_name_is_one_line_with_the_nearest():
    """The check names the option and what was meant, or all names where nothing is near."""
    check = catalogue.chosen("--method", catalogue.METHODS)
    assert check("polish") == "polish"
    assert check(None) is None
    with pytest.raises(InputError, match=r"^--method is 'polsih'; did you mean 'polish'\?$"):
        check("polsih")
    with pytest.raises(InputError, match=r"^--method is '\?'; must be one of lp, lp-dual, "):
        check("?")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("solve", "x.json", "--method", "exakt"), "--method is 'exakt'; did you mean 'exact'?"),
        (("solve", "x.json", "--solver", "guroby"), "--solver is 'guroby'; did you mean 'gurobi'?"),
        (("simulate", "x.json", "--policy", "lin-ucb"), "--policy is 'lin-ucb'; did you mean 'linucb'?"),
        (("simulate-trace", "--policy", "priced-kov"), "--policy is 'priced-kov'; did you mean 'priced-cov'?"),
        (("experiment", "cloudlet"), "experiment is 'cloudlet'; did you mean 'cloudlets'?"),
        (("claims", "--profile", "papers"), "--profile is 'papers'; did you mean 'paper'?"),
        (("generate", "coupled", "-o", "x", "--regime", "mixd"), "--regime is 'mixd'; did you mean 'mixed'?"),
    ],
)
def test_commands_refuse_wrong_names_before_anything_is_read(words: tuple[str, ...], said: str):
    """One line on stderr and exit code 2, although the file does not exist."""
    done = mecpfm(*words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mecpfm: error: {said}\n")


def test_help_shows_the_names():
    """``--help`` of each command holds every name that its options take."""
    shown = {
        ("solve",): catalogue.METHODS + catalogue.SOLVERS,
        ("simulate",): (*catalogue.SIMULATED, *catalogue.SOURCES),
        ("simulate-trace",): (*catalogue.TRACE, *catalogue.SCENARIOS),
        ("experiment",): catalogue.PROFILES,
        ("generate", "coupled"): catalogue.REGIMES + catalogue.ADAPTATIONS,
    }
    for words, names in shown.items():
        text = mecpfm(*words, "--help", COLUMNS="4000").stdout
        assert [name for name in names if name not in text] == [], words


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("methods",), catalogue.METHODS),
        (("policies",), (*catalogue.SIMULATED, *catalogue.TRACE)),
        (("experiments",), tuple(config.experiments("paper"))),
        (("experiment", "--list"), tuple(config.experiments("paper"))),
    ],
)
def test_listings_have_a_line_each(words: tuple[str, ...], names: tuple[str, ...]):
    """Every name begins a line; nothing is on stderr."""
    done = mecpfm(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(names) == {line.split()[0] for line in done.stdout.splitlines()[1:]}
