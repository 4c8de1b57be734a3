"""A network as tables, validated as a whole: every name that one table uses stands in the table it belongs to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mecpfm.errors import InputError, nearest
from mecpfm.files import plain
from mecpfm.network.contract import TABLES, checked, known_gpus
from mecpfm.network.library import check_sizes
from mecpfm.network.settings import SETTINGS, Settings, settings_of

if TYPE_CHECKING:
    from mecpfm.online.names import SceneNames
    from mecpfm.online.world import Scene


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """Tables of one network, as ``contract.TABLES`` says; made by ``read`` or from DataFrames, always valid.

    Parameters
    ----------
    sites, links, models, users
        What must be there; links join sites and routers in both directions.
    blocks, holds, gpus, speeds, routers
        What models consist of (a backbone and what each owns), what is at sites already (nothing), accelerators (the
        committed table), measured speeds (none), ends of links that serve nobody (none).
    settings
        Period, access and the data centre.

    Raises
    ------
    InputError
        One line with table, column, row and reason.

    Examples
    --------
    >>> import pandas as pd, mecpfm as mp
    >>> sites = pd.DataFrame({"site": ["a", "b"], "latitude_deg": [45, 46], "longitude_deg": [5, 5], "gpu": "A10"})
    >>> links = pd.DataFrame({"from": ["a"], "to": ["b"], "gbit_s": [10]})
    >>> models = pd.DataFrame({"model": ["m"], "task": ["t"], "accuracy": [0.9], "parameters_b": [7], "own_gb": [14]})
    >>> users = pd.DataFrame({"user": ["u"], "site": ["b"], "task": ["t"], "tokens_in": [90], "tokens_out": [9]})
    >>> net = mp.Network(sites=sites, links=links, models=models, users=users)
    >>> net.users["per_hour"].tolist()
    [1.0]
    """

    sites: pd.DataFrame
    links: pd.DataFrame
    models: pd.DataFrame
    users: pd.DataFrame
    blocks: pd.DataFrame | None = None
    holds: pd.DataFrame | None = None
    gpus: pd.DataFrame | None = None
    speeds: pd.DataFrame | None = None
    routers: pd.DataFrame | None = None
    settings: Settings = field(default_factory=Settings)
    source: str = ""
    """Folder that the tables came from; empty for DataFrames."""

    def __post_init__(self) -> None:
        """Check every table, then the names between them."""
        for name in TABLES:
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, checked(name, given, self.where(name)))
        if self.gpus is None:
            object.__setattr__(self, "gpus", known_gpus().copy())
        self._check()

    def __repr__(self) -> str:
        """Rows of each table in place of the tables."""
        counts = [f"{len(table)} {name}" for name in TABLES if (table := getattr(self, name)) is not None]
        return f"<network: {', '.join(counts)}>"

    def change(
        self,
        *,
        add: Mapping[str, Any] | None = None,
        remove: Mapping[str, str | Collection[str]] | None = None,
        **changes: Any,
    ) -> Network:
        """A validated copy with some cells, rows or whole tables changed; this network stays as it is.

        Parameters
        ----------
        add
            ``{table: rows}``, a DataFrame or a list of ``{column: value}``.
        remove
            ``{table: names}``. What hangs on a row goes with it: links and what is held of a site or a model. Users of
            a site that goes keep its position, and are served from the nearest one that is left.
        changes
            ``table={row: {column: value}}``. A number or text replaces the cell; **text with a sign** is added to it:
            ``net.change(sites={"Lyon": {"memory_gb": "+8"}})``. Rows go by their name, those of ``links`` and
            ``speeds`` by both, ``Lyon-Grenoble``. A DataFrame replaces the table. ``settings={"reach": 3, "remote":
            {"congestion": 9}}`` are those of ``network.toml``.

        Returns
        -------
        Network
            The changed copy.

        Raises
        ------
        InputError
            An unknown table, row or column, or a value that breaks the table's contract.

        Examples
        --------
        >>> import mecpfm as mp
        >>> more = mp.example(users=12).change(sites={"Grenoble": {"memory_gb": "+8"}}, users={"u1": {"per_hour": 100}})
        >>> more.sites["memory_gb"].tolist()[:3]
        [24.0, 32.0, 24.0]
        """
        from mecpfm.network.edit import changed

        return changed(self, changes, add or {}, remove or {})

    def scene(self, features: Mapping[str, tuple[float, float]] | None = None) -> tuple[Scene, SceneNames]:
        """Scene of the online simulator and its names; see :func:`mecpfm.network.live.scene_of`."""
        from mecpfm.network.live import scene_of

        return scene_of(self, features)

    def revised(self, tables: Mapping[str, pd.DataFrame | None], settings: Settings) -> Network:
        """A copy with other tables, each checked by its contract, and names against each other.

        Parameters
        ----------
        tables
            By name; None takes a table away. Tables that are not named stay.
        settings
            In place of the settings.

        Returns
        -------
        Network
            The other network, without a folder.
        """
        other = object.__new__(Network)
        for name, value in {**vars(self), "settings": settings, "source": ""}.items():
            object.__setattr__(other, name, value)
        for name, given in tables.items():
            object.__setattr__(other, name, None if given is None else checked(name, given, name))
        other._check()
        return other

    def where(self, table: str) -> str:
        """What an error calls a table."""
        return str(Path(self.source) / f"{table}.csv") if self.source else table

    def _check(self) -> None:
        """What one table says of another."""
        check_sizes(self.models, self.blocks, self.where("models"), self.where("blocks"))
        assert self.gpus is not None
        sites, gpus, models = set(self.sites["site"]), set(self.gpus["gpu"]), set(self.models["model"])
        routers = set() if self.routers is None else set(self.routers["router"])
        if clash := sorted(sites & routers):
            raise InputError(f"{self.where('routers')}: column router: {clash[0]!r} is a site")
        uses = [("links", end, sites | routers) for end in ("from", "to")] + [("users", "site", sites | {""})]
        uses += [("sites", "gpu", gpus), ("speeds", "gpu", gpus), ("speeds", "model", models)]
        uses += [("blocks", "model", models), ("holds", "site", sites), ("holds", "model", models | {""})]
        uses += [("users", "task", set(self.models["task"]))]
        for table, column, known in uses:
            if (frame := getattr(self, table)) is not None:
                self._require(table, column, frame[column], known)
        for key, known in (("site", sites | {""}), ("gpu", gpus)):
            if (name := getattr(self.settings.remote, key)) not in known:
                hint = nearest(name, sorted(known - {""}))
                raise InputError(f"{Path(self.source) / SETTINGS}: remote.{key} is {name!r}; {hint}")
        lost = (self.users["site"] == "") & self.users[["latitude_deg", "longitude_deg"]].isna().any(axis=1)
        if lost.any():
            row = int(lost.to_numpy().argmax())
            raise InputError(f"{self.where('users')}: row {row + 1}: needs site, or latitude_deg and longitude_deg")

    def _require(self, table: str, column: str, used: pd.Series[Any], known: set[str]) -> None:
        bad = ~used.isin(list(known)).to_numpy()
        if bad.any():
            row = int(bad.argmax())
            name = str(used.iloc[row])
            hint = nearest(name, sorted(known - {""}))
            raise InputError(f"{self.where(table)}: column {column}, row {row + 1}: {name!r} is unknown; {hint}")

    def to_object(self) -> dict[str, Any]:
        """Settings and tables, column by column, ready for JSON; an empty cell is null."""
        frames = {name: getattr(self, name) for name in TABLES if getattr(self, name) is not None}
        return {"settings": asdict(self.settings)} | {
            name: {column: [plain(cell) for cell in frame[column].tolist()] for column in frame}
            for name, frame in frames.items()
        }

    @classmethod
    def from_object(cls, content: Any, where: str) -> Network:
        """The network that ``to_object`` gave.

        Parameters
        ----------
        content
            An object of tables, by column.
        where
            What messages begin with.

        Returns
        -------
        Network
            Checked.

        Raises
        ------
        InputError
            ``where``, field and reason, in one line.
        """
        if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
            raise InputError(f"{where} must be an object of tables")
        if lost := sorted({"sites", "links", "models", "users"} - content.keys()):
            raise InputError(f"{where}.{lost[0]} is missing")
        if more := sorted(content.keys() - {*TABLES, "settings"}):
            raise InputError(f"{where}.{more[0]} is no table of a network")
        tables: dict[str, Any] = {}
        for name in content.keys() & TABLES.keys():
            columns = content[name]
            lengths = {len(cells) if _cells(cells) else -1 for cells in columns.values()}
            if len(lengths) != 1 or -1 in lengths:
                raise InputError(f"{where}.{name} must be columns of equal lengths, of texts and numbers")
            tables[name] = pd.DataFrame(columns, dtype=object)
        settings = settings_of(f"{where}.settings", content.get("settings", {}))
        try:
            return cls(**tables, settings=settings)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None


def _cells(column: Any) -> bool:
    return isinstance(column, list) and all(cell is None or isinstance(cell, (str, int, float)) for cell in column)
