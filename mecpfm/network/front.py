"""What ``import mecpfm as mp`` offers: problems of all kinds go in, plans by name come out."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mecpfm.archives import schema_of
from mecpfm.coupled import instance as coupled
from mecpfm.coupled import methods as coupled_methods
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.engine import DEFAULT, EngineParams
from mecpfm.coupled.request import Progress, Request
from mecpfm.coupled.table import FRACTIONAL
from mecpfm.errors import InputError
from mecpfm.network import naming
from mecpfm.network.build import build
from mecpfm.network.change import carry, chosen, keep_of
from mecpfm.network.example import drawn, write
from mecpfm.network.folder import read
from mecpfm.network.named import NamedPlan
from mecpfm.network.network import Network
from mecpfm.network.prices import carry_prices
from mecpfm.plan import Plan
from mecpfm.published import instance as published
from mecpfm.published import methods as published_methods

Problem = Network | coupled.Instance | published.Instance
Solver = Literal["auto", "gurobi", "highs"]
Method = Literal[
    "auto", "polish", "branch", "ilp", "nlip", "dual", "remote", "popularity", "lru", "lfu", "accuracy-first",
    "no-sharing", "trimcaching", "trimcaching-gain", "cocar", "gap-rounding", "rounding-independent",
    "rounding-coupled", "rounding-nested", "rounding-tree", "opening-tree", "rounding-configurations",
    "exact", "appro", "nbs", "nbs-released", "nonshare", "sc", "greedy",
]  # fmt: skip
"""Methods whose plans are whole: all but the last line for networks, the last and ilp, nlip for the published
problem (``mecpfm methods``)."""


def solve(
    problem: Problem, *, method: Method | None = None, gap: float = 0.0, time_limit: float | None = None,
    iterations: int | None = None, seed: int = 0, solver: Solver = "auto", start: NamedPlan | None = None,
    keep: Collection[str] = (), progress: Progress | None = None, threads: int | None = None,
    params: EngineParams | None = None,
) -> NamedPlan:  # fmt: skip
    """Plan of a network, or of an instance of either setting, with the proof that comes with it.

    Parameters
    ----------
    problem
        A network in tables, or an instance (``read_instance``).
    method
        Default: auto, bound, search and HiGHS at once; the exact method for the published problem.
    time_limit, seed, solver
        Seconds (10 for the default method without iterations); of every random stream; for methods that need one.
    gap, iterations, threads, params
        Good enough, (cost - bound) / cost; budget of the local search: with it, and no time limit, a seed gives the
        same plan everywhere; cores of the default method, all unless given; numbers that steer bound, search and tree
        (``EngineParams.read(path)`` reads a TOML file). These, and all below, not for the published problem.
    start, keep
        A plan to begin with, of this problem or of one that changed into it: names tell who is who, and nothing worse
        than what is left of it comes out. Sites whose caches, and users whose service, stay as it has them.
    progress
        Called with iterations, cost and bound, s, as the search goes.

    Returns
    -------
    NamedPlan
        Decisions by name, with the bound that is proved.

    Raises
    ------
    InputError, InfeasibleError
        What cannot be used, by name; the request for which the published problem has no plan.

    Examples
    --------
    >>> import mecpfm as mp
    >>> plan = mp.solve(mp.example(users=12), gap=0.01, iterations=200)
    >>> plan.pulls.columns.tolist()
    ['block', 'site', 'from', 'gb', 'seconds', 'models']
    """
    asked = Request(solver, seed, time_limit, iterations, progress, gap=gap, threads=threads, params=params or DEFAULT)
    if isinstance(problem, published.Instance):
        return _published(problem, method or "exact", asked, any((start, keep, params)))
    if isinstance(problem, coupled.Instance):
        return naming.of_coupled(problem, *_certified(problem, method, asked, start, keep))
    built = build(problem)
    return naming.of_network(problem, built, *_certified(built.instance, method, asked, start, keep))


def _certified(
    instance: coupled.Instance, method: str | None, asked: Request, start: NamedPlan | None, keep: Collection[str]
) -> tuple[Plan, Certificate]:
    if method in FRACTIONAL:
        raise InputError(f"method is {method!r}, whose plans are no tables: fractions; see mecpfm.coupled.methods")
    if start is None and keep:
        raise InputError("keep needs start: the plan that says how things are")
    begun = {} if start is None else _begun(instance, start, keep)
    return coupled_methods.certified(instance, method or "auto", **vars(replace(asked, **begun)))


def _published(problem: published.Instance, method: str, asked: Request, more: bool) -> NamedPlan:
    common: dict[str, Any] = {"solver": asked.solver, "seed": asked.seed, "time_limit": asked.time_limit}
    if more or asked != Request(**common):
        raise InputError("iterations, gap and all from start on are for networks and coupled instances")
    plan = published_methods.solve(problem, method, **common)
    if "model" not in plan.decisions:
        raise InputError(f"method is {method!r}, whose plans are no tables: fractions; see mecpfm.published.methods")
    return naming.of_published(problem, plan)


def _begun(instance: coupled.Instance, start: NamedPlan, keep: Collection[str]) -> dict[str, Any]:
    """Where a search begins that knows a plan by name; of one from a file, tables and sizes alone are known."""
    given = start.certificate
    if given is None:
        raise InputError("start is a plan of another setting: it has no certificate")
    basis = start.priced or start.basis
    if basis is not None:
        old = basis.proof.instance
        named = start.basis is None  # a file's indices may be anything
        before = chosen(old, start) if named else np.array(start.decided.decisions["option"], dtype=np.int64)
        pins = keep_of(old, before, keep, instance) if keep else None
        return {"start": carry(old, before, instance), "prices": carry_prices(old, given, instance), "keep": pins}
    choice = chosen(instance, start)
    as_many = instance.sizes[1:] == (len(given.family), len(given.compute_price), len(given.request_price_s))
    pins = keep_of(instance, choice, keep) if keep else None
    return {"start": choice, "prices": given if as_many else None, "keep": pins}


def read_instance(path: Path | str) -> coupled.Instance | published.Instance:
    """Instance of a file, .json or .npz, of either setting: its schema says which.

    Parameters
    ----------
    path
        Its schema says which setting it is of.

    Returns
    -------
    mecpfm.coupled.instance.Instance or mecpfm.published.instance.Instance
        Checked.

    Raises
    ------
    InputError
        One line: file, field and reason.

    Examples
    --------
    >>> import tempfile, mecpfm as mp
    >>> from mecpfm.coupled.generate import Recipe, generate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     generate(Recipe(cloudlets=4, requests=10, models=6), seed=0).write(f"{folder}/instance.npz")
    ...     mp.read_instance(f"{folder}/instance.npz").sizes[2:]
    (4, 10)
    """
    path = Path(path)
    if schema_of(path).startswith("mecpfm.coupled/"):
        return coupled.Instance.read(path)
    return published.Instance.read(path)


def example(
    users: int = 60,
    topology: str | None = None,
    *,
    sites: int | None = None,
    models: int | None = None,
    regime: str | None = None,
    seed: int | None = None,
) -> Network:
    """The network that ``mecpfm new`` writes: eight sites, six models over two backbones, so many classes of users.

    Parameters
    ----------
    users
        How many classes of users.
    topology
        A topohub network, or a GraphML file, whose sites and links take the place of the eight.
    sites, models, regime, seed
        With any of them it is a random network of that size: compute-bound, memory-bound, link-bound or mixed.

    Returns
    -------
    Network
        Ready to solve.

    Raises
    ------
    InputError
        An unknown topology or regime, or a size out of range.

    Examples
    --------
    >>> import mecpfm as mp
    >>> mp.example(users=12).sites["site"].tolist()[:3]
    ['Lyon', 'Grenoble', 'Valence']
    >>> mp.example(users=30, sites=5, models=4, regime="link-bound", seed=1).users.shape[0]
    30
    """
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "net", topology, users, drawn(topology, users, sites, models, regime, seed))
        return replace(read(Path(folder) / "net"), source="")
