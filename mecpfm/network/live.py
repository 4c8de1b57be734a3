"""A dispatcher on a network in tables: what it believes before the first request is what the tables say.

Forecasts start from the roofline's service times, one observation a class of users; features are scaled by requests
drawn from the tables. What happens from then on replaces that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mecpfm.errors import InputError
from mecpfm.kernels import arrays, online_history
from mecpfm.network.ground import expected_s, may_serve, serve
from mecpfm.network.network import Network
from mecpfm.online.dispatcher import Dispatcher
from mecpfm.online.features import fresh_history
from mecpfm.online.names import SceneNames, Ticket
from mecpfm.online.trace import BYTES_PER_TOKEN, Trace
from mecpfm.online.world import Scene, build
from mecpfm.typing import Floats, Ints

__all__ = ["Dispatcher", "Ticket", "scene_of"]

FEATURES = ("tokens_in", "tokens_out")
"""Features that the tables have of every user; others are named by the caller."""
DRAWN, LONGEST_GAP_S = 3_000, 60.0
"""Requests drawn for the scales of features, and the longest mean gap between them, s."""
ROOM = 10.0
"""A forecast is at most so many times what nearly all requests take by the tables."""


def scene_of(network: Network, features: Mapping[str, tuple[float, float]] | None = None) -> tuple[Scene, SceneNames]:
    """Scene and names of a network.

    Parameters
    ----------
    network
        Tables.
    features
        Further features: usual value and spread (> 0) of each.

    Raises
    ------
    InputError
        As :func:`mecpfm.network.ground.serve`; a feature named twice, or no numbers.
    """
    extra = dict(features or {})
    for name, (_, spread) in extra.items():
        if name in FEATURES or not 0 < spread < np.inf:
            raise InputError(f"feature {name}: needs a name of its own, a usual value and a spread > 0")
    users = network.users
    static = np.column_stack(
        [*(users[name].to_numpy() for name in FEATURES), *(np.full(len(users), usual) for usual, _ in extra.values())]
    )
    work, allowed = expected_s(network), may_serve(network)
    served = serve(network, _drawn(network, work, allowed, static), DRAWN - DRAWN // 3, None, 0)
    scene = build(served.setting, served.trace, 0, ground=served.ground)
    shift, scale = scene.shift.copy(), scene.scale.copy()
    for i, (usual, spread) in enumerate(extra.values(), start=len(FEATURES)):
        shift[i], scale[i] = usual, spread
    history = fresh_history(len(users), len(network.models))
    for user, model in zip(*np.nonzero(allowed & (np.cumsum(allowed, axis=1) == 1)), strict=True):
        online_history.observe(history, user, model, work[user, model])
    names = SceneNames(
        tuple(network.sites["site"]), tuple(users["user"]), tuple(network.models["model"]), (*FEATURES, *extra),
        served.ground.home, np.arange(len(users)), BYTES_PER_TOKEN * users["tokens_in"].to_numpy() / 1e9, static,
    )  # fmt: skip
    return replace(scene, history=history, shift=shift, scale=scale, cap_s=ROOM * scene.cap_s), names


def _drawn(network: Network, work: Floats, allowed: np.ndarray, static: Floats) -> Trace:
    """Requests as the tables expect them: users by their rates, each model of the task as often, Poisson arrivals."""
    random, rate = np.random.default_rng(0), network.users["per_hour"].to_numpy()
    user: Ints = random.choice(len(rate), DRAWN, p=rate / rate.sum())
    keys = np.where(allowed[user], random.random((DRAWN, allowed.shape[1])), -1.0)
    model, gap = keys.argmax(axis=1), min(3600 / rate.sum(), LONGEST_GAP_S)
    return Trace(
        time_s=np.cumsum(arrays.settled(-gap * arrays.log1p(-random.random(DRAWN)))),
        work_s=work[user, model],
        origin=user,
        group=user,
        model=model,
        payload_gb=BYTES_PER_TOKEN * static[user, 0] / 1e9,
        static=np.ascontiguousarray(static[user]),
        static_names=FEATURES,
        source="the tables",
        group_names=tuple(network.users["user"]),
        model_names=tuple(network.models["model"]),
    )
