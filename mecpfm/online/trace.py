"""Requests of a trace as arrays: when they come, what they ask for, what is known of them at arrival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_S = 86_400.0


class Trace(NamedTuple):
    """n requests in the order of arrival."""

    time_s: Floats
    """Arrival, not decreasing, shape (n,)."""
    work_s: Floats
    """Service time at speed 1, unknown to every policy until served, shape (n,)."""
    group: Ints
    """Who asks: a code from 0, shape (n,)."""
    model: Ints
    """Which model is asked for: a code from 0, shape (n,)."""
    payload_gb: Floats
    """What travels to the place of service, shape (n,)."""
    static: Floats
    """Features known at arrival, shape (n, S)."""
    static_names: tuple[str, ...]
    source: str
    """Where the requests come from, for labels."""


def from_gentd26(frame: pd.DataFrame, source: str) -> Trace:
    """GenTD26's requests (:func:`mecpfm.data.traces.gentd26` or drawn like them) with their ten static features.

    Heavy tails (prompt lengths) enter as logarithms. Images of 1.5 MB each and 0.5 MB of prompt and control travel.
    """
    angle = 2 * np.pi * (frame["time_s"].to_numpy() % DAY_S) / DAY_S
    negative = frame["negative_prompt_length"].to_numpy(dtype=float)
    columns = {
        "images": frame["images"].to_numpy(dtype=float),
        "steps": frame["steps"].to_numpy(dtype=float),
        "image to image": (frame["type"] == "IMG_2_IMG").to_numpy(dtype=float),
        "inpainting": (frame["type"] == "INPAINTING").to_numpy(dtype=float),
        "prompt length": np.log1p(frame["prompt_length"].to_numpy(dtype=float)),
        "negative length": np.log1p(negative),
        "no negative": (negative == 0).astype(float),
        "LoRAs": frame["loras"].to_numpy(dtype=float),
        "hour (sine)": np.sin(angle),
        "hour (cosine)": np.cos(angle),
    }
    return Trace(
        time_s=frame["time_s"].to_numpy(dtype=float),
        work_s=frame["exec_s"].to_numpy(dtype=float),
        group=pd.factorize(frame["group"])[0].astype(np.int64),
        model=pd.factorize(frame["model"])[0].astype(np.int64),
        payload_gb=0.0005 + 0.0015 * columns["images"],
        static=np.column_stack(list(columns.values())),
        static_names=tuple(columns),
        source=source,
    )


def load(real: bool) -> Trace:
    """GenTD26."""
    from mecpfm.data.traces import gentd26

    return from_gentd26(gentd26(), "GenTD26")
