"""A model library from the published zoo: families that share a backbone, split into parameter blocks.

Sizes and qualities are those of data/model_zoo.csv. Quality is a model's published accuracy relative to the best one
on its task, because accuracies compare within one task only. Semi-synthetic: where a family has more variants than
the zoo lists they repeat, as fine-tunings of other tenants, and how well a model does on a task it was not tuned for
is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mecpfm.coupled.instance import Blocks, Models, accepted
from mecpfm.coupled.roofline import BYTES_PER_PARAMETER
from mecpfm.data.tables import model_zoo
from mecpfm.kernels import arrays
from mecpfm.records import Ragged
from mecpfm.typing import Floats

BACKBONES = ("LLaMA-7B", "GPT-J-6B", "LLaMA-13B", "BLOOM-7B1")
"""Generative backbones whose accuracies the zoo lists; families beyond four are other checkpoints of the same sizes."""
ADAPTATIONS = ("published", "frozen-prefix", "full", "mixed")
PREFIX, MIDDLE = 0.5, 0.3
"""Frozen-prefix models: share of the weights frozen for the whole family, and for one half of it."""
TRANSFER = (0.3, 1.0)
"""Range of the relative accuracy on tasks that a model was not tuned for."""


@dataclass(frozen=True, eq=False)
class Library:
    """K models of F families for T tasks."""

    blocks: Blocks
    models: Models
    parameters_b: Floats
    """Parameters of each family's backbone, in billions, shape (F,). Adapters add at most 3 % and are not counted."""
    accuracy: Floats
    """Relative accuracy of each model on each task, shape (K, T)."""


def build(
    models: int, families: int, adaptation: str, shared_fraction: float | None, random: np.random.Generator
) -> Library:
    """Library of ``models`` models, dealt to ``families`` families in turn.

    ``adaptation`` says how the variants share: as published (LoRA, adapters: backbone and private block),
    three-level frozen prefixes, full copies, or these in turn (mixed). A ``shared_fraction`` overrides it: that
    share of every model's weights is its family's, the rest its own.
    """
    zoo = zoo_by_backbone()
    tasks = sorted({task for rows in zoo for task in rows["task"]})
    accuracy = arrays.uniform(random, *TRANSFER, (models, len(tasks)))
    parameters = np.array([zoo[f % len(zoo)]["backbone_b"].median() for f in range(families)])
    sizes: dict[str, float] = {}
    of: list[list[str]] = []
    for k in range(models):
        variant, f = divmod(k, families)
        rows = zoo[f % len(zoo)]
        row = rows.iloc[variant % len(rows)]
        accuracy[k, tasks.index(row["task"])] = 1.0
        accuracy[k] *= row["quality"]
        kind = _kind(adaptation, variant) if shared_fraction is None else "split"
        fractions = {"published": row["private_b"] / parameters[f], "split": 1 - (shared_fraction or 0.0)}
        parts = dict(_parts(kind, adaptation, f"{row['backbone']}#{f}", f"m{k}", variant, fractions.get(kind, 0.0)))
        sizes |= {name: share * parameters[f] * BYTES_PER_PARAMETER for name, share in parts.items()}
        of.append(list(parts))
    place = {name: b for b, name in enumerate(sizes)}
    return Library(
        blocks=Blocks(size_gb=accepted(np.array(list(sizes.values()))), name=tuple(sizes)),
        models=Models(
            blocks=Ragged.from_lists([[place[name] for name in parts] for parts in of]),
            family=np.arange(models) % families,
            name=tuple(parts[-1] for parts in of),
        ),
        parameters_b=parameters,
        accuracy=accuracy,
    )


def zoo_by_backbone() -> list[pd.DataFrame]:
    """One frame a backbone: task, quality relative to the task's best, parameters of both parts (1e9)."""
    zoo = model_zoo()
    zoo = zoo[zoo["metric"] == "accuracy"]
    zoo = zoo.assign(
        quality=zoo["value"] / zoo.groupby("task")["value"].transform("max"),
        private_b=zoo["private_params_m"] / 1000,
        backbone_b=(zoo["total_params_m"] - zoo["private_params_m"]) / 1000,
    )
    return [zoo[zoo["backbone"] == backbone] for backbone in BACKBONES]


def _kind(adaptation: str, variant: int) -> str:
    return ("published", "published", "frozen-prefix", "full")[variant % 4] if adaptation == "mixed" else adaptation


def _parts(
    kind: str, adaptation: str, family: str, model: str, variant: int, private: float
) -> Iterator[tuple[str, float]]:
    """Blocks of one model with their share of the backbone's weights; the model's own block comes last."""
    if kind == "full":
        yield model, 1.0
        return
    if kind == "frozen-prefix":
        yield f"{family}/prefix", PREFIX
        yield f"{family}/middle{variant // 2 % 2}", MIDDLE
        yield model, 1 - PREFIX - MIDDLE
        return
    if kind == "split":
        if private < 1:
            yield family, 1 - private
    elif adaptation == "mixed":  # frozen prefixes share the bottom of the same backbone
        yield f"{family}/prefix", PREFIX
        yield f"{family}/top", 1 - PREFIX
    else:
        yield family, 1.0
    yield model, private
