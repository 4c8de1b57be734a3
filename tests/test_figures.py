"""Figures are pure functions of their data, and their files come out the same every time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mecpfm import figures
from mecpfm.errors import InputError
from mecpfm.experiments.config import ONLINE
from mecpfm.experiments.maps import network_map
from mecpfm.figures import export, style


@pytest.fixture
def sweep() -> pd.DataFrame:
    rows = [
        ("requests", value, method, metric, value * scale, value * scale - 1, value * scale + 1)
        for metric, scale in (("total_delay_s", 10.0), ("average_accuracy", 0.01))
        for value in (10.0, 20.0)
        for method in ("appro", "sc")
    ]
    return pd.DataFrame(rows, columns=["axis", "value", "method", "metric", "mean", "ci_low", "ci_high"])


def test_sweep_draws_a_line_and_a_band_for_every_method_and_metric(sweep: pd.DataFrame):
    """Each panel has one named line and one interval per method, in that method's colour, and axes with units."""
    drawn = figures.draw("sweep-requests", sweep)
    lines = [trace for trace in drawn.data if trace.fill is None]
    assert len(lines) == 4
    assert len(drawn.data) == 8
    assert {trace.name for trace in lines} == {"Appro", "SC"}
    assert {trace.line.color for trace in lines if trace.name == "SC"} == {style.LOOKS["sc"].color}
    assert drawn.layout.yaxis.title.text == "total delay (s)"
    assert not any(np.isnan(np.asarray(trace.y, dtype=float)).any() for trace in drawn.data)


def test_copies_are_drawn_once_and_at_most_six_methods(sweep: pd.DataFrame):
    """A value with the rows of the one before has no mark; the other methods are named below."""
    rows = pd.concat([sweep, sweep[sweep["value"] == 20].assign(value=30.0)])
    own = rows[rows["method"] == "appro"]
    other = [own.assign(method=name) for name in ("nbs", "nonshare", "greedy", "lp", "lp-dual")]
    many = pd.concat([rows, own.assign(method="exact", mean=own["mean"] * 1.01), *other])
    drawn = figures.draw("sweep-requests", many)
    lines = {trace.name: trace for trace in drawn.data if trace.fill is None and trace.xaxis == "x"}
    assert len(lines) == 6
    assert list(lines["Appro"].marker.size) == [8, 8, 0]
    assert "NonShare by 0 %" in drawn.layout.title.text
    note = drawn.layout.annotations[-1].text
    assert "within 0 % of Appro: LP (as published), LP (strengthened)" in note
    assert "No mark" in note


def test_the_headline_counts_points_once():
    """The title counts points whose whole interval is beyond what is claimed; copies once, in any panel."""
    points = [("requests", 10, 0.4), ("requests", 20, 0.3), ("requests", 30, 0.3), ("models", 10, 0.4)]
    frame = pd.DataFrame(points, columns=["axis", "value", "ci_low"])
    frame = frame.assign(metric="total_delay_s", method="sc", lead="appro", mean=0.5, ci_high=0.6, needed=0.38)
    drawn = figures.draw("headline-delay", frame)
    assert drawn.layout.title.text == "Appro: at least 38 % less total delay than<br>SC at 1 of 2 points"
    lines = [trace for trace in drawn.data if trace.fill is None]
    assert list(lines[0].marker.size) == [8, 8, 0]
    assert drawn.layout.width is None


def test_methods_differ_in_more_than_colour():
    """No two methods share both marker and dash: grey print keeps them apart."""
    offline = ["lp", "lp-dual", "ilp", "exact", "appro", "greedy", "nbs", "nbs-released", "nonshare", "sc"]
    online = [*ONLINE]
    trace = [f"priced-{name}" for name in style.CHOOSERS]
    probing = [name for name in style.LOOKS if name.startswith("probe-")]
    for group in (offline, online, trace, probing):
        assert len({(style.LOOKS[name].symbol, style.LOOKS[name].dash) for name in group}) == len(group)
    assert len({style.LOOKS[name][1:] for name in offline + online}) == len(offline + online), "they meet in 06"


