"""Array types, by what an entry is; the shape stands with each field or parameter."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Quantities: times in s, sizes in GB, prices, probabilities."""
Ints = NDArray[np.int64]
"""Indices, counts and masks."""
Bools = NDArray[np.bool_]
"""Yes or no for each entry."""
Array = NDArray[Any]
"""Entries of any kind, where code only moves them."""
