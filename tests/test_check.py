"""The checker against hand-computed numbers, against the option tables, and on every row it must find broken."""

import numpy as np
import pytest
from hypothesis import given
from strategies import tiny, tiny_instances, with_requests

from mecpfm.published import check
from mecpfm.published.check import assess, assess_fractional
from mecpfm.published.instance import Cloudlets, Instance, Models, Requests
from mecpfm.published.options import queueing_delay, tabulate
from mecpfm.records import Ragged


def by_hand() -> Instance:
    """Two cloudlets and the data centre, one model, one request at cloudlet 0; every delay below is a round number."""
    return Instance(
        memory_per_gb=0.5,
        distance_s_per_gb=[[0, 2, 10], [3, 0, 10], [9, 9, 0]],
        cloudlets=Cloudlets(
            capacity_gb=[6, 6],
            processing_tflops=[100, 50],
            accessing_rate=[0.5, 0.5],
            peak_power_w=[2, 2],
            idle_power_w=[0.1, 0.1],
            leak_power_w=[0.3, 0.3],
            transmit_power_w=[2, 2],
            service_rate_hz=[0.5, 0.5],
            arrival_rate_hz=[0.25, 0.5],
        ),
        models=Models(shared_gb=[8], private_gb=[4], work_tflop=[50], family=[0], shared_at=[[1, 2]], private_at=[[2]]),
        requests=Requests(
            home=[0],
            instructions=[10],
            cost_budget=[200],
            accuracy_requirement=[0.5],
            input_gb=[1],
            rate_gb_per_s=[0.5],
        ),
        accuracy=[[0.75]],
        output_ratio=[[0.25]],
    )


def test_hand_computed_delay_and_cost():
    """Inference 50*12/100, queue 0.25/0.25/(2*0.5), transmission (1+1*12*0.25)/0.5, pull max(8*2, 4*10)."""
    plan = assess(by_hand(), "any", np.array([0]))
    inference, queue, transmission, pull = 6.0, 1.0, 8.0, 40.0
    assert plan.objective == pytest.approx(pull + inference + queue + transmission)
    assert plan.metrics == pytest.approx(
        {
            "total_delay_s": 55.0,
            "average_cost": 2 * (pull + transmission) + 0.5 * 10 * 2 + 0.4 * inference,
            "average_accuracy": 0.75,
        }
    )
    assert plan.decisions == {"model": [0], "shared_source": [1], "private_source": [2]}
    assert plan.violations == ()
    assert plan.feasible


def test_each_broken_row_is_named_with_its_amount():
    """Capacity, accuracy, budget, queue and source are each found alone, with request, place and excess."""
    instance = by_hand()

    def found(changed, **options):
        return assess(changed, "any", np.array([0]), **options).violations

    assert found(instance.model_copy(update={"memory_per_gb": np.float64(0.75)})) == (
        "request 0: capacity row broken by 3 (9 against 6 GB)",
    )
    assert found(with_requests(instance, accuracy_requirement=np.array([0.8]))) == (
        "request 0: accuracy row broken by 0.05 (0.75 against 0.8)",
    )
    assert found(with_requests(instance, cost_budget=np.array([100.0]))) == (
        "request 0: budget row broken by 8.4 (108.4 against 100)",
    )
    at_one = found(with_requests(instance, home=np.array([1])))
    assert at_one == ("request 0: queue of cloudlet 1 is unstable (arrivals 0.5/s, service 0.5/s)",)
    assert found(instance, sources=(np.array([0]), np.array([1]))) == (
        "request 0: location 0 does not hold the shareable part of model 0",
        "request 0: location 1 does not hold the private part of model 0",
    )


def test_data_centre_may_always_serve():
    """The last location serves both parts even where the lists leave it out."""
    models = by_hand().models.model_copy(update={"private_at": Ragged.from_lists([[0]])})
    instance = by_hand().model_copy(update={"models": models})
    plan = assess(instance, "sc", np.array([0]), sources=(np.array([2]), np.array([2])))
    assert plan.feasible
    assert plan.objective == pytest.approx(80 + 15)


def test_budget_rows_carry_the_network_wide_pulling_delay():
    """A request with a budget for its own pulling delay still breaks its row when another request pulls longer."""
    instance = tiny(6, requests=2)
    model = np.array([0, 1])
    options, request = tabulate(instance), np.arange(2)
    own = options.cost[request, model]
    network = max(options.shared_pull[request, model].sum(), options.private_pull[request, model].sum())
    need = options.own_cost[request, model] + options.transmit_power * network
    assert (need > own).all()
    budget_rows = [
        v for v in assess(with_requests(instance, cost_budget=own), "any", model).violations if "budget" in v
    ]
    assert len(budget_rows) == 2
    assert not [v for v in assess(with_requests(instance, cost_budget=need), "any", model).violations if "budget" in v]


