"""The reviewer's page: whole without a browser, and in one at the width of a desk and of a telephone."""

import html
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from in_chromium import framed, needs_browser

from mecpfm import paths
from mecpfm.experiments import claims, config, page, report, strip
from mecpfm.experiments.claims import Evidence, Judged, Verdict

DOCS = Path(__file__).parents[1] / "docs"
MEASURE = """
const texts = [...document.querySelectorAll("svg text")].map(text => {
  const box = text.getBoundingClientRect(), map = text.closest("svg").getBoundingClientRect();
  const lines = [...text.closest("svg").querySelectorAll("path")].map(one => one.getBoundingClientRect());
  const label = text.getAttribute("x") === "0" && box.bottom > lines[0].top + 1;
  const least = Math.min(...lines.map(one => one.left));
  return {
    height: box.height, inside: box.left >= map.left - 1 && box.right <= map.right + 1,
    clear: !label || box.right <= least,
  };
});
parent.document.body.dataset.found = JSON.stringify({
  errors, body: document.documentElement.scrollWidth, width: innerWidth,
  letters: Math.min(...texts.map(one => one.height)), outside: texts.filter(one => !one.inside).length,
  crossed: texts.filter(one => !one.clear).length, picture: Math.min(...[...document.images].map(one => one.width)),
  pictures: [...document.images].filter(one => one.naturalWidth > 0).length,
  drawn: document.querySelectorAll("svg").length,
  loaded: performance.getEntriesByType("resource").filter(one => !one.name.startsWith("data:")).length,
});
"""
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='400'><path d='M0 0H900'/></svg>"


@pytest.fixture
def judged() -> Judged:
    """As if this run had said what the committed full profile says."""
    known = {claim.id: claim for claim in claims.read()}
    points = pd.read_csv(DOCS / "claims_points.csv")
    found = []
    for row in pd.read_csv(DOCS / "claims.csv").to_dict("records"):
        of = points[points["id"] == row["id"]].to_dict("records")
        evidence = tuple(Evidence(one["value"], one["ci_low"], one["ci_high"], one["point"]) for one in of)
        fields = {"value": row["median"], "low": row["ci_low"], "high": row["ci_high"], "evidence": evidence}
        fields = {**row, **fields, "claim": known[row["id"]]}
        found.append(Verdict(**{name: fields[name] for name in Verdict._fields}))
    return Judged(found, {})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MECPFM_HOME", str(tmp_path))
    paths.figures().mkdir()
    paths.results().mkdir()
    (paths.results() / "resources.csv").write_text(
        "profile,notebook,seconds,peak_mb,disk_mb\nquick,03_offline_experiments,21.6,280,0.3\npaper,other,1,1,1\n"
    )
    (paths.results() / "environment.json").write_text(json.dumps({"cores": 2, "packages": {"numpy": "2.3"}}))
    (paths.figures() / "sweep-requests.svg").write_bytes(SVG)
    return tmp_path


def test_everything_stands_on_the_page(judged: Judged, home: Path):
    """Both runs, expectation, verdict, command, notebook, failure, time, environment; nothing from elsewhere."""
    text = page.write(judged, "quick", ["notebook 04: <boom>"]).read_text(encoding="utf-8")
    for verdict in judged.verdicts:
        for words in (verdict.claim.words, verdict.claim.quantity, verdict.claim.why, verdict.verdict):
            assert html.escape(words) in text
        alone = verdict.holding_alone, verdict.against_alone
        said = report.counts(verdict.points, verdict.holding, verdict.against, verdict.without_plan)
        said += " (each point by its own interval: "
        assert f"{said}{alone[0]} hold, {verdict.points - sum(alone)} open, {alone[1]} against)" in text
    assert text.count("committed full profile: ") == text.count("this run (quick profile): ") == len(judged.verdicts)
    assert "notebook 04: &lt;boom&gt;" in text
    assert "mecpfm notebooks --profile quick 03_offline_experiments" in text
    assert "href='notebooks/quick/03_offline_experiments.ipynb'" in text
    assert "href='../figures/sweep-models.html'" in text
    assert "href='../figures/sweep-requests.html'" not in text
    assert "<td>21.6</td>" in text
    assert "numpy 2.3" in text
    assert ">other<" not in text
    assert not re.search(r"https?://", text)
    assert "not computed" not in text
    assert "not computed" in page.page(Judged([], {}), "quick", [])


def test_a_strip_shows_points_intervals_and_what_is_needed():
    """A dot, a line and a label a point, in the colour of whether it holds; an experiment stands above its points."""
    says = ["open", "against", *["holds"] * 38]
    rows = [(f"sweep{i // 20}: {i}", 0.5, 0.4 if i else 0.3, 0.6, 0.38, says[i], "odd" * (i == 1)) for i in range(40)]
    frame = pd.DataFrame(rows, columns=["point", "value", "ci_low", "ci_high", "threshold", "says", "note"])
    many, few = strip.strip(frame), strip.strip(frame[:3])
    assert many.count("<circle") == 40
    assert [many.count(f"fill='{strip.COLOURS[one]}'") for one in ("open", "against", "holds")] == [1, 1, 38]
    assert many.count("against; odd</title>") == many.count("; ") == 1
    assert len(re.findall(r">sweep\d<", many)) == 2
    assert len(re.findall(r">sweep0<", few)) == 1
    assert [len(re.findall(rf">{i}<", few)) for i in range(3)] == [2, 1, 1], "each its own; zero is on the axis, too"
    mixed = strip.strip(frame[18:22].assign(point=["a: 1", "a: 2", "b", f"b: {'long' * 9}"]))
    assert re.findall(r"<text x=0 y=[\d.]+>([^<]*)<", mixed) == ["1", "2", "b", f"b: {('long' * 9)[:23]}…"]
    assert re.findall(r"<text x=0 y=[\d.]+ font-weight=600>([^<]*)<", mixed) == ["a"]
    assert ">0.38<" in few
    assert strip.strip(frame[:0]) == ""


def test_a_strip_has_words_for_names():
    """No committed point is called by a name of the program, or by a number that says nothing."""
    points = pd.read_csv(DOCS / "claims_points.csv")
    said = points["point"].map(strip._said)
    assert not [one for one in said if "-" in one.partition(": ")[0] or one.endswith(": 0")]
    assert not points.assign(said=said).duplicated(["id", "said"]).any(), "two points of a claim are called the same"
    assert {name.partition(": ")[0] for name in strip.WORDS} <= set(config.STUDIES), "a study is gone"


@needs_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_in_a_browser(judged: Judged, home: Path, width: int):
    """It loads nothing, makes no error, fits the width, and its letters can be read."""
    text = page.page(judged, "quick", ["notebook 04: " + "long" * 60])
    found = framed(text, MEASURE, width)
    assert found["errors"] == []
    assert found["loaded"] == 0
    assert found["body"] <= found["width"] == width
    assert found["letters"] >= 10
    assert found["outside"] == found["crossed"] == 0
    assert found["picture"] >= 700, "its letters can be read, too: it scrolls where the page is narrower"
    assert found["pictures"] == 1
    assert found["drawn"] > 50
