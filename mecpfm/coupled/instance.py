"""Instance of the coupled problem and its file schemas ``mecpfm.coupled/1`` and ``/2`` (docs/coupled_setting.md).

Letters: B parameter blocks, K models, C cloudlets, R requests, n options. An option is one way to serve a request at
the edge: a model at a cloudlet. Every request can also go to the remote data centre. JSON or .npz, by the suffix.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
from pydantic import model_validator

from mecpfm.coupled.change import changed
from mecpfm.coupled.schema import expanded
from mecpfm.records import (
    Either,
    FloatArray,
    IntArray,
    OptionalFloatArray,
    OptionalIntArray,
    OptionalNames,
    RaggedArray,
    Range,
    Record,
    RootRecord,
    Shape,
)
from mecpfm.typing import Bools, Floats, Ints

LARGEST = 1e9
"""Most seconds or GB a field may state: bounds stay exact to 1e-6 s, and solvers take every product of two."""
SMALLEST = 1e-9
"""Least positive seconds or GB: quotients stay far from overflow, and no guard against division by 0 outweighs one."""
TOLERANCE = 1e-6
"""Relative tolerance of every row: a capacity of 0 is 0."""
Amount = Range(ge=0, le=LARGEST, least=SMALLEST)
DATA_CENTRE = -1
"""Holder of every block, among the sources of pulls."""


def most(limit: Floats) -> Floats:
    """What a row with this limit may reach: one rule for the checker, the bounds and every method."""
    return limit * (1 + TOLERANCE)


def accepted(amount: Floats) -> Floats:
    """Nearest amounts that an instance takes, for amounts measured elsewhere, all >= 0."""
    return np.where(amount < SMALLEST, 0.0, np.minimum(amount, LARGEST))


class Blocks(Record):
    """Parameter blocks: the unit that is pulled and stored, once per cloudlet whoever uses it."""

    size_gb: Annotated[FloatArray, Shape("B"), Amount]
    name: Annotated[OptionalNames, Shape("B")] = None


class Models(Record):
    """Fine-tuned models; ``blocks[k]`` lists what model k consists of. ``family`` and ``name`` serve pictures only."""

    blocks: Annotated[RaggedArray, Shape("K"), Range(ge=0)]
    family: Annotated[OptionalIntArray, Shape("K"), Range(ge=0)] = None
    name: Annotated[OptionalNames, Shape("K")] = None


class Cloudlets(Record):
    """Edge sites, arrays of shape (C,).

    ``compute_s`` is GPU time in the period; ``pull_s_per_gb`` the time to pull one GB from the nearest holder, one for
    all blocks (C,) or each block's own (B, C); ``source`` (B, C), where known, is that holder: a cloudlet or -1, the
    data centre. ``cached[c]`` are the blocks that cloudlet c holds already: no pull there, but memory if used.
    """

    memory_gb: Annotated[FloatArray, Shape("C"), Amount]
    compute_s: Annotated[FloatArray, Shape("C"), Amount]
    pull_s_per_gb: Annotated[FloatArray, Either(Shape("C"), Shape("B", "C")), Amount]
    cached: Annotated[RaggedArray, Shape("C"), Range(ge=0)]
    source: Annotated[OptionalIntArray, Shape("B", "C"), Range(ge=DATA_CENTRE)] = None
    name: Annotated[OptionalNames, Shape("C")] = None
    longitude_deg: Annotated[OptionalFloatArray, Shape("C"), Range(ge=-180, le=180)] = None
    latitude_deg: Annotated[OptionalFloatArray, Shape("C"), Range(ge=-90, le=90)] = None


class Requests(Record):
    """Inference requests, arrays of shape (R,): delay and accuracy of the remote data centre, always available.

    A request may stand for a class of ``weight`` of them, served alike: then its delays and its compute, also those of
    its options, are those of the whole class, and its accuracy counts ``weight`` times. ``deadline_s`` is that of one
    request, 1e9 for none: no option is later; the remote data centre may be.
    """

    remote_delay_s: Annotated[FloatArray, Shape("R"), Amount]
    remote_accuracy: Annotated[FloatArray, Shape("R"), Range(ge=0, le=1)]
    weight: Annotated[OptionalFloatArray, Shape("R"), Range(gt=0, le=LARGEST)] = None
    deadline_s: Annotated[OptionalFloatArray, Shape("R"), Range(gt=0, le=LARGEST)] = None
    name: Annotated[OptionalNames, Shape("R")] = None
    longitude_deg: Annotated[OptionalFloatArray, Shape("R"), Range(ge=-180, le=180)] = None
    latitude_deg: Annotated[OptionalFloatArray, Shape("R"), Range(ge=-90, le=90)] = None


class Options(Record):
    """Ways to serve requests at the edge, arrays of shape (n,), sorted by request; delay excludes pulling."""

    request: Annotated[IntArray, Shape("n"), Range(ge=0)]
    model: Annotated[IntArray, Shape("n"), Range(ge=0)]
    cloudlet: Annotated[IntArray, Shape("n"), Range(ge=0)]
    delay_s: Annotated[FloatArray, Shape("n"), Amount]
    compute_s: Annotated[FloatArray, Shape("n"), Amount]
    accuracy: Annotated[FloatArray, Shape("n"), Range(ge=0, le=1)]


class Sizes(NamedTuple):
    """Numbers B, K, C and R."""

    blocks: int
    models: int
    cloudlets: int
    requests: int


class Instance(RootRecord):
    """One problem: blocks, the models made of them, cloudlets, requests and their options."""

    file_schema: ClassVar[str] = "mecpfm.coupled/1"
    newer_schema: ClassVar[str | None] = "mecpfm.coupled/2"

    blocks: Blocks
    models: Models
    cloudlets: Cloudlets
    requests: Requests
    options: Options

    @classmethod
    def _expanded(cls, content: dict[str, Any]) -> dict[str, Any]:
        return expanded(content)

    def _schema(self) -> str:
        requests = self.requests
        newer = (self.cloudlets.source, requests.weight, requests.deadline_s, requests.name)
        plain = self.cloudlets.pull_s_per_gb.ndim == 1 and all(value is None for value in newer)
        return self.file_schema if plain else str(self.newer_schema)

    def change(self, **changes: Mapping[str, Any]) -> Instance:
        """A validated copy with some numbers changed.

        Parameters
        ----------
        changes
            ``part={field: value}``: a whole array, or single entries ``{place: number}``, where a place is an index or
            a name, of ``pull_s_per_gb`` and ``source`` of shape (B, C) a pair of them. Text with a sign is added.

        Raises
        ------
        InputError
            An unknown part, field or place, or a value that breaks a rule of the instance.

        Examples
        --------
        >>> from mecpfm.coupled.generate import Recipe, generate
        >>> instance = generate(Recipe(cloudlets=4, requests=10, models=6, memory_gb=24.0), seed=0)
        >>> instance.change(cloudlets={"memory_gb": {0: "+2"}}).cloudlets.memory_gb.tolist()
        [26.0, 24.0, 24.0, 24.0]
        """
        return changed(self, changes)

    @property
    def sizes(self) -> Sizes:
        """How many there are of each."""
        blocks, models = len(self.blocks.size_gb), len(self.models.blocks)
        return Sizes(blocks, models, len(self.cloudlets.memory_gb), len(self.requests.remote_delay_s))

    def with_options(self, rows: Ints) -> Self:
        """The instance with the options ``rows``, ascending, alone; request, site and model numbers stay."""
        options = Options(**{name: getattr(self.options, name)[rows] for name in Options.model_fields})
        return self.model_copy(update={"options": options})

    @cached_property
    def first_option(self) -> Ints:
        """Options of request r are ``first_option[r]`` to ``first_option[r + 1]``; shape (R + 1,)."""
        return np.searchsorted(self.options.request, np.arange(self.sizes.requests + 1)).astype(np.int64)

    @cached_property
    def cached(self) -> Bools:
        """Whether block b is at cloudlet c already, shape (B, C)."""
        mask = np.zeros((self.sizes.blocks, self.sizes.cloudlets), dtype=bool)
        at = self.cloudlets.cached
        mask[at.indices, at.rows] = True
        return mask

    @cached_property
    def pull_s(self) -> Floats:
        """Time to pull block b to cloudlet c, s, shape (B, C); 0 where it is cached."""
        return np.where(self.cached, 0.0, self.blocks.size_gb[:, None] * self.cloudlets.pull_s_per_gb)

    def useful(self, model_gb: Floats) -> Bools:
        """Mask (n,) of options that beat the remote data centre and fit their cloudlet alone; models of sizes (K,)."""
        options, cloudlets = self.options, self.cloudlets
        faster = options.delay_s < self.requests.remote_delay_s[options.request]
        small = model_gb <= most(cloudlets.memory_gb)[:, None]
        quick = options.compute_s <= most(cloudlets.compute_s)[options.cloudlet]
        return faster & quick & small[options.cloudlet, options.model]

    @model_validator(mode="after")
    def _contradictions(self) -> Self:
        from mecpfm.coupled.contradictions import check

        check(self)
        return self
