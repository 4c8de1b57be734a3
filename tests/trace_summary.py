"""The three traces in figures: ``python tests/trace_summary.py`` prints the committed ``trace_summary.csv``."""

import pandas as pd

from mecpfm.data.traces import QUANTILES, azure, gentd26


def summarise(trace: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Count, mean, deviation and quantiles of every numeric column and of the gaps between requests.

    Parameters
    ----------
    trace
        Name that goes into the first column.
    frame
        A trace as read above; units are those of its columns, gaps are in s.
    """
    numbers = frame.select_dtypes("number").rename(columns={"time_s": "gap_s"})
    numbers["gap_s"] = numbers["gap_s"].diff()
    table = numbers.agg(["count", "mean", "std"]).T
    for name, level in QUANTILES.items():
        table[name] = numbers.quantile(level)
    table["count"] = table["count"].astype(int)
    table.insert(0, "trace", trace)
    return table.rename_axis("quantity").reset_index()[["trace", "quantity", *table.columns[1:]]]


def summary() -> pd.DataFrame:
    """The committed table ``trace_summary.csv``, computed anew from the three traces."""
    frames = {"azure-conv": azure("conv"), "azure-code": azure("code"), "gentd26": gentd26()}
    return pd.concat([summarise(name, frame) for name, frame in frames.items()], ignore_index=True)


if __name__ == "__main__":
    print(summary().to_csv(index=False, float_format="%.6g"), end="")
