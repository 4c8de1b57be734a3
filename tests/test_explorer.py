"""The explorer: its page has the numbers of fresh solves, and its sliders move them in a real browser."""

import json
from itertools import product
from pathlib import Path

import explorer_page
import numpy as np
import pytest
from in_chromium import measured, needs_browser

from mecpfm import figures
from mecpfm.coupled.methods import solve
from mecpfm.experiments import explorer
from mecpfm.experiments.lesson import two_cloudlets

PAGE = Path(__file__).parents[1] / "docs" / "explorer.html"
POINTS = list(product(explorer.FRACTIONS, explorer.GBIT_S, explorer.MEMORY_GB, explorer.REQUESTS))
PROBE = """
addEventListener("load", () => {
  const seconds = () => [...document.querySelectorAll("#bars output")].map(one => one.textContent);
  const before = seconds(), slider = document.querySelector("input[name=gbit_s]");
  slider.value = 0; slider.dispatchEvent(new Event("input"));
  const found = {errors, before, after: seconds(), said: slider.nextElementSibling.textContent};
  document.body.dataset.found = JSON.stringify(found);
});
"""


def embedded() -> dict[str, dict[str, list[float]]]:
    start, end = explorer_page.MARKS
    return json.loads(PAGE.read_text().partition(start)[2].partition(end)[0])


def test_the_example_is_one_of_its_variants():
    """With the example's own numbers the variant is the example."""
    assert explorer.variant(0.9993, 10, 16, 6).to_object() == two_cloudlets().to_object()


def test_the_page_has_every_point():
    """Its axes are the grid's, and no method is better than the optimum."""
    found = embedded()
    axes = (explorer.FRACTIONS, explorer.GBIT_S, explorer.MEMORY_GB, explorer.REQUESTS)
    assert [tuple(axis) for axis in found["axes"].values()] == list(axes)
    assert {len(seconds) for seconds in found["seconds"].values()} == {len(POINTS)}
    best = np.array(found["seconds"]["ilp"])
    assert all((np.array(seconds) >= best - 0.001).all() for seconds in found["seconds"].values())


@pytest.mark.parametrize("at", [0, 247, 470, 541, len(POINTS) - 1])
def test_its_numbers_are_those_of_a_solve(at: int):
    """Points far apart, each method solved anew."""
    for method, wanted in explorer.METHODS.items():
        plan = solve(explorer.variant(*POINTS[at]), method, **wanted)
        assert embedded()["seconds"][method][at] == round(plan.objective / POINTS[at][-1], 3), method


def test_the_figure_has_a_step_for_every_link():
    """Each step brings as many curves as there are traces; the one shown is the slider's."""
    solved = explorer.grid((0.0, 0.9993), (1.0, 10.0), (16.0,), (6,))
    assert explorer_page.numbers(solved)["seconds"]["ilp"][-1] == 4.136
    drawn = figures.draw("explorer", solved)
    (slider,) = drawn.layout.sliders
    assert len(drawn.data) == len(explorer.METHODS)
    assert [len(step.args[0]["y"]) for step in slider.steps] == [len(drawn.data)] * 2
    assert [list(trace.y) for trace in drawn.data] == [list(y) for y in slider.steps[slider.active].args[0]["y"]]


def test_a_slider_solves_anew():
    """It opens at the example; what it shows is what a solve gives, and its text is the same on every machine."""
    pytest.importorskip("ipywidgets")
    from mecpfm.experiments.sliders import Explorer

    shown = Explorer()
    assert repr(shown) == (
        "Delay of a request: optimum, proved 4.14 s, greedy, shared blocks once 4.14 s, planned without sharing 5.63 s"
    )
    shown.sliders[1].value = 100
    wanted = solve(explorer.variant(0.9993, 100, 16, 6), "ilp", solver="highs").objective / 6
    assert f"{wanted:.3f} s" in shown.bars.value


@needs_browser
def test_a_slider_moves_the_numbers():
    """It opens at the example; a slower link makes requests wait longer; the console stays empty."""
    found = measured(PAGE.read_text(), PROBE)
    assert found["errors"] == []
    assert found["before"] == ["4.14 s", "4.14 s", "5.63 s"]
    assert found["said"] == "1 Gbit/s"
    assert float(found["after"][0].split()[0]) > 4.14
