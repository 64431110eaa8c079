# shellcheck shell=sh
# Stop in one line where the shell is not bash, or an old one; sourced first, before anything that only bash reads.
# Arrays that may be empty under `set -u`, and names of arrays as arguments, need bash 4.4.
case ${BASH_VERSION:-} in
    4.[4-9]* | 4.[1-9][0-9]* | [5-9].* | [1-9][0-9]*) ;;
    '')
        printf '%s: error: another shell than bash found; run it as: bash %s\n' "$0" "$0" >&2
        exit 1
        ;;
    *)
        printf '%s: error: bash %s found, 4.4 or newer expected; install one and run it as: bash %s\n' \
            "$0" "$BASH_VERSION" "$0" >&2
        exit 1
        ;;
esac
