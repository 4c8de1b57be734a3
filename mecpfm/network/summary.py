"""A plan by name in a line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mecpfm.plan import Plan

if TYPE_CHECKING:
    from mecpfm.network.named import NamedPlan


def said(plan: NamedPlan) -> str:
    """The summary in a line."""
    s, gap = plan.summary, plan.gap
    proof = f"bound {plan.bound:.6g} s ({f'gap {100 * gap:.2g} %' if gap > 1e-9 else 'gap 0'})"
    pulling = int((plan.sites["pulled_gb"] > 0).sum())
    parts = [
        f"{s['status']}: {plan.objective:.6g} s" + (f" in {s['period_s']:g} s" if s.get("period_s") else ""),
        "no bound proved" if math.isnan(gap) else proof,
    ]
    rest = [
        f"{s['users_at_edge']} of {s['users']} users at the edge",
        f"{pulling} {'site pulls' if pulling == 1 else 'sites pull'} {s['pulled_gb']:.4g} GB",
    ]
    if s.get("deadlines_missed") is not None:
        rest.append(f"{s['deadlines_missed']} deadlines missed")
    if broken := len(s["violations"]):
        rest.append(f"{broken} rows broken, the first: {s['violations'][0]}")
    return "; ".join([", ".join(parts), *rest])


def gap_of(plan: Plan) -> float:
    """Relative gap, never negative; NaN without a bound."""
    return plan.gap if math.isnan(plan.gap) else max(plan.gap, 0.0)
