"""The numbers that steer the engine, by table of a ``--params`` file; whatever they are, bounds and plans are valid.

Numbers that a kernel is compiled with (tenures of the tabu searches, tries of an exchange, when a step is halved) and
those that a proof rests on (tolerances, sizes that are enumerated) are constants beside the code.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Annotated

from mecpfm import ranges
from mecpfm.errors import InputError
from mecpfm.ranges import Count, NotNegative, Share

Size = Annotated[int, functools.partial(ranges.count, low=0)]
Few = Annotated[int, functools.partial(ranges.count, high=10_000)]
"""Of what nothing looks at the clock in between."""
Heat = Annotated[float, functools.partial(ranges.within, low=1e-6, high=1e6)]
Theta = Annotated[float, functools.partial(ranges.within, low=1e-9, high=2)]
"""Length of a step of the dual relative to Polyak's; it falls from a first to a last one."""


@dataclass(frozen=True)
class _Checked:
    """Fields keep the ranges of their annotations."""

    def __post_init__(self) -> None:
        """InputError that names the field."""
        ranges.check(self)


@dataclass(frozen=True)
class _Nodes(_Checked):
    """How the multipliers of a node are found from its parent's."""

    iterations: Count = 250
    """Iterations of the dual at a node."""
    theta: Theta = 0.3
    """First length of a step of the dual, relative to Polyak's."""
    theta_end: Theta = 5e-3
    """Length at which the steps end."""

    def at_node(self, dual: DualParams) -> DualParams:
        """The dual's parameters with these in their place."""
        return replace(dual, iterations=self.iterations, warm_theta=self.theta, theta_end=self.theta_end)


@dataclass(frozen=True)
class SearchParams(_Checked):
    """Phases of the local search, and its core: ruin and recreate. A share is one of the time left, at most."""

    chunk: Count = 25
    """Iterations between two looks at the clock, at most; also the steps of the temperature."""
    touched: Count = 6
    """Cloudlets that a ruin touches, at most."""
    ejections: Annotated[int, functools.partial(ranges.count, low=0, high=10_000)] = 30
    """Ejections, of one request that makes room for others, after each ruin."""
    neighbours: Size = 8
    """Cloudlets near each one, by common requests, among which a ruin chooses."""
    hot: Heat = 1.0
    """First temperature relative to the mean delay of a request in the dual bound."""
    cold: Heat = 0.03
    """Last temperature, relative to the same."""
    warm_heat: Share = 0.5
    """How far the search around a known plan has cooled at first, from hot, 0, to cold, 1."""
    bound_share: Share = 0.5
    """Share of the time for the bound that comes before the search (``polish`` and ``branch``)."""
    dive_share: Share = 0.3
    """Share for opening cells in the first dive."""
    inside_share: Share = 0.1
    """Share for the search inside the cells that a dive opened, or that a known plan uses."""
    dives_share: Share = 0.5
    """Share for the other dives."""
    wide_share: Share = 0.8
    """Share for the last search, in the cells of all that was found."""
    settle_share: Share = 0.5
    """Share for one exact assignment of the requests to the blocks of a plan ..."""
    settle_s: NotNegative = 4.0
    """... which under a time limit takes no more than so many s."""


@dataclass(frozen=True)
class DiveParams(_Nodes):
    """Dives: which cells to open, by the dual's subproblems."""

    hopeless: NotNegative = 0.005
    """Options that cost more than this share of the bound by reduced cost are left out of dives ..."""
    kept_options: Size = 10_000
    """... but no more than leaves this many."""
    steps: Count = 12
    """Steps of a dive, about: each opens as many cells as it takes."""
    rare: Share = 0.05
    """Fraction of openness below which a cell is not opened."""
    sure: Share = 0.9
    """Fraction above which a cell is opened at once."""
    noise: Share = 0.3
    """Most by which other dives change a fraction, as a share of it."""
    iterations: Count = 200
    """Iterations of the dual after each step."""
    every: Count = 4_000
    """Iterations of the search that allow one other dive."""


@dataclass(frozen=True)
class ExchangeParams(_Checked):
    """Searches beside the usual one in ``auto``: exchanges where memory is short, swaps where compute is, unions."""

    chunk: Count = 25
    """Iterations between two looks at the clock, at most; also the steps of the temperature."""
    exchanges: Few = 20
    """Exchanges an iteration, which then takes about as long as one of ``polish``."""
    hot: Heat = 1.0
    """First temperature of exchanges relative to the mean delay of a request in the plan that they begin with."""
    cold: Heat = 0.1
    """Last temperature, relative to the same."""
    pair_steps: Few = 10
    """Steps an iteration of swaps and of unions, which look at every pair ..."""
    pair_most: Size = 2_000
    """... and requests, or models, beyond which there are none."""
    swap_pairs: Count = 2_000_000
    """Pairs between two looks at the clock, at most, about 10 ms; sums are made anew then."""
    union_chunk: Count = 100
    """Steps of unions between two looks at the clock, at most."""


