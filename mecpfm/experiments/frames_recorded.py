"""Tables behind the recorded curves: the authors' two runs beside ours, and what each learner's penalty is of MAB's."""

from __future__ import annotations

import pandas as pd

from mecpfm.data.tables import BLOCK, BLOCKS
from mecpfm.experiments.statistics import interval, pairs

THEIRS = {"ol": "ol-released", "mab": "mab", "adms": "adms"}
"""Our name of each learner that was recorded."""
SHOWN = ("ol", "ol-released", "mab", "adms", "random")
"""Whom of ours is shown beside them, each under its released pull rule."""


def blocks(recorded: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """Means of blocks of 50 rounds: of both recorded runs, and of the study ``convergence`` over its seeds.

    Columns: ``source``, ``method``, ``metric``, ``round`` (last of the block), ``mean``, ``ci_low``, ``ci_high``.
    """
    long = recorded.melt(["curve", "learner", "run"], list(BLOCKS), "block", "mean")
    theirs = pd.DataFrame(
        {
            "source": ["recorded, run " + str(run) for run in long["run"]],
            "method": long["learner"].map(THEIRS),
            "metric": long["curve"],
            "round": [int(name.rpartition("_")[2]) for name in long["block"]],
            "mean": long["mean"],
        }
    )
    return pd.concat([theirs, _ours(rounds)], ignore_index=True)


def _ours(rounds: pd.DataFrame) -> pd.DataFrame:
    out = []
    released = rounds[(rounds["rule"] == "released") & (rounds["round"] % BLOCK == 0)]
    for metric in ("regret", "penalty"):
        for method in SHOWN:
            of = released[released["method"] == method]
            table = of.pivot(index="seed", columns="round", values=f"cumulative_{metric}").sort_index(axis=1)
            means = table.diff(axis=1).fillna(table) / BLOCK
            out += [("ours", method, metric, last, *interval(means[last].to_numpy())) for last in means]
    return pd.DataFrame(out, columns=["source", "method", "metric", "round", "mean", "ci_low", "ci_high"])


def below_mab(recorded: pd.DataFrame, rounds: pd.DataFrame) -> pd.DataFrame:
    """By how much each learner's total penalty over 400 rounds is below MAB's, as a share of it.

    Rows are learners; columns ``recorded, run 1``, ``recorded, run 2`` (none for who was not recorded), and ``ours``
    with its 95 % interval ``ci_low``, ``ci_high``, paired by seed.
    """
    total = recorded[recorded["curve"] == "penalty"].pivot(index="learner", columns="run", values="total")
    theirs = (1 - total / total.loc["mab"]).rename(index=THEIRS).add_prefix("recorded, run ")
    last = rounds[(rounds["rule"] == "released") & (rounds["round"] == rounds["round"].max())]
    out = {}
    for method in SHOWN:
        ours, mab = pairs(last, method, "mab", "cumulative_penalty")
        out[method] = interval(1 - ours / mab)
    frame = pd.DataFrame(out, index=["ours", "ci_low", "ci_high"]).T
    return theirs.reindex(SHOWN).rename_axis(index=None, columns=None).join(frame)
