"""From plans by index to plans by name, in either setting."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mecpfm.coupled import instance as coupled
from mecpfm.coupled.certificate import Certificate
from mecpfm.coupled.check import REMOTE
from mecpfm.coupled.proof import Proof
from mecpfm.files import plain
from mecpfm.network import published_tables
from mecpfm.network.build import Built
from mecpfm.network.named import Basis, NamedPlan
from mecpfm.network.network import Network
from mecpfm.network.summary import gap_of
from mecpfm.network.tables import Context, Names, Tables, tabulate
from mecpfm.plan import Plan
from mecpfm.published import instance as published


def of_network(network: Network, built: Built, plan: Plan, proof: Certificate) -> NamedPlan:
    """A plan of a network's instance, by name."""
    found = of_coupled(built.instance, plan, proof, Context(network, built))
    ends, sites = zip(network.links["from"], network.links["to"], strict=True), {*network.sites["site"]}
    return dataclasses.replace(found, links=tuple((str(a), str(b)) for a, b in ends if {a, b} <= sites))


def of_coupled(instance: coupled.Instance, plan: Plan, proof: Certificate, context: Context | None = None) -> NamedPlan:
    """A plan of a coupled instance, by the names it has."""
    choice = np.array(plan.decisions["option"], dtype=np.int64)
    basis = Basis(Proof.of(instance, proof), context)
    tables = tabulate(instance, choice, basis.proof, context)
    weight, at_edge = tables.users["requests"], (choice != REMOTE)
    delay = (tables.users["delay_s"] * weight).to_numpy()
    parts = {
        "delay at the edge": float(delay[at_edge].sum()),
        "delay in the data centre": float(delay[~at_edge].sum()),
        "pulls": float(tables.pulls["seconds"].sum()),
    }
    more: dict[str, Any] = {}
    if context is not None:
        more = {
            "network": context.network.source or "tables",
            "period_s": context.network.settings.period_s,
            "deadlines_missed": int((tables.users["deadline"] == "missed").sum()),
        }
    names = Names.of(instance)
    summary = _summary(plan, tables, int(at_edge.sum()), parts, [names.say(row) for row in plan.violations], more)
    return NamedPlan(plan, summary, *tables, certificate=proof, basis=basis)


def of_published(instance: published.Instance, plan: Plan) -> NamedPlan:
    """A plan of the published problem, by index."""
    tables = published_tables.tables(instance, plan)
    parts = published_tables.parts_s(instance, plan)
    return NamedPlan(plan, _summary(plan, tables, len(tables.users), parts, list(plan.violations), {}), *tables)


def _summary(
    plan: Plan, tables: Tables, at_edge: int, parts: dict[str, float], violations: list[str], more: dict[str, Any]
) -> dict[str, Any]:
    return {
        "network": f"{plan.setting} instance",
        "method": plan.method,
        "status": "infeasible" if plan.violations else plan.status,
        "objective_s": plain(plan.objective),
        "bound_s": plain(plan.bound),
        "gap": plain(gap_of(plan)),
        "users": len(tables.users),
        "users_at_edge": at_edge,
        "pulled_gb": float(tables.pulls["gb"].sum()),
        "parts_s": {name: plain(value) for name, value in parts.items()},
        "violations": violations,
        **more,
    }
