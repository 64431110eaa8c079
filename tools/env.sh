# shellcheck shell=bash
# The project's Python: `. tools/env.sh` exports SPIKING_TASNET_PYTHON, `bash tools/env.sh` only makes it.
#
# The first time it makes .venv from pyproject.toml and constraints.txt (some minutes, 5.5 GB with CUDA's libraries), and
# again what has changed when one of these files changes; otherwise it is silent and quick.
# SPIKING_TASNET_PYTHON=/path/to/python uses an environment you already have, which is checked and never changed.
#
# `. tools/env.sh later` sets `runner`, any Python from 3.10 on: enough for options and --help. The stages call this
# script again before the first one runs. `. tools/env.sh bash` only checks the shell.

case ${BASH_VERSION:-} in # only what every shell reads stands above this line's end
    4.[4-9]* | 4.[1-9][0-9]* | [5-9].* | [1-9][0-9]*) ;;
    '') printf '%s: error: another shell than bash found; run it as: bash %s\n' "$0" "$0" >&2 && exit 1 ;;
    *) printf '%s: error: bash %s found, 4.4 or newer expected; install one and run it as: bash %s\n' \
        "$0" "$BASH_VERSION" "$0" >&2 && exit 1 ;;
esac

_env_fail() { printf 'tools/env.sh: error: %s\n' "$*" >&2 && return 1; }

# Print the first Python that is new enough; the arguments are tried first.
_env_find_python() {
    local candidate
    for candidate in "$@" python3 python3.1{4..0} python; do
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate" && return
        fi
    done
    _env_fail "Python $(python3 -V 2>/dev/null | cut -d' ' -f2) found, 3.10 or newer expected; install it, or name one in SPIKING_TASNET_PYTHON"
}

# Say whether the environment $1 runs and carries the mark $2.
_env_is_ready() { [ -x "$1/bin/python" ] && [ "$(cat "$1/.ready" 2>/dev/null)" = "$2" ]; }

# Make or renew the environment. Arguments: project folder, environment folder, the mark of a finished one.
_env_make() {
    local root=$1 venv=$2 python log=$2/install.log
    ! command -v flock >/dev/null || flock 9 # a second caller waits here until the first has finished
    ! _env_is_ready "$venv" "$3" || return 0
    # A broken environment is removed if it is ours: begun by this script (.incomplete) or once finished (.ready).
    if [ -e "$venv/.incomplete" ] || { [ -e "$venv/.ready" ] && [ ! -x "$venv/bin/python" ]; }; then rm -rf "$venv"; fi
    if [ -x "$venv/bin/python" ]; then
        printf 'tools/env.sh: setup.py, pyproject.toml or constraints.txt is new: bringing %s up to date\n' "$venv" >&2
    else
        [ ! -e "$venv" ] || _env_fail "$venv is there, but its bin/python does not run; delete that folder" || return
        python=$(_env_find_python) || return
        "$python" -I -c 'import ensurepip, venv' 2>/dev/null \
            || _env_fail "$python has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)" || return
        "$python" -I -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
            || _env_fail "$python has no C headers, which pesq needs; install them (Debian, Ubuntu: apt-get install python3-dev)" || return
        command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null \
            || _env_fail "no C compiler found, and pesq is built from source; install one (Debian, Ubuntu: apt-get install gcc)" || return
        printf 'tools/env.sh: making %s: some minutes, about 5.5 GB; progress in %s\n' "$venv" "$log" >&2
        mkdir -p "$venv" && touch "$venv/.incomplete" && "$python" -I -m venv "$venv" \
            || _env_fail "$python -m venv $venv failed; see above" || return
    fi
    rm -f "$venv/.ready"
    (cd "$root" && PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -I -m pip install --no-input \
        --constraint constraints.txt --editable '.[test,espeak,vision]') >"$log" 2>&1 </dev/null \
        || _env_fail "pip install failed ($(grep -m1 -i '^error' "$log" || tail -n 1 "$log")); see $log, then run the same command again" || return
    rm -f "$venv/.incomplete"
    printf '%s\n' "$3" >"$venv/.ready.tmp" && mv "$venv/.ready.tmp" "$venv/.ready"
}

_env_main() {
    local root venv mark found
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || return
    venv=$root/.venv
    # No Python started here runs a csv.py or torch.py of the folder it is called from: that folder is neither put on
    # the path (from Python 3.11 on; spiking_tasnet/__main__.py sees to it before) nor meant by an empty entry of it.
    export PYTHONSAFEPATH=1
    PYTHONPATH=$(tr ':' '\n' <<<"${PYTHONPATH:-}" | grep -vxF -e '' -e "$root" | paste -sd ':' -) || true
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    if [ "${1:-}" = later ]; then
        export SPIKING_TASNET_ENV=$root/tools/env.sh
        runner=$(_env_find_python "${SPIKING_TASNET_PYTHON:-$venv/bin/python}" "$venv/bin/python") && export runner
    elif [ -n "${SPIKING_TASNET_PYTHON:-}" ] && [ "$SPIKING_TASNET_PYTHON" != "$venv/bin/python" ]; then
        found=$(command -v -- "$SPIKING_TASNET_PYTHON") \
            || _env_fail "SPIKING_TASNET_PYTHON=$SPIKING_TASNET_PYTHON: no such program; name a Python that has the packages of pyproject.toml" || return
        [ "${SPIKING_TASNET_CHECKED:-}" = "$found" ] || "$found" "$root/tools/check_env.py" || return
        export SPIKING_TASNET_PYTHON=$found SPIKING_TASNET_CHECKED=$found
    else
        # The path is part of the mark because an environment holds absolute paths: moved, it is brought up to date.
        mark="$root $(cd "$root" && cat setup.py pyproject.toml constraints.txt | cksum)"
        _env_is_ready "$venv" "$mark" || (_env_make "$root" "$venv" "$mark") 9<"$root/setup.py" || return
        export SPIKING_TASNET_PYTHON=$venv/bin/python
    fi
}

[ "${1:-}" = bash ] || _env_main "${1:-}"
