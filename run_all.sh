#!/usr/bin/env bash
# One command from a bare clone to every figure and verdict. Usage below, or: ./run_all.sh --help
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./run_all.sh [--profile quick|paper] [--test] [--help]

Installs the locked environment into .venv (unless an environment with mecpfm is active), then

  (no option)        runs every notebook with the quick profile, draws figures/, checks the claims
  --profile paper    the same with the full evaluation
  --test             runs the whole test suite, committed notebooks included
  --help             prints this text

Environment: PYTHON (interpreter for .venv; default: the first of python3.11, 3.12, 3.13, python3 that fits),
MECPFM_DATA_DIR (folder with the real traces; optional). Safe to run again: nothing finished is done twice.
TEXT
}

profile=quick
task=notebooks
while [ $# -gt 0 ]; do
    case "$1" in
        --profile=*) profile="${1#*=}" ;;
        --profile) shift; profile="${1:-}" ;;
        --test) task=test ;;
        -h | --help) usage; exit 0 ;;
        *) echo "run_all.sh: unknown option: $1" >&2; usage >&2; exit 2 ;;
    esac
    [ $# -gt 0 ] && shift
done
case "$profile" in
    quick | paper) ;;
    *) echo "run_all.sh: profile must be quick or paper, not '$profile'" >&2; usage >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")"
export PYTHONNOUSERSITE=1

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "run_all.sh: no Python 3.11, 3.12 or 3.13 found; set PYTHON to one" >&2
    exit 2
}

install() {
    # The stamp names what was installed, so a later run needs no network; an interrupted install has no stamp.
    local stamp=.venv/installed wanted
    wanted="$(cat requirements.lock pyproject.toml | cksum) $PWD"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    local python
    python="$(find_python)"
    echo "installing the locked environment into .venv ..."
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --python "$python" .venv
        uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
        uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
    else
        "$python" -m venv --clear .venv
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    fi
    echo "$wanted" >"$stamp"
}

if [ -n "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && python -c 'import mecpfm' 2>/dev/null; then
    python=python
else
    install
    python="$PWD/.venv/bin/python"
fi
# Jupyter, Numba and the browser want a home folder; without a usable one they get one inside .venv.
if [ -z "${HOME:-}" ] || ! [ -w "$HOME" ]; then
    mkdir -p .venv/home
    export HOME="$PWD/.venv/home"
fi

if [ "$task" = test ]; then
    "$python" -m ruff check .
    "$python" -m ruff format --check .
    "$python" -m mypy
    "$python" -m pytest -n 2 tests
    # The same kernels without compilation: what they compute must not depend on it.
    NUMBA_DISABLE_JIT=1 "$python" -m pytest -n 2 tests -m kernels
    # Committed notebooks, run again: every output must come out as committed.
    "$python" -m pytest -n 2 --dist loadscope --nbval --nbval-current-env notebooks
    exit
fi
"$python" -m mecpfm doctor
"$python" -m mecpfm notebooks --profile "$profile"
"$python" -m mecpfm figures
"$python" -m mecpfm claims --profile "$profile"