def saved(sweep: pd.DataFrame, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is written of one figure in a home of its own."""
    monkeypatch.setenv("MECPFM_HOME", str(home))
    return export.save("sweep-requests", sweep, figures.draw("sweep-requests", sweep))


def test_files_are_the_same_bytes_every_time(sweep: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """CSV and HTML do not differ between runs; the CSV holds the data behind the picture."""
    monkeypatch.setattr(export, "browser", lambda: None)
    table, page = saved(sweep, tmp_path / "one", monkeypatch)
    assert [path.read_bytes() for path in (table, page)] == [
        path.read_bytes() for path in saved(sweep, tmp_path / "two", monkeypatch)
    ]
    pd.testing.assert_frame_equal(pd.read_csv(table), sweep)
    assert 'id="sweep-requests"' in page.read_text()


@pytest.mark.skipif(export.browser() is None, reason="no Chromium on this machine")
def test_static_files_are_the_same_bytes_every_time(sweep: pd.DataFrame, tmp_path: Path, monkeypatch):
    """SVG and PDF do not differ between runs either."""
    one, two = (saved(sweep, tmp_path / folder, monkeypatch) for folder in ("one", "two"))
    assert [path.suffix for path in one] == [".csv", ".html", ".svg", ".pdf"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_redraw_restores_figures_from_their_data(sweep: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With only the CSV left, `mecpfm figures` brings the HTML back; no browser is no failure."""
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(export, "browser", lambda: None)
    figures.make("sweep-requests", sweep)
    page = tmp_path / "figures" / "sweep-requests.html"
    before = page.read_bytes()
    page.unlink()
    assert figures.redraw() == [("sweep-requests", "csv, html")]
    assert page.read_bytes() == before


def test_only_stale_figures_are_drawn_again(sweep: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Notebooks have drawn with their data what a browser draws; without it, or after new data, it is drawn then."""
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    monkeypatch.setattr(export, "browser", lambda: "chromium")
    monkeypatch.setattr(export, "picture", lambda drawn, suffix: suffix.encode())
    figures.make("sweep-requests", sweep)
    assert figures.redraw(stale=True) == []
    data, drawn = (tmp_path / "figures" / f"sweep-requests.{suffix}" for suffix in ("csv", "svg"))
    os.utime(data, ns=(0, drawn.stat().st_mtime_ns + 1))
    assert figures.redraw(stale=True) == figures.redraw() == [("sweep-requests", "csv, html, svg, pdf")]
    drawn.unlink()
    assert len(figures.redraw(stale=True)) == 1


def test_figures_load_without_a_grammar_that_nobody_uses():
    """nbformat is loaded, which plotly wants, and what jsonschema would compile for it is not, but stays to be had."""
    code = """
import sys
from mecpfm import figures
print("nbformat" in sys.modules, "rfc3987_syntax" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_unknown_figure_is_refused():
    """An unknown name is an InputError that lists the kinds there are."""
    with pytest.raises(InputError, match="network_map"):
        figures.draw("pie", pd.DataFrame())


def test_rounding_keeps_six_significant_digits():
    """Numbers that agree to six digits are written alike on every machine."""
    frame = pd.DataFrame({"a": [123456.789, 1e-9 / 3], "b": ["x", "y"]})
    assert export.rounded(frame)["a"].tolist() == [123457.0, 3.33333e-10]


def test_map_shows_every_holder_and_every_pull():
    """The map's rows are the instance's holders and the plan's pulls from elsewhere, nothing else."""
    from mecpfm.data import topologies
    from mecpfm.published.check import assess
    from mecpfm.published.generate import Recipe, attach_data_centre, generate

    network = topologies.load("sndlib/nobel-germany")
    distance = attach_data_centre(topologies.distance_s_per_gb(network), 1)
    recipe = Recipe(cloudlets=17, models=4, families=2, requests=6, sites="uniform")
    instance = generate(recipe, 50, network=distance)
    plan = assess(instance, "test", np.zeros(6, dtype=int))
    frame = network_map(instance, plan, network, (6.0, 49.0))
    kinds = frame["kind"].value_counts()
    assert kinds["link"] == len(network.edges) + 1
    (behind,) = frame[(frame["kind"] == "link") & (frame["lon_to"] == 6.0)][["lon", "lat"]].to_numpy()
    assert list(behind) == list(network.coordinates[1]), "the data centre is one link behind its gateway"
    assert kinds["request"] == 6
    assert kinds["site"] == 17
    private = frame[(frame["kind"] == "holds") & (frame["part"] == "private")]
    assert len(private) == sum(int((at < 17).sum()) for at in instance.models.private_at)
    sources = [plan.decisions[f"{part}_source"] for part in ("shared", "private")]
    away = sum(source != home for found in sources for source, home in zip(found, instance.requests.home, strict=True))
    assert kinds["pull"] == away
    drawn = figures.draw("network_map", frame)
    assert drawn.layout.xaxis.title.text == "longitude (degrees)"


def test_ladder_states_every_step_and_what_it_is_compared_with():
    """Each rung has a point with its interval; each step a bar and its number; odd comparisons are named."""
    frame = pd.DataFrame(
        [
            ("start", "", "state", 50.0, 45.0, 55.0, np.nan, np.nan, np.nan),
            ("state", "start", "state", 40.0, 36.0, 44.0, -10.0, -12.0, -8.0),
            ("context", "state", "context", 38.0, 34.0, 42.0, -2.0, -3.0, -1.0),
            ("other", "state", "context", 41.0, 37.0, 45.0, 1.0, -0.5, 2.5),
        ],
        columns=["rung", "over", "kind", "mean", "ci_low", "ci_high", "step", "step_low", "step_high"],
    )
    drawn = figures.draw("ladder", frame)
    dots, known, others = drawn.data
    assert list(dots.x) == frame["mean"].tolist()
    assert (list(known.x), list(others.x)) == ([-2.0, 1.0], [-10.0])
    assert known.marker.color == style.BLUE != others.marker.color
    assert dots.marker.color[2] == style.BLUE != dots.marker.color[0]
    assert "against: state" in dots.y[3]
    assert not any("against" in label for label in dots.y[:3])
    texts = [note.text.strip() for note in drawn.layout.annotations]
    assert {"\u221210.0 s", "\u22122.0 s", "+1.0 s"} <= set(texts)


def test_scenarios_mark_only_intervals_above_the_threshold():
    """A dot needs the whole interval at or above the paper's reduction."""
    rows = [("a", 0.5, 0.39, 0.61), ("b", 0.5, 0.37, 0.63), ("c", -0.02, -0.1, 0.06)]
    frame = pd.DataFrame(rows, columns=["scenario", "reduction", "ci_low", "ci_high"])
    drawn = figures.draw("scenarios", frame.assign(against="UCB1", method="planned-cov"))
    texts = np.asarray(drawn.data[0].text)[0]
    assert [text.startswith("●") for text in texts] == [True, False, False]
    assert texts[1] == "50 ± 13"


def test_costs_say_who_is_best_at_which_price():
    """Bands of price cover the axis and change where the interpolated curves cross."""
    from mecpfm.figures.costs import best

    wide = pd.DataFrame(
        {"priced-mean": [0.0, 0.0, 0.0], "priced-cov": [-0.1, -0.1, 0.1], "priced-full": [-0.2, 0.0, 1.0]},
        index=[0.01, 0.1, 1.0],
    )
    bands = best(wide)
    assert [name for *_, name in bands] == ["priced-full", "priced-cov", "priced-mean"]
    assert bands[0][1] == pytest.approx(10**-1.5, rel=0.02)
    assert bands[1][1] == pytest.approx(10**-0.5, rel=0.02)
    assert (bands[0][0], bands[-1][1]) == (pytest.approx(0.01), pytest.approx(1.0))
