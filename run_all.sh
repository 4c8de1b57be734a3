#!/usr/bin/env bash
# One command from a bare clone to every figure and verdict. Usage below, or: bash run_all.sh --help
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: ./run_all.sh [--profile quick|paper] [--test] [--help]      (or: bash run_all.sh ...)

Installs the locked environment into .venv (unless an environment with mecpfm is active), then

  (no option)        runs every notebook with the quick profile, draws figures/, checks the claims,
                     and writes results/index.html: what holds, this run beside the committed full one
  --profile paper    the same with the full evaluation
  --test             runs the whole test suite, committed notebooks included
  --help             prints this text

Environment: PYTHON (interpreter for .venv; default: the first of python3.11, 3.12, 3.13, python3 that fits),
MECPFM_DATA_DIR (folder with the real traces; optional). Safe to run again, and twice at once: nothing finished is done
twice. What fails costs only itself; the last lines then say what failed and how to redo just that, and the exit code is 1.
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
# Else every process compiles what it imports: 0.4 s for mecpfm, 4 s where uv installed the packages.
unset PYTHONDONTWRITEBYTECODE

find_python() {
    local candidates=(python3.11 python3.12 python3.13 python3)
    if [ -n "${PYTHON:-}" ]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "run_all.sh: no Python 3.11, 3.12 or 3.13 found; set PYTHON to one" >&2
    exit 2
}

# Another user's process may not be sent a signal; ps sees it.
alive() { [ -n "$1" ] && { kill -0 "$1" 2>/dev/null || ps -p "$1" >/dev/null 2>&1; }; }

# Removes the lock of a dead process, unless another one has just done so and taken it.
take_over() {
    local mine=".venv.lock.$$"
    mv .venv.lock "$mine" 2>/dev/null || return 0
    if [ "$(cat "$mine/pid" 2>/dev/null || true)" != "$1" ]; then mv "$mine" .venv.lock; else rm -rf "$mine"; fi
}

# One process at a time changes .venv: the folder .venv.lock belongs to the one whose number it holds.
lock() {
    local told='' owner tries=0
    until mkdir .venv.lock 2>/dev/null; do
        owner="$(cat .venv.lock/pid 2>/dev/null || true)"
        # Without a number its maker has died, or is about to write one.
        if [ -n "$owner" ] || [ "$tries" -gt 10 ]; then
            if ! alive "$owner"; then take_over "$owner"; continue; fi
        fi
        [ -n "$told" ] || echo "waiting for the installation of process ${owner:-?} ..."
        told=1 tries=$((tries + 1))
        sleep 1
    done
    echo $$ >.venv.lock/pid
    trap 'rm -rf .venv.lock' EXIT
}

# Nobody's environment is taken away: what other runs use is replaced after they have ended.
wait_for_users() {
    local told='' file user busy=1
    while [ -n "$busy" ]; do
        busy=''
        for file in .venv.users/*; do
            user="${file##*/}"
            if [ "$user" = $$ ] || [ "$user" = '*' ]; then continue; fi
            if alive "$user"; then busy="$user"; else rm -f "$file"; fi
        done
        [ -n "$busy" ] || return 0
        [ -n "$told" ] || echo "waiting for process $busy, which uses the environment that is to be replaced ..."
        told=1
        sleep 1
    done
}

install() {
    # The stamp names what was installed, so a later run needs no network; an interrupted install has no stamp.
    local stamp=.venv/installed wanted
    wanted="$(cat requirements.lock pyproject.toml | cksum) $PWD"
    lock
    mkdir -p .venv.users
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        wait_for_users
        build "$stamp"
        echo "$wanted" >"$stamp"
    fi
    : >".venv.users/$$"
    rm -rf .venv.lock
    trap 'rm -f .venv.users/$$' EXIT
}

build() {
    local python pip newer_pip
    newer_pip='pip==26.3 --hash=sha256:f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13'
    python="$(find_python)"
    rm -f "$1"
    echo "installing the locked environment into .venv ..."
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --python "$python" .venv
        uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
        uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
    else
        "$python" -m venv --clear .venv
        # Most modules are never imported; compiling them all took half of the time.
        pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile)
        # A pip of 2023, which Python 3.11 and 3.12 may bring, takes twice as long; it will do where no newer one is had.
        "${pip[@]}" --require-hashes -r <(echo "$newer_pip") 2>/dev/null || true
        "${pip[@]}" --require-hashes -r requirements.lock
        "${pip[@]}" --no-deps --no-build-isolation -e .
    fi
    # A relative path to the checkout: a folder name that the locale cannot spell would stop Python at its start.
    for pth in .venv/lib/python*/site-packages/_mecpfm.pth; do
        if [ -f "$pth" ]; then printf '../../../..\n' >"$pth"; fi
    done
}

# -P: the checkout lies in this folder, so without it any active environment would seem to have mecpfm.
active="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}"
if [ -n "$active" ] && [ "$active" != "$PWD/.venv" ] && python -P -c 'import mecpfm' 2>/dev/null; then
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
    # Types are checked while kernels compile and tests begin: no core waits for the other.
    "$python" -m mypy &
    mypy=$!
    # Three workers on two cores: some tests wait for processes of their own.
    "$python" -m pytest -n 3 --dist worksteal tests
    wait "$mypy"
    # The same kernels without compilation: what they compute must not depend on it.
    NUMBA_DISABLE_JIT=1 "$python" -m pytest -n 2 --dist worksteal tests -m kernels
    # Committed notebooks, run again: every output must come out as committed.
    "$python" -m pytest -n 2 --dist loadscope --no-loadscope-reorder --nbval --nbval-current-env notebooks
    exit
fi
"$python" -m mecpfm doctor || echo "run_all.sh: doctor failed; going on" >&2
"$python" -m mecpfm reproduce --profile "$profile"
