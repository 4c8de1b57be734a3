"""Commands that README and docs/command_line.md show are typed as they stand, in order, in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = ("notebooks", "experiment ", "claims", "figures", "reproduce", "data fetch")
"""What takes minutes or a network; other tests run these."""


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


@pytest.mark.parametrize(("document", "least"), [("README.md", 11), ("docs/command_line.md", 12)])
def test_commands_do_what_is_shown(document: str, least: int, tmp_path: Path):
    """Every command ends with 0; files that the text tells the reader to save are there."""
    commands = shown(document)
    assert len(commands) >= least, commands
    example = re.search(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "network.json").write_text(example.group(1))
    shutil.copy(ROOT / "tests" / "cases" / "t_ok.csv", tmp_path / "my_requests.csv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON": sys.executable, "MECPFM_DATA_DIR": str(tmp_path)}
    for command in commands:
        script = f'set -o pipefail; mecpfm() {{ "$PYTHON" -m mecpfm "$@"; }}; {command}'
        words = ["bash", "-c", script]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, (command, done.stderr)
