"""Every kind of figure is drawn from a small frame of its own columns, and shows its numbers."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest

from mecpfm import figures
from mecpfm.figures.lines import Axis, Lines, Panels

ENDS = {"ci_low": 0.1, "ci_high": 0.3}
HERE, THERE = {"lon": 6.0, "lat": 49.0}, {"lon_to": 7.0, "lat_to": 50.0}
ROUND = [{"round": r, "mean": 10.0 * r, "ci_low": r, "ci_high": 20.0 * r} for r in range(1, 9)]
DRAWN = {"label": "words", "colour": "#000000", "named": True, "size": 3.0}
Row = dict[str, Any]
CASES: dict[str, tuple[list[Row], set[float]]] = {
    "anytime": ([{"instance": "a", "iterations": n, "cost": 10.0, "bound": b} for n, b in ((25, 6.0), (50, 8.0))],
                {25, 50, 0.4, 0.2}),
    "best": ([{"requests": n, "draws": 2, "excess": e} for n, e in ((10, 0.25), (30, 0.5))], {2, 0.25, 0.5}),
    "choosers": ([{"method": m, "observed": d, "features": 8, "metric": k, "mean": d / 100, **ENDS}
                  for m in ("priced-tsrc", "priced-cov") for d in (1, 2, 8) for k in ("saved", "demand_r2")],
                 {1, 2, 0.01, 0.02, 0.1, 0.3}),
    "costs": ([{"method": m, "observed": n, "cost_s": c, "change": n * c - 0.02, **ENDS}
               for m, n in (("priced-mean", 0), ("priced-cov", 2)) for c in (0.0, 0.01, 0.1)], {0.01, 0.1, 0.18, 0.0}),
    "coupled_map": ([{"kind": "site", "name": "A", **HERE}, {"kind": "holds", "name": "h", **HERE, "family": 0},
                     {"kind": "serves", "name": "s", **HERE, **THERE, "family": 0, "count": 4},
                     {"kind": "remote", "name": "r", **HERE, "count": 2}], {6, 49, 10, 4}),
    "draws": ([{"kind": "bar", "name": "lp", "value": 5.0, "share": 0.75},
               {"kind": "level", "name": "optimum", "value": 6.0, "share": 0.5}], {5, 0.75}),
    "drift": ([{"problem": p, "method": "ol", "round": r, "mean": 0.2, **ENDS}
               for p in ("drift", "steady") for r in (200, 400)], {200, 400, 0.2, 0.1, 0.3}),
    "equivalence": ([{"enumerated": 10.0, "method": m, "objective": y} for m, y in (("ilp", 11.0), ("nlip", 12.0))],
                    {0, 10, 11, 12}),
    "factorial": ([{"method": m, "share": s, "source": k, "mean": 2500.0}
                   for m in ("ol", "mab") for s in (True, False) for k in ("cloud", "last", "nearest")], {2.5}),
    "gain": ([{"baseline": "no-sharing", "value": v, "reduction": v / 2, **ENDS} for v in (0.5, 1.0)],
             {0.5, 1, 0.25, 0.1, 0.3}),
    "growth": ([{"axis": "requests", "value": 20.0, "metric": m, "mean": y, "ci_low": -1.0, "ci_high": 2.0}
                for m, y in (("objective", 1.5), ("bound", 1.25), ("gap", 0.75))], {20, 1.5, 1.25, 0.75, 0, 2}),
    "explorer": ([{"shared_fraction": s, "gbit_s": 0.5, "memory_gb": 8.0, "requests": 6, "method": m, "mean_s": y + s}
                  for m, y in (("ilp", 3.0), ("no-sharing", 5.0)) for s in (0.25, 0.5)], {0.25, 0.5, 3.25, 5.5}),
    "headline": ([{"metric": "total_delay_s", "axis": "requests", "value": v, "lead": "appro", "method": "nbs",
                   "mean": v / 200, "needed": 0.38, **ENDS} for v in (20.0, 60.0)], {20, 60, 0.1, 0.3}),
    "ladder": ([{"rung": "a", "over": "", "kind": "state", "mean": 5.0, "ci_low": 4.0, "ci_high": 7.0},
                {"rung": "b", "over": "a", "kind": "context", "mean": 3.0, "ci_low": 2.5, "ci_high": 3.5,
                 "step": -2.0, "step_low": -2.25, "step_high": -1.75}], {5, 3, 2, 1, -2, 0.25}),
    "licence": ([{"count": "NLIP, columns", "requests": 1, "size": 30, "built": b} for b in (False, True)]
                + [{"count": "limit", "requests": 1, "size": 200, "built": False, "words": "licence"}], {30, 200}),
    "multiplier": ([{"kind": k, "name": "LP", "u": u, "value": 1 + u}
                    for k in ("dual", "line", "maximum", "level") for u in (0.0, 0.5)], {0, 0.5, 1, 1.5}),
    "network_map": ([{"kind": k, "name": k, **HERE} for k in ("site", "centre")]
                    + [{"kind": "link", "name": "", **HERE, **THERE}]
                    + [{"kind": "holds", "name": "h", **HERE, "family": 0, "part": "private"}]
                    + [{"kind": "request", "name": "r", **HERE, "family": 0}]
                    + [{"kind": "pull", "name": "p", **HERE, **THERE, "family": 0, "part": "shared", "gb": 2.0,
                        "seconds": 3.0}], {6, 49, 7, 50, 20}),
    "openings": ([{"method": "rounding-nested", "requests": n, "factor": n / 4} for n in (1, 2)], {1, 2, 0.25, 0.5}),
    "placement": ([{"scenario": s, "method": m, "metric": k, "reduction": 0.25, "ci_low": 0.125, "ci_high": 0.5}
                   for s in ("base", "slow links") for m in ("value", "trimcaching") for k in ("loss_s", "pulled_gb")],
                  {-0.25, 0.125, 0.25, -0.12, 1.12}),
    "plan_map": ([{"kind": k, "name": k, "x": 50.0, "y": 60.0, **DRAWN} for k in ("site", "centre", "user")]
                 + [{"kind": "link", "x": 50.0, "y": 60.0, "x_to": 70.0, "y_to": 80.0, **DRAWN}]
                 + [{"kind": "pull", "x": 50.0, "y": 60.0, "x_bend": 60.0, "y_bend": 60.0, "x_to": 70.0, "y_to": 80.0,
                     **DRAWN}], {50, 60, 70, 80, 65, 12, 6}),
    "practice": ([{"panel": "iris", "method": m, "observed": d, "features": 4, "mean": 0.2, **ENDS}
                  for m, d in (("ol", 1), ("ol", 2), ("lints", 4), ("epsilon-greedy", 0))], {1, 2, 0.2, 0.1, 0.3}),
    "predictable": ([{"choice": c, "observed": d, "r2": d / 8, "low": 0.1, "high": 0.9}
                     for c in ("greedy", "random") for d in (1, 2)]
                    + [{"choice": "set", "observed": 4, "r2": 0.75, "features": "all"}], {0.125, 0.25, 0.1, 0.9, 0.75}),
    "probing": ([{"method": "probe-belief", "probes": n, "change": n / 8, **ENDS} for n in (1, 2)],
                {1, 2, 0.125, 0.25, 0.1, 0.3}),
    "proved": ([{"method": m, "round": r, "measured": 90.0, "bound": 120.0, "expected": None if r > 100 else 100.0,
                 "constant": 270.0} for m in ("structured-full", "follow-probe") for r in (100, 1000)],
               {100, 1000, 90, 120, 270}),
    "race": ([{"case": c, "method": m, "seconds": s, "metric": k, "mean": 0.5, "ci_low": -0.5, "ci_high": 1.5}
              for c in ("mixed, 80 requests", "other") for m in ("polish", "highs") for s in (0.125, 2.0)
              for k in ("over_bound", "gap")], {0.125, 2, 0.5, 0, 1, 1.5}),
    "ratio": ([{"series": "LP as published", "requests": 10, "excess": 0.25, "bound": 0.5}], {10, 0.25, 0.5}),
    "recorded": ([{"source": s, "method": "ol", "metric": k, "round": r, "mean": r / 100,
                   "ci_low": low, "ci_high": high}
                  for s, low, high in (("recorded", None, None), ("ours", 0.1, 0.3)) for k in ("regret", "penalty")
                  for r in (50, 100)], {50, 100, 0.5, 1, 0.1, 0.3}),
    "regimes": ([{"regime": "mixed", "method": m, "mean": y, "ci_low": y / 2, "ci_high": 2 * y}
                 for m, y in (("lru", 0.5), ("polish", 0.25))], {0.5, 0.25, 0.125}),
    "regret": ([{"method": "priced-cov", "metric": k, **row}
                for k in ("cumulative_regret", "squared_error") for row in ROUND], {1, 10, 6, 60, 8, 80}),
    "revealed": ([{"block": b, "feature": f, "share": 0.25} for b in (100, 200) for f in (0, 1)],
                 {0, 1, 100, 200, 0.25}),
    "rounds": ([{"method": "ol", "rule": rule, "metric": k, **row} for rule in ("released", "common")
                for k in ("cumulative_regret", "cumulative_penalty") for row in ROUND], {1, 10, 6, 60, 8, 80, 160}),
    "scenarios": ([{"method": "planned-cov", "scenario": "base", "against": "UCB1", "reduction": 0.5, **ENDS}], {0.5}),
    "sparsity": ([{"row": 0, "column": 7, "kind": "assign", "group": "x"},
                  {"row": 5, "column": 9, "kind": "pull", "group": "Pi"}], {0, 7, 5, 9}),
    "steps": ([{"step": s, "mean": y, "ci_low": y - 1, "ci_high": y + 2}
               for s, y in (("MAB", 9.0), ("a", 7.0), ("OL", 7.0))],
              {9, 7, 2, 1}),
    "subsets": ([{"problem": "weak", "observed": 2, "method": m, "hit": 0.25} for m in ("ol", "wtsrc")], {0.25}),
    "sweep": ([{"axis": "requests", "value": v, "method": "ol", "metric": "runtime_s", "mean": v / 8, **ENDS}
               for v in (1.0, 2.0)], {1, 2, 0.125, 0.25, 0.1, 0.3}),
    "timeline": ([{"lane": "in system", "start_s": 0.0, "end_s": 4.0, "what": "", "level": 3.0},
                  {"lane": "serving", "start_s": 1.0, "end_s": 3.5, "what": "backbone 1"},
                  {"lane": "backbone 1", "start_s": 0.5, "end_s": 4.0, "what": "held"}], {0, 4, 3, 1, 2.5, 0.5, 3.5}),
    "verdicts": ([{"id": "a", "claim": "words", "worst": 0.125, "best": 0.75, "median": 0.5,
                   "ci_low": 0.25, "ci_high": 0.625, "threshold": 0.38, "verdict": "partly"}],
                 {0.125, 0.75, 0.5, 0.25, 0.38}),
}  # fmt: skip


def numbers(value: Any) -> Iterator[float]:
    """Every number in the traces of a figure, but the width of a band's edge."""
    if isinstance(value, dict):
        value = [part for key, part in value.items() if not (key == "line" and "fill" in value)]
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def test_every_kind_has_a_case():
    """A new figure needs a frame here."""
    assert sorted(CASES) == figures.kinds()


