"""The page of a plan in a real browser, at the width of a desk and of a telephone, and what is drawn on it."""

import html
import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_front import NAMES, network

import mecpfm as mp
from mecpfm.figures.chromium import browser
from mecpfm.network.page import page
from mecpfm.network.picture import HEIGHT, WIDTH, frame
from mecpfm.network.tables import AT_CENTRE
from mecpfm.published.generate import Recipe, generate

WIDTHS = (1280, 400)
PROBE = """
const errors = []; window.addEventListener("error", event => errors.push(event.message));
console.error = (...words) => errors.push(words.join(" "));
"""
MEASURE = """
const column = (table, i) => [...table.tBodies[0].rows].map(row => row.cells[i].dataset.v ?? row.cells[i].textContent);
const tables = [...document.querySelectorAll("table")].map(table => [...table.tHead.rows[0].cells].map((th, i) => {
  const states = [column(table, i)];
  for (const _ of [1, 2]) { th.querySelector("button").click(); states.push(column(table, i)); }
  return {numeric: th.className === "n", states, sort: th.getAttribute("aria-sort")};
}));
const map = document.querySelector("svg").getBoundingClientRect();
const texts = [...document.querySelectorAll("svg text")].map(text => text.getBoundingClientRect());
const found = {
  errors, tables, width: innerWidth, body: document.documentElement.scrollWidth,
  drawn: map.width,
  letters: Math.min(...texts.map(box => box.height)),
  outside: texts.filter(box => box.left < map.left || box.right > map.right || box.top < map.top).length,
  loaded: performance.getEntriesByType("resource").length,
};
parent.document.body.dataset[window.name] = JSON.stringify(found);
"""


@pytest.fixture(scope="module")
def plan() -> mp.NamedPlan:
    return mp.solve(network(), iterations=500)


@pytest.fixture(scope="module")
def looked_at(plan: mp.NamedPlan) -> dict[str, dict[str, object]]:
    """What a Chromium makes of both pages, in frames of both widths."""
    published = mp.solve(generate(Recipe(cloudlets=12, requests=30, models=6), 0))
    outer = "<body>"
    for setting, one in (("network", plan), ("published", published)):
        probed = page(one).replace("<head>", f"<head><script>{PROBE}</script>")
        probed = html.escape(probed.replace("</body>", f"<script>{MEASURE}</script></body>"))
        for width in WIDTHS:
            style = f"width:{width}px;height:900px;border:0"
            outer += f'<iframe name="{setting}{width}" style="{style}" srcdoc="{probed}"></iframe>'
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outer.html"
        file.write_text(outer, encoding="utf-8")
        words = [
            str(browser()), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1200",
            f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000", "--dump-dom", file.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(words, capture_output=True, check=True, timeout=600)
    found = re.findall(r'data-(\w+)="([^"]*)"', done.stdout.decode().partition("<iframe")[0])
    assert len(found) == 2 * len(WIDTHS), done.stdout[:500]
    return {name: json.loads(html.unescape(text)) for name, text in found}


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("setting", ["network", "published"])
def test_the_page_in_a_browser(looked_at: dict[str, dict[str, object]], setting: str, width: int):
    """It loads nothing, makes no error, fits the width, keeps its letters readable, and every column sorts."""
    found = looked_at[f"{setting}{width}"]
    assert found["errors"] == []
    assert found["loaded"] == 0
    assert found["width"] == width
    assert found["body"] <= width
    assert found["drawn"] > 0.7 * width
    assert found["letters"] >= 10
    assert found["outside"] == 0
    assert len(found["tables"]) == 3
    for table in found["tables"]:
        for column in table:
            before, up, down = column["states"]
            assert sorted(before) == sorted(up) == sorted(down)
            assert column["sort"] == "descending"
            if column["numeric"]:
                numbers = [[float(cell) for cell in cells if cell] for cells in (up, down)]
                assert numbers[0] == sorted(numbers[0])
                assert numbers[1] == sorted(numbers[1], reverse=True)
                assert "" not in up[: len(numbers[0])]


def test_names_are_text(plan: mp.NamedPlan):
    """Quotes, brackets and ampersands of a name are written out, on the page and in a notebook."""
    for text in (page(plan), plan._repr_html_()):
        assert NAMES[3] not in text
        assert html.escape(NAMES[3]) in text
        assert not re.search(r"""(?:src|href)=(?!['"]?data:)""", text)
        assert not re.search(r"https?://", text)
    assert "<script" not in plan._repr_html_()


def test_the_map_shows_everybody(plan: mp.NamedPlan):
    """A dot a user, an arrow a pair of holder and site, the data centre always; all inside the drawing."""
    rows = frame(plan)
    kinds = rows["kind"].value_counts()
    assert kinds["user"] == len(plan.users)
    assert kinds["site"] == 4
    assert kinds["centre"] == 1
    assert kinds["link"] == 3
    arrows = plan.pulls.groupby(["from", "site"])["gb"].sum()
    assert kinds["pull"] == len(arrows)
    wide = rows[rows["kind"] == "pull"].sort_values("size")["name"].str.removesuffix(" GB").astype(float)
    assert wide.is_monotonic_increasing
    assert rows["x"].between(0, WIDTH).all()
    assert rows["y"].between(0, HEIGHT).all()
    colour = rows[rows["kind"] == "site"].set_index("name")["colour"]
    users = rows[rows["kind"] == "user"].set_index("name")["colour"]
    for row in plan.users.to_dict("records"):
        if row["served_at"] != AT_CENTRE:
            assert users[row["user"]] == colour[row["served_at"]]
    busy = plan.sites.loc[plan.sites["users"] > 0, "site"]
    assert colour[busy].is_unique
    assert set(rows.loc[rows["named"], "name"]) == {*NAMES, AT_CENTRE}
    drawn = plan.map()
    assert sum(len(trace.x) for trace in drawn.data if trace.mode == "markers") == len(plan.users)
    assert {"pull, as wide as its GB", "data centre"} <= {trace.name for trace in drawn.data}


@pytest.mark.parametrize("places", [[(0.0, 0.0)] * 3, [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)]])
def test_maps_of_odd_places(places: list[tuple[float, float]]):
    """Sites on one spot, or at the ends of the earth, still make a drawing."""
    net = network()
    north, east = zip(*places, (1.0, 1.0) if places[0] != places[1] else places[0], strict=True)
    moved = net.change(sites=net.sites.assign(latitude_deg=north, longitude_deg=east))
    plan = mp.solve(moved, method="remote")
    rows = frame(plan)
    assert np.isfinite(rows[["x", "y", "x_to", "y_to", "size"]].to_numpy()).all()
    assert rows["x"].between(0, WIDTH).all()
    assert isinstance(page(plan), str)
    assert isinstance(plan.compare(plan), pd.DataFrame)
