"""What the workflows run, each in an environment of its own: ``pipx run nox --list``, ``pipx run nox -s style-3.11``.

``run_all.sh --test`` does the same as style, tests, interpreted and notebooks in one environment.
"""

import tempfile

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
FIRST = PYTHONS[0]
"""Committed outputs come from it."""

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = [f"{name}-{FIRST}" for name in ("style", "tests", "interpreted", "notebooks", "wheel", "docs")]


def install_locked(session: nox.Session) -> None:
    """Install the checkout and exactly what requirements.lock names."""
    session.install("--require-hashes", "-r", "requirements.lock")
    session.install("--no-deps", "--no-build-isolation", "-e", ".")


def run(session: nox.Session, command: str, **options: object) -> None:
    """Run a command line that needs no quotes."""
    session.run(*command.split(), *session.posargs, **options)


@nox.session(python=[FIRST])
def style(session: nox.Session) -> None:
    """Lint, format, types."""
    install_locked(session)
    run(session, "python -m ruff check .")
    run(session, "python -m ruff format --check .")
    run(session, "python -m mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite with the locked versions."""
    install_locked(session)
    run(session, "python -m pytest -n 3 --dist worksteal tests")


@nox.session(python=[FIRST])
def interpreted(session: nox.Session) -> None:
    """The same kernels without compilation."""
    install_locked(session)
    run(session, "python -m pytest -n 2 --dist worksteal tests -m kernels", env={"NUMBA_DISABLE_JIT": "1"})


@nox.session(python=[FIRST])
def notebooks(session: nox.Session) -> None:
    """Committed notebooks, run again: every output must come out as committed."""
    install_locked(session)
    run(session, "python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --nbval --nbval-current-env notebooks")


@nox.session(python=[FIRST])
def lab(session: nox.Session) -> None:
    """Notebooks in a real JupyterLab, all or those named behind ``--``: no warning, no error in the console."""
    install_locked(session)
    run(session, "python tests/in_jupyterlab.py")


@nox.session(python=PYTHONS)
def wheel(session: nox.Session) -> None:
    """The built package with the newest dependencies and no extra, outside the checkout: the README's two commands."""
    session.install(".")
    with tempfile.TemporaryDirectory() as empty, session.chdir(empty):
        run(session, "mecpfm new net")
        run(session, "mecpfm solve net -o plan.json --html plan.html")


@nox.session(python=[FIRST])
def docs(session: nox.Session) -> None:
    """The site of documents, notebooks and API in site/, without a warning."""
    session.install("-e", ".[docs]")
    run(session, "python -m sphinx -W --keep-going -c docs . site")


@nox.session(python=[FIRST])
def newest(session: nox.Session) -> None:
    """The whole suite with the newest versions that pyproject.toml allows; warnings are errors there too."""
    session.install("-e", ".[notebooks,gurobi,static,cluster,peers,dev]")
    run(session, "python -m pytest -n 3 --dist worksteal tests")
