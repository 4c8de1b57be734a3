"""What the documents name exists, and what they say of commands and claims is so."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from mecpfm.errors import InputError
from mecpfm.experiments import claims, report
from mecpfm.experiments.config import SWEEPS
from mecpfm.published import instance

ROOT = Path(__file__).parents[1]
TESTS = {
    node.name
    for path in (ROOT / "tests").glob("test_*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.FunctionDef)
}
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "figures" / "README.md"]


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_math_to_code_names_what_exists():
    """Every field, function, class and test in the equation tables is there."""
    fields = {
        name: set(getattr(instance, name).model_fields) for name in ("Instance", "Cloudlets", "Models", "Requests")
    }
    for name, field in re.findall(r"`(Instance|Cloudlets|Models|Requests)\.(\w+)`", read("docs/math_to_code.md")):
        assert field in fields[name], field
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
            words = [sys.executable, "-m", "mecpfm", *command.split(), "--help"]
            done = subprocess.run(words, capture_output=True, text=True, env={"COLUMNS": "200"})
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
    folders = {name.split("/")[0] for name in listed if "/" in name} - {".ci"}
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


def test_claims_name_what_exists():
    """Every claim's notebook exists and its figure is in the index; identifiers are unique."""
    entries = claims.read()
    assert len({claim.id for claim in entries}) == len(entries)
    for claim in entries:
        assert (ROOT / "notebooks" / f"{claim.notebook}.ipynb").exists(), claim.id
        assert claim.figure in read("figures/README.md"), claim.id


def test_committed_verdicts_agree_with_the_stated_ones():
    """docs/claims.csv covers every claim and every status in it is what the data said."""
    table = pd.read_csv(ROOT / "docs" / "claims.csv")
    assert list(table["id"]) == [claim.id for claim in claims.read()]
    assert list(table["status"]) == [claim.status for claim in claims.read()]
    assert table["agrees"].all()
    for row in table.to_dict("records"):
        assert f"| {row['claim']} | {row['holding']} of {row['points']} |" in read("docs/claims.md")


def test_the_readme_says_what_the_table_says():
    """Its counts of points and verdicts are those of docs/claims.csv."""
    table = pd.read_csv(ROOT / "docs" / "claims.csv").set_index("id")
    said = re.findall(report.NAMED, read("README.md"))
    assert len(said) >= 10
    for words, name in said:
        row = table.loc[name]
        assert words == f"{row['verdict']}: {row['holding']} of {row['points']}", name


def test_saving_verdicts_recounts_the_readme():
    """Verdict and points behind a claim's name follow the verdicts; other words, and unknown names, stay."""
    claim = SimpleNamespace(id="delay-vs-nonshare")
    found = [SimpleNamespace(claim=claim, verdict="partly", holding=1, points=2)]
    text = "so: reproduced: 33 of 33\n(`delay-vs-nonshare`), partly: 3 of 4 (`another`)"
    assert report.recounted(text, found) == "so: partly: 1 of 2 (`delay-vs-nonshare`), partly: 3 of 4 (`another`)"


def test_the_readme_fits_on_a_screen():
    """Below 9 kB, every abbreviation it uses spelt out."""
    text = read("README.md")
    assert len(text.encode()) < 9000
    for name in ("NLIP", "ILP", "OL", "SC", "NBS", "ADMS", "TSRC", "GAP", "EUA", "CoCaR"):
        assert re.search(rf"\b{name}\b[^.]*:", text.partition("## Abbreviations")[2]), name


def test_the_page_counts_distinct_points():
    """Points of one claim with equal value and interval are one finding, as docs/claims.md counts them."""
    points = pd.read_csv(ROOT / "docs" / "claims_points.csv").groupby("id")
    distinct = {
        name: (len(of.drop_duplicates(["value", "ci_low", "ci_high"])), len(of))
        for name, of in points
        if of["point"].str.fullmatch(rf"({'|'.join(SWEEPS)}): .*").all()
    }
    online = {count for name, count in distinct.items() if name.startswith("ol-")}
    offline = {count for name, count in distinct.items() if not name.startswith("ol-")}
    page = " ".join(read("docs/claims.md").split())
    said = re.search(r"(\d+) of (\d+) are distinct online, .* and (\d+) of (\d+) offline", page)
    numbers = tuple(map(int, said.groups()))
    assert (online, offline) == ({numbers[:2]}, {numbers[2:]})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('direction = "at most"', 'direction = "sideways"'), "direction"),
        (("threshold = 1e-6", 'threshold = "small"'), "threshold"),
        (('test = "spread"', 'test = "magic"'), "magic"),
        (("[[claim]]", "[[claim]]\nbogus = 1"), "bogus"),
        (("[[claim]]", "[[claim"), "claim"),
    ],
)
def test_a_broken_claims_file_is_refused(change: tuple[str, str], says: str, tmp_path: Path):
    """The error names the file and what is wrong."""
    path = tmp_path / "claims.toml"
    path.write_text(read("claims.toml").replace(*change))
    with pytest.raises(InputError, match=says) as error:
        claims.read(path)
    assert "claims.toml" in str(error.value)


def verdict(claim: claims.Claim, evidence: list[float], monkeypatch: pytest.MonkeyPatch) -> claims.Verdict:
    points = [claims.Evidence(value, value - 0.1, value + 0.1) for value in evidence]
    monkeypatch.setitem(claims.TESTS, claim.test, lambda *_: points)
    return claims.judge(claim, "quick")


def test_verdicts_follow_the_intervals(monkeypatch: pytest.MonkeyPatch):
    """A point holds when its whole interval does; all, some, none give the three verdicts; disagreement is found."""
    claim = next(claim for claim in claims.read() if claim.id == "delay-vs-nonshare")
    for values, expected, holding in (
        ([0.6, 0.5], "reproduced", 2),
        ([0.6, 0.4], "partly", 1),
        ([0.4, 0.3], "not-reproduced", 0),
    ):
        found = verdict(claim, values, monkeypatch)
        assert (found.verdict, found.holding) == (expected, holding)
        assert (found.worst, found.best) == (min(values), max(values))
    assert report.disagreements([found], "paper") == [claim.id]
    assert report.disagreements([verdict(claim, [0.6, 0.4], monkeypatch)], "quick") == []
    assert report.disagreements([verdict(claim, [0.3], monkeypatch)], "quick") == [claim.id]


@pytest.mark.parametrize(("name", "gates"), [("delay-vs-nonshare", True), ("one-multiplier-speed", False)])
def test_running_times_are_reported_but_do_not_gate(name: str, gates: bool, monkeypatch: pytest.MonkeyPatch):
    """A denied claim about results is a disagreement; one about running times is told apart from it."""
    claim = next(claim for claim in claims.read() if claim.id == name)
    stated = claim.model_copy(update={"status": "beyond-paper", "holds": True})
    denied = verdict(stated, [0.0], monkeypatch)
    assert report.disagreements([denied], "paper") == ([name] if gates else [])
    assert report.disagreements([denied], "paper", timed=True) == ([] if gates else [name])
