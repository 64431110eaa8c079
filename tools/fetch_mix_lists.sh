#!/usr/bin/env bash
# Fetch MERL's mixture lists of WSJ0-2mix, check them, and put them into recipes/wsj0-2mix/lists, where run.sh finds them.
#
# tools/fetch_mix_lists.sh           fetch them
# tools/fetch_mix_lists.sh FILE.zip  take them from an archive that you fetched yourself
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh" bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
url=https://www.merl.com/demos/deep-clustering/create-speaker-mixtures.zip
lists=$root/recipes/wsj0-2mix/lists

die() {
    printf 'tools/fetch_mix_lists.sh: error: %s\n' "$*" >&2
    exit 1
}

[[ ! -d $lists ]] || { echo "$lists is there already"; exit; }
if (($#)) && [[ ! -f $1 ]]; then die "$1: no such file; give the archive create-speaker-mixtures.zip, or nothing to fetch it"; fi
# shellcheck source=tools/env.sh
. "$root/tools/env.sh" || exit 1
work=$(mktemp -d "$root/recipes/wsj0-2mix/.lists.XXXXXX")
trap 'rm -rf "$work"' EXIT
archive=${1:-$work/archive.zip}
if (($# == 0)); then
    command -v curl >/dev/null || die "no curl found; install it, or fetch $url yourself and run $0 FILE.zip"
    curl --fail --silent --show-error --location --max-time 120 --output "$archive" "$url" \
        || die "$url could not be fetched; fetch it yourself and run $0 FILE.zip"
fi
"$SPIKING_TASNET_PYTHON" "$root/tools/take_mix_lists.py" "$archive" "$lists" "$url"
echo "$lists is ready: 20,000 training, 5,000 development and 3,000 test mixtures"
