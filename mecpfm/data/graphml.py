"""Network topologies in GraphML, with the names that the Internet Topology Zoo uses."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mecpfm.data.topologies import Topology, great_circle_km
from mecpfm.errors import InputError
from mecpfm.files import readable, require_fits, require_regular


class _Plain(ElementTree.TreeBuilder):
    """Refuses document types before they are read: entities can name other files and grow without end."""

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> None:
        raise ValueError("holds a document type; remove <!DOCTYPE ...>")


def read_graphml(path: Path) -> Topology:
    """One undirected network: ``label``, ``Latitude``, ``Longitude`` of nodes, ``LinkSpeedRaw`` (bit/s) of edges.

    A position or speed that is absent is NaN, a length to a node without a position 0; loops are left out.

    Raises
    ------
    InputError
        The file cannot be read, is no GraphML, holds a document type, or a number in it is out of range.
    """
    require_fits(path, require_regular(path))
    try:
        with readable(path):
            root = ElementTree.parse(path, ElementTree.XMLParser(target=_Plain())).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{path}: is not usable GraphML ({error})") from None
    kinds = {(key.get("for"), key.get("id")): key.get("attr.name") for key in root.iterfind("{*}key")}
    nodes = [(node.get("id", ""), _data(node, "node", kinds)) for node in root.iterfind("{*}graph/{*}node")]
    place = {name: i for i, (name, _) in enumerate(nodes)}
    if not nodes or len(place) < len(nodes):
        raise InputError(f"{path}: {'a node stands twice' if nodes else 'holds no <graph> with a <node>'}")
    where = [
        [_number(path, name, data, key, -most, most) for key, most in (("Longitude", 180.0), ("Latitude", 90.0))]
        for name, data in nodes
    ]
    ends, speeds = [], []
    for edge in root.iterfind("{*}graph/{*}edge"):
        a, b = edge.get("source", ""), edge.get("target", "")
        if a not in place or b not in place:
            raise InputError(f"{path}: edge {a!r} to {b!r}: node {a if a not in place else b!r} is unknown")
        if a != b:
            ends.append((place[a], place[b]))
            data = _data(edge, "edge", kinds)
            speeds.append(_number(path, f"{a} to {b}", data, "LinkSpeedRaw", 1.0, 1e18) / 1e9)
    if not ends:
        raise InputError(f"{path}: holds no <edge> between two nodes")
    edges, coordinates = np.array(ends, dtype=np.int64), np.array(where)
    (lon_a, lat_a), (lon_b, lat_b) = coordinates[edges[:, 0]].T, coordinates[edges[:, 1]].T
    km = np.nan_to_num(great_circle_km(lat_a, lon_a, lat_b, lon_b))
    names = tuple((data.get("label") or name).strip() or name for name, data in nodes)
    return Topology(path.name, names, coordinates, edges, km, np.array(speeds))


def _data(
    element: ElementTree.Element, kind: str, kinds: dict[tuple[str | None, str | None], str | None]
) -> dict[str, str]:
    found = {}
    for data in element.iterfind("{*}data"):
        key = data.get("key")
        if name := kinds.get((kind, key)) or kinds.get(("all", key)):
            found[name] = (data.text or "").strip()
    return found


def _number(path: Path, place: str, data: dict[str, str], key: str, low: float, high: float) -> float:
    text = data.get(key, "")
    try:
        value = float(text) if text else math.nan
    except ValueError:
        value = math.inf
    if text and not low <= value <= high:
        raise InputError(f"{path}: {key} of {place!r} is {text[:40]!r}; must be a number from {low:g} to {high:g}")
    return value
