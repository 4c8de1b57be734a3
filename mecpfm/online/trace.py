"""Requests of a trace as arrays: when they come, what they ask for, what is known of them at arrival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecpfm.coupled.roofline import Accelerator
from mecpfm.data import traces
from mecpfm.data.drawn_azure import drawn_azure
from mecpfm.data.drawn_trace import drawn_gentd26
from mecpfm.data.fetch import locate
from mecpfm.data.tables import gpus

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DAY_S = 86_400.0
REQUESTS, SEED = 26_392, 7
"""Of the drawn trace: as many requests as the real one has, and the seed of 0..7 whose requests are most like the real
ones in how well they can be predicted (docs/online_setting.md)."""
AZURE_REQUESTS = {"conv": 19_366, "code": 8_819}
GENTD26 = "lora_request_trace.csv"
AZURE = ("AzureLLMInferenceTrace_conv.csv", "AzureLLMInferenceTrace_code.csv")
GPU, BILLIONS = "L4", 7.0
"""What decodes the Azure requests at speed 1: a model of so many billion parameters, 16 bit, on this accelerator."""
CONTEXT_BINS, BINNED = 20, 3_000
"""Quantile bins of context tokens, and the first requests of a service that they are computed from."""
BYTES_PER_TOKEN = 4.0


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

    Its stamps are whole seconds: requests of one second keep the file's order and arrive together. Heavy tails (prompt
    lengths) enter as logarithms. Images of 1.5 MB each and 0.5 MB of prompt and control travel.
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


def from_azure(conv: pd.DataFrame, code: pd.DataFrame | None = None, source: str = "Azure LLM 2023") -> Trace:
    """Requests of both services (:func:`mecpfm.data.traces.azure` or drawn like them), merged by time.

    Both clocks start at the service's first request. Work is decoding alone: generated tokens times the 0.047 s in
    which an L4 (data/gpus.csv: 300 GB/s) reads the weights of a 7-billion-parameter model in 16 bit, one request at a
    time (:meth:`~mecpfm.coupled.roofline.Accelerator.decode_s`); that the service ran such a model is an assumption.
    A service is a group and has one model. Four bytes a context token travel.

    Features: service, log context tokens, and which of 20 quantile bins of its service's context tokens a request
    lies in; the bins come from the service's first 3,000 requests.
    """
    services = [frame.reset_index(drop=True) for frame in (conv, code) if frame is not None]
    both = pd.concat([frame.assign(service=i) for i, frame in enumerate(services)], ignore_index=True)
    marks = np.zeros((len(both), CONTEXT_BINS * len(services)))
    for i, frame in enumerate(services):
        tokens = frame["context_tokens"].to_numpy(dtype=float)
        edges = np.quantile(tokens[:BINNED], np.arange(1, CONTEXT_BINS) / CONTEXT_BINS)
        rows = np.flatnonzero(both["service"] == i)
        marks[rows, i * CONTEXT_BINS + np.searchsorted(edges, tokens, side="right")] = 1.0
    order = np.argsort(both["time_s"].to_numpy(), kind="stable")
    both = both.iloc[order]
    service, context = np.array(both["service"], dtype=np.int64), both["context_tokens"].to_numpy(dtype=float)
    labels = ("conv", "code")[: len(services)]
    return Trace(
        time_s=both["time_s"].to_numpy(dtype=float),
        work_s=both["generated_tokens"].to_numpy(dtype=float) * second_per_token(),
        group=service,
        model=service.copy(),
        payload_gb=BYTES_PER_TOKEN * context / 1e9,
        static=np.column_stack([service.astype(float), np.log1p(context), marks[order]]),
        static_names=(
            "service",
            "context",
            *(f"{label} context bin {i + 1}" for label in labels for i in range(CONTEXT_BINS)),
        ),
        source=source,
    )


def second_per_token() -> float:
    """Decode time of a token at speed 1, s."""
    table = gpus()
    card = table[table["gpu"] == GPU]
    speed, bandwidth = (card[name].to_numpy(dtype=np.float64) for name in ("fp16_tflops", "bandwidth_gb_s"))
    return float(Accelerator(speed, bandwidth).decode_s(np.array([BILLIONS]), np.ones(1))[0])


def load(real: bool = True) -> Trace:
    """GenTD26 where it is present and ``real``, else 26,392 drawn requests; ``source`` says which.

    Raises
    ------
    InputError
        When the real file is corrupted.
    """
    if real and locate(GENTD26):
        return from_gentd26(traces.gentd26(), "GenTD26")
    return from_gentd26(drawn_gentd26(REQUESTS, SEED), "drawn from the summary of GenTD26")


def load_azure(real: bool = True) -> Trace:
    """Both Azure services where their files are present and ``real``, else as many drawn requests."""
    if real and all(locate(name) for name in AZURE):
        return from_azure(traces.azure("conv"), traces.azure("code"))
    drawn = (drawn_azure("conv", AZURE_REQUESTS["conv"], 0), drawn_azure("code", AZURE_REQUESTS["code"], 0))
    return from_azure(*drawn, source="drawn from the summary of Azure LLM 2023")
