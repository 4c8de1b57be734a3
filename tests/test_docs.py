"""What the documents name exists, and what they say of commands and claims is so."""

import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from command import mecpfm

from mecpfm.experiments import report, stated

ROOT = Path(__file__).parents[1]
TESTS = {
    name
    for path in (ROOT / "tests").glob("test_*.py")
    for name in re.findall(r"^ *def (\w+)", path.read_text(), re.MULTILINE)
}
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "figures" / "README.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_math_to_code_names_what_exists():
    """Every function, class and test in the equation table is there."""
    for line in read("docs/math_to_code.md").partition("## Equations")[2].splitlines():
        found = re.fullmatch(r"\| .* \| `(\w+)\.(\w+)` \| `(\w+)` \|", line)
        if line.startswith("| ") and "---" not in line and "equation" not in line:
            assert found, line
            module, name, test = found.groups()
            sources = [path.read_text() for path in (ROOT / "mecpfm").rglob(f"{module}.py")]
            assert any(re.search(rf"^(def|class) {name}\b", text, re.MULTILINE) for text in sources), line
            assert test in TESTS, test


def test_every_command_of_the_documents_exists():
    """Each `mecpfm ...` in a document is a command, with options it knows."""
    commands = set()
    for document in DOCUMENTS:
        pattern = r"(?<!import )mecpfm ([a-z]+(?:-[a-z]+)*(?: (?:published|coupled|list|fetch|verify)\b)?)([^`|\n]*)"
        commands |= set(re.findall(pattern, document.read_text()))
    helps: dict[str, str] = {}
    for command, rest in commands:
        if command not in helps:
            done = mecpfm(*command.split(), "--help", COLUMNS="200")
            assert done.returncode == 0, command
            helps[command] = done.stdout
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in helps[command], (command, option)


def test_local_links_lead_somewhere():
    """Every relative link of a document names a file of the repository."""
    for document in DOCUMENTS:
        for link in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / link).exists(), (document.name, link)


def test_top_folders_are_explained():
    """The README names every top-level folder that is tracked."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    folders = {name.split("/")[0] for name in listed if "/" in name and name[0] != "."}
    for folder in folders:
        assert f"`{folder}/" in read("README.md"), folder


def test_figure_index_is_complete():
    """The index has every figure that a notebook makes."""
    made = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        made |= set(re.findall(r'figures\.make\(\\"([\w-]+)\\"', path.read_text()))
        made |= {f"{start}{name}" for start in re.findall(r'figures\.make\(f\\"([\w-]+)\{name\}', path.read_text())
                 for name in re.findall(r'sweep_figure\(\\"(\w+)\\"\)', path.read_text())}  # fmt: skip
    assert len(made) > 15
    index = read("figures/README.md")
    for name in made:
        assert name in index, name


def test_the_promise_of_the_first_lesson_is_kept():
    """docs/steps.svg, shown in notebook 00, has the numbers that notebook 06 draws (else copy figures/steps.svg)."""
    drawn = (ROOT / "notebooks" / "06_what_sharing_is_worth.ipynb").read_text()
    steps = re.findall(r">(\d+,\d{3} s)<", read("docs/steps.svg"))
    assert len(steps) == 5
    assert all(f"<br>{one}" in drawn for one in steps)


def test_claims_name_what_exists():
    """Every claim's notebook exists and its figure is in the index; identifiers are unique."""
    entries = stated.read()
    assert len({claim.id for claim in entries}) == len(entries)
    for claim in entries:
        assert (ROOT / "notebooks" / f"{claim.notebook}.ipynb").exists(), claim.id
        assert claim.figure in read("figures/README.md"), claim.id


def test_committed_verdicts_agree_with_the_stated_ones():
    """docs/claims.csv covers every claim and every status in it is what the data said."""
    table = pd.read_csv(ROOT / "docs" / "claims.csv")
    assert list(table["id"]) == [claim.id for claim in stated.read()]
    assert list(table["status"]) == [claim.status for claim in stated.read()]
    assert table["agrees"].all()
    for row in table.to_dict("records"):
        said = report.counts(row["points"], row["holding"], row["against"], row["without_plan"])
        assert f"| {row['claim']} | {said} |" in read("docs/claims.md")


def test_the_readme_says_what_the_table_says():
    """Its counts of points and verdicts are those of docs/claims.csv."""
    table = pd.read_csv(ROOT / "docs" / "claims.csv").set_index("id")
    said = re.findall(report.NAMED, read("README.md"))
    assert len(said) >= 10
    for words, name in said:
        row = table.loc[name]
        counts = report.counts(row["points"], row["holding"], row["against"], row["without_plan"])
        assert words == f"{row['verdict']}: {counts}", name


def test_saving_verdicts_recounts_the_readme():
    """Verdict and points behind a claim's name follow the verdicts; other words, and unknown names, stay."""
    claim = SimpleNamespace(id="delay-vs-nonshare")
    found = [SimpleNamespace(claim=claim, verdict="does not hold", holding=1, points=4, against=2, without_plan=5)]
    text = "| reproduced: 33 hold, 0 open, 0 against\n(`delay-vs-nonshare`) | partly: 3 hold, 1 open, 1 against (`b`)"
    told = "| does not hold: 1 hold, 1 open, 2 against, 5 without a plan (`delay-vs-nonshare`) | "
    told += "partly: 3 hold, 1 open, 1 against (`b`)"
    assert report.recounted(text, found) == report.recounted(told, found) == told


def test_the_readme_fits_on_a_screen():
    """Below 9 kB, every abbreviation it uses spelt out."""
    text = read("README.md")
    assert len(text.encode()) < 9000
    body, _, spelt = re.sub(r"\]\([^)]*\)|`[^`]*`", "", text).partition("## Abbreviations")
    used = set(re.findall(r"\b[A-Z]{2,}\d?\b", body)) - {"IEEE", "TPDS", "GB", "ARTIFACT"}
    assert used >= {"NLIP", "OL", "UCB1"}
    for name in used:
        assert re.search(rf"\b{name}\b[^.]*:", spelt), name