@given(tiny_instances())
def test_checker_and_option_tables_agree(instance):
    """Two separate writings of the paper's formulas give the same delays, costs and per-option rows."""
    options = tabulate(instance)
    _, models, requests = instance.sizes
    request = np.arange(requests)
    for k in range(models):
        model = np.full(requests, k)
        plan = assess(instance, "any", model)
        pulling = max(options.shared_pull[:, k].sum(), options.private_pull[:, k].sum())
        assert plan.objective == pytest.approx(pulling + options.base[:, k].sum())
        assert plan.metrics["total_delay_s"] == pytest.approx(options.delay[:, k].sum())
        assert plan.metrics["average_cost"] == pytest.approx(options.cost[request, model].mean())
        assert plan.metrics["average_accuracy"] == pytest.approx(instance.accuracy[:, k].mean())
        broken = {int(v.split()[1].rstrip(":")) for v in plan.violations if "budget" not in v}
        assert broken == set(np.flatnonzero(~options.allowed[:, k]).tolist())


@given(tiny_instances())
def test_pulling_at_the_network_level_is_never_above_the_sum_of_requests(instance):
    """The maximum of two sums is at most the sum of maxima: objective <= total delay."""
    plan = assess(instance, "any", np.zeros(len(instance.requests.home), dtype=np.int64))
    assert plan.objective <= plan.metrics["total_delay_s"] * (1 + 1e-12) or not np.isfinite(plan.objective)


@given(tiny_instances())
def test_one_hot_fractions_are_a_plain_choice(instance):
    """Fractions of zero and one give the objective, metrics and violations of the choice itself."""
    _, models, requests = instance.sizes
    model = np.arange(requests) % models
    whole, parts = assess(instance, "any", model), assess_fractional(instance, "lp", np.eye(models)[model])
    assert parts.objective == pytest.approx(whole.objective)
    assert parts.metrics == pytest.approx(whole.metrics)
    assert parts.violations == whole.violations
    assert parts.decisions["fraction"] == [[j, int(k), 1.0] for j, k in enumerate(model)]


def test_fractions_average_the_choices():
    """Half of each of two choices has the mean of their metrics and the larger of their mean pulling sums."""
    instance = tiny(3, requests=2, models=2)
    options = tabulate(instance)
    plan = assess_fractional(instance, "lp", np.full((2, 2), 0.5))
    one, other = (assess(instance, "any", np.full(2, k)) for k in range(2))
    for name in plan.metrics:
        assert plan.metrics[name] == pytest.approx((one.metrics[name] + other.metrics[name]) / 2)
    pulling = max(options.shared_pull.sum(), options.private_pull.sum()) / 2
    assert plan.objective == pytest.approx(pulling + options.base.sum() / 2)


def test_fractions_must_sum_to_one_and_stay_positive():
    """Fractions that are no distribution are violations, and noise of 1e-9 is not a decision."""
    instance = tiny(3, requests=2, models=3)
    plan = assess_fractional(instance, "lp", np.array([[0.5, 0.25, check.NEGLIGIBLE], [1.5, -0.5, 0.0]]))
    assert plan.violations[0] == "request 0: fractions of its models sum to 0.75, not 1"
    assert plan.violations[1] == "request 1: fraction of model 1 is -0.5, below 0"
    assert [entry[:2] for entry in plan.decisions["fraction"]] == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_a_fraction_of_zero_breaks_nothing():
    """Only fractions below 0 are findings."""
    one, two = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
    plain = check.Chosen(one, one, np.ones(1), one + 1, one + 2)
    padded = check.Chosen(two, two, np.array([1.0, 0.0]), two + 1, two + 2)
    assert check.evaluate(by_hand(), padded) == check.evaluate(by_hand(), plain)


@pytest.mark.parametrize(
    ("activity", "limit", "broken"),
    [(1e-6, 0, False), (1.5e-6, 0, True), (0.5 + 1.5e-6, 0.5, True), (200.0001, 200, False), (200.0003, 200, True)],
)
def test_a_row_may_be_exceeded_by_a_millionth(activity, limit, broken):
    """Of its limit, or of 1 where that is smaller; exactly so much is not too much."""
    assert bool(list(check._above("budget", "", np.array([activity]), np.array([limit])))) == broken


@pytest.mark.parametrize(
    ("arrival", "service", "wait"), [(0.0, 0.5, 0.0), (0.25, 0.5, 1.0), (0.5, 0.5, np.inf), (0.6, 0.5, np.inf)]
)
def test_queueing_delay(arrival, service, wait):
    """The wait (that of an M/D/1 queue): empty, half loaded, saturated and overloaded."""
    assert queueing_delay(np.array([arrival]), np.array([service]))[0] == pytest.approx(wait)
