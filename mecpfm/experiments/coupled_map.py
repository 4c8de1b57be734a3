"""The data behind the map of a coupled plan: sites, backbones held and who serves whom, as one tidy table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from mecpfm.coupled.instance import Instance
from mecpfm.errors import InputError
from mecpfm.plan import Plan


def coupled_map(instance: Instance, plan: Plan) -> pd.DataFrame:
    """Rows of kind site, holds, serves and remote; a backbone is the largest block of a family at a cloudlet.

    InputError when the instance has no coordinates or families.
    """
    sites, users, family = instance.cloudlets, instance.requests, instance.models.family
    if sites.longitude_deg is None or sites.latitude_deg is None or family is None:
        raise InputError("a map needs coordinates of the cloudlets and families of the models")
    if users.longitude_deg is None or users.latitude_deg is None:
        raise InputError("a map needs coordinates of the requests")
    place = list(zip(sites.longitude_deg.tolist(), sites.latitude_deg.tolist(), strict=True))
    home = list(zip(users.longitude_deg.tolist(), users.latitude_deg.tolist(), strict=True))
    names = sites.name or tuple(f"cloudlet {c}" for c in range(len(place)))
    rows = [_row("site", name, at) for name, at in zip(names, place, strict=True)]
    choice = np.array(plan.decisions["option"])
    far = Counter(home[r] for r in np.flatnonzero(choice < 0).tolist())
    rows += [_row("remote", f"{n} served remotely", at, count=n) for at, n in sorted(far.items())]
    chosen = choice[choice >= 0]
    options = instance.options
    served: Counter[tuple[Any, int, int]] = Counter()
    held: dict[tuple[int, int], set[int]] = {}
    for o in chosen.tolist():
        c, k = int(options.cloudlet[o]), int(options.model[o])
        served[home[int(options.request[o])], c, int(family[k])] += 1
        held.setdefault((c, int(family[k])), set()).update(instance.models.blocks[k].tolist())
    for (c, f), blocks in sorted(held.items()):
        gb = float(instance.blocks.size_gb[sorted(blocks)].max())
        rows.append(_row("holds", f"{gb:.1f} GB and {len(blocks) - 1} more blocks", place[c], family=f, gb=gb))
    for (at, c, f), n in sorted(served.items()):
        to = {"lon_to": place[c][0], "lat_to": place[c][1]}
        rows.append(_row("serves", f"{n} requests by {names[c]}", at, family=f, count=n, **to))
    return pd.DataFrame(rows)


def _row(kind: str, name: str, at: tuple[float, float], **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "lon": at[0], "lat": at[1], **more}
