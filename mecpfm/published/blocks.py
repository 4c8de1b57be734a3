"""Rows stated block by block, put together into one :class:`~mecpfm.solvers.model.LinearModel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from mecpfm.solvers.model import LinearModel
from mecpfm.typing import Floats


class RowBlock(NamedTuple):
    """Rows of one kind: sparse blocks by column group, the two sides (scalars or one entry a row), and a name."""

    name: str
    blocks: dict[str, Any]
    lower: float | Floats
    upper: float | Floats

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(next(iter(self.blocks.values())).shape[0])


def row(values: Floats) -> Any:
    """One sparse row."""
    return sp.csr_array(values.reshape(1, -1))


def per_request(table: Floats) -> Any:
    """Block diagonal (J, J K): row j holds row j of the (J, K) table."""
    requests, models = table.shape
    return sp.csr_array((table.ravel(), np.arange(table.size), np.arange(requests + 1) * models))


def assemble(
    base: Floats, widths: dict[str, int], rows: list[RowBlock], names: Callable[[], list[str]], integer: bool = True
) -> LinearModel:
    """Model with column groups of the given ``widths`` in [0, 1], the last of them one continuous column Pi >= 0.

    The objective is Pi plus ``base`` (delays without pulling, (J, K)) on the first group; ``names`` gives the columns'.
    """
    columns = sum(widths.values())
    cost = np.concatenate([base.ravel(), np.zeros(columns - base.size - 1), [1.0]])
    upper = np.append(np.ones(columns - 1), np.inf)
    return LinearModel(
        cost=cost,
        rows=sp.block_array([[kind.blocks.get(group) for group in widths] for kind in rows], format="csr"),
        row_lower=_side([(kind.lower, kind.height) for kind in rows]),
        row_upper=_side([(kind.upper, kind.height) for kind in rows]),
        lower=np.zeros(columns),
        upper=upper,
        integer=np.isfinite(upper) & integer,
        names=lambda: (names(), [f"{kind.name}_{i}" for kind in rows for i in range(kind.height)]),
    )


def _side(values: list[tuple[float | Floats, int]]) -> Floats:
    return np.concatenate([np.broadcast_to(np.asarray(value, dtype=float), size) for value, size in values])
