"""Coupled instances from real parts, all of them semi-synthetic: no source joins places, models and requests.

Sites and users are those of the EUA data set, or the nodes of a topohub topology; models come from the published zoo,
accelerators from data/gpus.csv, token counts from the quantiles of the Azure traces in data/trace_summary.csv.
Every quantity has a random stream of its own, so that a sweep over one size leaves the rest as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np

from mecpfm import ranges
from mecpfm.coupled.geography import Geography, of_eua, of_topology
from mecpfm.coupled.instance import Cloudlets, Instance, Options, Requests
from mecpfm.coupled.library import ADAPTATIONS, Library, build
from mecpfm.coupled.roofline import Accelerator
from mecpfm.data.tables import gpus, trace_summary
from mecpfm.data.traces import QUANTILES
from mecpfm.files import require_fits
from mecpfm.kernels import arrays
from mecpfm.ranges import Count, Share
from mecpfm.records import Ragged
from mecpfm.streams import Streams, streams
from mecpfm.typing import Floats


class Regime(NamedTuple):
    """What is scarce; tuples of choices are drawn from, cloudlet by cloudlet."""

    gpus: tuple[int, ...] = (4,)
    """Accelerators of a cloudlet: its memory and its compute are theirs together."""
    period_s: float = 60.0
    """Time that each of them computes for these requests, s."""
    backhaul_gbit_s: tuple[float, ...] = (10.0,)
    """Links of cloudlets to the data centre, Gbit/s, drawn; a pull takes 8 / it and the path of the topology, s/GB."""
    memory_gb: float | None = None
    """Memory in place of the accelerators' own, GB."""
    requirement: tuple[float, float] = (0.4, 0.95)
    """Range of the accuracy a request asks for, relative to the best model of the library for it."""
    reach: int = 18
    """How many of the nearest cloudlets may serve a request."""
    trace: str = "azure-conv"
    """Whose token counts the requests have: conversations write long answers, code completion short ones."""


REGIMES = {
    "compute-bound": Regime(period_s=1.0),
    "memory-bound": Regime(gpus=(2,), memory_gb=32.0, requirement=(0.7, 1.0), reach=3),
    "link-bound": Regime(backhaul_gbit_s=(0.24, 1.0), requirement=(0.7, 1.0), reach=7),
    "mixed": Regime(gpus=(1, 2), period_s=10.0, backhaul_gbit_s=(1.0, 5.0, 10.0), trace="azure-code"),
}
TRACES = ("azure-conv", "azure-code")
EDGE_GPUS = ("T4", "L4", "A10", "Jetson AGX Orin 64GB", "A100-40GB")
REMOTE_GPU = "A100-40GB"
DOMAINS = 2
"""Family f is pretrained for domain f mod 2 (say chat and code); requests accept their own domain's."""
CONGESTION = (2.0, 4.0)
"""How many times longer inference takes in the shared data centre than on an idle accelerator."""
ACCESS_S = (0.002, 0.010)
"""Radio and access network, s: an edge server within 10 ms of 58 % of users (Charyyev et al., GLOBECOM 2020)."""
REMOTE_PATH_S = (0.010, 0.100)
"""Wide-area path, s: a cloud site within 10 ms of 29 % of the same users."""
Amount = Annotated[float, partial(ranges.within, low=1e-6, high=1e6)]
"""An amount of a recipe: an instance's own end at 1e9."""