@dataclass(frozen=True)
class DualParams(_Checked):
    """The ascent of the multipliers, which every certified bound comes from."""

    iterations: Count = 2_000
    """Iterations, at most; in ``auto`` its ``dual_iterations`` in their place."""
    theta: Theta = 1.0
    """First length of a step relative to Polyak's."""
    warm_theta: Theta = 0.3
    """The same where old prices are known."""
    theta_end: Theta = 1e-3
    """Length at which the ascent ends."""
    chunk: Count = 50
    """Iterations between two looks at the clock, at most."""
    knapsack_iterations: Count = 600
    """Iterations, at most, where ``auto`` keeps compute rows as knapsacks: cloudlets of one set of blocks."""
    knapsack_theta: Theta = 0.5
    """First length of a step there ..."""
    knapsack_warm_theta: Theta = 0.1
    """... and once a better plan is known."""


@dataclass(frozen=True)
class TreeParams(_Nodes):
    """Branch and bound, in ``branch`` and inside ``auto``."""

    leaf_options: Size = 1_000
    """Remainder, in options, that HiGHS gets in ``auto``; one that it does not settle is branched on."""
    branch_leaf_options: Size = 4_000
    """Remainder, in options, that HiGHS gets in ``branch``."""
    leaf_s: NotNegative = 10.0
    """Time for a leaf, s, at most."""
    last_share: Share = 0.5
    """Share of the time left for a leaf of ``auto`` that cannot be branched on."""
    smaller: Share = 0.7
    """Below an unsettled leaf of ``auto`` HiGHS gets only what is smaller by this factor."""
    nodes: Size = 10_000
    """Nodes of ``branch``, at most."""
    incumbent_share: Share = 0.5
    """Share of the time of ``branch`` for bound and search before its tree, at most."""


@dataclass(frozen=True)
class AutoParams(_Checked):
    """How ``auto`` divides its time, and which instances each part gets. Shares are of the time left, at most."""

    first_iterations: Count = 2_000
    """Iterations of the first round of the search; each round doubles them."""
    dual_iterations: Count = 1_000_000
    """Iterations of an ascent, which ends by itself long before."""
    bound_share: Share = 0.3
    """Share for multipliers."""
    lp_options: Size = 20_000
    """Largest instance, in options, whose multipliers begin at the LP's where a family pays by shares (time limit)."""
    near: Share = 1e-4
    """Gap at which a plan gets multipliers of its own before the round ends, once a round; only under a time limit."""
    knapsack_share: Share = 0.1
    """Share for multipliers that keep the compute rows."""
    search_share: Share = 0.3
    """Share for the first round of the search, and for HiGHS on one core."""
    window_share: Share = 0.3
    """Share for a window: a small MIP over the options that lose least."""
    highs_alone_s: NotNegative = 1.0
    """Time that HiGHS gets alone, s, at most, on what is as small as a window: the search would hardly have begun."""
    tree_share: Share = 0.5
    """Share for the tree between two rounds, and for a round on one core."""
    exchange_share: Share = 0.5
    """Share for the exchanges of a round."""
    recombine_share: Share = 0.1
    """What a round leaves of its time for the master programme over configurations ..."""
    recombine_s: NotNegative = 3.0
    """... and how much that is at most, s."""
    exchanges: NotNegative = 0.25
    """Iterations of exchanges, or of swaps, for one of the other search, at first."""
    fewest_exchanges: NotNegative = 1 / 16
    """The least that lacking gains make of it."""
    most_exchanges: NotNegative = 4.0
    """The most that gains make of it; with it begin unions, and swaps where pulls are free."""
    level_share: Share = 0.3
    """Share for branch and bound from level to level, before all else, where each cloudlet is a knapsack ..."""
    dive_nodes: Size = 500
    """... which begins with dives of so many nodes, at most ..."""
    level_entries: Size = 2_000_000
    """... unless its tables of knapsacks have more entries together, or its paths ten times as many."""
    presolve_options: Size = 2_000_000
    """Options beyond which those that others make needless are not looked for: memory."""
    window_options: Size = 6_000
    """Largest remainder, in options, for a window."""
    window_per_request: NotNegative = 2.0
    """Options of a window, at most, times the requests."""
    window_halvings: Annotated[int, functools.partial(ranges.count, high=100)] = 14
    """Bisections that find a window's width."""
    tree_options: Size = 15_000
    """Largest remainder, in options, for branching, which in a larger one no longer lifts the bound."""
    highs_options: Size = 200_000
    """Largest remainder, in options, that HiGHS gets beside the search: memory."""
    renewed: Share = 0.5
    """HiGHS begins anew when no more than this share of what it was given is left."""
    configurations: Count = 3_000
    """Configurations that are kept for the master programme, the newest."""
    master_nodes: Count = 20
    """Nodes of its branch and bound."""
    master_columns: Count = 1_000
    """Columns that it branches on, those of least reduced cost."""

    def __post_init__(self) -> None:
        """InputError that names the field."""
        super().__post_init__()
        if self.fewest_exchanges > self.most_exchanges:
            raise InputError(f"fewest_exchanges is {self.fewest_exchanges}; must be <= most_exchanges")
