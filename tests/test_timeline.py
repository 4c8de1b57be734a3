"""The timeline of a cloudlet agrees with the log of the run it is drawn from."""

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecpfm import figures
from mecpfm.experiments.timeline import busiest, served, timeline
from mecpfm.figures.timeline import IDLE, QUEUE, SERVING
from mecpfm.online.policy import POLICIES, Policy
from mecpfm.online.setting import SCENARIOS, Setting
from mecpfm.online.simulate import Run, simulate
from mecpfm.online.trace import load
from mecpfm.online.world import Scene, build

REQUESTS = 400
TRACE = load(False)
SETTINGS = {"base": SCENARIOS["base"], "slow links": SCENARIOS["slow links"]}
PRICED, COSTLY = POLICIES["priced-cov"], replace(POLICIES["priced-cov"], feature_cost_s=0.5)


@functools.cache
def scene(setting: Setting, seed: int) -> Scene:
    return build(replace(setting, requests=REQUESTS), TRACE, seed, real_sites=False)


@settings(max_examples=25)
@given(
    name=st.sampled_from(sorted(SETTINGS)),
    seed=st.integers(0, 3),
    cloudlet=st.integers(0, 11),
    first=st.integers(0, REQUESTS - 2),
    length=st.integers(1, REQUESTS),
    policy=st.sampled_from([PRICED, COSTLY, POLICIES["random"]]),
)
def test_intervals_agree_with_the_log(name: str, seed: int, cloudlet: int, first: int, length: int, policy: Policy):
    """Lanes do not overlap; all lies in the window; services are the log's; the queue's area is the time in system."""
    place, last = scene(SETTINGS[name], seed), min(first + length, REQUESTS - 1)
    begin, end = place.world.arrival[first], place.world.arrival[last]
    table = timeline(place, policy, cloudlet, first, last, seed)
    assert (table["end_s"] > table["start_s"]).all()
    assert (table["start_s"] >= 0).all()
    assert (table["end_s"] <= end - begin).all()
    for _, lane in table.groupby("lane"):
        assert (lane["start_s"].to_numpy()[1:] >= lane["end_s"].to_numpy()[:-1] - 1e-9).all()
    run = Run(place, policy, seed)
    run.advance(last)
    here = served(place.world, run.log, cloudlet, last)
    start, finish = (np.clip(times[here], begin, end) - begin for times in (run.log.start_s, run.log.finish_s))
    services = table[(table["lane"] == SERVING) & (table["what"] != IDLE)]
    np.testing.assert_allclose(services["start_s"], start[finish > start])
    np.testing.assert_allclose(services["end_s"], finish[finish > start])
    joined = np.clip(place.world.arrival[here] + run.rule.held_s, begin, end) - begin
    queue = table[table["lane"] == QUEUE]
    area = (queue["level"] * (queue["end_s"] - queue["start_s"])).sum()
    assert area == pytest.approx(np.maximum(finish - joined, 0).sum(), abs=1e-6)
    if end > begin:
        assert queue["start_s"].iloc[0] == 0
        assert queue["end_s"].iloc[-1] == pytest.approx(end - begin)


@pytest.mark.parametrize("seed", [0, 1])
def test_memory_agrees_with_the_cache(seed: int):
    """After every dispatch the backbones held or on their way are those of the cache, and within memory."""
    place, last = scene(SETTINGS["slow links"], seed), REQUESTS - 1
    cloudlet = busiest(place, PRICED, 0, last, seed)
    table = timeline(place, PRICED, cloudlet, 0, last, seed)
    lanes = sorted(name for name in table["lane"].unique() if name.startswith("backbone"))
    assert {"pulling", "held"} <= set(table["what"])
    run, world = Run(place, PRICED, seed), place.world
    for request in range(0, last, 7):
        run.advance(request + 1)
        now = (world.arrival[request] + world.arrival[request + 1]) / 2
        if world.arrival[request + 1] == world.arrival[request]:
            continue
        shown = table[table["lane"].isin(lanes) & (table["start_s"] < now) & (table["end_s"] > now)]
        backbones = len(world.part_gb) - len(world.base)
        held = np.flatnonzero(run.edge.held[cloudlet, :backbones])
        assert sorted(shown["lane"].str.extract(r"(\d+)")[0].astype(int) - 1) == held.tolist()
        for what, lane in zip(shown["what"], shown["lane"].str.extract(r"(\d+)")[0].astype(int) - 1, strict=True):
            assert (run.edge.ready[cloudlet, lane] > now) == (what == "pulling")


def test_busiest_pulls_most():
    """The chosen cloudlet's GB are the largest of all in the log."""
    place = scene(SETTINGS["base"], 0)
    log = simulate(place, PRICED, 0).log
    pulled = [log.pulled_gb[served(place.world, log, c, REQUESTS)].sum() for c in range(len(place.world.speed))]
    assert busiest(place, PRICED, 0, REQUESTS, 0) == int(np.argmax(pulled))


def test_figure_shows_every_interval():
    """Each interval is one bar of its length."""
    place = scene(SETTINGS["slow links"], 0)
    table = timeline(place, PRICED, busiest(place, PRICED, 0, 200), 0, 200)
    drawn = figures.draw("timeline", table)
    bars = [trace for trace in drawn.data if trace.type == "bar" and trace.name is None]
    shown = pd.DataFrame(
        [(lane, base, base + width) for bar in bars for lane, base, width in zip(bar.y, bar.base, bar.x, strict=True)],
        columns=["lane", "start_s", "end_s"],
    ).sort_values(["lane", "start_s"], ignore_index=True)
    expected = table[table["lane"] != QUEUE][["lane", "start_s", "end_s"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(shown, expected, check_exact=False, rtol=1e-6)