@dataclass(frozen=True)
class Recipe:
    """Sizes, regime and, where a sweep fixes them, single values in place of the regime's.

    ``cached_share`` is the probability that a block is at a cloudlet from the start, where it fits.
    """

    cloudlets: Count = 16
    requests: Count = 400
    models: Count = 48
    families: Count = 4
    regime: Annotated[str, partial(ranges.one_of, tuple(REGIMES))] = "mixed"
    adaptation: Annotated[str, partial(ranges.one_of, ADAPTATIONS)] = "published"
    shared_fraction: Share | None = None
    topology: str | None = None
    trace: Annotated[str | None, partial(ranges.one_of, TRACES)] = None
    reach: Count | None = None
    cached_share: Share = 0.0
    memory_gb: Amount | None = None
    period_s: Amount | None = None
    backhaul_gbit_s: Amount | None = None

    def __post_init__(self) -> None:
        """InputError for empty or contradictory values, and before more memory is asked for than there is."""
        ranges.check(self)
        reach = min(self.reach or REGIMES[self.regime].reach, self.cloudlets)
        options = self.requests * reach * -(-self.models // min(DOMAINS, self.families)) * 6
        tables = self.requests * (self.cloudlets + self.models) + (self.cloudlets + 3) * (self.models + self.families)
        what = f"{self.cloudlets} cloudlets, {self.models} models, {self.requests} requests"
        require_fits(what, 8 * (options + tables))


def generate(recipe: Recipe = Recipe(), seed: int = 0) -> Instance:
    """Instance of a recipe; the same recipe and seed give the same arrays on every machine with the same site files.

    Parameters
    ----------
    recipe
        Sizes, regime and ranges.
    seed
        Of every random stream.

    Returns
    -------
    Instance
        With names of no site: everything is numbered.

    Raises
    ------
    InputError
        A seed out of range, or a topology that is unknown.

    Examples
    --------
    >>> generate(Recipe(cloudlets=4, requests=10, models=6), seed=0).sizes[2:]  # cloudlets, requests
    (4, 10)
    """
    ranges.seed(seed)
    network, library, workload = (streams(child) for child in np.random.SeedSequence(seed).spawn(3))
    models = build(recipe.models, recipe.families, recipe.adaptation, recipe.shared_fraction, next(library))
    size = (recipe.cloudlets, recipe.requests)
    places = of_topology(recipe.topology, *size, next(network)) if recipe.topology else of_eua(*size, next(network))
    edge, cloudlets = _cloudlets(recipe, places, models, network)
    work = _workload(recipe, models, workload)
    return Instance(
        blocks=models.blocks,
        models=models.models,
        cloudlets=cloudlets,
        requests=Requests(
            remote_delay_s=work.remote_delay_s,
            remote_accuracy=np.ones(recipe.requests),
            longitude_deg=places.requests[:, 0],
            latitude_deg=places.requests[:, 1],
        ),
        options=_options(recipe, places, models, edge, work),
    )


def _cloudlets(recipe: Recipe, places: Geography, library: Library, random: Streams) -> tuple[Accelerator, Cloudlets]:
    regime, count, size = REGIMES[recipe.regime], recipe.cloudlets, library.blocks.size_gb
    kind = next(random).integers(0, len(EDGE_GPUS), count)
    edge = Accelerator(*(column[kind] for column in _figures(EDGE_GPUS, "fp16_tflops", "bandwidth_gb_s")))
    number = next(random).choice(regime.gpus, count)
    memory = _figures(EDGE_GPUS, "memory_gb")[0][kind] * number
    backhaul = next(random).choice(regime.backhaul_gbit_s, count)
    if fixed := recipe.memory_gb or regime.memory_gb:
        memory = np.full(count, float(fixed))
    if recipe.backhaul_gbit_s:
        backhaul = np.full(count, float(recipe.backhaul_gbit_s))
    held = (next(random).random((count, len(size))) < recipe.cached_share) & (size <= memory[:, None])
    return edge, Cloudlets(
        memory_gb=memory,
        compute_s=number * (recipe.period_s or regime.period_s),
        pull_s_per_gb=8 / backhaul + places.pull_s_per_gb,
        cached=Ragged.from_lists([np.flatnonzero(row) for row in held]),
        name=places.names,
        longitude_deg=places.cloudlets[:, 0],
        latitude_deg=places.cloudlets[:, 1],
    )


def _figures(names: tuple[str, ...], *columns: str) -> list[Floats]:
    """Columns of the accelerators' table, in the order of ``names``."""
    table = gpus().set_index("gpu").reindex(list(names))
    return [table[column].to_numpy(dtype=float) for column in columns]


def token_counts(trace: str, quantity: str, uniforms: Floats) -> Floats:
    """Counts by inverse transform of the trace's quantiles, log-linear between them."""
    table = trace_summary()
    row = table[(table["trace"] == trace) & (table["quantity"] == quantity)]
    logs = arrays.log(row[list(QUANTILES)].to_numpy(dtype=float)[0])
    return np.asarray(np.rint(arrays.exp(arrays.interpolated(uniforms, list(QUANTILES.values()), logs))))


class _Workload(NamedTuple):
    """What each request asks for, arrays of shape (R,), and what the remote data centre would do for it."""

    accuracy: Floats
    """Relative accuracy of each model for the request, shape (R, K); 0 outside its domain."""
    requirement: Floats
    tokens_in: Floats
    tokens_out: Floats
    access_s: Floats
    remote_delay_s: Floats


def _workload(recipe: Recipe, library: Library, random: Streams) -> _Workload:
    count = recipe.requests
    task = next(random).integers(0, library.accuracy.shape[1], count)
    domain = next(random).integers(0, min(DOMAINS, recipe.families), count)
    serves = np.arange(recipe.models) % recipe.families % DOMAINS
    accuracy = np.where(serves == domain[:, None], library.accuracy.T[task], 0.0)
    requirement = accuracy.max(axis=1) * arrays.uniform(next(random), *REGIMES[recipe.regime].requirement, count)
    trace = recipe.trace or REGIMES[recipe.regime].trace
    tokens_in = token_counts(trace, "context_tokens", next(random).random(count))
    tokens_out = token_counts(trace, "generated_tokens", next(random).random(count))
    access = arrays.uniform(next(random), *ACCESS_S, count)
    path = arrays.uniform(next(random), *REMOTE_PATH_S, count)
    remote = Accelerator(*_figures((REMOTE_GPU,), "fp16_tflops", "bandwidth_gb_s"))
    inference = remote.inference_s(np.asarray(library.parameters_b.max()), tokens_in, tokens_out)
    delay = access + path + arrays.uniform(next(random), *CONGESTION, count) * inference
    return _Workload(accuracy, requirement, tokens_in, tokens_out, access, delay)


def _options(recipe: Recipe, places: Geography, library: Library, edge: Accelerator, work: _Workload) -> Options:
    """The nearest cloudlets times the accurate models; no option is left out for being slow or large."""
    reach = recipe.reach or REGIMES[recipe.regime].reach
    near = np.sort(np.argsort(places.path_s, axis=1, kind="stable")[:, :reach], axis=1)
    accurate = (work.accuracy >= work.requirement[:, None]) & (work.accuracy > 0)
    wide = np.broadcast_to(accurate[:, None, :], (*near.shape, recipe.models))
    request, spot, model = np.nonzero(wide)
    cloudlet = near[request, spot]
    parameters = library.parameters_b[model % recipe.families]
    here = Accelerator(edge.fp16_tflops[cloudlet], edge.bandwidth_gb_s[cloudlet])
    tokens = work.tokens_in[request], work.tokens_out[request]
    on_the_way = work.access_s[request] + places.path_s[request, cloudlet]
    return Options(
        request=request,
        model=model,
        cloudlet=cloudlet,
        delay_s=on_the_way + here.inference_s(parameters, *tokens),
        compute_s=here.compute_s(parameters, *tokens),
        accuracy=work.accuracy[request, model],
    )
