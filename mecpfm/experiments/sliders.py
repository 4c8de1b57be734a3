"""The explorer's sliders: four numbers of the running example, solved anew by three planners whenever one moves."""

from __future__ import annotations

from ipywidgets import HTML, IntSlider, SelectionSlider, VBox

from mecpfm.coupled.methods import solve
from mecpfm.experiments.explorer import METHODS, variant
from mecpfm.figures.style import LOOKS

FRACTIONS = (*(i / 100 for i in range(100)), 0.9993)
GBIT_S = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 25, 40, 60, 100)
REQUESTS = (6, 12, 18, 24, 36, 60)
WORDS = {"ilp": "Optimum, proved", "trimcaching": "Greedy, shared blocks once", "no-sharing": "Planned without sharing"}
LONGEST_S = 6.5
"""Mean delay of a request where nothing is pulled: the length of a full bar, s."""


class Explorer(VBox):  # type: ignore[misc]
    """Sliders above three bars: the mean delay of a request, its share of the pulls included, s.

    Nothing of it is stored with a notebook: where no kernel runs, docs/explorer.html has the same sliders.
    """

    def __init__(self) -> None:
        wide = {"style": {"description_width": "14em"}, "layout": {"width": "40em"}}
        steps = [(f"{share:.2%}" if share > 0.99 else f"{share:.0%}", share) for share in FRACTIONS]
        self.sliders = (
            SelectionSlider(options=steps, value=0.9993, description="shared by both models", **wide),
            SelectionSlider(options=GBIT_S, value=10, description="link of the north, Gbit/s", **wide),
            SelectionSlider(options=REQUESTS, value=6, description="requests", **wide),
            IntSlider(min=13, max=28, value=16, description="memory of the north, GB", **wide),
        )
        self.bars = HTML()
        super().__init__([*self.sliders, self.bars])
        self.add_class("explorer")
        for one in self.sliders:
            one.observe(self.show, "value")
        self.show()

    def show(self, _: object = None) -> None:
        """Solve what the sliders say, and draw it."""
        fraction, gbit_s, requests, memory_gb = (one.value for one in self.sliders)
        instance = variant(fraction, gbit_s, memory_gb, requests)
        self.mean_s = {name: solve(instance, name, **wanted).objective / requests for name, wanted in METHODS.items()}
        rows = [_row(name, seconds) for name, seconds in self.mean_s.items()]
        self.bars.value = f"<table style='width:40em'>{''.join(rows)}</table>"

    def __repr__(self) -> str:
        """What a page without a kernel shows."""
        found = ", ".join(f"{WORDS[name].lower()} {seconds:.2f} s" for name, seconds in self.mean_s.items())
        return f"Delay of a request: {found}"


def _row(method: str, seconds: float) -> str:
    bar = f"<div style='background:{LOOKS[method].color};height:1.2em;width:{100 * seconds / LONGEST_S:.1f}%'></div>"
    return (
        f"<tr><td style='width:14em;text-align:right'>{WORDS[method]}</td><td>{bar}</td>"
        f"<td class=seconds style='width:5em'>{seconds:.3f} s</td></tr>"
    )
