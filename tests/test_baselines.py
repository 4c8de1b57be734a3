"""The compared methods, each against a plain twin or its definition, and the door to all of them."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import linprog
from strategies import tiny, tiny_instances, with_requests

from mecpfm.errors import InfeasibleError, InputError, MecpfmError
from mecpfm.published.baselines import COST_WEIGHT, bargain, solve_greedy, solve_nbs, solve_nonshare, solve_sc
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.methods import METHODS, solve
from mecpfm.published.options import tabulate
from mecpfm.records import Ragged

NAMES = "lp ilp nlip exact appro nbs nbs-released nonshare sc greedy".split()
GENERATED = generate(Recipe(cloudlets=30, models=8, families=2, requests=40), 4)


def fitting(instance):
    """Which models fit a request's home cloudlet with a stable queue, (J, K)."""
    home = instance.requests.home
    fits = instance.memory_per_gb * instance.models.size_gb <= instance.cloudlets.capacity_gb[home][:, None]
    return fits & (instance.cloudlets.arrival_rate_hz < instance.cloudlets.service_rate_hz)[home][:, None]


@pytest.mark.kernels
@given(tiny_instances())
def test_bargaining_fractions_are_optimal(instance):
    """NBS: the one-multiplier solution has the value of the bargaining LP by HiGHS, under capacity rows only."""
    usable, options = fitting(instance), tabulate(instance)
    if not usable.any(axis=1).all():
        with pytest.raises(InfeasibleError, match="request"):
            bargain(instance)
        return
    cost = COST_WEIGHT * options.own_cost - instance.accuracy
    weight = COST_WEIGHT * options.transmit_power.sum()
    requests, models = cost.shape
    found = linprog(
        np.append(cost.ravel(), weight),
        A_ub=np.array([np.append(pull.ravel(), -1) for pull in (options.shared_pull, options.private_pull)]),
        b_ub=np.zeros(2),
        A_eq=np.hstack([np.kron(np.eye(requests), np.ones(models)), np.zeros((requests, 1))]),
        b_eq=np.ones(requests),
        bounds=[(0, float(ok)) for ok in usable.ravel()] + [(0, None)],
    )
    x = bargain(instance)
    pull = max((x * options.shared_pull).sum(), (x * options.private_pull).sum())
    assert (x * cost).sum() + weight * pull == pytest.approx(found.fun, rel=1e-7, abs=1e-9)
    assert not x[~usable].any()


def test_bargaining_without_transmit_power_is_most_accurate_per_cost():
    """When pulling costs nothing, every request decides alone."""
    instance = tiny(3)
    cloudlets = instance.cloudlets.model_copy(update={"transmit_power_w": np.zeros(3)})
    instance = instance.model_copy(update={"cloudlets": cloudlets})
    gain = np.where(fitting(instance), instance.accuracy - COST_WEIGHT * tabulate(instance).own_cost, -np.inf)
    assert solve_nbs(instance).decisions["model"] == gain.argmax(axis=1).tolist()


def test_released_bargaining_gives_half_to_the_last_model():
    """Halved fractions against one uniform: a uniform above a half means the last model, one below the fraction's."""
    uniforms = np.random.default_rng(7).random(40)
    model = np.array(solve_nbs(GENERATED, seed=7, released=True).decisions["model"])
    assert (model[uniforms >= 0.5] == 7).all()
    likely = bargain(GENERATED).argmax(axis=1)
    below = (uniforms < 0.5) & (bargain(GENERATED).max(axis=1) == 1)
    assert below.any()
    assert (model[below] == likely[below]).all()
    assert solve_nbs(GENERATED, seed=7).objective < solve_nbs(GENERATED, seed=7, released=True).objective


def test_nonshare_pulls_whole_models_only():
    """NonShare: highest accuracy, sources hold the model itself, so siblings' copies never shorten a pull."""
    plan = solve_nonshare(GENERATED)
    model = np.array(plan.decisions["model"])
    assert (GENERATED.accuracy[np.arange(40), model] == GENERATED.accuracy.max(axis=1)).all()
    distance, home = GENERATED.distance_s_per_gb, GENERATED.requests.home
    for j, k in enumerate(model):
        near = distance[home[j], GENERATED.models.private_at[k]].min()
        for part in ("shared_source", "private_source"):
            assert plan.decisions[part][j] in GENERATED.models.private_at[k]
            assert distance[home[j], plan.decisions[part][j]] == near
    shared_pull = tabulate(GENERATED).shared_pull[np.arange(40), model]
    paid = GENERATED.models.shared_gb[model] * distance[home, plan.decisions["shared_source"]]
    assert (paid >= shared_pull).all()
    assert (paid > shared_pull).any()


