"""Site and user positions."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def positions(cloudlets: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    box = np.array([[144.952, -37.8209], [144.975, -37.8090]])
    d = os.environ.get("MECPFM_DATA_DIR")
    sites = random.uniform(box[0], box[1], (cloudlets, 2))
    user = random.uniform(box[0], box[1])
    if d:
        s = pd.read_csv(Path(d) / "site-optus-melbCBD.csv")[["LONGITUDE", "LATITUDE"]].to_numpy()
        sites[: len(s)] = s[:cloudlets]
        u = pd.read_csv(Path(d) / "users-melbcbd-generated.csv")
        user = u[["Longitude", "Latitude"]].to_numpy()[0]
    return sites, user
