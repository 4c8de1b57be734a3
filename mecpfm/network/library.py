"""What the models of a network consist of: a backbone and what each owns, or the blocks that a table lists."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mecpfm.coupled.instance import Blocks, Models
from mecpfm.errors import InputError
from mecpfm.records import Ragged


def check_sizes(models: pd.DataFrame, blocks: pd.DataFrame | None, where: str, where_blocks: str) -> None:
    """InputError where a block has two sizes, a model none, or two things of one name are not the same block."""
    size = models.groupby("backbone")["backbone_gb"].transform("first")
    if (row := _first((models["backbone"] != "") & (models["backbone_gb"] != size))) is not None:
        name = models["backbone"].iloc[row]
        raise InputError(f"{where}: column backbone_gb, row {row + 1}: backbone {name!r} has another size above")
    listed = models["model"].isin([] if blocks is None else blocks["model"])
    if (row := _first(listed & ((models["backbone"] != "") | (models["own_gb"] > 0)))) is not None:
        raise InputError(f"{where}: row {row + 1}: {where_blocks} lists the model's blocks; leave backbone and own_gb")
    total = np.where(models["backbone"] != "", models["backbone_gb"], 0) + models["own_gb"]
    if (row := _first((total <= 0) & ~listed)) is not None:
        raise InputError(f"{where}: row {row + 1}: the model has no size; state own_gb, a backbone or blocks")
    if (row := _first(models["model"].isin(set(models["backbone"]) - {""}))) is not None:
        raise InputError(f"{where}: row {row + 1}: model {models['model'].iloc[row]!r} is named like a backbone")
    if blocks is None:
        return
    shared = models[models["backbone"] != ""].drop_duplicates("backbone").set_index("backbone")["backbone_gb"]
    first = blocks["block"].map(shared).fillna(blocks.groupby("block")["size_gb"].transform("first"))
    if (row := _first(blocks["size_gb"] != first)) is not None:
        name = blocks["block"].iloc[row]
        raise InputError(f"{where_blocks}: column size_gb, row {row + 1}: block {name!r} has another size elsewhere")
    if (row := _first(blocks["block"].isin(models["model"]) & (blocks["block"] != blocks["model"]))) is not None:
        name = blocks["block"].iloc[row]
        raise InputError(f"{where_blocks}: column block, row {row + 1}: {name!r} is a model; only its own block may be")


def _first(bad: pd.Series[bool]) -> int | None:
    return int(bad.to_numpy().argmax()) if bad.any() else None


def library(models: pd.DataFrame, blocks: pd.DataFrame | None) -> tuple[Blocks, Models]:
    """Blocks and models: every backbone once, then what each model owns, then other blocks in the order they stand."""
    shared = models[models["backbone"] != ""].drop_duplicates("backbone")
    own = models[models["own_gb"] > 0]
    sizes = dict(zip(shared["backbone"], shared["backbone_gb"], strict=True))
    sizes |= dict(zip(own["model"], own["own_gb"], strict=True))
    parts = {str(row.model): [str(row.backbone), str(row.model)] for row in models.itertuples()}
    family = models["backbone"].where(models["backbone"] != "", models["model"])
    if blocks is not None:
        sizes |= dict(zip(blocks["block"], blocks["size_gb"], strict=True))
        listed: dict[str, list[str]] = {}
        for model, block in zip(blocks["model"], blocks["block"], strict=True):
            listed.setdefault(model, []).append(block)
        parts |= listed
        family = models["model"].map({model: part[0] for model, part in listed.items()}).fillna(family)
    place = {name: b for b, name in enumerate(sizes)}
    of = [[place[name] for name in parts[model] if name in place] for model in models["model"]]
    return (
        Blocks(size_gb=np.array(list(sizes.values()), dtype=float), name=tuple(sizes)),
        Models(
            blocks=Ragged.from_lists(of), family=pd.factorize(family)[0].astype(np.int64), name=tuple(models["model"])
        ),
    )
