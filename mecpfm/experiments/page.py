"""The reviewer's page: one file that says what holds, shows this run beside the committed full profile, and costs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from mecpfm import paths
from mecpfm.experiments import report
from mecpfm.experiments.claims import Judged, Verdict
from mecpfm.experiments.strip import short, strip
from mecpfm.figures.verdicts import LOOKS, OTHER
from mecpfm.network.page import HEAD
from mecpfm.records import write_atomic

LIGHTS = {
    "an equivalent integer linear program": ("equivalence",),
    "a randomized algorithm with a provable approximation ratio": ("ratio", "ratio-draws"),
    "at least 38 % less total delay": ("delay-vs-*",),
    "at least 38 % less average cost": ("cost-vs-*",),
    "5 % more accuracy": ("accuracy-vs-*",),
    "online: a bounded regret (the paper's bound is not checked, only that the curve flattens)": ("ol-regret",),
    "online: at least 38 % less total delay": ("ol-delay-vs-*",),
    "online: at least 38 % less average cost": ("ol-cost-vs-*",),
    "online: 5 % more accuracy": ("ol-accuracy-vs-*",),
    "restricted context is what helps": ("ol-context",),
}
"""The abstract in short, and the claims that each phrase rests on, one light each."""
STYLE = """
body{margin:0;background:#fff;color:#1a1a1a;font:15px/1.45 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:12px 16px;box-sizing:border-box;overflow-wrap:anywhere}
h1{font-size:1.4em;margin:.4em 0}h2{font-size:1.2em;margin:1.6em 0 .4em}h3{font-size:1em;margin:1.2em 0 .2em}
img,svg{display:block;width:100%;height:auto}svg text{font-size:13px;fill:#1a1a1a}figure{margin:8px 0}
img{max-width:900px}.wide,figure{overflow-x:auto}table{border-collapse:collapse;overflow-wrap:normal}
th,td{text-align:left;vertical-align:top;border-bottom:1px solid #ddd;padding:4px 12px 4px 0}
.light{display:inline-block;width:13px;height:13px;border-radius:50%;margin-right:5px;vertical-align:-1px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:4px 24px;max-width:960px}.small{font-size:.87em;color:#444}
code{background:#f3f3f3;padding:1px 4px}.failed{border-left:4px solid #D55E00;padding-left:12px}
@media(max-width:600px){.pair{grid-template-columns:1fr}img{min-width:700px}table{font-size:.87em}
th,td{padding-right:6px}ul{padding-left:20px}}
"""


def write(judged: Judged, profile: str, failures: list[str]) -> Path:
    """Write results/index.html and return its path; ``failures`` are told first."""
    target = paths.results() / "index.html"
    write_atomic(target, page(judged, profile, failures).encode())
    return target


def page(judged: Judged, profile: str, failures: list[str]) -> str:
    """The page as HTML text; pictures are in it where figures/*.svg exist, links to the HTML files where not."""
    docs = paths.sources() / "docs"
    full, its_points = (pd.read_csv(docs / f"{name}.csv") for name in ("claims", "claims_points"))
    here = report.table(judged.verdicts).reindex(columns=full.columns)  # without a verdict there are no columns
    here["verdict"] = [report.said(verdict) for verdict in judged.verdicts]
    runs = {
        f"this run ({profile} profile)": (here, report.points(judged.verdicts)),
        "committed full profile": (full, its_points),
    }
    parts = [
        "<h1>What holds of the paper, and by how much</h1>",
        "<p>Every verdict is computed from experiments; a claim and what is needed stand in claims.toml.</p>",
        _legend(),
        _failed(failures, judged.missing),
        f"<h2>The abstract, phrase by phrase</h2>{_lights({name: run[0] for name, run in runs.items()})}",
        *_figures(judged.verdicts, runs, profile),
        f"<h2>Times and memory</h2>{_resources(profile)}<h2>Environment</h2>{_environment()}",
    ]
    head = f"{HEAD}<title>mecpfm: what holds</title><style>{STYLE}</style>"
    body = "\n".join(parts)
    return f"<!doctype html><html lang=en><head>{head}</head><body><main>{body}</main></body></html>\n"


def _legend() -> str:
    """What a point, its dot and the light of a verdict say."""
    words = ("reproduced, holds", "partly", "undecided", "not-reproduced, contradicted, does not hold")
    lights = " &nbsp; ".join(f"{_light(said.partition(',')[0])}{said}" for said in words)
    return (
        "<p class=small>A point is one setting of an experiment. It holds, or is against the claim, when its whole "
        "interval lies on that side of what is needed (dashed), and is open otherwise; all intervals of a claim hold "
        f"together with 95 %. Lights: {lights}</p>"
    )


def _failed(failures: list[str], missing: dict[str, str]) -> str:
    said = [*failures, *(f"claim {name}: {why}" for name, why in missing.items())]
    items = "".join(f"<li>{escape(one)}</li>" for one in said)
    return f"<div class=failed><h2>What failed</h2><ul>{items}</ul></div>" if said else ""


def _light(verdict: str, words: str = "") -> str:
    color, _ = LOOKS.get(verdict.partition(":")[0], OTHER)
    return f"<span class=light style='background:{color}' title='{escape(words or verdict)}'></span>"


def _lights(runs: dict[str, pd.DataFrame]) -> str:
    rows = ""
    for words, wanted in LIGHTS.items():
        cells = ""
        for found in runs.values():
            chosen = found.loc[[any(fnmatch(name, one) for one in wanted) for name in found["id"]]]
            of = chosen.to_dict("records")
            lights = [_light(row["verdict"], f"{row['claim']}: {row['verdict']}, {_points(row)}") for row in of]
            words_said = ", ".join(
                f"{n} \N{MULTIPLICATION SIGN} {verdict}" for verdict, n in chosen["verdict"].value_counts().items()
            )
            said = f"{words_said}; points: {_points(chosen.sum())}" if of else "not computed"
            cells += f"<td>{''.join(lights)}<br><span class=small>{escape(said)}</span></td>"
        rows += f"<tr><td>{escape(words)}</td>{cells}</tr>"
    head = "".join(f"<th>{escape(name)}</th>" for name in runs)
    return f"<div class=wide><table><tr><th>phrase</th>{head}</tr>{rows}</table></div>"


def _figures(
    verdicts: list[Verdict], runs: dict[str, tuple[pd.DataFrame, pd.DataFrame]], profile: str
) -> Iterator[str]:
    """A section a notebook: its figures with this run's picture, then its claims, this run beside the full profile."""
    for notebook in sorted({verdict.claim.notebook for verdict in verdicts}):
        of = [verdict for verdict in verdicts if verdict.claim.notebook == notebook]
        copy = f"notebooks/{profile}/{notebook}.ipynb"
        yield (
            f"<h2>{escape(notebook)}</h2><p class=small>Notebook: <a href='{copy}'>{copy}</a>; again: "
            f"<code>mecpfm notebooks --profile {profile} {escape(notebook)}</code></p>"
        )
        for figure in dict.fromkeys(verdict.claim.figure for verdict in of):
            yield _picture(figure) if figure else ""
            yield from (_claim(verdict, runs) for verdict in of if verdict.claim.figure == figure)


def _picture(name: str) -> str:
    svg = paths.figures() / f"{name}.svg"
    if svg.exists():
        inside = base64.b64encode(svg.read_bytes()).decode()
        return f"<figure><img alt='figure {escape(name)}' src='data:image/svg+xml;base64,{inside}'></figure>"
    return f"<p>Figure <a href='../figures/{escape(name)}.html'>{escape(name)}</a> (no picture without a Chromium).</p>"


def _claim(verdict: Verdict, runs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> str:
    claim, sides = verdict.claim, ""
    for name, (verdicts, evidence) in runs.items():
        found = verdicts[verdicts["id"] == claim.id]
        if found.empty:
            continue
        row = found.iloc[0]
        middle = f"middle {short(row['median'])}, worst {short(row['worst'])}, best {short(row['best'])}"
        sides += (
            f"<div><p class=small>{_light(row['verdict'])}<b>{escape(name)}: {escape(str(row['verdict']))}</b>, "
            f"{_points(row)} (each point by its own interval: {_points(row, '_alone')}); {middle}</p>"
            f"{strip(evidence[evidence['id'] == claim.id])}</div>"
        )
    needed = f"{claim.direction} {claim.threshold:g}" + " (ours, set after pilot runs)" * claim.after_pilot
    return (
        f"<h3>{escape(claim.words)}</h3><p class=small>Expected: {escape(claim.quantity)}, {needed}.</p>"
        f"<div class=pair>{sides}</div><p class=small>{escape(claim.why)}</p>"
    )


def _points(row: Mapping[Any, Any] | pd.Series, alone: str = "") -> str:
    left_out = 0 if alone else row["without_plan"]
    return report.counts(row["points"], row[f"holding{alone}"], row[f"against{alone}"], left_out)


def _resources(profile: str) -> str:
    file = paths.results() / "resources.csv"
    if not file.exists():
        return "<p>None recorded.</p>"
    found = pd.read_csv(file, dtype=str).query("profile == @profile").drop(columns="profile")
    head = "".join(f"<th>{escape(str(name))}</th>" for name in ("notebook", "seconds", "peak MB", "MB written"))
    rows = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in found.to_numpy(object).tolist())
    return f"<div class=wide><table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table></div>"


def _environment() -> str:
    file = paths.results() / "environment.json"
    if not file.exists():
        return "<p>None recorded.</p>"
    found = json.loads(file.read_text(encoding="utf-8"))
    packages = ", ".join(f"{name} {version}" for name, version in found.pop("packages", {}).items())
    facts = "; ".join(f"{name} {value}" for name, value in found.items())
    return f"<p>{escape(facts)}</p><details><summary>packages</summary><p class=small>{escape(packages)}</p></details>"
