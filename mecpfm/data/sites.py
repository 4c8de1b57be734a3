"""Positions of sites and users in Melbourne's centre, from the EUA data set or drawn in the same box."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from mecpfm.data.columns import Column, read_table
from mecpfm.data.fetch import locate
from mecpfm.kernels import arrays
from mecpfm.typing import Floats

SITES = "site-optus-melbCBD.csv"
USERS = "users-melbcbd-generated.csv"
BOX = np.array([[144.952, -37.8209], [144.975, -37.8090]])
"""South-west and north-east corner around the 125 sites: longitude and latitude, degrees."""
KM_PER_DEGREE = 111.2
"""Of latitude."""


@lru_cache(maxsize=8)
def read_positions(path: Path, longitude: str, latitude: str) -> Floats:
    """Two columns of degrees, shape (n, 2); InputError names file, column and row."""
    columns = {longitude: Column(ge=-180, le=180), latitude: Column(ge=-90, le=90)}
    found = read_table(path, columns).to_numpy()
    found.flags.writeable = False
    return found


def positions(cloudlets: int, random: np.random.Generator, *, real: bool = True) -> tuple[Floats, Floats]:
    """Positions of the sites, shape (C, 2), and of the first user, shape (2,): longitude and latitude, degrees.

    The first sites are those of the EUA data set if ``real`` and its files are present; all others are uniform in
    ``BOX``. The same numbers are drawn from ``random`` either way, so whatever is drawn next does not depend on files.
    """
    sites = arrays.uniform(random, BOX[0], BOX[1], (cloudlets, 2))
    user = arrays.uniform(random, BOX[0], BOX[1])
    if real and (path := locate(SITES)):
        known = read_positions(path, "LONGITUDE", "LATITUDE")[:cloudlets]
        sites[: len(known)] = known
    if real and (path := locate(USERS)):
        user = read_positions(path, "Longitude", "Latitude")[0].copy()
    return sites, user
