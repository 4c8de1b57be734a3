"""What each request would pay and wait with each model: delay and cost tables (section III of the paper).

Sources are uncapacitated, so for a chosen model the nearest holder of each part is never worse than another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecpfm.errors import InfeasibleError
from mecpfm.published.instance import Instance
from mecpfm.records import Ragged
from mecpfm.typing import Bools, Floats, Ints


@dataclass(frozen=True, eq=False)
class Options:
    """Tables of shape (J, K), seconds unless stated; ``allowed`` marks options that can be chosen at all."""

    inference: Floats
    transmission: Floats
    queue: Floats
    """Waiting time at the home cloudlet, shape (J,); infinite when arrivals outrun service."""
    shared_pull: Floats
    private_pull: Floats
    shared_source: Ints
    private_source: Ints
    inference_cost: Floats
    transmit_power: Floats
    """Power of the home cloudlet's transmitter in W, shape (J,)."""
    allowed: Bools
    """Capacity, accuracy and queue stability, judged option by option."""

    @property
    def base(self) -> Floats:
        """Delay without pulling: inference, queue and transmission."""
        return self.inference + self.queue[:, None] + self.transmission

    @property
    def pull(self) -> Floats:
        """Pulling delay of a request on its own: both parts travel in parallel."""
        return np.maximum(self.shared_pull, self.private_pull)

    @property
    def delay(self) -> Floats:
        """Total delay of one request: pulling, inference, queue, transmission."""
        return self.pull + self.base

    @property
    def own_cost(self) -> Floats:
        """The part of a budget row that does not depend on the network-wide pulling delay."""
        return self.inference_cost + self.transmit_power[:, None] * self.transmission

    @property
    def cost(self) -> Floats:
        """Cost of one request: transmitter during pull and transmission, plus inference."""
        return self.own_cost + self.transmit_power[:, None] * self.pull


def nearest(distance: Floats, holders: Ragged) -> tuple[Floats, Ints]:
    """Distance to, and index of, the nearest holder from every location: two arrays (L, K); ties go to the lowest."""
    best = np.empty((len(distance), len(holders)))
    source = np.empty((len(distance), len(holders)), dtype=np.int64)
    for k, at in enumerate(holders):
        among = distance[:, at]
        place = among.argmin(axis=1)
        best[:, k] = among[np.arange(len(distance)), place]
        source[:, k] = at[place]
    return best, source


def tabulate(instance: Instance, *, shared_at: Ragged | None = None) -> Options:
    """Delay and cost tables of an instance; ``shared_at`` overrides who holds the shareable parts."""
    cloudlets, models, requests = instance.cloudlets, instance.models, instance.requests
    home, size = requests.home, models.size_gb
    shared_distance, shared_source = nearest(instance.distance_s_per_gb, shared_at or models.shared_at)
    private_distance, private_source = nearest(instance.distance_s_per_gb, models.private_at)
    inference = (models.work_tflop * size)[None, :] / cloudlets.processing_tflops[home][:, None]
    queue = queueing_delay(cloudlets.arrival_rate_hz, cloudlets.service_rate_hz)[home]
    sent = requests.input_gb[:, None] * (1 + size[None, :] * instance.output_ratio)
    access = (cloudlets.accessing_rate * cloudlets.peak_power_w)[home] * requests.instructions
    fits = instance.memory_per_gb * size[None, :] <= cloudlets.capacity_gb[home][:, None]
    accurate = instance.accuracy >= requests.accuracy_requirement[:, None]
    return Options(
        inference=inference,
        transmission=sent / requests.rate_gb_per_s[:, None],
        queue=queue,
        shared_pull=shared_distance[home] * models.shared_gb,
        private_pull=private_distance[home] * models.private_gb,
        shared_source=shared_source[home],
        private_source=private_source[home],
        inference_cost=access[:, None] + (cloudlets.idle_power_w + cloudlets.leak_power_w)[home][:, None] * inference,
        transmit_power=cloudlets.transmit_power_w[home],
        allowed=fits & accurate & np.isfinite(queue)[:, None],
    )


def queueing_delay(arrival_rate: Floats, service_rate: Floats) -> Floats:
    """Mean wait before service, s, shape (C,): ``lam / s^2 / (2 (1 - lam / s))``; infinite when lam >= s."""
    stable = arrival_rate < service_rate
    slack = np.where(stable, 1 - arrival_rate / service_rate, 1.0)
    return np.where(stable, arrival_rate / service_rate**2 / (2 * slack), np.inf)


def require_options(instance: Instance, options: Options) -> None:
    """InfeasibleError that names the first request no model can serve, and the row that forbids it."""
    stuck = np.flatnonzero(~options.allowed.any(axis=1))
    if not stuck.size:
        return
    j = int(stuck[0])
    home = int(instance.requests.home[j])
    need = float(instance.requests.accuracy_requirement[j])
    accurate = instance.accuracy[j] >= need
    if not np.isfinite(options.queue[j]):
        reason = f"its home cloudlet {home} receives requests faster than it serves them"
    elif not accurate.any():
        reason = f"no model reaches accuracy {need:g} (best {instance.accuracy[j].max():g})"
    else:
        need_gb = float((instance.memory_per_gb * instance.models.size_gb)[accurate].min())
        capacity = float(instance.cloudlets.capacity_gb[home])
        reason = f"no accurate model fits cloudlet {home} ({capacity:g} GB; the smallest needs {need_gb:g} GB)"
    raise InfeasibleError(f"request {j}: {reason}")


def budget_error(instance: Instance, options: Options) -> InfeasibleError:
    """What to say when every request has an option and yet no choice keeps the budget rows."""
    least = np.where(options.allowed, options.own_cost, np.inf).min(axis=1)
    budget = instance.requests.cost_budget
    over = np.flatnonzero(least > budget)
    if not over.size:
        return InfeasibleError("the budget rows together: no choice of models keeps all of them")
    j = int(over[0])
    return InfeasibleError(f"request {j}: no usable model costs at most {budget[j]:g} (the cheapest, {least[j]:g})")
