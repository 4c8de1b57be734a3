"""Commands that README and two pages of docs show are typed as they stand, in order, in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import mecpfm, start

ROOT = Path(__file__).parents[1]
SLOW = ("notebooks", "experiment ", "claims", "figures", "reproduce", "data fetch")
"""What takes minutes or a network; other tests run these."""


PAGES = [("README.md", 2), ("docs/first_steps.md", 9), ("docs/command_line.md", 12)]
"""Each with the least number of commands to be found in it."""


def shown(document: str) -> list[str]:
    """Lines of indented blocks that call mecpfm, without comments; synopses have placeholders and are left out."""
    found = []
    for line in (ROOT / document).read_text().splitlines():
        command = re.sub(r"\s+#.*$", "", line).strip()
        if line.startswith("    ") and re.match(r"(cat \S+ \| )?mecpfm (--quiet )?[a-z]", command):
            placeholder = re.search(r"\s{3,}|\b[A-Z]{2,}\b|(?<!cat paper.json )\|", command)
            if not placeholder and not command.split("mecpfm ", 1)[1].startswith(SLOW):
                found.append(command)
    return found


@pytest.mark.parametrize(("document", "least"), PAGES)
def test_commands_do_what_is_shown(document: str, least: int, tmp_path: Path):
    """Every command ends with 0; files that the text tells the reader to save are there."""
    commands = shown(document)
    assert len(commands) >= least, commands
    shutil.copy(ROOT / "data" / "two_cloudlets.json", tmp_path / "network.json")
    shutil.copy(ROOT / "tests" / "cases" / "t_ok.csv", tmp_path / "my_requests.csv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "MECPFM_DATA_DIR": str(tmp_path)}
    for command in commands:
        plain = re.fullmatch(r"(?:cat ([\w.]+) \| )?mecpfm ([\w ./,=+%-]+?)(?: > ([\w.]+))?", command)
        if plain and document != "README.md":  # nothing that a shell would change
            given, words, target = plain.groups()
            text = given and (tmp_path / given).read_text()
            done = mecpfm(*words.split(), given=text, cwd=tmp_path, MECPFM_DATA_DIR=str(tmp_path))
            if target:
                (tmp_path / target).write_text(done.stdout)
        else:
            script = f'set -o pipefail; mecpfm() {{ "$PYTHON" -m mecpfm "$@"; }}; {command}'
            words = ["bash", "-c", script]
            done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (command, done.stderr)


def test_six_lines_print_what_the_readme_shows(tmp_path: Path):
    """Its Python runs in an empty folder and prints exactly the block that follows."""
    code, output = re.search(
        r"```python\n(.*?)```.*?```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    ).groups()
    assert sum(map(bool, code.splitlines())) == 6
    run = start(tmp_path, code=code, cwd=tmp_path)
    out, err = run.communicate()
    assert (run.returncode, out) == (0, output), err
