"""From the rows of the studies of restricted context to the frames that their figures draw."""

from __future__ import annotations

import pandas as pd

from mecpfm.experiments.statistics import interval, pairs, summary

CLAIMED_WINDOW = 800
"""Window of the WTSRC that is claimed to recover from drift, rounds."""
SLACK = 0.01
"""A subset worth this much less than the best one is found as well."""


def practice(rows: pd.DataFrame) -> pd.DataFrame:
    """Figures practice-digits and practice-tables: several tables give a panel each, one gives centred and raw."""
    several = rows["table"].nunique() > 1
    if several:
        rows = rows[rows["prepared"] == "centred"]
    rows = rows.assign(panel=rows["table" if several else "prepared"])
    return summary(rows, ["panel", "method", "observed", "features"], ["reward"])


def gains(rows: pd.DataFrame, method: str, baseline: str, by: list[str], metric: str) -> pd.DataFrame:
    """Paired difference, method minus baseline on the same seeds: the groups, mean, ci_low, ci_high, seeds."""
    out = []
    for key, group in rows.groupby(by, sort=False):
        ours, theirs = pairs(group, method, baseline, metric)
        if len(ours):
            out.append((*key, *interval(ours - theirs), len(ours)))
    return pd.DataFrame(out, columns=[*by, "mean", "ci_low", "ci_high", "seeds"])


def drift(rows: pd.DataFrame, rounds: int = 4000) -> pd.DataFrame:
    """Figure drift: reward by block for TSRC, WTSRC with the claimed window, random subsets and all features."""
    names = {f"wtsrc-{CLAIMED_WINDOW}": "wtsrc", **{name: name for name in ("ol", "random-ei", "lints")}}
    block = rows["part"].str.extract(r"block-(\d+)")[0].astype(float)
    kept = rows[block.notna() & rows["method"].isin(names)]
    kept = kept.assign(method=kept["method"].map(names), round=block * rounds / block.max())
    return summary(kept, ["problem", "method", "round"], ["reward"])


def subsets(rows: pd.DataFrame) -> pd.DataFrame:
    """Figure subsets: share of seeds whose most revealed subset is within ``SLACK`` of the best worth, and means."""
    rows = rows.assign(hit=(rows["found"] >= rows["best"] - SLACK).astype(float))
    columns = ["hit", "found", "best", "mean", "share", "late"]
    return rows.groupby(["problem", "observed", "method"], sort=False)[columns].mean().reset_index()
