"""A policy of the trace simulator in a running system: one request at a time, completions as they are told."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mecpfm import ranges
from mecpfm.errors import InputError
from mecpfm.online.desk import Desk
from mecpfm.online.names import HasScene, SceneNames, Ticket, index_of, names_of, number
from mecpfm.online.policy import Policy, named
from mecpfm.online.rows import InFlight
from mecpfm.online.world import Scene

CENTRE = "data centre"
PATIENCE_S = 3_600.0
LATEST_S, LONGEST_S, LARGEST = 1e12, 1e9, 1e12


class Dispatcher:
    """Decides where requests go, and learns from completions (docs/live.md). Calls of several threads take turns.

    Parameters
    ----------
    network
        A network in tables (:mod:`mecpfm.network.live` says what is made of it), or a scene of the simulator, whose
        trace then gives the same decisions draw for draw (users are called ``home:group``, all else by number).
    policy
        A name of ``mecpfm simulate-trace --list`` or a policy; oracles know the future and are refused.
    seed
        Of all draws.
    features
        What is known of requests of a network on arrival besides ``tokens_in`` and ``tokens_out``: usual value and
        spread of each, by name.
    patience_s
        A request without a completion for so long is given up, s.

    Notes
    -----
    An InputError leaves the state as it was.

    *Unknown user, model, feature, site*: InputError with the nearest known name.
    *Late completion*: until it is told, the request counts as in its queue, at least a quarter of its predicted service
    left; then it is learned like any other. Completions may be told in any order.
    *Missing completion*: its place in the queue is taken until ``patience_s`` is over; then it is given up, leaves its
    queue and teaches nothing.
    *Second completion*, or one of a request given up: InputError.
    *Clock that steps back*: by up to a second, calls crossed, and it is still as late as it was; farther, it was set
    anew and time goes on from where it was.

    Examples
    --------
    >>> import mecpfm as mp
    >>> agent = mp.Dispatcher(mp.example(), policy="nearest", seed=0)
    >>> ticket = agent.decide(user="u1", model="llama-7b-chat", now=12.3)
    >>> agent.complete(ticket, seconds=4.1)
    >>> agent.tickets
    ()
    """

    def __init__(
        self,
        network: HasScene | Scene,
        *,
        policy: str | Policy = "priced-cov",
        seed: int = 0,
        features: Mapping[str, tuple[float, float]] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        policy = named(policy) if isinstance(policy, str) else policy
        if policy.demand == "true":
            raise InputError("policy knows the future: an oracle cannot decide live")
        ranges.no_less("seed", seed, 0)
        if not patience_s > 0:
            raise InputError(f"patience_s is {patience_s}; must be > 0")
        if isinstance(network, Scene):
            scene, names = network, names_of(network)
        else:
            scene, names = network.scene(features)
        rows = 64 + len(names.sites) * scene.setting.queue_limit
        self._begin(Desk(InFlight(scene, policy, seed, rows), float(patience_s)), scene, policy, names)

    def _begin(self, desk: Desk, scene: Scene, policy: Policy, names: SceneNames) -> None:
        self._desk, self._scene, self.policy, self.names = desk, scene, policy, names
        self._lock = threading.Lock()
        self._users = {name: i for i, name in enumerate(names.users)}
        self._models = {name: i for i, name in enumerate(names.models)}
        self._sites = {name: i for i, name in enumerate(names.sites)}
        self._features = {name: i for i, name in enumerate(names.features)}
        self._homes, self._groups = names.home.tolist(), names.group.tolist()
        self._payloads: list[float] = names.payload_gb.tolist()
        self._static: list[list[float]] = names.static.tolist()
        self._where = [*names.sites, CENTRE]  # the data centre is place K of every home, and site -1
        self._speeds = [*scene.world.speed.tolist(), scene.world.constants.remote_speed]

    def decide(
        self,
        *,
        user: str,
        model: str,
        now: float,
        features: Mapping[str, float] | Sequence[float] | None = None,
        payload_mb: float | None = None,
    ) -> Ticket:
        """Where a request goes that arrives now.

        Parameters
        ----------
        user, model
            Names of the tables: a class of users, and the model that is asked for.
        now
            When it arrives, s on any clock that starts at 0 or later and is the same for all calls.
        features
            What is known of the request: by name, or all in the order of ``names.features``; what is not said is as
            usual for the user.
        payload_mb
            What travels to the place of service, MB; as usual for the user when absent.

        Returns
        -------
        Ticket
            Place, and the predicted service time.

        Raises
        ------
        InputError
            An unknown name, or a number that is none or out of range; the state is as before.
        """
        try:
            who, what = self._users[user], self._models[model]
        except (KeyError, TypeError):
            who, what = index_of("user", user, self._users), index_of("model", model, self._models)
        static = self._static[who] if features is None else self._known(who, features)
        payload = self._payloads[who]
        if payload_mb is not None:
            payload = number("payload_mb", payload_mb, LARGEST) / 1000
        if type(now) is not float or not 0 <= now <= LATEST_S:
            now = number("now", now, LATEST_S)
        home = self._homes[who]
        with self._lock:
            given, place, variant, work = self._desk.decide(home, self._groups[who], what, payload, static, now)
        site = self._desk.near[home][place]
        if variant:
            work *= self._scene.setting.small_work
        return Ticket(given, self._where[site], variant == 1, work / self._speeds[site] if work else None)

    def complete(self, ticket: Ticket | int, *, seconds: float, service_s: float | None = None) -> None:
        """Tell that a request is done, once, and learn from it.

        Parameters
        ----------
        ticket
            What :meth:`decide` returned, or its number.
        seconds
            From the decision to the answer, s.
        service_s
            How long its server was busy with it, s, if that was measured; else what is left of ``seconds`` after the
            way, the pull and the wait that the dispatcher knows of (at the data centre: as predicted, the rest is its
            congestion).

        Raises
        ------
        InputError
            A ticket that was never given, is complete or given up, or a number out of range; the state is as before.
        """
        given = ticket.number if isinstance(ticket, Ticket) else ticket
        seconds = number("seconds", seconds, LONGEST_S)
        service = math.nan if service_s is None else number("service_s", service_s, LONGEST_S)
        with self._lock:
            self._desk.complete(given, seconds, service)

    def down(self, site: str) -> tuple[int, ...]:
        """Send nothing to a site any more; it loses what it holds and what waits there.

        Returns the numbers of its open tickets, which are given up: decide those requests anew. A site that is down
        already has none.
        """
        where = index_of("site", site, self._sites)
        with self._lock:
            return self._desk.down(where)

    def up(self, site: str) -> None:
        """Send to a site again; it holds nothing yet. No effect on one that is up."""
        where = index_of("site", site, self._sites)
        with self._lock:
            self._desk.rows.line.closed[where] = False

    @property
    def waiting(self) -> dict[str, int]:
        """Requests in system by site, and at the data centre."""
        edge = self._desk.rows.edge
        return {**dict(zip(self.names.sites, edge.waiting.tolist(), strict=True)), CENTRE: int(edge.remote[0])}

    @property
    def given_up(self) -> int:
        """Requests that were given up so far."""
        return self._desk.given_up

    @property
    def tickets(self) -> tuple[int, ...]:
        """Numbers of open tickets."""
        return tuple(self._desk.open)

    def save(self, path: Path | str) -> None:
        """Write the whole state as .npz, at once or not at all (:mod:`mecpfm.online.dispatcher_file`)."""
        from mecpfm.online.dispatcher_file import write

        with self._lock:
            write(self, Path(path))

    @classmethod
    def load(cls, path: Path | str) -> Dispatcher:
        """Go on draw for draw from where :meth:`save` was called, open tickets included.

        InputError, one line, when the file is absent, damaged or something else.
        """
        from mecpfm.online.dispatcher_file import read

        return read(cls, Path(path))

    def _known(self, who: int, features: Mapping[str, float] | Sequence[float]) -> list[float]:
        """Features of a request, in their order."""
        if type(features) is not dict and not isinstance(features, Mapping):  # the first is quick
            if not isinstance(features, Sequence | np.ndarray):
                raise InputError(f"features are {features!r:.40}; must be numbers by name, or all of them")
            if len(features) != len(self._features):
                raise InputError(f"features: {len(features)} numbers; needs {len(self._features)}")
            features = dict(zip(self._features, features, strict=True))
        found, known = self._static[who].copy(), self._features
        for name, value in features.items():
            at = index_of("feature", name, known)
            if type(value) is not float or not -LARGEST <= value <= LARGEST:
                value = number(name, value, LARGEST, -LARGEST)
            found[at] = value
        return found
