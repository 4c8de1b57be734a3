"""What requests of a trace have to do with one another, in figures: prints the committed ``trace_structure.csv``.

Aggregates only: counts, shares, quantiles and regression coefficients of the 26,392 served requests. They carry what
:mod:`mecpfm.data.drawn_trace` needs to draw requests that are as predictable as the real ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mecpfm.data.marginals import BINS, CLASSES, TOP, bins, effects
from mecpfm.data.traces import azure, gentd26
from mecpfm.kernels import arrays

HABIT_LAG = 5
AZURE_NAMES: tuple[Literal["conv"], Literal["code"]] = ("conv", "code")
LEVELS = (0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
FINE = (0.001, 0.01, 0.02, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.97, 0.98, 0.995, 0.999)
"""Levels of service times and gaps besides those of ``trace_summary.csv``."""
LAGS = (1, 5, 50)
FIELDS = ("images", "steps", "loras", "type", "negative_prompt_length", "prompt_length")
RARE = 0.001
"""Values of a count with a smaller share have no row of their own."""

DESCRIPTIONS = {
    "groups": "Groups (who asks) among the served requests",
    "models": "Base models among the served requests",
    "first_share": "Share of requests that are the first of their group",
    "gini": "Gini coefficient of the requests of the groups",
    "class_share": "Share of requests of groups with so many requests",
    "group_size": "Quantile of the requests of a group",
    "return_distance": "Quantile of the requests from one of a group to its next (1: consecutive)",
    "exec_s": "Quantile of service times, between those of trace_summary.csv",
    "gap_s": "Quantile of gaps between requests, between those of trace_summary.csv",
    "gap_autocorrelation": "Autocorrelation of log(1 + gap between requests in s) at this lag",
    "repeat": "Probability that a group's next request has the same value of this field",
    "share": "Share of requests with this value of the field",
    "no_negative": "Share of requests without a negative prompt",
    "variance_share": "Variance of capped service times between the values of this field, as a share of all",
    "model_share": "Share of requests that ask for this model (rank by requests)",
    "home_share": "Share of requests of groups with so many requests whose group asks most for this model (its home)",
    "away_share": "Share of a model (second rank) among requests for others than the home of their group (first rank)",
    "home_first": "Probability that the first of several requests of a group is for its home model",
    "home_stay": "Probability that a request for the group's home model, this one, is followed by another",
    "home_return": "Probability that a request for another model is followed by one for the home model",
    "away_repeat": "Probability that a request for another model is followed by one for the same",
    "model_log_work": "Mean log of capped service time (s) at one image, 30 steps, no LoRA, a negative prompt",
    "model_spread": "Deviation of the above between the models beyond rank 10",
    "habit_keep": "Probability that a group keeps its habit (what shifts its log service times) to its next request",
    "model_habit_sd": "Deviation of log service time by the group's habit of the time, for this model",
    "model_noise_sd": "Deviation of log service time between requests with one model and habit",
    "home_one_image": "Share of requests for one image where this is the group's home model",
    "home_default_steps": "Share of requests with 30 steps where this is the group's home model",
    "model_lora": "Share of this model's requests with a LoRA",
    "model_no_negative": "Share of this model's requests without a negative prompt",
    "bin_mean": "Mean normal score of the generated tokens' rank in this of 20 quantile bins of context tokens",
    "bin_sd": "Deviation of that score in the bin (a bin that ties leave empty has the figures of the one before)",
    "slope": "Change of log capped service time with this quantity, the model fixed (least squares)",
}  # fmt: skip
UNITS = {
    "groups": "count", "models": "count", "group_size": "requests", "return_distance": "requests",
    "exec_s": "s", "gap_s": "s", "model_log_work": "log s", "model_spread": "log s", "model_habit_sd": "log s",
    "model_noise_sd": "log s", "slope": "log s", "gap_autocorrelation": "correlation", "bin_mean": "normal score",
    "bin_sd": "normal score",
}  # fmt: skip

Values = dict[tuple[str, str], float]


def structure(frame: pd.DataFrame) -> pd.DataFrame:
    """The table ``trace_structure.csv`` of a trace (:func:`mecpfm.data.traces.gentd26` or one drawn like it).

    Returns
    -------
    One row a figure: ``trace`` (gentd26), ``quantity``, ``item`` (rank of a model, level of a quantile, lag, value or
    field), ``value``, ``unit`` (share, count, requests, log s) and ``description``.
    """
    frame = frame.assign(
        work=frame["exec_s"].clip(1, float(frame["exec_s"].quantile(0.99))),
        no_negative=frame["negative_prompt_length"] == 0,
        size=sizes(frame["group"]),
        rank=ranks(frame["model"]),
        home=frame["group"].map(frame.groupby("group")["model"].agg(_mode)),
    )
    frame["home_rank"] = frame["home"].map(dict(zip(frame["model"], frame["rank"], strict=True)))
    values = {**_groups(frame), **_fields(frame), **_models(frame), **_work(frame)}
    return _table("gentd26", values)


def azure_structure(trace: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The same of an Azure trace (:func:`mecpfm.data.traces.azure`): what context tokens say of generated ones."""
    levels = (frame[["context_tokens", "generated_tokens"]].rank() - 0.5) / len(frame)
    context, generated = levels.to_numpy(dtype=np.float64).T
    scores = pd.Series(ndtri(generated)).groupby(bins(context))
    values: Values = {}
    for name, found in (("bin_mean", scores.mean()), ("bin_sd", scores.std(ddof=0))):
        filled = found.reindex(range(BINS)).ffill().bfill()
        values |= {(name, str(i)): float(value) for i, value in enumerate(filled)}
    return _table(trace, values)


