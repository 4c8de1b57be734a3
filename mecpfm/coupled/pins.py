"""Plans that keep part of another one: requests with their option, cloudlets with their blocks.

The pins become an instance of their own: other options go, and a pinned request is dearer in the data centre than the
whole of a plan that is known, so that no better plan sends it there. Its bounds hold for the problem with pins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecpfm.coupled import baselines
from mecpfm.coupled.check import REMOTE, assess
from mecpfm.coupled.instance import LARGEST, Instance
from mecpfm.coupled.presolve import Presolved, membership
from mecpfm.errors import InputError
from mecpfm.typing import Bools, Ints

FREE = -2
"""In place of an option: the request is not pinned."""


class Keep(NamedTuple):
    """What stays: nothing where every request is ``FREE`` and every block may be used everywhere."""

    option: Ints
    """Option of each request, -1 for the data centre or ``FREE``; shape (R,)."""
    blocks: Bools
    """Blocks that cloudlet c may use, shape (B, C): a pinned one those of its cache, and no other."""

    @classmethod
    def nothing(cls, instance: Instance) -> Keep:
        """No pin at all, to be filled in."""
        blocks, _, cloudlets, requests = instance.sizes
        return cls(np.full(requests, FREE), np.ones((blocks, cloudlets), dtype=bool))


@dataclass(frozen=True, eq=False)
class Pinned(Presolved):
    """The instance with pins; ``option[i]`` is what its option i is called without them."""

    start: Ints
    """A plan with pins, (R,), in options of ``instance``."""


def used(instance: Instance, choice: Ints) -> Bools:
    """Whether the plan ``choice`` (R,) uses block b at cloudlet c, shape (B, C)."""
    chosen = np.asarray(choice)[np.asarray(choice) != REMOTE]
    served = np.zeros((instance.sizes.models, instance.sizes.cloudlets), dtype=bool)
    served[instance.options.model[chosen], instance.options.cloudlet[chosen]] = True
    return np.asarray((membership(instance)[:, :, None] & served[:, None, :]).any(axis=0))


def pin(instance: Instance, keep: Keep, start: Ints | None = None) -> Pinned:
    """Restrict an instance; ``start`` is a plan (R,) to begin with, taken as far as the pins allow.

    InputError that names requests and cloudlets when no plan keeps the pins.
    """
    base = _required(instance, keep)
    options, free = instance.options, keep.option == FREE
    able = _able(instance, keep)
    mask = np.where(free[options.request], able, base[options.request] == np.arange(len(able)))
    known = base
    if start is not None:
        assess(instance, "start", start)
        wanted = np.where(free, start, base)
        wanted[free & (wanted != REMOTE) & ~np.append(able, True)[wanted]] = REMOTE
        known = _fitting(instance, base, wanted)
    cost = assess(instance, "keep", known).objective
    forced = base != REMOTE
    dear = np.minimum(cost * 1.001 + 1e-6, LARGEST)
    remote = instance.requests.remote_delay_s
    remote = np.where(forced, np.maximum(remote, dear), remote)
    kept = np.flatnonzero(mask)
    place = np.full(len(mask) + 1, REMOTE)
    place[kept] = np.arange(len(kept))
    requests = instance.requests.model_copy(update={"remote_delay_s": remote})
    small = instance.with_options(kept).model_copy(update={"requests": requests})
    return Pinned(small, kept, place[known])


def kept(instance: Instance, keep: Keep, choice: Ints) -> bool:
    """Whether a plan ``choice`` (R,) keeps the pins."""
    fixed = keep.option != FREE
    return bool((choice[fixed] == keep.option[fixed]).all() and not (used(instance, choice) & ~keep.blocks).any())


def _able(instance: Instance, keep: Keep) -> Bools:
    """Options whose blocks their cloudlet may use, shape (n,)."""
    lacking: Bools = np.asarray((membership(instance)[:, :, None] & ~keep.blocks).any(axis=1))
    return np.asarray(~lacking[instance.options.model, instance.options.cloudlet])


def _fitting(instance: Instance, base: Ints, wanted: Ints) -> Ints:
    """The wanted plan, or what fits of it beside the pinned requests."""
    if assess(instance, "keep", wanted).feasible:
        return wanted
    first = np.concatenate([base[base != REMOTE], wanted[(wanted != base) & (wanted != REMOTE)]])
    found = baselines.first_fit(instance, first)
    pinned = base != REMOTE
    return found if (found[pinned] == base[pinned]).all() else base


def _required(instance: Instance, keep: Keep) -> Ints:
    """The pinned requests alone, the others remote; InputError when they break a row or need a block not kept."""
    blocks, _, cloudlets, requests = instance.sizes
    if keep.option.shape != (requests,) or keep.blocks.shape != (blocks, cloudlets):
        found = (keep.option.shape, keep.blocks.shape)
        raise InputError(f"keep has shapes {found}; must be {((requests,), (blocks, cloudlets))}")
    base = np.where(keep.option == FREE, REMOTE, keep.option)
    plan = assess(instance, "keep", base)
    edge = base[base != REMOTE]
    if (bad := edge[~_able(instance, keep)[edge]]).size:
        request, site = int(instance.options.request[bad[0]]), int(instance.options.cloudlet[bad[0]])
        who, where = _name(instance.requests.name, "request", request), _name(instance.cloudlets.name, "cloudlet", site)
        raise InputError(f"keep: {who} cannot stay at {where}, which keeps other blocks than its model's")
    if plan.violations:
        site = int(plan.violations[0].split(":")[0].split()[-1])
        there = [r for r in np.flatnonzero(base != REMOTE) if instance.options.cloudlet[base[r]] == site]
        names = [_name(instance.requests.name, "request", int(r)) for r in there]
        listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        where, row = _name(instance.cloudlets.name, "cloudlet", site), plan.violations[0].split(": ", 1)[1]
        raise InputError(f"keep: {listed} cannot stay at {where}{' together' if len(there) > 1 else ''}: {row}")
    return base


def _name(names: tuple[str, ...] | None, what: str, index: int) -> str:
    return f"{what} {index}" if names is None else repr(names[index])
