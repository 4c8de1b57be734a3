"""Random networks in tables, of any size and regime: what the coupled generator draws from, for ``build`` to build of.

What is scarce in each regime, accelerators, token counts and model families are the coupled generator's. That one keeps
its own draws, as committed results hang on each of them; here sites have links between them, models one task each, and
users are classes of requests, about ``AT_SITE`` requests a site and period at any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mecpfm import ranges
from mecpfm.coupled.generate import ACCESS_S, CONGESTION, EDGE_GPUS, REGIMES, REMOTE_GPU, REMOTE_PATH_S, token_counts
from mecpfm.coupled.library import zoo_by_backbone
from mecpfm.coupled.roofline import BYTES_PER_PARAMETER
from mecpfm.data.topologies import great_circle_km
from mecpfm.kernels import arrays

AT_SITE = 50
"""Requests a site and period: enough that pulls pay at several sites."""
BOX = ((44.0, 49.0), (1.0, 8.0))
"""Latitudes and longitudes in degrees that sites without a topology are drawn from."""
MOST_SITES = 10_000
Random = np.random.Generator


@dataclass(frozen=True)
class NetworkRecipe:
    """Sizes, regime and seed of a random network; families share a backbone each."""

    sites: int = 16
    models: int = 16
    users: int = 100
    families: int = 4
    regime: str = "mixed"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no network has."""
        for name, most in (("sites", MOST_SITES), ("models", 10_000), ("users", 100_000), ("families", 10_000)):
            ranges.count(name, getattr(self, name), 2 if name == "sites" else 1, most)
        ranges.seed(self.seed)
        ranges.one_of(REGIMES, "regime", self.regime)


def places(count: int, random: Random) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sites (name, latitude and longitude), and ends of links: to the nearest site of all, and of those before it."""
    at = np.column_stack([arrays.uniform(random, *side, count) for side in BOX]).round(3)
    sites = pd.DataFrame(
        {"site": [f"s{i + 1}" for i in range(count)], "latitude_deg": at[:, 0], "longitude_deg": at[:, 1]}
    )
    pairs = set()
    for i in range(count):
        km = great_circle_km(at[i, 0], at[i, 1], at[:, 0], at[:, 1])
        km[i] = np.inf
        pairs.add(tuple(sorted((i, int(km.argmin())))))
        if i:
            pairs.add((int(km[:i].argmin()), i))
    names = sites["site"].to_numpy()
    ends = np.array(sorted(pairs))
    return sites, pd.DataFrame({"from": names[ends[:, 0]], "to": names[ends[:, 1]]})


def draw(recipe: NetworkRecipe, sites: pd.DataFrame, links: pd.DataFrame) -> tuple[dict[str, pd.DataFrame], str]:
    """Tables ``sites``, ``links``, ``models`` and ``users`` on given places, and the text of ``network.toml``.

    ``gbit_s`` of links that have one stays.
    """
    regime = REGIMES[recipe.regime]
    on_sites, on_links, on_users = map(np.random.default_rng, np.random.SeedSequence(recipe.seed).spawn(3))
    sites = sites.assign(
        gpu=on_sites.choice(EDGE_GPUS, len(sites)), gpus=on_sites.choice(regime.gpus, len(sites)),
        memory_gb=regime.memory_gb if regime.memory_gb else np.nan,
    )  # fmt: skip
    speed = pd.Series(on_links.choice(regime.backhaul_gbit_s, len(links)))
    links = links.assign(gbit_s=links["gbit_s"].fillna(speed) if "gbit_s" in links else speed)
    models = _models(recipe)
    tables = {"sites": sites, "links": links, "models": models, "users": _users(recipe, sites, models, on_users)}
    text = (
        f"# A random {recipe.regime} network, seed {recipe.seed}.\n"
        f"period_s = {regime.period_s:g}\n"
        f"access_ms = {500 * sum(ACCESS_S):g}\nreach = {min(regime.reach, len(sites))}\n\n"
        f'[remote]\ngpu = "{REMOTE_GPU}"\ncongestion = {sum(CONGESTION) / 2:g}\n'
        f"latency_ms = {250 * sum(REMOTE_PATH_S):g}\ngbit_s = {max(regime.backhaul_gbit_s):g}\n"
    )
    return tables, text


def _models(recipe: NetworkRecipe) -> pd.DataFrame:
    """Variants of the published zoo, dealt to families in turn as the coupled generator deals them."""
    zoo, rows = zoo_by_backbone(), []
    for k in range(recipe.models):
        variant, f = divmod(k, recipe.families)
        known = zoo[f % len(zoo)]
        row, parameters = known.iloc[variant % len(known)], float(known["backbone_b"].median())
        backbone = row["backbone"] if f < len(zoo) else f"{row['backbone']}#{f}"
        size, own = (round(BYTES_PER_PARAMETER * amount, 6) for amount in (parameters, float(row["private_b"])))
        quality = round(float(row["quality"]), 4)
        rows.append((f"m{k + 1}", row["task"], quality, round(parameters, 6), backbone, size, own))
    columns = ["model", "task", "accuracy", "parameters_b", "backbone", "backbone_gb", "own_gb"]
    return pd.DataFrame(rows, columns=columns)


def _users(recipe: NetworkRecipe, sites: pd.DataFrame, models: pd.DataFrame, random: Random) -> pd.DataFrame:
    regime, count = REGIMES[recipe.regime], recipe.users
    best = models.groupby("task")["accuracy"].max()
    task = random.choice(best.index.to_numpy(), count)
    floor = best[task].to_numpy() * arrays.uniform(random, *regime.requirement, count)
    mean = 3600 / regime.period_s * AT_SITE * len(sites) / count
    return pd.DataFrame(
        {
            "user": [f"u{i + 1}" for i in range(count)],
            "site": random.choice(sites["site"].to_numpy(), count),
            "task": task,
            "tokens_in": token_counts(regime.trace, "context_tokens", random.random(count)).astype(np.int64),
            "tokens_out": token_counts(regime.trace, "generated_tokens", random.random(count)).astype(np.int64),
            "per_hour": np.maximum((mean * arrays.uniform(random, 0.5, 1.5, count)).round(3), 0.001),
            "min_accuracy": np.floor(floor * 1e4) / 1e4,
        }
    )