def summary() -> pd.DataFrame:
    """The committed table ``trace_structure.csv``, computed anew from the three traces; InputError where absent."""
    parts = [structure(gentd26()), *(azure_structure(f"azure-{name}", azure(name)) for name in AZURE_NAMES)]
    return pd.concat(parts, ignore_index=True)


def _table(trace: str, values: Values) -> pd.DataFrame:
    rows = [
        (trace, name, item, value, UNITS.get(name, "share"), DESCRIPTIONS[name])
        for (name, item), value in values.items()
    ]
    return pd.DataFrame(rows, columns=["trace", "quantity", "item", "value", "unit", "description"])


def ranks(models: pd.Series[str]) -> pd.Series[str]:
    """``1`` for the model with the most requests, up to ``10``, else ``other``."""
    known = {name: str(i + 1) for i, name in enumerate(models.value_counts().index[:TOP])}
    return models.map(known).fillna("other")


def sizes(groups: pd.Series[str]) -> pd.Series[str]:
    """A key of ``CLASSES`` for the size of each request's group."""
    place = np.searchsorted(list(CLASSES.values()), groups.map(groups.value_counts()), side="right") - 1
    return pd.Series(np.array(list(CLASSES))[place], index=groups.index)


def _mode(values: pd.Series[str]) -> str:
    return str(values.value_counts(sort=True).index[0])


def _groups(frame: pd.DataFrame) -> Values:
    group = frame["group"]
    counts = group.value_counts().sort_values().to_numpy(dtype=float)
    count = len(counts)
    values: Values = {
        ("groups", ""): count,
        ("models", ""): frame["model"].nunique(),
        ("first_share", ""): count / len(frame),
        ("gini", ""): float(
            2 * arrays.dot(np.arange(1, count + 1), counts) / (count * counts.sum()) - (count + 1) / count
        ),
        **{("class_share", item): float((frame["size"] == item).mean()) for item in CLASSES},
    }
    distance = pd.Series(np.arange(len(frame))).groupby(group.to_numpy()).diff().dropna()
    for name, of in (("group_size", pd.Series(counts)), ("return_distance", distance)):
        values |= {(name, f"{level:g}"): float(of.quantile(level)) for level in LEVELS}
    gap_s = frame["time_s"].diff().dropna()
    for name, of in (("exec_s", frame["exec_s"]), ("gap_s", gap_s)):
        values |= {(name, f"{level:g}"): float(of.quantile(level)) for level in FINE}
    gaps = arrays.log1p(gap_s)
    for lag in LAGS:
        values["gap_autocorrelation", str(lag)] = float(np.corrcoef(gaps[lag:], gaps[:-lag])[0, 1])
    return values


def _fields(frame: pd.DataFrame) -> Values:
    values: Values = {}
    later = frame["group"].duplicated().to_numpy()
    for name in ("model", *FIELDS):
        same = frame[name] == frame.groupby("group")[name].shift()
        values["repeat", name] = float(same[later].mean())
    for name in ("type", "images", "steps", "loras"):
        shares = frame[name].value_counts(normalize=True)
        for item, share in shares[shares >= RARE].sort_index().items():
            values["share", f"{name} {item if name == 'type' else f'{item:g}'}"] = float(share)
    values["share", "negative_prompt_length 26"] = float((frame["negative_prompt_length"] == 26).mean())
    values["no_negative", ""] = float(frame["no_negative"].mean())
    work = frame["work"]
    for name in ("model", "group", "images", "steps", "loras", "no_negative"):
        fitted = work.groupby(frame[name]).transform("mean")
        values["variance_share", name] = float(fitted.var(ddof=0) / work.var(ddof=0))
    return values


