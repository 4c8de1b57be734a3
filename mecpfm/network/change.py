"""A plan after a change: by the names of users, models and sites it is a plan of another network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mecpfm.coupled.baselines import first_fit
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.pins import Keep, used
from mecpfm.errors import InputError, nearest
from mecpfm.network.tables import Names
from mecpfm.typing import Ints

if TYPE_CHECKING:
    from mecpfm.network.named import NamedPlan


def services(instance: Instance, choice: Ints) -> dict[str, tuple[str, str] | None]:
    """Names of the site and model that serve each user in a plan (R,); None: the data centre."""
    names, options = Names.of(instance), instance.options
    return {
        user: None if k == REMOTE else (names.sites[options.cloudlet[k]], names.models[options.model[k]])
        for user, k in zip(names.users, np.asarray(choice).tolist(), strict=True)
    }


def options_of(instance: Instance, wanted: Mapping[str, tuple[str, str] | None]) -> Ints:
    """Option of each user's site and model, (R,); -1 for who has none, or where it is no option here."""
    options = instance.options
    users, sites, models, _ = _places(instance)
    found = np.full(len(users), REMOTE)
    named = (wanted.get(user) or ("", "") for user in users)
    pairs = np.array([(sites.get(site, -1), models.get(model, -1)) for site, model in named], dtype=np.int64)
    same = (options.cloudlet == pairs[options.request, 0]) & (options.model == pairs[options.request, 1])
    found[options.request[same]] = np.flatnonzero(same)
    return found


def chosen(instance: Instance, plan: NamedPlan) -> Ints:
    """Option of every request (R,) that a plan gives it by name, -1 where it gives none or it is no option here."""
    users, at, by = (plan.users[name] for name in ("user", "served_at", "model"))
    return options_of(instance, dict(zip(users, zip(at, by, strict=True), strict=True)))


def carry(old: Instance, choice: Ints, new: Instance) -> Ints:
    """A plan ``choice`` (R,) of one instance as a plan of another, by the names of users, models and sites.

    A user whose option is gone is served remotely; where the plan breaks a row of the new instance, what fits of it, in
    order of users, stays. It is made to begin a search: ``methods.solve(new, "polish", start=carry(...))``.
    """
    start = options_of(new, services(old, choice))
    if assess(new, "start", start).feasible:
        return start
    return first_fit(new, start[start != REMOTE])


def keep_of(old: Instance, choice: Ints, names: Iterable[str], new: Instance | None = None) -> Keep:
    """Pins for ``methods.solve``: sites keep the blocks that the plan ``choice`` uses there, users their option.

    Parameters
    ----------
    names
        Names of sites and users; a name of both pins both.
    new
        The instance to be solved, where it is another one than the plan's.

    Raises
    ------
    InputError
        An unknown name, or a user whose option the new instance does not have.
    """
    to = new or old
    keep, before = Keep.nothing(to), _places(old)
    users, sites, _, blocks = _places(to)
    moved, cache = options_of(to, services(old, choice)), used(old, choice)
    for name in sorted(names):
        if not (name in users or name in sites) or not (name in before[0] or name in before[1]):
            raise InputError(f"keep: {name!r} is no site or user; {nearest(name, [*sites, *users])}")
        if name in users and name in before[0]:
            keep.option[users[name]] = moved[users[name]]
            if choice[before[0][name]] != REMOTE and moved[users[name]] == REMOTE:
                raise InputError(f"keep: {name!r} cannot stay: the option it has in the plan is gone")
        if name in sites and name in before[1]:
            column = cache[:, before[1][name]]
            held = {block for block, b in before[3].items() if column[b]}
            keep.blocks[:, sites[name]] = [block in held for block in blocks]
    return keep


def _places(instance: Instance) -> list[dict[str, int]]:
    """Place of each name, of users, sites, models and blocks."""
    return [{name: i for i, name in enumerate(names)} for names in Names.of(instance)]
