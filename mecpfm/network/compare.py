"""Two plans side by side: what costs what, who moves, what is pulled no longer, newly, or from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from mecpfm.network.named import NamedPlan

Row = tuple[str, str, str, str, float]
COLUMNS = ["what", "name", "before", "after", "change_s"]


def compare(before: NamedPlan, after: NamedPlan) -> pd.DataFrame:
    """Rows of ``what``: cost, user moves, user comes, user goes, new pull, dropped pull, other source.

    ``change_s`` is what the second plan costs more, s of the whole period; a user's is that of all its requests.
    """
    return pd.DataFrame([*_costs(before, after), *_moves(before, after), *_pulls(before, after)], columns=COLUMNS)


def _costs(before: NamedPlan, after: NamedPlan) -> Iterator[Row]:
    one, two = ({**plan.summary["parts_s"], "total": plan.objective} for plan in (before, after))
    for name in dict.fromkeys([*one, *two]):
        a, b = float(one.get(name) or 0), float(two.get(name) or 0)
        yield "cost", name, f"{a:.6g} s", f"{b:.6g} s", b - a


def _moves(before: NamedPlan, after: NamedPlan) -> Iterator[Row]:
    one, two = (_services(plan) for plan in (before, after))
    for user in dict.fromkeys([*one, *two]):
        (was, cost), (now, other) = one.get(user, ("", 0.0)), two.get(user, ("", 0.0))
        if was != now:
            what = "user comes" if not was else "user goes" if not now else "user moves"
            yield what, user, was, now, other - cost


def _services(plan: NamedPlan) -> dict[str, tuple[str, float]]:
    """Who serves each user, and its delay, s, of all its requests."""
    users = plan.users
    who = [", ".join(filter(None, pair)) for pair in zip(users["served_at"], users["model"], strict=True)]
    return dict(zip(users["user"], zip(who, users["delay_s"] * users["requests"], strict=True), strict=True))


def _pulls(before: NamedPlan, after: NamedPlan) -> Iterator[Row]:
    one, two = (_sources(plan) for plan in (before, after))
    for block, site in dict.fromkeys([*one, *two]):
        (was, cost), (now, other) = one.get((block, site), ("", 0.0)), two.get((block, site), ("", 0.0))
        if was != now:
            what = "new pull" if not was else "dropped pull" if not now else "other source"
            yield what, f"{block} at {site}", was, now, other - cost


def _sources(plan: NamedPlan) -> dict[tuple[str, str], tuple[str, float]]:
    """From where each block comes to each site, and the time it takes, s."""
    found: dict[tuple[str, str], tuple[str, float]] = {}
    columns = (plan.pulls[name] for name in ("block", "site", "from", "seconds"))
    for block, site, source, seconds in zip(*columns, strict=True):
        origin, spent = found.get((block, site), ("", 0.0))
        found[block, site] = (f"{origin}, {source}" if origin else f"from {source}", spent + float(seconds))
    return found
