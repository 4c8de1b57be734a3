"""Random streams: every quantity draws from one of its own, so that more of one leaves the others as they were."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Streams = Iterator[np.random.Generator]


def streams(seed: int | np.random.SeedSequence) -> Streams:
    """Independent generators without end, each spawned when it is asked for."""
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    while True:
        yield np.random.default_rng(sequence.spawn(1)[0])
