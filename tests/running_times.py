"""What lessons, README and docs/speed.md say of running times: taken from docs/running_times.csv.

After a ``./run_all.sh`` on an idle machine ``python tests/running_times.py`` takes the notebooks' seconds from
results/resources.csv into that table, and writes all that is said of them. The commands' seconds are entered by hand.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from mecpfm import paths
from mecpfm.experiments import progress
from mecpfm.records import write_atomic

RUNNING = re.compile(
    r"(?<=running )(?:(?:a|three) quarters? of a minute|half a minute|a minute(?: and a half)?|\d+ minutes)"
)
"""What a lesson's frame says of its time."""


def words(seconds: float) -> str:
    """Rounded, as a lesson says it."""
    quarters = max(round(seconds / 15), 1)
    short = {1: "a quarter of a minute", 2: "half a minute", 3: "three quarters of a minute"}
    short |= {4: "a minute", 5: "a minute", 6: "a minute and a half", 7: "a minute and a half"}
    return short.get(quarters, f"{round(seconds / 60)} minutes")


def said() -> list[Path]:
    """Every file that says how long something takes."""
    root = paths.sources()
    return [*sorted((root / "notebooks").glob("*.ipynb")), root / "README.md", root / "docs" / "speed.md"]


def renewed(name: str, text: str, seconds: Mapping[str, float]) -> str:
    """The text of a file (``name`` without suffix) with the times as measured."""
    if name in seconds:
        return RUNNING.sub(words(seconds[name]), text, count=1)
    for command in (what for what in seconds if what.startswith("./")):
        whole, at = round(seconds[command]), rf"{re.escape(command)}(?! --)"
        text = re.sub(rf"({at}[^\n]*?about )\d+(?= minutes)", rf"\g<1>{round(whole / 60)}", text)
        text = re.sub(rf"(`{at}` \| )\d+ min \d+ s", rf"\g<1>{whole // 60} min {whole % 60} s", text)
    return text


def renew() -> None:
    """Take over what was recorded here with the quick profile, and say it everywhere."""
    seconds = progress.measured() | {name: round(value) for name, value in progress.recorded("quick").items()}
    rows = pd.DataFrame({"what": seconds.keys(), "seconds": [round(value) for value in seconds.values()]})
    write_atomic(progress.table(), rows.to_csv(index=False, lineterminator="\n").encode())
    for file in said():
        write_atomic(file, renewed(file.stem, file.read_text(encoding="utf-8"), seconds).encode())


if __name__ == "__main__":
    renew()