@pytest.mark.parametrize("kind", CASES)
def test_every_figure_has_a_title_that_fits(kind: str):
    """Above it; in lines of at most seventy letters, or broken by its maker."""
    title = figures.draw(f"{kind}-variant", pd.DataFrame(CASES[kind][0])).layout.title.text
    assert title
    assert "<br>" in title or len(title) <= figures.WIDEST


@pytest.mark.parametrize("kind", CASES)
def test_no_title_lies_on_another(kind: str):
    """Where panels have titles, a figure's title of two lines begins at the top and there is room between them."""
    layout = figures.draw(f"{kind}-variant", pd.DataFrame(CASES[kind][0])).layout
    panels = [note.text.count("<br>") + 1 for note in layout.annotations if note.yref == "paper" and note.y >= 1]
    lines = layout.title.text.count("<br>") + 1
    if lines > 1 and panels:
        assert layout.title.y == 1
        assert layout.margin.t >= 22 * (lines + max(panels))


@pytest.mark.parametrize("kind", CASES)
def test_numbers_of_the_frame_are_drawn(kind: str):
    """The traces hold the frame's numbers, and the axes say what they show."""
    rows, shown = CASES[kind]
    drawn = figures.draw(f"{kind}-variant", pd.DataFrame(rows))
    found = [round(number, 9) for number in numbers([trace.to_plotly_json() for trace in drawn.data])]
    assert shown <= set(found)
    titles = [axis.title.text for axis in (*drawn.select_xaxes(), *drawn.select_yaxes())]
    assert any(titles) or kind in ("plan_map", "regimes"), "these two name their axes otherwise"


