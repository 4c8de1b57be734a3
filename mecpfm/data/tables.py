"""The committed tables of published figures; data/README.md gives their columns, units and sources."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mecpfm import paths
from mecpfm.data.columns import Column, read_table
from mecpfm.data.traces import QUANTILES
from mecpfm.errors import InputError
from mecpfm.files import readable

_TEXT = Column("text")
_POSITIVE = Column(ge=1e-9)
MODEL_ZOO = {
    "model": _TEXT,
    "backbone": _TEXT,
    "method": _TEXT,
    "task": _TEXT,
    "total_params_m": _POSITIVE,
    "private_params_m": Column(ge=0),
    "metric": _TEXT,
    "value": Column(ge=0, le=100),
    "source": _TEXT,
    "source_url": _TEXT,
    "size_source_url": _TEXT,
    "confidence": _TEXT,
}
GPUS = {
    "gpu": _TEXT,
    "memory_gb": _POSITIVE,
    "bandwidth_gb_s": _POSITIVE,
    "fp16_tflops": _POSITIVE,
    "precision": _TEXT,
    "power_w": _POSITIVE,
    "source_url": _TEXT,
    "confidence": _TEXT,
}
TRACE_SUMMARY = {
    "trace": _TEXT,
    "quantity": _TEXT,
    "count": Column("whole number", ge=1),
    **{name: Column(ge=0) for name in ("mean", "std", *QUANTILES)},
}
TRACE_STRUCTURE = {
    "trace": _TEXT,
    "quantity": _TEXT,
    "item": Column("text", missing=True),
    "value": Column(),
    "unit": _TEXT,
    "description": _TEXT,
}
BLOCK = 50
"""Rounds of a block of the recorded curves."""
BLOCKS = tuple(f"rounds_{start + 1}_{start + BLOCK}" for start in range(0, 400, BLOCK))
"""Their columns."""
RECORDED = {
    "curve": _TEXT,
    "learner": _TEXT,
    "run": Column("whole number", ge=1),
    **{name: Column(ge=0) for name in BLOCKS},
    "total": Column(ge=0),
}


def _table(name: str, columns: Mapping[str, Column], key: list[str]) -> pd.DataFrame:
    """A committed table whose ``key`` columns identify a row and whose figures were read or recalled."""
    path = paths.tables() / name
    with readable(path):
        content = path.read_bytes()
    return _read(path, content, tuple(columns.items()), tuple(key)).copy()


@functools.lru_cache(maxsize=16)
def _read(path: Path, _: bytes, rules: tuple[tuple[str, Column], ...], key: tuple[str, ...]) -> pd.DataFrame:
    """The table, parsed again only where the file holds other bytes: an instance that is generated needs several."""
    frame = read_table(path, columns := dict(rules))
    bad = frame.duplicated([*key])
    reason = f"{' and '.join(key)} stand twice"
    if "confidence" in columns and not bad.any():
        bad, reason = ~frame["confidence"].isin(["read", "recalled"]), "confidence must be read or recalled"
    _refuse(path.name, bad, reason)
    return frame


def _refuse(name: str, bad: pd.Series[bool], reason: str) -> None:
    if bad.any():
        raise InputError(f"{paths.tables() / name}: row {int(bad.to_numpy().argmax()) + 1}: {reason}")


def model_zoo() -> pd.DataFrame:
    """Published fine-tuned models, one row a (model, task), with ``shared_fraction`` added.

    Returns
    -------
    Sizes are in millions of parameters. ``total_params_m`` counts all that inference needs; ``private_params_m`` what
    fine-tuning added or changed; the rest is the backbone's, shared by the family: ``shared_fraction = 1 - private /
    total``. ``value`` is in percent, comparable only within one task and metric.

    Raises
    ------
    InputError
        Names file and row of a broken cell, private part above the total, or backbone in two spellings.
    """
    frame = _table("model_zoo.csv", MODEL_ZOO, ["model", "task"])
    _refuse("model_zoo.csv", frame["private_params_m"] > frame["total_params_m"], "private part above the total")
    first = frame.groupby(frame["backbone"].str.replace(r"\W", "", regex=True).str.casefold())["backbone"]
    _refuse("model_zoo.csv", frame["backbone"] != first.transform("first"), "backbone spelt in two ways")
    return frame.assign(shared_fraction=1 - frame["private_params_m"] / frame["total_params_m"])


def gpus() -> pd.DataFrame:
    """Accelerators of edge and data-centre class: memory in GB, bandwidth in GB/s, TFLOP/s at ``precision``, W."""
    return _table("gpus.csv", GPUS, ["gpu"])


def trace_summary() -> pd.DataFrame:
    """Counts, means and quantiles of the three traces, as ``tests/trace_summary.py`` computes them."""
    return _table("trace_summary.csv", TRACE_SUMMARY, ["trace", "quantity"])


def trace_structure() -> pd.DataFrame:
    """How requests of GenTD26 hang together, as ``tests/trace_structure.py`` computes it."""
    return _table("trace_structure.csv", TRACE_STRUCTURE, ["trace", "quantity", "item"])


def recorded_curves() -> pd.DataFrame:
    """Regret and penalty that the paper's authors recorded: means of eight blocks of 50 rounds, and totals of all 400.

    InputError where a total is not that of its blocks, to what rounding to two digits allows.
    """
    frame = _table("recorded_curves.csv", RECORDED, ["curve", "learner", "run"])
    apart = (BLOCK * frame[list(BLOCKS)].sum(axis=1) - frame["total"]).abs()
    _refuse("recorded_curves.csv", apart > BLOCK * len(BLOCKS) * 0.005, "total is not the sum of its blocks")
    return frame
