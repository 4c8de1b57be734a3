"""Random instances with the parameter ranges of the released evaluation (docs/published_setting.md).

Every quantity has a random stream of its own, all spawned from one seed: with more models or more requests, those
that were there stay as they were. More cloudlets keep the sites' own parameters but draw other links and homes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, dijkstra

from mecpfm import ranges
from mecpfm.data.sites import positions
from mecpfm.data.tables import model_zoo
from mecpfm.errors import InputError
from mecpfm.files import require_fits
from mecpfm.kernels import arrays
from mecpfm.kernels.arrays import uniform
from mecpfm.published.instance import Cloudlets, Instance, Models, Requests
from mecpfm.ranges import Amount, Count, Share
from mecpfm.records import Ragged
from mecpfm.streams import Streams, streams
from mecpfm.typing import Floats, Ints

CENTRE_S_PER_GB = 15.0
"""Of the link between the data centre and the node that it hangs behind."""


class Parameters(NamedTuple):
    """The ranges in which the two released parameter sets differ; all others are common to both."""

    capacity_gb: tuple[int, int] = (8, 24)
    cost_budget: tuple[float, float] = (30_000, 50_000)
    instructions: tuple[int, int] = (50, 100)


PARAMETERS: Mapping[str, Parameters] = {
    "released": Parameters(),
    "second": Parameters(capacity_gb=(24, 80), cost_budget=(1_000, 3_000), instructions=(10, 30)),
}
"""The released parameter set, and another one from the history of the released code (commit eaeea93)."""


@dataclass(frozen=True)
class Recipe:
    """Sizes and, where a sweep fixes them, single values in place of a released range."""

    cloudlets: Count = 100
    models: Count = 10
    families: Count = 2
    requests: Count = 100
    shared_fraction: Share | None = 2 / 3
    """Share of a model's bytes that its family shares; None takes each model's own from the zoo."""
    library: Literal["released", "zoo"] = "released"
    """Model sizes: U(5, 20) GB as released, or published backbones at two bytes a parameter."""
    capacity_gb: Amount | None = None
    cost_budget: Amount | None = None
    accuracy_requirement: Share | None = None
    sites: Literal["auto", "uniform"] = "auto"
    """Positions: the EUA sites when they are at hand, or always uniform in their box."""
    parameters: Annotated[str, functools.partial(ranges.one_of, tuple(PARAMETERS))] = "released"
    holder_divisor: Count = 20
    """Cloudlets over this are the most that hold a model from the start (released: 20, in some sweeps 10 or 50)."""

    def __post_init__(self) -> None:
        """Refuse empty or contradictory sizes."""
        ranges.check(self)
        if self.shared_fraction is None and self.library == "released":
            raise InputError("shared_fraction must be given; only the zoo's models have one of their own")
        cells = 2 * self.requests * self.models + (self.cloudlets + 1) ** 2 + 6 * (self.requests + self.models)
        require_fits(f"{self.cloudlets} cloudlets, {self.models} models and {self.requests} requests", 8 * cells)


def named_streams(seed: int) -> dict[str, Streams]:
    """Streams for each of network, models, workload and algorithm."""
    names = ("network", "models", "workload", "algorithm")
    return {name: streams(child) for name, child in zip(names, np.random.SeedSequence(seed).spawn(4), strict=True)}


def generate(recipe: Recipe = Recipe(), seed: int = 0, *, network: Floats | None = None) -> Instance:
    """Instance of the released generator; the same recipe and seed give the same arrays on every machine.

    Parameters
    ----------
    recipe
        Sizes and ranges.
    seed
        Of every random stream.
    network
        In place of the random one: distances, s/GB, shape (C + 1, C + 1), the data centre last.

    Returns
    -------
    Instance
        Checked.

    Raises
    ------
    InputError
        A seed out of range.

    Examples
    --------
    >>> generate(Recipe(cloudlets=8, requests=5, models=4), seed=3).accuracy.shape
    (5, 4)
    """
    ranges.seed(seed)
    random = named_streams(seed)
    distance, cloudlets, rate = _network(recipe, random["network"])
    if network is not None:
        distance = network
    models, per_request = _library(recipe, random["models"], len(distance))
    requests = _workload(recipe, random["workload"], rate)
    return Instance(
        memory_per_gb=uniform(next(random["network"]), 0, 1),
        distance_s_per_gb=distance,
        cloudlets=cloudlets,
        models=models,
        requests=requests,
        accuracy=np.column_stack([uniform(stream, 0.4, 1, recipe.requests) for stream in per_request]),
        output_ratio=np.column_stack(
            [uniform(stream.spawn(1)[0], 0.1, 0.3, recipe.requests) for stream in per_request]
        ),
    )


def _network(recipe: Recipe, random: Streams) -> tuple[Floats, Cloudlets, float]:
    count = recipe.cloudlets
    sites, user = positions(count, next(random), real=recipe.sites == "auto")
    degrees2 = max(float(((sites - user) ** 2).sum(axis=1).min()), 1e-12)
    distance = random_network(count + 1, next(random))
    capacity = next(random).integers(*PARAMETERS[recipe.parameters].capacity_gb, count, endpoint=True).astype(float)
    if recipe.capacity_gb is not None:
        capacity = np.full(count, float(recipe.capacity_gb))
    cloudlets = Cloudlets(
        capacity_gb=capacity,
        processing_tflops=uniform(next(random), 107, 312, count),
        accessing_rate=uniform(next(random), 0.1, 0.5, count),
        peak_power_w=uniform(next(random), 0.8, 2.5, count),
        idle_power_w=uniform(next(random), 0.1, 0.3, count),
        leak_power_w=uniform(next(random), 0.1, 0.3, count),
        transmit_power_w=uniform(next(random), 0.8, 2.5, count),
        service_rate_hz=uniform(next(random), 0.5, 0.9, count),
        arrival_rate_hz=uniform(next(random), 0.1, 0.5, count),
    )
    return distance, cloudlets, arrays.settled(20 * arrays.log(1 + 3 / degrees2) / arrays.log(2.0))


def attach_data_centre(distance: Floats, gateway: int) -> Floats:
    """Distances (C + 1, C + 1), s/GB, of a network whose data centre hangs behind one node."""
    out = np.zeros((len(distance) + 1, len(distance) + 1))
    out[:-1, :-1] = distance
    out[-1, :-1] = out[:-1, -1] = distance[:, gateway] + CENTRE_S_PER_GB
    return out


def random_network(locations: int, random: np.random.Generator) -> Floats:
    """Shortest-path distances, s/GB, shape (L, L): links between uniform pairs are added until all are connected.

    A link weighs U(5, 10), or U(10, 20) when one end is the last location, the remote data centre. These are
    seconds, inflated from 30-50 ms in the released evaluation so that pulling weighs as much as inference.
    """
    one = np.zeros(0, dtype=np.int64)
    other = np.zeros(0, dtype=np.int64)

    def parts(links: int) -> int:
        ends = (one[:links], other[:links])
        return int(connected_components(coo_array((np.ones(links), ends), (locations, locations)), directed=False)[0])

    while parts(len(one)) > 1:
        pairs = random.integers(0, locations, (4 * locations, 2))
        one, other = np.concatenate([one, pairs[:, 0]]), np.concatenate([other, pairs[:, 1]])
    low, high = 0, len(one)  # connected after `high` links, not after `low`; a single location needs none
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if parts(middle) == 1 else (middle, high)
    one, other = one[:high], other[:high]
    far = np.maximum(one, other) == locations - 1
    weight = uniform(random, 5, 10, high) * np.where(far, 2, 1)
    keys, first = np.unique(np.minimum(one, other) * locations + np.maximum(one, other), return_index=True)
    keep = first[keys // locations != keys % locations]
    graph = coo_array((weight[keep], (one[keep], other[keep])), (locations, locations)).tocsr()
    return np.asarray(dijkstra(graph, directed=False))


def _library(recipe: Recipe, random: Streams, locations: int) -> tuple[Models, list[np.random.Generator]]:
    """Models, and one generator each for its entries in the (J, K) tables."""
    sizes = next(random)
    work = uniform(next(random), 100, 300, recipe.models)
    family = next(random).integers(0, recipe.families, recipe.models)
    size, fraction = _sizes(recipe, sizes, family)
    generators = [next(random) for _ in range(recipe.models)]
    at = [preheat(locations - 1, stream, recipe.holder_divisor) for stream in generators]
    union = [np.unique(np.concatenate([at[i] for i in np.flatnonzero(family == f)])) for f in family]
    models = Models(
        shared_gb=size * fraction,
        private_gb=size * (1 - fraction),
        work_tflop=work,
        family=family,
        shared_at=Ragged.from_lists(union),
        private_at=Ragged.from_lists(at),
    )
    return models, generators


def _sizes(recipe: Recipe, random: np.random.Generator, family: Ints) -> tuple[Floats, Floats]:
    """Size in GB and shared fraction of each model, shape (K,)."""
    if recipe.library == "released":
        size, own = uniform(random, 5, 20, recipe.models), np.zeros(recipe.models)
    else:
        zoo = model_zoo()
        backbones = random.permutation(np.unique(zoo["backbone"]))[family % zoo["backbone"].nunique()]
        rows = [zoo[zoo["backbone"] == backbone].sample(1, random_state=random) for backbone in backbones]
        size = np.array([2e-3 * row["total_params_m"].item() for row in rows])
        own = np.array([row["shared_fraction"].item() for row in rows])
    return size, own if recipe.shared_fraction is None else np.full(recipe.models, recipe.shared_fraction)


def preheat(cloudlets: int, random: np.random.Generator, divisor: int = 20) -> Ints:
    """Locations that hold a model from the start: randint(1, C // divisor) cloudlets and the remote data centre."""
    count = random.integers(1, max(1, cloudlets // divisor), endpoint=True)
    return np.append(random.choice(cloudlets, size=count, replace=False), cloudlets)


def _workload(recipe: Recipe, random: Streams, rate: float) -> Requests:
    count, drawn_from = recipe.requests, PARAMETERS[recipe.parameters]

    def fixed(value: float | None, drawn: Floats) -> Floats:
        return drawn if value is None else np.full(count, float(value))

    return Requests(
        home=next(random).integers(0, recipe.cloudlets, count),
        instructions=next(random).integers(*drawn_from.instructions, count, endpoint=True).astype(float),
        cost_budget=fixed(recipe.cost_budget, uniform(next(random), *drawn_from.cost_budget, count)),
        accuracy_requirement=fixed(recipe.accuracy_requirement, uniform(next(random), 0.1, 0.4, count)),
        input_gb=uniform(next(random), 0.09, 0.5, count),
        rate_gb_per_s=np.full(count, rate),
    )