def grid() -> pd.DataFrame:
    """Two methods in two by two panels."""
    rows = [{"method": m, "row": r, "col": c, "x": x, "y": 0.5, "ci_low": 0.25, "ci_high": 0.75}
            for m in ("sc", "appro") for r in ("a", "b") for c in ("c", "d") for x in (3, 1, 2)]  # fmt: skip
    return pd.DataFrame(rows)


def test_lines_go_through_panels_in_the_order_of_looks():
    """Each panel has a band and a sorted line a method; the legend names a method once and switches all its lines."""
    spec = Lines(Axis("x", "x (s)"), Axis("y"), rows=Panels("row", {"a": "A", "b": "B"}), cols=Panels("col"))
    drawn = spec(grid())
    lines = [trace for trace in drawn.data if trace.fill is None]
    assert (len(drawn.data), len(lines)) == (16, 8)
    assert [trace.name for trace in lines] == ["Appro", "SC"] * 4
    assert all(list(trace.x) == [1, 2, 3] for trace in lines)
    assert [trace.showlegend for trace in lines] == [True] * 2 + [False] * 6
    assert [trace.xaxis for trace in lines] == [axis for axis in ("x", "x3", "x2", "x4") for _ in range(2)]
    assert [note.text for note in drawn.layout.annotations] == ["c", "d"]
    assert [axis.title.text for axis in drawn.select_xaxes(row=2)] == ["x (s)"] * 2
    assert [axis.title.text for axis in drawn.select_yaxes(col=1)] == ["A", "B"]


def test_lines_without_panels_have_a_plain_legend():
    """One panel: no legend groups; series as given, named by a label; lines skip points but not the last."""
    frame = grid().query("row == 'a' and col == 'c'")
    drawn = Lines(Axis("x"), Axis("y"), title="T", label="against {}", as_given=True, bands=("sc",), every=2)(frame)
    assert [(trace.name, trace.legendgroup) for trace in drawn.data if trace.fill is None] == [
        ("against SC", None), ("against Appro", None)
    ]  # fmt: skip
    assert len(drawn.data) == 3
    assert list(drawn.data[1].x) == [1, 3]
    assert isinstance(drawn, go.Figure)
    assert drawn.layout.title.text == "T"


def test_an_unknown_end_of_an_interval_draws_no_band():
    """With one seed there is no interval: the line stands alone."""
    frame = grid().assign(ci_low=float("nan"))
    assert len(Lines(Axis("x"), Axis("y"))(frame).data) == 2
