"""The dispatcher is the simulator, one request at a time; and what it does when the world misbehaves."""

import math

import numpy as np
import pytest
from dispatcher_replay import agent_of, asked, decide, place_of, replay, service_s, state
from hypothesis import given, settings
from hypothesis import strategies as st
from online_strategies import ALL, scene, scene_of, tiny

from mecpfm.errors import InputError
from mecpfm.online import rows
from mecpfm.online.dispatcher import CENTRE, Dispatcher
from mecpfm.online.setting import EVICTION

LIVE = sorted(name for name in ALL if not name.endswith("oracle"))
HARD = {"variants": 2, "load": 1.1, "eviction": "value", "queue_limit": 3, "edge_gb_s": 0.125}


@pytest.mark.parametrize("name", LIVE)
@pytest.mark.parametrize("changes", [{}, HARD], ids=["base", "hard"])
def test_a_replayed_trace_gives_the_simulators_decisions(name, changes):
    """Site and variant of every request, the streams' draws, forecasts and what was learned: those of the simulator."""
    tickets, _, outcome = replay(scene(500, seed=3, **changes), ALL[name], seed=4)
    for request, ticket in enumerate(tickets):
        assert (ticket.site, ticket.small) == place_of(outcome, request), request
        guess = outcome.log.guess_s[request]
        assert (ticket.service_s is None) == (guess == 0)
    assert [ticket.number for ticket in tickets] == list(range(500))
    assert {place_of(outcome, request)[0] for request in range(500)} != {CENTRE} or name == "remote"


@pytest.mark.parametrize("name", ["disjoint-wtsrc", "priced-cov"])
def test_streams_and_learning_are_those_of_the_simulator(name):
    """After the last completion counts, credits, moments and the next draws agree, not the decisions alone."""
    _, agent, outcome = replay(scene(600, **HARD), ALL[name])
    due = sorted((outcome.log.finish_s[ticket], ticket) for ticket in agent.tickets)
    for _, ticket in due:
        agent.complete(ticket, seconds=float(outcome.log.delay_s[ticket]), service_s=service_s(outcome, ticket))
    ours = agent._desk.rows
    for one, other in ((ours.learner.state, outcome.learner.state), (ours.demand.median, outcome.demand.median)):
        np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.demand.moments, outcome.demand.moments, rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(ours.demand.sight.counts, outcome.demand.sight.counts, rtol=0, atol=1e-9)
    assert sum(agent.waiting.values()) == 0


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(LIVE),
    st.sampled_from(list(EVICTION.values())),
    st.sampled_from([0.125, 1.0, 4.0]),
)
@settings(max_examples=60)
def test_tiny_worlds_full_of_ties_replay(seed, name, eviction, gap_s):
    """Worlds of eighths, where options tie exactly and queues overflow."""
    world = tiny(seed, 30, cloudlets=3, eviction=eviction, gap_s=gap_s)
    policy = ALL[name]
    if policy.probes > world.near.shape[1] or (policy.observed or 0) > 14:
        return
    tickets, _, outcome = replay(scene_of(world), policy, seed % 97)
    assert [(ticket.site, ticket.small) for ticket in tickets] == [place_of(outcome, i) for i in range(30)]


def test_rows_grow():
    """More requests in flight than there were rows: decisions stay the simulator's."""
    tickets, agent, outcome = replay(scene(400, seed=2, load=8.0), ALL["structured-tsrc"])
    assert [(t.site, t.small) for t in tickets] == [place_of(outcome, i) for i in range(400)]
    assert agent._desk.rows.count > 64 + 12 * 8


def test_arrivals_of_before_are_forgotten(monkeypatch):
    """Room for eight arrivals grows to what ten minutes need, and no further."""
    monkeypatch.setattr(rows.InFlight.__init__, "__defaults__", (8,))
    tickets, agent, outcome = replay(scene(400, seed=2, load=0.1), ALL["structured-tsrc"])
    assert [(t.site, t.small) for t in tickets] == [place_of(outcome, i) for i in range(400)]
    assert 8 < len(agent._desk.rows.line.arrival) < 400


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": "nobody"}, "user 'nobody' is unknown; known: "),
        ({"user": ["no name"]}, "is unknown"),
        ({"model": "-1"}, "model '-1' is unknown; "),
        ({"now": math.nan}, "now is nan; must be a number from 0"),
        ({"now": "soon"}, "now is 'soon'"),
        ({"now": -1.0}, "now is -1.0"),
        ({"features": {"colour": 1.0}}, "feature 'colour' is unknown; known: feature 0, feature 1"),
        ({"features": {"feature 1": math.inf}}, "feature 1 is inf"),
        ({"features": [1.0]}, "features: 1 numbers; needs 2"),
        ({"features": 5}, "features are 5; must be numbers by name"),
        ({"payload_mb": -1}, "payload_mb is -1"),
    ],
)
def test_what_is_refused_changes_nothing(change, says):
    """One line, and the state is as before."""
    agent = agent_of("hybrid-tsrc")
    decide(agent, 1.0)
    before = state(agent)
    with pytest.raises(InputError) as error:
        agent.decide(**{"user": agent.names.users[0], "model": "0", "now": 2.0} | change)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert state(agent) == before


@pytest.mark.parametrize("oracle", ["structured-oracle", "priced-oracle"])
def test_oracles_are_refused(oracle):
    """Nobody knows the future of a running system."""
    with pytest.raises(InputError, match="future"):
        agent_of(oracle)


