"""A network from a folder of CSV files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mecpfm.errors import InputError, nearest
from mecpfm.network.contract import TABLES, read_csv
from mecpfm.network.network import Network
from mecpfm.network.settings import SETTINGS, read_settings
from mecpfm.network.topology import of_topology


def read(folder: Path | str) -> Network:
    """Network of a folder of CSV files (docs/your_own_network.md).

    Parameters
    ----------
    folder
        With sites.csv, links.csv, models.csv and users.csv, other tables, and network.toml.

    Returns
    -------
    Network
        Checked; its errors name the files.

    Raises
    ------
    InputError
        File, row, column and reason, in one line.

    Examples
    --------
    >>> import tempfile, mecpfm as mp
    >>> from mecpfm.network.example import write
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(Path(folder) / "net")
    ...     len(mp.read(f"{folder}/net").sites)
    8
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; `mecpfm new` writes an example of one")
    settings = read_settings(folder / SETTINGS)
    tables: dict[str, pd.DataFrame | None] = {}
    for name in TABLES:
        path = folder / f"{name}.csv"
        if path.exists():
            tables[name] = read_csv(path)
        elif name in ("sites", "links", "models", "users") and not (name == "links" and settings.topology):
            raise InputError(f"{path}: is missing; `mecpfm new` writes an example of every file")
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in TABLES:
            raise InputError(f"{path}: is no table of a network; {nearest(path.stem, TABLES)}")
    if settings.topology:
        tables |= of_topology(folder, settings, tables)
    return Network(**tables, settings=settings, source=str(folder))  # type: ignore[arg-type]
