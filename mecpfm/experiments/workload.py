"""What an interval on a trace covers: places and congestion, drawn anew by seeds, and the workload, which is one.

Every seed serves the same window. So the losses of a policy form a table of seeds by blocks of consecutive requests.
Both are drawn with replacement (blocks: Carlstein 1986; both at once: Owen 2007, whose errors are on the safe side).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.experiments.statistics import REPLICATES
from mecpfm.typing import Floats, Ints


class Reduction(NamedTuple):
    """Mean over seeds of ``1 - ours / theirs`` on one window, and its standard errors by what is drawn anew."""

    value: float
    places: float
    """Seeds alone: places, homes, congestion and the policies' coins, the workload as it was."""
    workload: float
    """Blocks of requests alone, the places as they were."""
    both: float
    blocks: int


def losses(rows: pd.DataFrame, method: str) -> Floats:
    """Loss of a method in each block of a window, shape (seeds, blocks)."""
    table = rows[rows["method"] == method].pivot(index="seed", columns="block", values="loss_s")
    return np.asarray(table.sort_index().sort_index(axis=1).to_numpy(dtype=float))


def reduction(rows: pd.DataFrame, method: str, baseline: str) -> Reduction:
    """Reduction of a method against a baseline on one window; the generator of the bootstrap is seeded."""
    ours, theirs = losses(rows, method), losses(rows, baseline)
    seeds, blocks = ours.shape
    random = np.random.Generator(np.random.PCG64(0))
    some_seeds, some_blocks = (random.integers(size, size=(REPLICATES, size)) for size in ours.shape)
    every_seed, every_block = (np.broadcast_to(np.arange(size), (REPLICATES, size)) for size in ours.shape)

    def error(rows_drawn: Ints, blocks_drawn: Ints) -> float:
        cells = rows_drawn[:, :, None], blocks_drawn[:, None, :]
        return float(np.std(_reduction(ours[cells], theirs[cells]), ddof=1))

    return Reduction(
        float(_reduction(ours, theirs)),
        error(some_seeds, every_block) if seeds > 1 else math.nan,
        error(every_seed, some_blocks) if blocks > 1 else math.nan,
        error(some_seeds, some_blocks) if blocks > 1 else math.nan,
        blocks,
    )


def _reduction(ours: Floats, theirs: Floats) -> Floats:
    """Mean over seeds (last axis but one) of the share saved over all blocks (last axis)."""
    return np.asarray((1 - ours.sum(axis=-1) / theirs.sum(axis=-1)).mean(axis=-1))