def test_completions_twice_or_never_given_are_refused():
    """The state stays as it was, whatever is told."""
    agent = agent_of()
    first, second = decide(agent, 1.0), decide(agent, 1.0)
    agent.complete(first, seconds=2.0)
    before = state(agent)
    for ticket, says in (
        (first, "before"),
        (first.number, "before"),
        (7, "never given"),
        ("x", "never"),
        ([], "never"),
    ):
        with pytest.raises(InputError, match=says):
            agent.complete(ticket, seconds=2.0)
    for seconds, service in ((-1.0, None), (math.nan, None), ("long", None), (1.0, -2.0), (1.0, math.inf)):
        with pytest.raises(InputError, match="must be a number"):
            agent.complete(second, seconds=seconds, service_s=service)
    assert state(agent) == before
    agent.complete(second.number, seconds=2.0)
    assert agent.tickets == ()


def test_a_late_completion_counts_until_it_is_told():
    """The request is in its queue as long as nobody says otherwise, with a quarter of its service left at least."""
    agent = agent_of("structured-mean")
    for _ in range(3):
        agent.complete(decide(agent, 0.0), seconds=3.0, service_s=2.0)
    ticket = decide(agent, 10.0)
    site = ticket.site
    decide(agent, 500.0)
    assert agent.waiting[site] >= 1
    agent.complete(ticket, seconds=4.0)  # told 486 s late
    assert ticket.number not in agent.tickets
    assert agent._desk.rows.history.total[1] == 4


def test_a_time_that_is_far_too_long_spoils_no_site():
    """Whoever is told that a request took thirty years still sends the next one there."""
    agent = agent_of("structured-mean")
    agent.complete(decide(agent, 0.0), seconds=60.0, service_s=0.5)  # the data centre is congested
    ticket = decide(agent, 10.0)
    assert ticket.site != CENTRE
    agent.complete(ticket, seconds=1e9, service_s=0.5)
    assert [decide(agent, now).site for now in (20.0, 20.5)] == [ticket.site] * 2


def test_a_missing_completion_is_given_up_after_patience():
    """Its place is free again, it taught nothing, and telling of it afterwards is refused."""
    agent = agent_of("nearest", patience_s=100.0)
    lost = [decide(agent, float(i)) for i in range(4)]
    assert sum(agent.waiting.values()) == 4
    assert CENTRE in {ticket.site for ticket in lost}  # the nearest one is full with two
    decide(agent, 100.0)  # the first one's patience ends now
    assert agent.given_up == 1
    decide(agent, 102.5)
    assert agent.given_up == 3
    assert agent.tickets == (3, 4, 5)
    assert agent._desk.rows.history.total[1] == 0
    with pytest.raises(InputError, match="given up before"):
        agent.complete(lost[0], seconds=200.0)


def test_a_site_goes_down_and_returns():
    """It gets nothing while it is down, has lost queue and memory, and is asked again afterwards."""
    agent = agent_of("nearest")
    first = decide(agent, 0.0)
    where = first.site
    assert where != CENTRE
    edge = agent._desk.rows.edge
    assert edge.held[int(where)].any()
    assert agent.down(where) == (first.number,)
    assert agent.down(where) == ()
    assert agent.waiting[where] == agent.given_up - 1 == 0
    assert not edge.held[int(where)].any()
    assert edge.used_gb[int(where)] == edge.holders.sum() == 0
    assert decide(agent, 1.0).site == CENTRE
    agent.up(where)
    assert decide(agent, 2.0).site == where
    assert edge.held[int(where)].any()
    for call in (agent.down, agent.up):
        with pytest.raises(InputError, match="site 'Atlantis' is unknown"):
            call("Atlantis")


@pytest.mark.parametrize("name", ["shortest-queue", "ucb1", "structured-mean", "belief", "hybrid-lints", "random"])
def test_no_policy_sends_to_a_site_that_is_down(name):
    """Whatever the rule, all that are down leaves the data centre."""
    policy = ALL[name]
    agent = Dispatcher(scene(50), policy=policy)
    for site in agent.names.sites:
        agent.down(site)
    assert {agent.decide(**asked(scene(50), i)).site for i in range(50)} == {CENTRE}


def test_a_clock_that_steps_back():
    """By up to a second it stands still; farther, time goes on from where it was."""
    agent = agent_of("nearest", patience_s=100.0)
    decide(agent, 1000.0)
    decide(agent, 999.5)
    assert (agent._desk.now, agent._desk.offset) == (1000.0, 0.0)
    decide(agent, 5.0)
    assert (agent._desk.now, agent._desk.offset) == (1000.0, 995.0)
    decide(agent, 15.0)
    assert agent._desk.now == 1010.0
    assert agent.given_up == 0
    decide(agent, 106.0)  # 1101 on the dispatcher's clock: what was decided at 1000 is out of patience
    assert agent.given_up == 3


def test_completions_out_of_order_leave_the_others_in_theirs():
    """The middle one of a queue of three goes; first and last stay, in order."""
    agent = Dispatcher(scene_of(tiny(3, 12, cloudlets=3, queue_limit=3, tight=False)), policy="nearest")
    one, two, three = (decide(agent, 0.0) for _ in range(3))
    where = int(one.site)
    agent.complete(two, seconds=1.0)
    edge, opened = agent._desk.rows.edge, agent._desk.open
    ring = [edge.queue[where, (edge.first[where] + i) % 3] for i in range(edge.waiting[where])]
    assert ring == [opened[one.number], opened[three.number]]


def test_service_is_what_is_left_of_the_time_told():
    """Without ``service_s`` a site's service time is what follows way, pull and wait; measured times win."""
    agent = agent_of("nearest")
    ticket = decide(agent, 0.0)
    rows_ = agent._desk.rows
    row = agent._desk.open[ticket.number]
    speed, begins = rows_.world.speed[int(ticket.site)], rows_.log.start_s[row]
    agent.complete(ticket, seconds=float(begins) + 3.0)
    assert rows_.world.work[row] == pytest.approx(3.0 * speed)
