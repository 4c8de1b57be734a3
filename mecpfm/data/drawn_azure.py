"""Requests like those of the two Azure services where the traces are absent: drawn from committed figures alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from mecpfm import ranges
from mecpfm.data.marginals import BINS, bins, figures, inverse, ranked
from mecpfm.kernels import arrays


def drawn_azure(name: Literal["conv", "code"], requests: int, seed: int) -> pd.DataFrame:
    """Requests with the columns of :func:`mecpfm.data.traces.azure`, ``time_s`` from 0.

    Gaps are independent draws of their quantiles. The rank of generated tokens depends on the quantile bin of context
    tokens only: its normal score has the committed mean and deviation of the bin. InputError for less than one.
    """
    ranges.no_less("requests", requests, 1)
    trace = f"azure-{name}"
    known = figures(trace)
    random = np.random.default_rng((seed, 0 if name == "conv" else 1))
    level = random.random(requests)
    mean, deviation = (np.array([known[what][str(i)] for i in range(BINS)]) for what in ("bin_mean", "bin_sd"))
    own = bins(level)
    scores = mean[own] + deviation[own] * arrays.normal(random, requests)
    gaps = inverse("gap_s", random.random(requests), trace)
    tokens = {"context_tokens": level, "generated_tokens": ranked(scores)}
    columns = {
        column: np.floor(inverse(column, levels, trace) + 0.5).astype(np.int64) for column, levels in tokens.items()
    }
    return pd.DataFrame({"time_s": np.cumsum(gaps) - gaps[0], **columns})