def _models(frame: pd.DataFrame) -> Values:
    home = frame["model"] == frame["home"]
    before = frame.groupby("group")["model"].shift()
    later = before.notna()
    from_home = later & (before == frame["home"])
    from_away = later & ~from_home
    values: Values = {
        ("home_first", ""): float(home[~later & frame["group"].duplicated(keep=False)].mean()),
        ("home_return", ""): float(home[from_away].mean()),
        ("away_repeat", ""): float((frame["model"] == before)[from_away].mean()),
    }
    columns: Mapping[str, pd.Series[Any]] = {
        "model_share": frame["rank"].value_counts(normalize=True),
        "home_stay": home[from_home].groupby(frame.loc[from_home, "home_rank"]).mean(),
        "home_one_image": (frame["images"] == 1).groupby(frame["home_rank"]).mean(),
        "home_default_steps": (frame["steps"] == 30).groupby(frame["home_rank"]).mean(),
        "model_lora": (frame["loras"] > 0).groupby(frame["rank"]).mean(),
        "model_no_negative": frame["no_negative"].groupby(frame["rank"]).mean(),
    }
    return values | _homes(frame) | _by_rank(columns)


def _homes(frame: pd.DataFrame) -> Values:
    """Where groups of each size are at home, and where they go from there; items of share 0 are left out."""
    away = frame[frame["model"] != frame["home"]]
    pairs = {"home_share": (frame["size"], frame["home_rank"]), "away_share": (away["home_rank"], away["rank"])}
    values: Values = {}
    for name, (given, what) in pairs.items():
        shares = what.groupby(given).value_counts(normalize=True).sort_index()
        for item, share in zip(shares.index.map(" > ".join), shares, strict=True):
            values[name, str(item)] = float(share)
    return values


def _by_rank(columns: Mapping[str, pd.Series[Any]]) -> Values:
    items = [*map(str, range(1, TOP + 1)), "other"]
    return {(name, item): float(column.get(item, 0.0)) for name, column in columns.items() for item in items}


def _work(frame: pd.DataFrame) -> Values:
    """Least squares with a constant a model, then deviations between groups and, from consecutive requests, within."""
    log_work, known = pd.Series(arrays.log(frame["work"]), index=frame.index), effects(frame)
    centred = known - known.groupby(frame["model"]).transform("mean")
    slopes = arrays.fitted(centred.to_numpy(), log_work.to_numpy())
    rest = log_work - (known * slopes).sum(axis=1)
    constant = rest.groupby(frame["model"]).mean()
    residual = rest - frame["model"].map(constant)
    keep = _habit(residual, frame["group"])
    total = residual.pow(2).groupby(frame["rank"]).mean()
    step = residual.groupby([frame["group"], frame["model"]]).diff()
    changing = step.pow(2).groupby(frame["rank"]).mean() / 2
    habit = ((total - changing) / keep).clip(0, total)
    weight = frame["model"].value_counts()
    rank = dict(zip(frame["model"], frame["rank"], strict=True))
    others = constant[[rank[name] == "other" for name in constant.index]]
    share = weight[others.index].to_numpy() / max(weight[others.index].sum(), 1)
    spread = math.sqrt(arrays.dot(share, np.square(others - arrays.dot(share, others))))
    columns = {
        "model_log_work": rest.groupby(frame["rank"]).mean(),
        "model_habit_sd": habit.pow(0.5),
        "model_noise_sd": (total - habit).pow(0.5),
    }
    values: Values = {("slope", str(name)): float(value) for name, value in zip(known, slopes, strict=True)}
    return {**_by_rank(columns), ("model_spread", "other"): spread, ("habit_keep", ""): keep, **values}


def _habit(residual: pd.Series[float], group: pd.Series[str]) -> float:
    """Factor by which a group's residuals lose correlation from one request to the next, from two lags."""
    found = []
    for lag in (1, HABIT_LAG):
        before = residual.groupby(group).shift(lag)
        both = before.notna() & residual.groupby(group).shift(HABIT_LAG).notna()
        found.append(float(np.corrcoef(residual[both], before[both])[0, 1]))
    return float(arrays.power(max(found[1], 0.0) / found[0], 1 / (HABIT_LAG - 1))) if found[0] > 0 else 0.0


if __name__ == "__main__":
    print(summary().to_csv(index=False, float_format="%.6g"), end="")
