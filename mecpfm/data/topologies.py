"""Real network topologies: topohub's copies of Topology Zoo, SNDlib and CAIDA (inside its wheel, no download)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from mecpfm.errors import InputError
from mecpfm.files import loads
from mecpfm.kernels import arrays
from mecpfm.typing import Floats, Ints

GROUPS = ("topozoo", "sndlib", "caida/2024-08")
_DRAWN = (
    "atlanta", "di-yuan", "france", "giul39", "india35", "newyork", "norway", "pioro40", "sun", "ta1", "ta2", "zib54",
)  # fmt: skip
PLANE = frozenset(f"sndlib/{name}" for name in _DRAWN)
"""SNDlib networks placed on a drawing, not on the globe: topohub takes its points for degrees, lengths mean nothing."""


@dataclass(frozen=True, eq=False)
class Topology:
    """An undirected network of n nodes and m links.

    ``nodes`` are names, not always unique; ``coordinates`` are longitude and latitude in degrees, shape (n, 2);
    ``edges`` index the nodes, shape (m, 2); ``length_km`` is each link's length along the Earth's surface, shape (m,),
    0 between nodes of one city; ``gbit_s``, where the source states it, what each link carries, shape (m,), NaN where
    it does not.
    """

    name: str
    nodes: tuple[str, ...]
    coordinates: Floats
    edges: Ints
    length_km: Floats
    gbit_s: Floats | None = None

    def unique_names(self) -> list[str]:
        """Names of the nodes; one that stands twice, or is empty, gets its node's number."""
        count = Counter(self.nodes)
        return [name if name and count[name] == 1 else f"{name} {i}".strip() for i, name in enumerate(self.nodes)]


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Names of the 315 real networks with geographic positions, e.g. ``topozoo/Abilene``, sorted in each group."""
    folder = files("topohub") / "data"
    found = (f"{group}/{name}" for group in GROUPS for name in sorted(f.name for f in (folder / group).iterdir()))
    return tuple(name.removesuffix(".json") for name in found if name.removesuffix(".json") not in PLANE)


def load(name: str) -> Topology:
    """One network by name; nodes are numbered in the file's order whatever its own ids are.

    Raises
    ------
    InputError
        For a name that is not in :func:`names`.
    """
    if name not in names():
        why = "its positions are points of a drawing" if name in PLANE else "not in mecpfm.data.topologies.names()"
        raise InputError(f"topology {name!r} cannot be used: {why}")
    raw = loads((files("topohub") / f"data/{name}.json").read_text(encoding="utf-8"))
    place = {node["id"]: i for i, node in enumerate(raw["nodes"])}  # ids are str in topozoo, int elsewhere
    ends = [(place[link["source"]], place[link["target"]]) for link in raw["edges"]]
    return Topology(
        name=name,
        nodes=tuple(str(node.get("name", node["id"])) for node in raw["nodes"]),
        coordinates=np.array([node["pos"] for node in raw["nodes"]], dtype=float),
        edges=np.array(ends, dtype=np.int64),
        length_km=np.array([link["dist"] for link in raw["edges"]], dtype=float),
    )


EARTH_KM = 6371.0088
"""Mean radius."""


def great_circle_km(
    latitude_deg: ArrayLike, longitude_deg: ArrayLike, other_latitude: ArrayLike, other_longitude: ArrayLike
) -> Floats:
    """Distance on the Earth's surface, km, to the millimetre; arguments broadcast, in degrees (haversine).

    The same bits on every machine.

    Examples
    --------
    >>> float(great_circle_km(45.76, 4.84, 45.19, 5.72).round(3))
    93.408
    """
    a, b = np.radians(latitude_deg), np.radians(other_latitude)
    turn = np.radians(np.subtract(other_longitude, longitude_deg))
    h = arrays.sin((b - a) / 2) ** 2 + arrays.cos(a) * arrays.cos(b) * arrays.sin(turn / 2) ** 2
    h = np.minimum(h, 1.0)
    far = h > 0.5  # the half turn less the way to the antipode
    sine = np.sqrt(np.where(far, 1 - h, h))
    angle = sine * (1 + sine**2 / 6)
    for _ in range(4):  # Newton: NumPy's arcsin differs in the last bit between machines
        angle = angle - (arrays.sin(angle) - sine) / arrays.cos(angle)
    return np.asarray(np.round(2 * EARTH_KM * np.where(far, np.pi / 2 - angle, angle), 6))


def distance_s_per_gb(topology: Topology, *, link_gb_per_s: float = 0.125, s_per_km: float = 5e-6) -> Floats:
    """Time to pull one GB between every two nodes over the fastest path, s/GB, shape (n, n).

    Each link forwards the whole GB before the next one starts (store and forward) and adds its propagation time once:
    ``1 / link_gb_per_s + length_km * s_per_km``. Defaults: 1 Gbit/s links and light in fibre, 200,000 km/s; one link
    is then about 8 s/GB, inside the U(5, 10) s/GB of the published generator.
    """
    if link_gb_per_s <= 0 or s_per_km < 0:
        raise InputError(f"link_gb_per_s is {link_gb_per_s:g}, s_per_km {s_per_km:g}; must be > 0 and >= 0")
    weight = 1 / link_gb_per_s + topology.length_km * s_per_km
    size = len(topology.nodes)
    graph = coo_array((weight, (topology.edges[:, 0], topology.edges[:, 1])), (size, size)).tocsr()
    return np.asarray(dijkstra(graph, directed=False))
