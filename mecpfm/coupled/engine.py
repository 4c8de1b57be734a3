"""All parameters of the engine in one record: from Python, or from a TOML file (``mecpfm solve --params``)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from mecpfm.coupled.params import AutoParams, DiveParams, DualParams, ExchangeParams, SearchParams, TreeParams
from mecpfm.errors import InputError
from mecpfm.params import changed, named_in, read_params


@dataclass(frozen=True)
class EngineParams:
    """All of them: a field is a table of a file, by default what every result of this repository was made with."""

    search: SearchParams = field(default_factory=SearchParams)
    dive: DiveParams = field(default_factory=DiveParams)
    exchange: ExchangeParams = field(default_factory=ExchangeParams)
    dual: DualParams = field(default_factory=DualParams)
    tree: TreeParams = field(default_factory=TreeParams)
    auto: AutoParams = field(default_factory=AutoParams)

    @classmethod
    def read(cls, path: Path | None, method: str | None = None) -> EngineParams:
        """What a TOML file changes: ``[search]`` holds fields of ``SearchParams``, and so on.

        Parameters
        ----------
        path
            The file; None: the defaults.
        method
            If given, the one that it is for.

        Returns
        -------
        EngineParams
            What the file does not name is as by default.

        Raises
        ------
        InputError
            One line: file, table, field and reason, or a table that the method would pass over.
        """
        given = read_params(path, TABLES)
        read = cls(
            **{name: changed(f"{path}: {name}", getattr(DEFAULT, name), values) for name, values in given.items()}
        )
        if method is not None:
            with named_in(path):
                read.require_use(method)
        return read

    def require_use(self, method: str) -> None:
        """InputError for a table that was changed and that the method would pass over in silence."""
        for name in TABLES:
            if getattr(self, name) != getattr(DEFAULT, name) and name not in USED.get(method, USED_BY_ALL):
                able = [other for other, used in USED.items() if name in used]
                raise InputError(f"[{name}] is for the methods {' '.join(able)}; method is {method!r}")


TABLES = tuple(table.name for table in fields(EngineParams))
DEFAULT = EngineParams()
USED_BY_ALL = ("dual",)
"""The bound that comes with a method that has none of its own."""
USED = {
    "auto": TABLES,
    "polish": ("search", "dive", "dual"),
    "branch": ("search", "dive", "dual", "tree"),
    "no-sharing": ("search", "dive", "dual"),
    "rounding-configurations": ("search", "dive", "dual"),
}
"""Tables by method; any other has ``USED_BY_ALL``."""
