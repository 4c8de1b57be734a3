"""Correlated rounding of fractional assignments."""

from __future__ import annotations

import numpy as np

from mecpfm.kernels._jit import kernel
from mecpfm.typing import Floats, Ints


@kernel
def round_coupled(
    first: Ints, option: Ints, request: Ints, x: Floats, requests: int, random: np.random.Generator
) -> Ints:
    """Draw a label and a threshold until every request has joined one; the option each takes, or -1, shape (R,).

    Options of label l are ``option[first[l]:first[l + 1]]``; the last label is the remote data centre, whose fraction
    is what a request's options leave. A request joins the first drawn label whose fraction is above the threshold.
    """
    labels = len(first)
    choice, left = np.full(requests, -2), requests
    remote = np.ones(requests)
    for i in range(len(x)):
        remote[request[i]] -= x[i]
    while left:
        label, theta = int(random.random() * labels), random.random()
        if label == labels - 1:
            for r in range(requests):
                if choice[r] == -2 and remote[r] > theta:
                    choice[r] = -1
                    left -= 1
            continue
        for i in range(first[label], first[label + 1]):
            o = option[i]
            if choice[request[o]] == -2 and x[o] > theta:
                choice[request[o]] = o
                left -= 1
    return choice
