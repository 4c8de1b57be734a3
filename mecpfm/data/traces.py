"""Request traces: two hours of LLM serving at Azure and three weeks of image generation at Alibaba (GenTD26).

No source joins place, model and request: what combines them is trace-driven but semi-synthetic and says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from mecpfm.data.columns import Column, TextTable, read_table
from mecpfm.data.fetch import require
from mecpfm.errors import InputError

_COUNT = Column("whole number", ge=0)
_MAYBE = Column("whole number", ge=0, missing=True)
AZURE = {"TIMESTAMP": Column("time"), "ContextTokens": _COUNT, "GeneratedTokens": _COUNT}
GENTD26 = {
    "gmt_create": Column("time"),
    "predict_type": Column("text"),
    "predict_status": Column("text"),
    "exec_time_seconds": Column(ge=0),
    "groupId": Column("text"),
    "prompt_length": _MAYBE,
    "negative_prompt_length": _MAYBE,
    "num_images_per_prompt": _MAYBE,
    "num_inference_steps": _MAYBE,
    "checkpoint_model_version_id": Column("text", missing=True),
    "num_lora": _COUNT,
}
QUANTILES = {"min": 0.0, "q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95, "q99": 0.99, "max": 1.0}


def _timed(path: Path, columns: dict[str, Column], tidy: list[str], content: TextTable | None) -> pd.DataFrame:
    """Read a trace whose first column is the arrival time and count its time from the first request, in s."""
    frame = read_table(path, columns, content)
    if frame.empty:
        raise InputError(f"{path}: holds no requests")
    stamp = frame.columns[0]
    seconds = (frame[stamp] - frame[stamp].iloc[0]).dt.total_seconds()
    if (late := seconds.diff() < 0).any():
        raise InputError(
            f"{path}: column {stamp}, row {int(late.argmax()) + 1}: earlier than the row before; sort the file by it"
        )
    frame[stamp] = seconds
    return frame.set_axis(tidy, axis=1)


def read_azure(path: Path, content: TextTable | None = None) -> pd.DataFrame:
    """Parse an Azure LLM trace: ``time_s``, ``context_tokens``, ``generated_tokens``, one row a request."""
    return _timed(path, AZURE, ["time_s", "context_tokens", "generated_tokens"], content)


def read_gentd26(path: Path, content: TextTable | None = None) -> pd.DataFrame:
    """Parse a GenTD26 request trace and keep the requests that were served and miss no field.

    Returns
    -------
    One row a request: ``time_s``, ``type``, ``exec_s`` (unknown until served), ``group``, ``prompt_length``,
    ``negative_prompt_length`` (0 where there is none), ``images``, ``steps``, ``model``, ``loras``.
    """
    tidy = "time_s type status exec_s group prompt_length negative_prompt_length images steps model loras"
    frame = _timed(path, GENTD26, tidy.split(), content)
    frame["negative_prompt_length"] = frame["negative_prompt_length"].fillna(0)
    served = frame[(frame["status"] == "SUCCEED") & (frame["model"] != "")].drop(columns="status").dropna()
    return served.reset_index(drop=True)


def azure(name: Literal["conv", "code"]) -> pd.DataFrame:
    """Requests of the conversation or the coding service, as :func:`read_azure`; InputError where absent."""
    return read_azure(require(f"AzureLLMInferenceTrace_{name}.csv"))


def gentd26() -> pd.DataFrame:
    """Served requests of GenTD26, as :func:`read_gentd26`; InputError where the file is absent."""
    return read_gentd26(require("lora_request_trace.csv"))
