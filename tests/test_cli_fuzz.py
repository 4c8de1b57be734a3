"""Every command through its real entry, with drawn options and files: one line at most, nothing written."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mecpfm import cli
from mecpfm.coupled.generate import Recipe as CoupledRecipe
from mecpfm.coupled.generate import generate as generate_coupled
from mecpfm.coupled.instance import Instance as Coupled
from mecpfm.errors import MecpfmError
from mecpfm.published.generate import Recipe, generate
from mecpfm.published.instance import Instance as Published

NUMBERS = "0 1 2 7 -1 nan inf -inf 1e-320 1e309 1e12 1000000000000 99999999999999999999999 0.5 x -0".split()
WORDS = "exact greedy remote ol ucb1 trimcaching mixed link-bound azure-code base nearest magic [red] nan -".split()
HEAVY = ("experiment", "notebooks", "claims", "figures", "reproduce", "fetch", "doctor")
"""Commands that compute for minutes, or need the network: always with a wrong option."""


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the app with the words that lead to it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def files(folder: Path) -> list[str]:
    """Good, damaged and odd files."""
    folder.mkdir()
    generate(Recipe(cloudlets=4, requests=5, models=3), 1).write(folder / "published.json")
    sizes = CoupledRecipe(cloudlets=2, requests=4, models=3, families=2, topology="sndlib/nobel-germany")
    for name in ("coupled.json", "coupled.npz"):
        generate_coupled(sizes, 1).write(folder / name)
    (folder / "deep.json").write_text('{"schema": ' + "[" * 900 + "]" * 900 + "}")
    (folder / "deeper.json").write_text('{"schema": "mecpfm.coupled/1", "blocks": ' + "[" * 90_000)
    (folder / "empty.npz").write_bytes(b"")
    (folder / "cut.npz").write_bytes((folder / "coupled.npz").read_bytes()[:900])
    (folder / "list.json").write_text("[1]")
    return [str(path) for path in sorted(folder.iterdir())] + ["/dev/zero", "/dev/null", str(folder), "no\0name", ""]


def cases(seed: int, count: int, inputs: list[str], out: Path) -> Iterator[list[str]]:
    """Drawn argument lists over all commands and options."""
    draw = random.Random(seed)
    known = list(commands(typer.main.get_command(cli.app)))
    for _ in range(count):
        path, command = draw.choice(known)
        words = list(path)
        for option in command.params:
            kind = option.bare_type()
            path_like = kind == "Path"
            if option.param_type_name == "argument":
                words += [draw.choice(inputs if path_like else WORDS)] * draw.choice((0, 1, 1, 1))
            elif option.name in ("output", "certificate") and draw.random() < 0.7:
                words += [option.opts[0], draw.choice([str(out / "new.json"), str(out / "no" / "x.npz"), *inputs[-4:]])]
            elif draw.random() < 0.35:
                value = draw.choice(inputs if path_like else NUMBERS if kind in ("int", "float") else WORDS)
                words += [draw.choice(option.opts)] + [value] * (not option.is_flag)
        if path[0] == "solve":
            words += ["--time-limit", draw.choice(("0.05", "0.05", "nan", "-1"))]
        if path[0] in HEAVY or path[-1] in HEAVY:
            words += ["--magic"]
        yield words


def run(words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[Any, str, str]:
    monkeypatch.setattr(sys, "argv", ["mecpfm", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code, *capfd.readouterr()


@pytest.mark.parametrize("seed", range(4))
def test_drawn_commands_end_in_one_line(seed: int, tmp_path: Path, monkeypatch, capfd):
    """The exit code is one of five, stderr holds at most one line of error, and what is refused writes nothing."""
    monkeypatch.setenv("MECPFM_DATA_DIR", str(tmp_path))
    out = tmp_path / "out"
    out.mkdir()
    for words in cases(seed, 75, files(tmp_path / "in"), out):
        code, _, err = run(words, monkeypatch, capfd)
        assert code in (0, 1, 2, 3, 4), words
        assert "Traceback" not in err, words
        assert err.count('{"error": ' if "--json" in words else "mecpfm: error:") == (code != 0) or "Usage" in err, (
            words,
            err,
        )
        assert code in (0, 3) or not list(out.iterdir()), words
        for path in out.iterdir():
            path.unlink()


def mutants(draw: random.Random, content: bytes, count: int) -> Iterator[bytes]:
    """Copies with bytes or, in JSON, values replaced, repeated or cut away."""
    values = (b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b'"x"', b"true", b"1e308", b"9" * 30, b"[" * 400)
    for _ in range(count):
        i, j = sorted(draw.randrange(len(content) + 1) for _ in range(2))
        j = min(j, i + draw.choice((0, 1, 3, 20, 10**9)))
        middle = draw.choice((b"", bytes([draw.randrange(256)]), draw.choice(values), content[i:j] * 2))
        yield content[:i] + middle + content[j:]


def try_mutants(folder: Path, count: int) -> dict[str, int]:
    """How many mutants of each file were read and refused by the real loaders; anything else is raised."""
    tried = {"read": 0, "refused": 0}
    files(folder)
    for seed, (name, reader) in enumerate(
        (("published.json", Published), ("coupled.json", Coupled), ("coupled.npz", Coupled))
    ):
        target = folder / f"mutant-{name}"
        for content in mutants(random.Random(seed), (folder / name).read_bytes(), count):
            target.write_bytes(content)
            try:
                reader.read(target)
                tried["read"] += 1
            except MecpfmError as error:
                assert str(error).startswith(str(target))
                tried["refused"] += 1
    return tried


def test_mutants_of_files_are_read_or_refused(tmp_path: Path):
    """Whatever stands in a file, the loaders return an instance or an InputError that names the file."""
    tried = try_mutants(tmp_path / "in", 150)
    assert tried["refused"] > 300
