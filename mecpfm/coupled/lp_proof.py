"""The LP with the cut, proved: its optimal duals as a certificate that proves no less than the LP's value.

The duals of the cut are one price a block and cloudlet, those of the linking rows are shares in families too large to
be enumerated; smaller families are solved as integer problems, which can only lift the bound
(docs/theory_coupled.md, theorem 2, strength). Whatever a solver's tolerances do to its duals, what they prove is
computed by ``verify``.
"""

from __future__ import annotations

import numpy as np

from mecpfm import solvers
from mecpfm.coupled.belonging import model_gb
from mecpfm.coupled.certificate import Certificate, verify
from mecpfm.coupled.formulation import linear_model, links, unit
from mecpfm.coupled.incidence import incidence
from mecpfm.coupled.instance import Instance
from mecpfm.coupled.structure import families
from mecpfm.errors import LimitError
from mecpfm.plan import instance_sha256


def lp_certificate(instance: Instance, *, time_limit: float | None = None) -> Certificate:
    """Certificate of HiGHS's optimal duals of the LP with the cut over the useful options.

    LimitError when the time limit comes before the optimum.
    """
    small = instance.with_options(np.flatnonzero(instance.useful(model_gb(instance))))
    found = solvers.solve(linear_model(small, cut=True).relaxed(), "highs", time_limit=time_limit)
    if found.status != "optimal" or found.duals is None:
        raise LimitError(f"{found.solver} stopped after {found.runtime_s:.3g} s without the LP's optimum")
    use, (blocks, _, sites, requests) = incidence(small), instance.sizes
    request, pair = np.divmod(links(small, use)[0], max(len(use.block), 1))
    ends = np.cumsum([requests, sites, sites, len(request), len(use.block)])
    v, mu, eta, w, lam, *_ = np.split(found.duals, ends)
    family, exact = families(instance)
    time = unit(instance.cloudlets.compute_s)
    block_price = np.zeros((blocks, sites))
    block_price[use.block, use.cloudlet] = np.maximum(-lam, 0) / time[use.cloudlet]
    of = instance.models.blocks
    owner = np.zeros(blocks, dtype=np.int64)
    owner[of.indices] = np.repeat(family, np.diff(of.indptr))
    shared = np.flatnonzero(~exact[owner[use.block[pair]]] & (w < 0))
    given = Certificate(
        bound_s=np.float64(0.0),
        request_price_s=np.clip(v, 0, instance.requests.remote_delay_s),
        compute_price=np.maximum(-mu, 0) / time,
        memory_price_s_per_gb=np.maximum(-eta, 0) / unit(instance.cloudlets.memory_gb),
        family=family,
        exact=exact.astype(np.int64),
        cut_price=np.zeros((sites, len(exact))),
        share_cloudlet=use.cloudlet[pair[shared]],
        share_block=use.block[pair[shared]],
        share_request=request[shared],
        share_s=-w[shared],
        instance_sha256=instance_sha256(instance),
        block_price=block_price,
    )
    return given.model_copy(update={"bound_s": np.float64(verify(instance, given))})
