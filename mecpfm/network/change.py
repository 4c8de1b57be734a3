"""A plan after a change: what can be saved at most, as old prices bound the new cost, and the plan carried over."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from mecpfm.coupled.baselines import first_fit
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.pins import Keep, used
from mecpfm.errors import InputError, nearest
from mecpfm.network.build import Built
from mecpfm.network.tables import Names
from mecpfm.typing import Ints


def saves_at_most(objective_s: float, instance: Instance, proof: Certificate) -> float:
    """What any plan of ``instance`` saves at most against a plan of cost ``objective_s``, s.

    ``proof`` may be a certificate of another instance with as many models, sites and users: by weak duality its
    multipliers bound this one's cost as well.
    """
    bound = verify(instance, proof)
    return objective_s - bound if math.isfinite(bound) else math.inf


def carry(old: Built | Instance, choice: Ints, new: Built | Instance) -> Ints:
    """A plan ``choice`` (R,) of one network as a plan of another, by the names of users, models and sites.

    A user whose option is gone is served remotely; where the plan breaks a row of the new network, what fits of it, in
    order of users, stays. It is made to begin a search: ``methods.solve(new.instance, "polish", start=carry(...))``.
    """
    instance = _instance(new)
    start = _translated(old, choice, new)
    if assess(instance, "start", start).feasible:
        return start
    return first_fit(instance, start[start != REMOTE])


def keep_of(built: Built | Instance, choice: Ints, names: Iterable[str], new: Built | Instance | None = None) -> Keep:
    """Pins for ``methods.solve``: sites keep the blocks that the plan ``choice`` uses there, users their option.

    Parameters
    ----------
    names
        Names of sites and users; a name of both pins both.
    new
        The network to be solved, where it is another one than the plan's.

    Raises
    ------
    InputError
        An unknown name, or a user whose option the new network does not have.
    """
    to, old = _instance(new or built), _instance(built)
    keep, before = Keep.nothing(to), _places(old)
    users, sites, _, blocks = _places(to)
    moved, cache = _translated(built, choice, to), used(old, choice)
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


def _instance(given: Built | Instance) -> Instance:
    return given if isinstance(given, Instance) else given.instance


def _translated(old: Built | Instance, choice: Ints, new: Built | Instance) -> Ints:
    """Options of the same user, model and site in another network, (R,); -1 where there is none."""
    target, source = _instance(new).options, _instance(old).options
    found = np.full(_instance(new).sizes[3], REMOTE)
    names = Names.of(_instance(old))
    users, sites, models, _ = _places(_instance(new))
    where = (target.request, target.cloudlet, target.model)
    place = {key: i for i, key in enumerate(zip(*(column.tolist() for column in where), strict=True))}
    for user, option in zip(names.users, np.asarray(choice).tolist(), strict=True):
        if option != REMOTE and user in users:
            site, model = names.sites[int(source.cloudlet[option])], names.models[int(source.model[option])]
            found[users[user]] = place.get((users[user], sites.get(site), models.get(model)), REMOTE)
    return found
