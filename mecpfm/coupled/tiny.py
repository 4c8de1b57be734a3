"""An instance on which every method runs in milliseconds once its kernels are there."""

from __future__ import annotations

from typing import Any

TINY: dict[str, Any] = {
    "blocks": {"size_gb": [4.0, 1.0, 1.0, 3.0]},
    "models": {"blocks": [[0, 1], [0, 2], [3]]},
    "cloudlets": {
        "memory_gb": [6.0, 9.0], "compute_s": [5.0, 4.0], "pull_s_per_gb": [0.1, 0.2], "cached": [[], [3]],
    },
    "requests": {"remote_delay_s": [9.0] * 4, "remote_accuracy": [0.9] * 4},
    "options": {
        "request": [0, 0, 1, 1, 2, 2, 3, 3],
        "model": [0, 1, 0, 2, 1, 2, 0, 2],
        "cloudlet": [0, 1, 0, 1, 0, 1, 1, 0],
        "delay_s": [2.0, 3.0, 2.5, 1.0, 2.0, 3.0, 4.0, 1.0],
        "compute_s": [2.0, 2.0, 1.0, 2.0, 2.0, 3.0, 1.0, 2.0],
        "accuracy": [0.9] * 8,
    },
}  # fmt: skip
