"""Joint selection and pulling of fine-tuned foundation models at the mobile edge, with certificates.

``import mecpfm as mp`` stays cheap: what ``dir(mp)`` lists, and the subpackages, load when they are used.

Examples
--------
>>> import mecpfm as mp
>>> net = mp.example(users=12)  # or mp.read("net/"), or mp.Network(sites=..., links=..., models=..., users=...)
>>> plan = mp.solve(net, gap=0.01, time_limit=60)
>>> plan.sites.columns.tolist()[:4]
['site', 'latitude_deg', 'longitude_deg', 'users']
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mecpfm.errors import InputError as InputError
    from mecpfm.errors import MecpfmError as MecpfmError
    from mecpfm.network.folder import read as read
    from mecpfm.network.front import example as example
    from mecpfm.network.front import read_instance as read_instance
    from mecpfm.network.front import solve as solve
    from mecpfm.network.live import Dispatcher as Dispatcher
    from mecpfm.network.named import NamedPlan as NamedPlan
    from mecpfm.network.network import Network as Network
    from mecpfm.network.settings import Remote as Remote
    from mecpfm.network.settings import Settings as Settings
    from mecpfm.network.stored import load as load

__version__ = "0.1.0"

_HOME = {
    "read": "network.folder",
    "Network": "network.network",
    "Settings": "network.settings",
    "Remote": "network.settings",
    "example": "network.front",
    "read_instance": "network.front",
    "solve": "network.front",
    "NamedPlan": "network.named",
    "load": "network.stored",
    "Dispatcher": "network.live",
    "InputError": "errors",
    "MecpfmError": "errors",
}
"""Module of each public name."""


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'mecpfm' has no attribute {name!r}")
    import importlib

    globals()[name] = found = getattr(importlib.import_module(f"mecpfm.{_HOME[name]}"), name)
    return found


def __dir__() -> list[str]:
    """Public names alone."""
    return sorted([*_HOME, "__version__"])
