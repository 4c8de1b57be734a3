"""Instance of the published problem and its file schema ``mecpfm.published/1``.

Letters: C cloudlets, L = C + 1 locations (the last one is the remote data centre), K models, J requests.
"""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from pydantic import model_validator

from mecpfm.records import FloatArray, IntArray, RaggedArray, Range, Record, RootRecord, Shape

SCHEMA = "mecpfm.published/1"
LARGEST = 1e30
"""Largest amount, and inverse of the smallest rate: no product or quotient of the formulas overflows."""
Amount, Rate = Range(ge=0, le=LARGEST), Range(ge=1 / LARGEST, le=LARGEST)


class Cloudlets(Record):
    """Edge sites, every array of shape (C,)."""

    capacity_gb: Annotated[FloatArray, Shape("C"), Amount]
    processing_tflops: Annotated[FloatArray, Shape("C"), Rate]
    accessing_rate: Annotated[FloatArray, Shape("C"), Amount]
    peak_power_w: Annotated[FloatArray, Shape("C"), Amount]
    idle_power_w: Annotated[FloatArray, Shape("C"), Amount]
    leak_power_w: Annotated[FloatArray, Shape("C"), Amount]
    transmit_power_w: Annotated[FloatArray, Shape("C"), Amount]
    service_rate_hz: Annotated[FloatArray, Shape("C"), Rate]
    arrival_rate_hz: Annotated[FloatArray, Shape("C"), Amount]


class Models(Record):
    """Fine-tuned models, arrays of shape (K,); a model is its shareable part plus its private part."""

    shared_gb: Annotated[FloatArray, Shape("K"), Amount]
    private_gb: Annotated[FloatArray, Shape("K"), Amount]
    work_tflop: Annotated[FloatArray, Shape("K"), Amount]
    family: Annotated[IntArray, Shape("K"), Range(ge=0)]
    shared_at: Annotated[RaggedArray, Shape("K"), Range(ge=0)]
    private_at: Annotated[RaggedArray, Shape("K"), Range(ge=0)]

    @property
    def size_gb(self) -> FloatArray:
        """Size of both parts together, GB, shape (K,)."""
        return self.shared_gb + self.private_gb


class Requests(Record):
    """Inference requests, arrays of shape (J,); inference always runs at the home cloudlet."""

    home: Annotated[IntArray, Shape("J"), Range(ge=0)]
    instructions: Annotated[FloatArray, Shape("J"), Amount]
    cost_budget: Annotated[FloatArray, Shape("J"), Amount]
    accuracy_requirement: Annotated[FloatArray, Shape("J"), Amount]
    input_gb: Annotated[FloatArray, Shape("J"), Amount]
    rate_gb_per_s: Annotated[FloatArray, Shape("J"), Rate]


class Instance(RootRecord):
    """One problem: network, model library and workload.

    ``distance_s_per_gb[l, m]`` is the time to pull one GB from location m to location l, shape (L, L);
    ``accuracy`` and ``output_ratio`` have shape (J, K); ``memory_per_gb`` is working memory per GB of model.
    """

    file_schema = SCHEMA

    memory_per_gb: Annotated[FloatArray, Shape(), Amount]
    distance_s_per_gb: Annotated[FloatArray, Shape("C+1", "C+1"), Amount]
    cloudlets: Cloudlets
    models: Models
    requests: Requests
    accuracy: Annotated[FloatArray, Shape("J", "K"), Range(ge=0, le=1)]
    output_ratio: Annotated[FloatArray, Shape("J", "K"), Amount]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """(C, K, J): numbers of cloudlets, models and requests."""
        return len(self.cloudlets.capacity_gb), len(self.models.family), len(self.requests.home)

    @model_validator(mode="after")
    def _contradictions(self) -> Self:
        cloudlets, models, requests = self.sizes
        if not cloudlets or not models or not requests:
            raise ValueError("cloudlets, models and requests must not be empty")
        if (bad := np.flatnonzero(np.diag(self.distance_s_per_gb) != 0)).size:
            raise ValueError(f"distance_s_per_gb[{bad[0]}][{bad[0]}] must be 0")
        if (bad := np.flatnonzero(self.requests.home >= cloudlets)).size:
            raise ValueError(f"requests.home[{bad[0]}] is {self.requests.home[bad[0]]}; must be < C = {cloudlets}")
        self._check_holders(cloudlets)
        return self

    def _check_holders(self, cloudlets: int) -> None:
        for name in ("shared_at", "private_at"):
            for k, holders in enumerate(getattr(self.models, name)):
                if not len(holders):
                    raise ValueError(f"models.{name}[{k}] is empty; at least one location must hold the part")
                if holders[-1] > cloudlets:
                    raise ValueError(f"models.{name}[{k}] names location {holders[-1]}; the last one is {cloudlets}")
        first: dict[int, int] = {}
        for k, family in enumerate(self.models.family.tolist()):
            one = first.setdefault(family, k)
            if not np.array_equal(self.models.shared_at[one], self.models.shared_at[k]):
                raise ValueError(
                    f"models.shared_at[{k}] differs from models.shared_at[{one}] of the same family {family}; "
                    "it must be the union over the family"
                )
