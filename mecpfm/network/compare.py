"""Two plans side by side: what costs what, who moves, what is pulled no longer, newly, or from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

if TYPE_CHECKING:
    from mecpfm.network.named import NamedPlan

Key = TypeVar("Key")
Found = Mapping[Key, tuple[str, float]]
"""What serves each user, or from where a block comes to a site, and the time that takes, s."""
COLUMNS = ["what", "name", "before", "after", "change_s"]


def compare(before: NamedPlan, after: NamedPlan) -> pd.DataFrame:
    """Rows of ``what``: cost, user moves, user comes, user goes, new pull, dropped pull, other source.

    ``change_s`` is what the second plan costs more, s of the whole period; a user's is that of all its requests.
    """
    users = _differences(_services(before), _services(after), ("user comes", "user goes", "user moves"))
    pulls = _differences(_sources(before), _sources(after), ("new pull", "dropped pull", "other source"))
    at = ((what, " at ".join(name), *rest) for what, name, *rest in pulls)
    return pd.DataFrame([*_costs(before, after), *users, *at], columns=COLUMNS)


def _costs(before: NamedPlan, after: NamedPlan) -> Iterator[tuple[str, str, str, str, float]]:
    one, two = ({**plan.summary["parts_s"], "total": plan.objective} for plan in (before, after))
    for name in dict.fromkeys([*one, *two]):
        a, b = float(one.get(name) or 0), float(two.get(name) or 0)
        yield "cost", name, f"{a:.6g} s", f"{b:.6g} s", b - a


def _differences(one: Found[Key], two: Found[Key], words: tuple[str, str, str]) -> Iterator[tuple[Any, ...]]:
    """A row for whoever is new, gone or otherwise in the second of two, in these ``words``."""
    new, gone, other = words
    for name in dict.fromkeys([*one, *two]):
        (was, cost), (now, then) = one.get(name, ("", 0.0)), two.get(name, ("", 0.0))
        if was != now:
            yield new if not was else gone if not now else other, name, was, now, then - cost


def _services(plan: NamedPlan) -> dict[str, tuple[str, float]]:
    """Who serves each user, and its delay, s, of all its requests."""
    users = plan.users
    who = [", ".join(filter(None, pair)) for pair in zip(users["served_at"], users["model"], strict=True)]
    return dict(zip(users["user"], zip(who, users["delay_s"] * users["requests"], strict=True), strict=True))


def _sources(plan: NamedPlan) -> dict[tuple[str, str], tuple[str, float]]:
    """From where each block comes to each site, and the time it takes, s."""
    found: dict[tuple[str, str], tuple[str, float]] = {}
    columns = (plan.pulls[name] for name in ("block", "site", "from", "seconds"))
    for block, site, source, seconds in zip(*columns, strict=True):
        origin, spent = found.get((block, site), ("", 0.0))
        found[block, site] = (f"{origin}, {source}" if origin else f"from {source}", spent + float(seconds))
    return found
