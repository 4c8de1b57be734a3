"""Functions and draws whose last bit is another one, as on another processor or with another C library."""

import sys
import types

import numpy as np

from mecpfm.data import marginals
from mecpfm.kernels import arrays

NUMPY = "exp expm1 log log1p log2 log10 sin cos power geomspace interp".split()
OWN = "exp expm1 log log1p sin cos power".split()
DIRECTIONS = ("up", "down", 1, 2)
"""Every number one unit up, down, or by a hash of its bits and this number one up, down or left alone."""


def nudge(x, direction):
    """The numbers, each at most one unit in the last place away; 0, 1 and what is not finite stays."""
    values = np.asarray(x, dtype=np.float64)
    bits = np.atleast_1d(values).view(np.uint64)
    if direction in ("up", "down"):
        step = np.full(values.shape, 1 if direction == "up" else -1)
    else:
        mixed = (bits * np.uint64(0x9E3779B97F4A7C15) + np.uint64(direction)) * np.uint64(0xD1342543DE82EF95)
        step = ((mixed >> np.uint64(40)) % np.uint64(3)).astype(int).reshape(values.shape) - 1
    moved = np.nextafter(values, np.where(step > 0, np.inf, -np.inf))
    keep = (step == 0) | (values == 0) | (values == 1) | ~np.isfinite(values)
    return np.where(keep, values, moved)[()]


def wrapped(function, direction):
    """The function with nudged values; a float stays a float."""

    def call(*given, **named):
        found = nudge(function(*given, **named), direction)
        return found if np.ndim(found) else float(found)

    return call


class Proxy(types.ModuleType):
    """NumPy but for some functions."""

    def __getattr__(self, name):
        return getattr(np, name)


def install(patch, direction):
    """Nudge NumPy's functions as the package sees them, the package's own, and NumPy's draws; ``patch`` undoes it.

    Not reached: what compiled kernels call among themselves.
    """
    proxy = Proxy("numpy")
    for name in NUMPY:
        setattr(proxy, name, wrapped(getattr(np, name), direction))

    class Generator(np.random.Generator):
        def standard_normal(self, *given, **named):
            return nudge(super().standard_normal(*given, **named), direction)

        def exponential(self, *given, **named):
            return nudge(super().exponential(*given, **named), direction)

        def beta(self, *given, **named):
            return nudge(super().beta(*given, **named), direction)

    for name, module in list(sys.modules.items()):
        package = name.startswith("mecpfm.") and (".kernels" not in name or name.endswith(".arrays"))
        if package and getattr(module, "np", None) is np:
            patch.setattr(module, "np", proxy)
    for name in OWN:
        patch.setattr(arrays, name, wrapped(getattr(arrays, name), direction))
    patch.setattr(np.random, "default_rng", lambda seed=None: Generator(np.random.PCG64(seed)))
    marginals._curve.cache_clear()
