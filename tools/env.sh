# shellcheck shell=bash
# The project's Python. `. tools/env.sh` sets and exports SPIKING_TASNET_PYTHON; `bash tools/env.sh` only makes it.
#
# The first time it makes .venv from pyproject.toml and constraints.txt (some minutes, 5.5 GB with CUDA's libraries), and
# again what has changed when one of these files changes; otherwise it is silent and quick.
# SPIKING_TASNET_PYTHON=/path/to/python uses an environment you already have, which is checked and never changed.

# Print one line about what went wrong.
_env_fail() {
    printf 'tools/env.sh: error: %s\n' "$*" >&2
    return 1
}

# Print the first Python that is new enough.
_env_find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python3.10 python; do
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    _env_fail "Python $(python3 -V 2>/dev/null | cut -d' ' -f2 || true) found, 3.10 or newer expected; install it, or name one in SPIKING_TASNET_PYTHON"
}

# Check the environment that the user named: its version, then that its packages load.
_env_check_foreign() {
    local found
    SPIKING_TASNET_PYTHON=$(command -v -- "$1") \
        || { _env_fail "SPIKING_TASNET_PYTHON=$1: no such program; name a Python that has the packages of pyproject.toml"; return 1; }
    found=$("$SPIKING_TASNET_PYTHON" - 2>&1 <<'PYTHON'
import sys
sys.path[:] = filter(None, sys.path)  # before Python 3.11: nothing of the caller's folder
import importlib, importlib.util
if sys.version_info < (3, 10):
    sys.exit(f"Python {sys.version.split()[0]} found, 3.10 or newer expected")
names = "torch torchaudio pytorch_lightning asteroid numpy scipy soundfile librosa matplotlib PIL pesq pystoi yaml tqdm"
missing = [name for name in names.split() if importlib.util.find_spec(name) is None]
if missing:
    sys.exit(f"it lacks {', '.join(missing)}")
for name in ("torch", "torchaudio", "soundfile", "pesq"):  # compiled: being there is not enough
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"{name} does not load ({' '.join(str(error).split())})")
PYTHON
    ) || { _env_fail "SPIKING_TASNET_PYTHON=$1: ${found##*$'\n'}; install the packages of pyproject.toml there, or unset it to have .venv made"; return 1; }
    export SPIKING_TASNET_PYTHON
}

# Check what the build needs. Arguments: the Python to build with.
_env_check_tools() {
    "$1" -I -c 'import ensurepip, venv' 2>/dev/null \
        || { _env_fail "$1 has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)"; return 1; }
    "$1" -I -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
        || { _env_fail "$1 has no C headers, which pesq needs; install them (Debian, Ubuntu: apt-get install python3-dev)"; return 1; }
    command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null \
        || { _env_fail "no C compiler found, and pesq is built from source; install one (Debian, Ubuntu: apt-get install gcc)"; return 1; }
}

# Say whether the environment runs and carries the mark.
_env_is_ready() {
    [ -x "$1/bin/python" ] && [ "$(cat "$1/.ready" 2>/dev/null)" = "$2" ]
}

# Make or renew the environment. Arguments: project folder, environment folder, the mark of a finished one.
_env_make() {
    local root=$1 venv=$2 mark=$3 python log=$2/install.log
    if command -v flock >/dev/null; then
        flock 9 # a second caller waits here until the first has finished
    fi
    if _env_is_ready "$venv" "$mark"; then
        return 0
    fi
    # A broken environment is removed if it is ours: begun by this script (.incomplete) or once finished (.ready).
    if [ -e "$venv/.incomplete" ] || { [ -e "$venv/.ready" ] && [ ! -x "$venv/bin/python" ]; }; then
        rm -rf "$venv"
    elif [ -e "$venv" ] && [ ! -x "$venv/bin/python" ]; then
        _env_fail "$venv is there, but its bin/python does not run; delete that folder"
        return 1
    fi
    if [ ! -x "$venv/bin/python" ]; then
        python=$(_env_find_python) && _env_check_tools "$python" || return 1
        printf 'tools/env.sh: making %s: some minutes, about 5.5 GB; progress in %s\n' "$venv" "$log" >&2
        if ! { mkdir -p "$venv" && touch "$venv/.incomplete" && "$python" -I -m venv "$venv"; }; then
            _env_fail "$python -m venv $venv failed; see above"
            return 1
        fi
    else
        printf 'tools/env.sh: setup.py, pyproject.toml or constraints.txt is new: bringing %s up to date\n' "$venv" >&2
    fi
    rm -f "$venv/.ready"
    (cd "$root" && PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -I -m pip install --no-input \
        --constraint constraints.txt --editable '.[test,espeak,vision]') >"$log" 2>&1 </dev/null \
        || { _env_fail "pip install failed ($(grep -m1 -i '^error' "$log" || tail -n 1 "$log")); see $log, then run the same command again"; return 1; }
    rm -f "$venv/.incomplete"
    printf '%s\n' "$mark" >"$venv/.ready.tmp" && mv "$venv/.ready.tmp" "$venv/.ready"
}

_env_main() {
    local root venv mark
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || return 1
    venv=$root/.venv
    # No Python started here runs a csv.py or torch.py of the folder it is called from: that folder is neither put on
    # the path (from Python 3.11 on; spiking_tasnet/__main__.py sees to it before) nor meant by an empty entry of it.
    export PYTHONSAFEPATH=1
    while [[ :${PYTHONPATH:-}: == *::* && -n ${PYTHONPATH:-} ]]; do
        PYTHONPATH=:$PYTHONPATH:
        PYTHONPATH=${PYTHONPATH//::/:}
        PYTHONPATH=${PYTHONPATH#:} PYTHONPATH=${PYTHONPATH%:}
    done
    case ":${PYTHONPATH:-}:" in
        *":$root:"*) ;;
        *) export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" ;;
    esac
    if [ -n "${SPIKING_TASNET_PYTHON:-}" ] && [ "$SPIKING_TASNET_PYTHON" != "$venv/bin/python" ]; then
        [ "${SPIKING_TASNET_CHECKED:-}" = "$SPIKING_TASNET_PYTHON" ] || _env_check_foreign "$SPIKING_TASNET_PYTHON" || return 1
        export SPIKING_TASNET_CHECKED=$SPIKING_TASNET_PYTHON
        return 0
    fi
    # The path is part of the mark because an environment holds absolute paths: moved, it is brought up to date.
    mark="$root $(cd "$root" && cat setup.py pyproject.toml constraints.txt | cksum)"
    if ! _env_is_ready "$venv" "$mark"; then
        (_env_make "$root" "$venv" "$mark") 9<"$root/setup.py" || return 1
    fi
    export SPIKING_TASNET_PYTHON=$venv/bin/python
}

_env_main
