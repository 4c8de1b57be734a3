"""A plan by name: tables with units, a map, its proof, and what became of it after a change."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from mecpfm.coupled import instance as coupled
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import assess
from mecpfm.coupled.proof import Proof
from mecpfm.errors import InputError
from mecpfm.files import plain, write_atomic
from mecpfm.network.build import build
from mecpfm.network.change import chosen
from mecpfm.network.network import Network
from mecpfm.network.prices import Priced, carry_prices
from mecpfm.network.summary import gap_of, said
from mecpfm.network.tables import Context, Tables, prices
from mecpfm.plan import Plan, instance_sha256
from mecpfm.statements import same

if TYPE_CHECKING:
    import plotly.graph_objects as go

TABLES = (*Tables._fields, "prices")


class Basis(NamedTuple):
    """What a plan was made for."""

    proof: Proof
    """Instance and multipliers."""
    context: Context | None
    """The network, if it was one."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NamedPlan:
    """What ``solve`` returns and ``load`` reads: decisions by name, and how good they are proved to be.

    ``sites``
        Users and requests served, GPU time and memory used of what there is, GB and s pulled, prices.
    ``users``
        Where and by which model, delay of one request, s, and its parts, the data centre's, accuracy, deadline; the
        best other choice that needs no further pull, and what it would cost, s.
    ``pulls``
        Block, site, from which holder, GB, s, which models need it.
    ``prices``
        What one more GB, or one more GPU second, of a site saves at most, s, and from which to which change of it that
        holds; empty where nothing proves it.

    Examples
    --------
    >>> import mecpfm as mp
    >>> plan = mp.solve(mp.example(users=12), iterations=200)
    >>> plan.users[["user", "served_at", "model"]].shape
    (12, 3)
    >>> plan.status in ("optimal", "feasible") and plan.bound <= plan.objective * (1 + 1e-9)
    True
    """

    decided: Plan
    """Decisions by index, as every method of the package returns them."""
    summary: dict[str, Any]
    sites: pd.DataFrame
    users: pd.DataFrame
    pulls: pd.DataFrame
    links: tuple[tuple[str, str], ...] = ()
    """Pairs of sites, for the map."""
    certificate: Certificate | None = None
    """Multipliers that prove the bound (coupled setting)."""
    basis: Basis | None = None
    """What it was made for; None for a plan from a file."""
    stored_prices: pd.DataFrame | None = None
    """Those of a file."""
    stored_network: Network | None = None
    """That of a file."""

    @functools.cached_property
    def prices(self) -> pd.DataFrame:
        """Prices of all sites; their ranges take a moment."""
        if self.stored_prices is not None:
            return self.stored_prices
        return pd.DataFrame() if self.basis is None else prices(self.basis.proof)

    @property
    def network(self) -> Network | None:
        """The tables it was made for; None for a plan of an instance."""
        known = None if self.basis is None else self.basis.context
        return self.stored_network if known is None else known.network

    @functools.cached_property
    def priced(self) -> Priced | None:
        """Network and prices, ready for changes; None without either. InputError where a file's do not go together."""
        if self.certificate is None or self.network is None:
            return None
        if self.basis is not None and self.basis.context is not None:
            return Priced(*self.basis.context, self.objective, self.basis.proof)
        built = build(self.network)
        if instance_sha256(built.instance) != self.decided.instance_sha256:
            raise InputError("the plan was made for another network than the one in its file")
        cost = assess(built.instance, self.decided.method, chosen(built.instance, self)).objective
        if not same(self.objective, cost):  # what a change saves is proved against this cost
            raise InputError(f"objective is {self.objective:.9g} s; what its users table says costs {cost:.9g} s")
        return Priced.of(self.network, built, self.objective, self.certificate)

    @property
    def status(self) -> str:
        """``optimal``, ``feasible``, ``interrupted`` or ``infeasible`` (docs/command_line.md)."""
        return str(self.summary["status"])

    @property
    def objective(self) -> float:
        """Cost, s."""
        return self.decided.objective

    @property
    def bound(self) -> float:
        """No plan costs less, s: proved; NaN where the method proves nothing."""
        return self.decided.bound

    @property
    def gap(self) -> float:
        """``(objective - bound) / objective``, never negative; NaN without a bound."""
        return gap_of(self.decided)

    @property
    def violations(self) -> tuple[str, ...]:
        """Every broken row in words, by name."""
        return tuple(self.summary["violations"])

    def __repr__(self) -> str:
        return f"<plan {said(self)}>"

    def _repr_html_(self) -> str:
        from mecpfm.network.page import fragment

        return fragment(self)

    def map(self) -> go.Figure:
        """Sites, pulls as arrows as wide as their GB, and users in the colour of the site that serves them.

        Examples
        --------
        >>> import mecpfm as mp
        >>> plan = mp.solve(mp.example(users=12), iterations=200)
        >>> type(plan.map()).__name__
        'Figure'
        """
        from mecpfm.figures.maps import plan_map
        from mecpfm.network.picture import frame

        return plan_map(frame(self))

    def compare(self, after: NamedPlan) -> pd.DataFrame:
        """What another plan does otherwise: cost by part, users that move, pulls that come, go or change their source.

        Columns: ``what``, ``name``, ``before``, ``after``, ``change_s``.

        Examples
        --------
        >>> import mecpfm as mp
        >>> net = mp.example(users=12)
        >>> plan, other = mp.solve(net, method="remote"), mp.solve(net, iterations=200)
        >>> set(plan.compare(other)["what"]) >= {"cost", "user moves", "new pull"}
        True
        """
        from mecpfm.network.compare import compare

        return compare(self, after)

    def saves_at_most(self, problem: Network | coupled.Instance) -> float:
        """What any plan of a changed problem saves at most against this one, s, proved by this plan's prices.

        Nothing is solved. Users, sites and models are matched by name; for a plan of an instance, from a file, there
        must be as many of each. InputError where there are not, or the plan has no certificate.

        Examples
        --------
        >>> import mecpfm as mp
        >>> net = mp.example(users=12)
        >>> plan = mp.solve(net, iterations=200)
        >>> more = net.change(sites={"Grenoble": {"memory_gb": "+8"}})
        >>> plan.saves_at_most(more) >= plan.objective - mp.solve(more, iterations=200).objective
        True
        """
        if self.certificate is None:
            raise InputError("the plan has no certificate: nothing proves what a change saves")
        if self.priced is not None and isinstance(problem, Network):
            return self.priced.saving(problem).at_most_s
        instance = build(problem).instance if isinstance(problem, Network) else problem
        given = self.certificate
        if self.basis is not None:
            given = carry_prices(self.basis.proof.instance, given, instance)
        bound = verify(instance, given)
        return self.objective - bound if math.isfinite(bound) else math.inf

    def to_object(self) -> dict[str, Any]:
        """Everything, ready for JSON: the plan by index as ``solve --json`` states it, summary, tables, certificate."""
        found = {**self.decided.to_object(), "gap": plain(self.gap), "summary": self.summary}
        tables = {name: getattr(self, name).to_dict(orient="records") for name in TABLES}
        found["tables"] = {n: [{k: plain(v) for k, v in row.items()} for row in rows] for n, rows in tables.items()}
        found["map"] = {"links": [list(ends) for ends in self.links]}
        if self.network is not None:
            found["network"] = self.network.to_object()
        return found if self.certificate is None else {**found, "certificate": self.certificate.to_object()}

    def save(self, path: Path | str) -> None:
        """Write a file for ``load``, ``mecpfm show``, ``what-if`` and ``compare``.

        Examples
        --------
        >>> import tempfile, mecpfm as mp
        >>> plan = mp.solve(mp.example(users=12), iterations=200)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan.save(f"{folder}/plan.json")
        ...     mp.load(f"{folder}/plan.json").objective == plan.objective
        True
        """
        write_atomic(Path(path), (json.dumps(self.to_object(), allow_nan=False) + "\n").encode(), parents=False)

    def write_html(self, path: Path | str) -> None:
        """Write one page with the map and tables that sort; it needs no network.

        Examples
        --------
        >>> import tempfile, mecpfm as mp
        >>> plan = mp.solve(mp.example(users=12), iterations=200)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan.write_html(f"{folder}/plan.html")
        """
        from mecpfm.network.page import page

        write_atomic(Path(path), page(self).encode(), parents=False)
