"""The local search beside the usual one, where resources are full, and how much of it ``auto`` does."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from mecpfm.coupled import exchange, swaps, union
from mecpfm.coupled.engine import EngineParams
from mecpfm.coupled.local_search import Polished
from mecpfm.coupled.params import AutoParams
from mecpfm.coupled.structure import Structure
from mecpfm.kernels.coupled_single import Sites


@dataclass(eq=False)
class Exchanges:
    """A search, called with a plan and its limits, and its iterations for one of the usual search."""

    improve: Callable[..., Polished]
    each: float
    params: AutoParams

    @classmethod
    def of(cls, structure: Structure, rows: Sites | None, params: EngineParams) -> Exchanges | None:
        """Where memory is short, or compute for one set of blocks a cloudlet (``rows``); None where neither is."""
        own, at_first = params.exchange, params.auto.exchanges
        if exchange.binds(structure):
            one = union.fits(structure, own)
            search = functools.partial((union if one else exchange).improve, structure, params=own)
            return cls(search, params.auto.most_exchanges if one else at_first, params.auto)
        if rows is not None and swaps.fits(rows, own):
            each = at_first if rows.price_s.any() else params.auto.most_exchanges
            return cls(functools.partial(swaps.improve, structure, rows, params=own), each, params.auto)
        return None

    def paid(self, most: bool) -> None:
        """Twice as many from now on if they gained most, else half."""
        self.each *= 2 if most else 0.5
        self.each = min(max(self.each, self.params.fewest_exchanges), self.params.most_exchanges)
