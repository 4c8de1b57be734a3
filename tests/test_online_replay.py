"""The online kernels against a slow replay that shares no code with them, on any sequence of decisions."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from online_strategies import ALL, scene, scene_of, tiny, worlds
from online_twin import Twin, replay

from mecpfm.data.traces import gentd26
from mecpfm.kernels import online_edge, online_events
from mecpfm.kernels.online_events import Events
from mecpfm.online.setting import EVICTION, SCENARIOS
from mecpfm.online.simulate import Run, fresh_edge, fresh_log
from mecpfm.online.trace import from_gentd26
from mecpfm.online.world import build

SAME = {"rtol": 0, "atol": 1e-9}
COLUMNS = {
    "start": "start_s", "finish": "finish_s", "delay": "delay_s", "pull": "pull_s", "pulled": "pulled_gb",
    "congestion": "congestion_s", "least": "least_s", "place": "place", "variant": "variant",
}  # fmt: skip


def settle(edge, log, world, until):
    while edge.events.size[0] and edge.events.time[0] <= until:
        online_edge.leave(world, edge, log, online_events.pop(edge.events))


def assert_same_state(edge, twin):
    """Queue lengths, requests in flight, content of every memory and when it is complete."""
    assert edge.waiting.tolist() == [len(queue) for queue in twin.inside]
    assert edge.remote[0] == len(twin.flying)
    pairs = [*zip(edge.free.tolist(), twin.last_finish, strict=True), *zip(edge.link.tolist(), twin.line, strict=True)]
    for cloudlet, memory in enumerate(twin.memory):
        assert np.flatnonzero(edge.held[cloudlet]).tolist() == sorted(memory)
        for part, kept in memory.items():
            pairs.append((edge.ready[cloudlet, part], kept.complete))
            pairs.append((edge.used[cloudlet, part], kept.last))
            pairs.append((edge.uses[cloudlet, part], twin.uses(kept, kept.last)))
        pairs.append((edge.used_gb[cloudlet], twin.size(cloudlet)))
    assert [pair for pair in pairs if not abs(pair[0] - pair[1]) <= 1e-9] == []
    parts = range(len(edge.holders))
    assert edge.holders.tolist() == [sum(part in memory for memory in twin.memory) for part in parts]


def assert_same_log(log, twin):
    for ours, theirs in COLUMNS.items():
        np.testing.assert_allclose(getattr(log, theirs), twin.column(ours), **SAME, err_msg=theirs)


def both(world, decisions, orders=()):
    """Kernel and twin side by side; a full place must be refused by both and is replaced by the data centre."""
    limit, reach, parts = world.constants.queue_limit, world.near.shape[1], len(world.part_gb)
    edge, log, twin = fresh_edge(world, limit), fresh_log(len(world.work)), Twin(world, limit)
    for request in range(len(world.work)):
        place, variant, held_s = decisions[request % len(decisions)]
        place %= reach + 1
        arrival = float(world.arrival[request])
        settle(edge, log, world, arrival)
        twin.clock(arrival)
        for cloudlet, part in orders[request % len(orders)] if orders else ():
            where, what = cloudlet % len(world.speed), part % parts
            pulled = online_edge.prefetch(world, edge, where, what, arrival)
            assert pulled == twin.order(where, what, arrival)
        if twin.full(request, place):
            with pytest.raises(ValueError, match="full"):
                online_edge.dispatch(world, edge, log, request, place, variant, held_s)
            place = reach
        log.least_s[request] = online_edge.least_s(world, edge, request, 2, arrival + held_s) + held_s
        online_edge.dispatch(world, edge, log, request, place, variant, held_s)
        twin.send(request, place, variant, held_s)
        assert_same_state(edge, twin)
    assert_same_log(log, twin)
    settle(edge, log, world, np.inf)
    assert edge.waiting.sum() == edge.remote[0] == edge.events.size[0] == 0
    return twin


decided = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1), st.sampled_from([0.0, 0.0, 0.125, 3.0])), min_size=1, max_size=12
)
ordered = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 10)), max_size=2), max_size=4)


@pytest.mark.kernels
@given(worlds, decided, ordered)
@settings(max_examples=150)
def test_any_decisions_give_what_the_replay_gives(world, decisions, orders):
    """For any places, variants, held times and advance orders all times, pulls, queues and caches agree to 1e-9 s."""
    both(world, decisions, orders)


@pytest.mark.kernels
@pytest.mark.parametrize("eviction", EVICTION.values())
def test_small_worlds_evict_overflow_and_tie(eviction):
    """The worlds above are what they are for: parts are evicted, cloudlets full, and requests arrive together."""
    evicted = refused = tied = 0
    for seed in range(12):
        world = tiny(seed, 30, eviction=eviction)
        twin = both(world, [(0, 0, 0.0)])
        evicted += sum(twin.column("pulled")) > sum(map(twin.size, range(2))) + 1e-9
        refused += world.near.shape[1] in twin.column("place")
        tied += (np.diff(world.arrival) == 0).any()
    assert min(evicted, refused, tied) >= 6


@pytest.mark.kernels
def test_eviction_rules_differ():
    """Each keeps other parts than any other in some worlds: none is an alias of another."""
    kept = {
        str(
            [
                sorted(memory)
                for seed in range(12)
                for memory in both(tiny(seed, 60, eviction=rule, tight=False, gap_s=4.0), [(0, 0, 0.0)]).memory
            ]
        )
        for rule in EVICTION.values()
    }
    assert len(kept) == len(EVICTION)


def assert_replays(run, outcome):
    """A finished run and the replay of its decisions agree, content of the caches at the end included."""
    log, scene_ = outcome.log, outcome.scene
    held = [run.rule.held_s] * len(log.place)
    decisions = list(zip(log.place.tolist(), log.variant.tolist(), held, strict=True))
    twin = replay(scene_.world, scene_.setting.queue_limit, decisions, scene_.setting.variants)
    assert_same_log(log, twin)
    twin.clock(np.inf)
    assert_same_state(run.edge, twin)


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["random", "ucb1", "disjoint-lints", "hybrid-tsrc", "structured-oracle", "held"])
def test_runs_of_policies_replay(name):
    """Decisions of policies of every kind, replayed slowly, give the same log (drawn trace, two variants)."""
    run = Run(scene(120, variants=2, load=1.1), ALL[name])
    assert_replays(run, run.finish())


@pytest.mark.parametrize("name", sorted(ALL))
def test_runs_of_all_policies_replay_under_eviction_by_value(name):
    """The same for every policy on slow links with eviction by value."""
    run = Run(scene(300, eviction="value", edge_gb_s=0.125, centre_gb_s=0.0625, queue_limit=3), ALL[name])
    assert_replays(run, run.finish())


@pytest.mark.real_data
@pytest.mark.parametrize("scenario", ["base", "variants", "slow links"])
def test_runs_on_the_real_trace_replay(scenario):
    """Runs on the real trace replay to 1e-9 s: exploring, linear, restricted, priced and all-knowing policies."""
    requests = from_gentd26(gentd26(), "GenTD26")
    real = build(SCENARIOS[scenario], requests, 3)
    for name in ("epsilon-0.5", "disjoint-tsrc", "hybrid-lints", "priced-tsrc", "priced-oracle"):
        run = Run(real, ALL[name])
        assert_replays(run, run.finish())


@pytest.mark.kernels
@given(st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=80))
def test_events_are_those_of_heapq(steps):
    """Any pushes (with equal times) and pops give the order of Python's heapq on (time, request)."""
    heap, events = [], Events(np.zeros(80), np.zeros(80, dtype=np.int64), np.zeros(1, dtype=np.int64))
    for request, step in enumerate(steps):
        if step is not None:
            heapq.heappush(heap, (float(step), 79 - request))
            online_events.push(events, float(step), 79 - request)
        elif heap:
            assert online_events.pop(events) == heapq.heappop(heap)[1]
        assert events.size[0] == len(heap)
    while heap:
        assert online_events.pop(events) == heapq.heappop(heap)[1]


@pytest.mark.kernels
@pytest.mark.parametrize("probing", ["all", "belief"])
def test_a_run_in_pieces_is_the_whole_run(probing):
    """Serving requests in several calls writes the same log as serving all at once."""
    policy = ALL["belief"] if probing == "belief" else ALL["hybrid-lints"]
    whole, pieces = Run(scene_of(tiny(5, 30, dyadic=False)), policy), Run(scene_of(tiny(5, 30, dyadic=False)), policy)
    for stop in (1, 2, 9, 30):
        pieces.advance(stop)
    for one, other in zip(whole.finish().log, pieces.finish().log, strict=True):
        assert np.array_equal(one, other)
