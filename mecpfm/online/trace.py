"""Requests of a trace as arrays: when they come, what they ask for, what is known of them at arrival."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from mecpfm.coupled.roofline import Accelerator
from mecpfm.data import traces
from mecpfm.data.drawn_trace import drawn_azure, drawn_gentd26
from mecpfm.data.fetch import locate
from mecpfm.data.tables import gpus
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

DAY_S = 86_400.0
REQUESTS, SEED = 26_392, 7
"""Of the drawn trace: as many requests as the real one has, and the seed of 0..7 whose requests are most like the real
ones in how well they can be predicted (docs/online_setting.md)."""
AZURE_REQUESTS = {"conv": 19_366, "code": 8_819}
FILES = {
    "gentd26": ("lora_request_trace.csv",),
    "azure": ("AzureLLMInferenceTrace_conv.csv", "AzureLLMInferenceTrace_code.csv"),
}
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
    origin: Ints
    """Who asks, and hence from where: a code from 0, shape (n,)."""
    group: Ints
    """Whose past service times tell of this one's (who asks, or what kind of request it is): a code from 0, (n,)."""
    model: Ints
    """Which model is asked for: a code from 0, shape (n,)."""
    payload_gb: Floats
    """What travels to the place of service, shape (n,)."""
    static: Floats
    """Features known at arrival, shape (n, S)."""
    static_names: tuple[str, ...]
    source: str
    """Where the requests come from, for labels."""
    group_names: tuple[str, ...] = ()
    """What the trace calls its groups, if it names who asks."""
    model_names: tuple[str, ...] = ()
    """What it calls its models, if it says."""


def from_gentd26(frame: pd.DataFrame, source: str) -> Trace:
    """GenTD26's requests (:func:`mecpfm.data.traces.gentd26` or drawn like them) with their ten static features.

    Its stamps are whole seconds: requests of one second keep the file's order and arrive together. Heavy tails (prompt
    lengths) enter as logarithms. Images of 1.5 MB each and 0.5 MB of prompt and control travel.
    """
    angle = 2 * np.pi * (frame["time_s"].to_numpy() % DAY_S) / DAY_S
    group = pd.factorize(frame["group"])[0].astype(np.int64)
    negative = frame["negative_prompt_length"].to_numpy(dtype=float)
    columns = {
        "images": frame["images"].to_numpy(dtype=float),
        "steps": frame["steps"].to_numpy(dtype=float),
        "image to image": (frame["type"] == "IMG_2_IMG").to_numpy(dtype=float),
        "inpainting": (frame["type"] == "INPAINTING").to_numpy(dtype=float),
        "prompt length": arrays.settled(arrays.log1p(frame["prompt_length"])),
        "negative length": arrays.settled(arrays.log1p(negative)),
        "no negative": (negative == 0).astype(float),
        "LoRAs": frame["loras"].to_numpy(dtype=float),
        "hour (sine)": arrays.settled(arrays.sin(angle)),
        "hour (cosine)": arrays.settled(arrays.cos(angle)),
    }
    return Trace(
        time_s=frame["time_s"].to_numpy(dtype=float),
        work_s=frame["exec_s"].to_numpy(dtype=float),
        origin=group,
        group=group,
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
    A service has one model; nobody knows who asks, so every request comes from somewhere of its own. Four bytes a
    context token travel.

    Answers depend on context length, but not monotonically: a request's group is its service's quantile bin of context
    tokens (20 bins from the service's first 3,000 requests), so that the group's mean is what the bin has taught.
    Features: service and log context tokens.
    """
    services = [frame.reset_index(drop=True) for frame in (conv, code) if frame is not None]
    both = pd.concat([frame.assign(service=i) for i, frame in enumerate(services)], ignore_index=True)
    return from_tokens(both.sort_values("time_s", kind="stable"), source)


def from_tokens(both: pd.DataFrame, source: str) -> Trace:
    """Requests in order with ``time_s``, ``context_tokens``, ``generated_tokens`` and ``service``, a code from 0.

    Work, groups, models, features and payloads are those of :func:`from_azure`.
    """
    service = np.array(both["service"], dtype=np.int64)
    tokens, group = both["context_tokens"].to_numpy(dtype=float), np.zeros(len(both), dtype=np.int64)
    for i in np.unique(service):
        rows = np.flatnonzero(service == i)
        edges = np.quantile(tokens[rows[:BINNED]], np.arange(1, CONTEXT_BINS) / CONTEXT_BINS)
        group[rows] = i * CONTEXT_BINS + np.searchsorted(edges, tokens[rows], side="right")
    return Trace(
        time_s=both["time_s"].to_numpy(dtype=float),
        work_s=both["generated_tokens"].to_numpy(dtype=float) * second_per_token(),
        origin=np.arange(len(both)),
        group=group,
        model=service.copy(),
        payload_gb=BYTES_PER_TOKEN * tokens / 1e9,
        static=np.column_stack([service.astype(float), arrays.settled(arrays.log1p(tokens))]),
        static_names=("service", "context"),
        source=source,
    )


def accelerator() -> Accelerator:
    """What serves at speed 1: ``GPU``, arrays of shape (1,)."""
    table = gpus()
    card = table[table["gpu"] == GPU]
    return Accelerator(*(card[name].to_numpy(dtype=np.float64) for name in ("fp16_tflops", "bandwidth_gb_s")))


def second_per_token() -> float:
    """Decode time of a token at speed 1, s."""
    return float(accelerator().decode_s(np.array([BILLIONS]), np.ones(1))[0])


def load(real: bool = True, name: str = "gentd26") -> Trace:
    """A trace by name (``gentd26`` or ``azure``) where its files are present and ``real``, else one drawn like it.

    ``source`` says which. InputError when a file is corrupted.
    """
    present = real and not missing(name)
    if name == "azure" and present:
        return from_azure(traces.azure("conv"), traces.azure("code"))
    if name == "azure":
        drawn = (drawn_azure("conv", AZURE_REQUESTS["conv"], 0), drawn_azure("code", AZURE_REQUESTS["code"], 0))
        return from_azure(*drawn, source="drawn from the summary of Azure LLM 2023")
    if present:
        return from_gentd26(traces.gentd26(), "GenTD26")
    return from_gentd26(drawn_gentd26(REQUESTS, SEED), "drawn from the summary of GenTD26")


def missing(name: str) -> tuple[str, ...]:
    """Files of a trace that are not at hand."""
    return tuple(file for file in FILES[name] if not locate(file))