def test_nonshare_falls_back_to_the_data_centre():
    """A model that no location holds whole comes, shareable part first, from the remote data centre."""
    instance = tiny(3, models=1)
    apart = {"shared_at": Ragged.from_lists([[0]]), "private_at": Ragged.from_lists([[1, 2]])}
    instance = instance.model_copy(update={"models": instance.models.model_copy(update=apart)})
    plan = solve_nonshare(instance)
    assert set(plan.decisions["shared_source"]) == {3}
    assert set(plan.decisions["private_source"]) <= {1, 2}


def test_service_caching_pulls_everything_from_the_data_centre():
    """SC: highest accuracy, both parts from the last location, hence never quicker than NonShare."""
    plan = solve_sc(GENERATED)
    assert set(plan.decisions["shared_source"]) == set(plan.decisions["private_source"]) == {30}
    assert plan.decisions["model"] == solve_nonshare(GENERATED).decisions["model"]
    assert plan.metrics["total_delay_s"] >= solve_nonshare(GENERATED).metrics["total_delay_s"]


@given(tiny_instances())
def test_greedy_equals_its_plain_twin(instance):
    """Greedy: the first option of least own delay among those that keep capacity, accuracy and the own budget."""
    options = tabulate(instance)
    expected = []
    for j, budget in enumerate(instance.requests.cost_budget):
        fits = [k for k in range(options.allowed.shape[1]) if options.allowed[j, k] and options.cost[j, k] <= budget]
        if not fits:
            with pytest.raises(InfeasibleError, match="request"):
                solve_greedy(instance)
            return
        expected.append(min(fits, key=lambda k: options.delay[j, k]))
    assert solve_greedy(instance).decisions["model"] == expected


def test_equally_accurate_models_go_to_the_lowest_index():
    """Ties of accuracy and of delay are broken by index."""
    instance = tiny(3).model_copy(update={"accuracy": np.full((3, 3), 0.9)})
    assert solve_sc(instance).decisions["model"] == solve_nonshare(instance).decisions["model"] == [0, 0, 0]


def test_every_name_of_the_command_line_is_a_method():
    """The registry holds the contract's names, and an unknown one is an input error that lists them."""
    assert set(NAMES) <= set(METHODS)
    with pytest.raises(InputError, match=r"method is 'magic'; must be one of lp, .* exact, appro, .* greedy"):
        solve(GENERATED, "magic")


@pytest.mark.parametrize("method", METHODS)
def test_methods_return_timed_and_checked_plans(method):
    """Every method names itself, its seed and a positive running time; bounds are below the certified optimum."""
    instance = generate(Recipe(cloudlets=10, models=3, families=2, requests=6), 2)
    plan, exact = solve(instance, method, seed=3), solve(instance, "exact")
    assert (plan.method, plan.seed) == (method, 3)
    assert plan.runtime_s > 0
    assert np.isnan(plan.bound) or plan.bound <= exact.objective * (1 + 1e-6)
    if plan.feasible and method not in ("lp", "lp-dual"):
        assert plan.objective >= exact.objective * (1 - 1e-6)
    again = solve(instance, method, seed=3)
    assert again.decisions == plan.decisions


def test_methods_under_one_seed_draw_independently():
    """A method's stream hangs on the seed and on its name, as documented."""
    plan = solve(GENERATED, "nbs-released", seed=5)
    models = {}
    for name in ("nbs", "nbs-released"):
        stream = np.random.SeedSequence([5, zlib.crc32(name.encode())])
        models[name] = solve_nbs(GENERATED, seed=stream, released=True).decisions["model"]
    assert plan.decisions["model"] == models["nbs-released"] != models["nbs"]
    assert len({tuple(solve(GENERATED, "nbs-released", seed=seed).decisions["model"]) for seed in range(3)}) == 3


def test_a_hopeless_instance_is_an_error_of_every_method():
    """No choice keeps all rows: no method returns a plan."""
    hopeless = with_requests(tiny(3), accuracy_requirement=np.full(3, 1.0))
    for method in ("lp", "ilp", "exact", "appro", "greedy", "lp-dual"):
        with pytest.raises(MecpfmError):
            solve(hopeless, method)
