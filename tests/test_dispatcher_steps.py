"""Any interleaving of what a dispatcher can be asked and told keeps its books, saved and loaded or not."""

import numpy as np
import pytest
from dispatcher_replay import agent_of, state
from hypothesis import given, settings
from hypothesis import strategies as st
from online_strategies import ALL

from mecpfm.errors import InputError
from mecpfm.online.dispatcher import CENTRE, Dispatcher

POLICIES = ["nearest", "ucb1", "priced-cov", "structured-wtsrc", "hybrid-lints", "disjoint-lints", "belief"]
moments = st.floats(0, 400) | st.sampled_from([0.0, 50.0])
steps = st.one_of(
    st.tuples(st.just("decide"), st.integers(0, 99), moments),
    st.tuples(st.just("decide"), st.integers(0, 99), moments),
    st.tuples(st.just("complete"), st.integers(0, 99), st.floats(0, 300)),
    st.tuples(st.sampled_from(["down", "up"]), st.integers(0, 2), st.none()),
    st.tuples(st.sampled_from(["reload", "nonsense"]), st.integers(0, 99), st.none()),
)


class Books:
    """What must be so, kept slowly: open tickets with site and time, sites that are down, the clock."""

    def __init__(self, patience_s):
        self.patience_s, self.open, self.down, self.given, self.now, self.offset = patience_s, {}, set(), 0, 0.0, 0.0

    def clock(self, now):
        now += self.offset
        if now < self.now:
            self.offset += self.now - now if self.now - now > 1 else 0.0
            now = self.now
        self.now = now
        self.open = {number: at for number, at in self.open.items() if at[1] + self.patience_s > now}

    def agree(self, agent):
        edge = agent._desk.rows.edge
        sites = [*agent.names.sites, CENTRE]
        assert agent.waiting == {site: sum(at[0] == site for at in self.open.values()) for site in sites}
        assert agent.tickets == tuple(self.open)
        assert (edge.waiting >= 0).all()
        assert (edge.waiting <= 2).all()
        assert (edge.used_gb >= -1e-9).all()
        assert (edge.holders == edge.held.sum(axis=0)).all()
        assert not edge.held[[int(site) for site in self.down]].any()
        assert agent._desk.rows.history.marks[0] == len(self.open)
        rows = sorted([*agent._desk.open.values(), *agent._desk.free])
        assert rows == list(range(agent._desk.rows.count))
        inside = [
            {agent._desk.rows.edge.queue[c, (edge.first[c] + i) % 2] for i in range(edge.waiting[c])}
            for c in range(len(edge.waiting))
        ]
        mine = [{agent._desk.open[n] for n, at in self.open.items() if at[0] == str(c)} for c in range(len(inside))]
        assert inside == mine


def decide(agent, books, pick, now):
    user = agent.names.users[pick % len(agent.names.users)]
    ticket = agent.decide(user=user, model=str(pick % len(agent.names.models)), now=now, features={"feature 0": pick})
    books.clock(now)
    assert ticket.number == books.given  # unique: they count up
    assert ticket.site not in books.down
    books.given += 1
    books.open[ticket.number] = ticket.site, books.now
    return ticket


def nonsense(agent, books, pick):
    before = state(agent)
    for call in (
        lambda: agent.complete(books.given + pick, seconds=1.0),
        lambda: agent.decide(user="nobody", model="0", now=1e9),
        lambda: agent.decide(user=agent.names.users[0], model="0", now=1e9, features={"feature 0": np.nan}),
        lambda: agent.down("nowhere"),
    ):
        with pytest.raises(InputError):
            call()
    assert state(agent) == before


@pytest.mark.parametrize("name", POLICIES)
@given(st.lists(steps, max_size=40))
@settings(max_examples=40)
def test_any_interleaving_keeps_the_books(tmp_path_factory, name, done):
    """Queues are what open tickets say, tickets unique, rows counted; a twin never saved decides the same."""
    agent, twin = (agent_of(ALL[name], patience_s=100.0) for _ in range(2))
    books, path = Books(100.0), tmp_path_factory.mktemp("live") / "agent.npz"
    for kind, pick, value in done:
        if kind == "decide":
            ticket = decide(agent, books, pick, value)
            user = twin.names.users[pick % len(twin.names.users)]
            model = str(pick % len(twin.names.models))
            assert twin.decide(user=user, model=model, now=value, features={"feature 0": pick}) == ticket
        elif kind == "complete" and books.open:
            number = list(books.open)[pick % len(books.open)]
            for one in (agent, twin):
                one.complete(number, seconds=value, service_s=value / 2 if pick % 2 else None)
            del books.open[number]
        elif kind in ("down", "up"):
            site = str(pick % len(agent.names.sites))
            lost = [getattr(one, kind)(site) for one in (agent, twin)]
            assert lost[0] == lost[1]
            if kind == "down":
                assert set(lost[0]) == {number for number, at in books.open.items() if at[0] == site}
                books.open = {number: at for number, at in books.open.items() if at[0] != site}
            (books.down.add if kind == "down" else books.down.discard)(site)
        elif kind == "reload":
            agent.save(path)
            agent = Dispatcher.load(path)
        elif kind == "nonsense":
            nonsense(agent, books, pick)
        books.agree(agent)
    assert state(agent) == state(twin)
