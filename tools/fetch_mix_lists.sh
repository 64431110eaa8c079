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
"$SPIKING_TASNET_PYTHON" -I -m zipfile -e "$archive" "$work/archive" 2>/dev/null \
    || die "$archive: not a zip archive; fetch $url again"
mkdir "$work/lists"
for subset in tr cv tt; do
    name=mix_2_spk_$subset.txt
    found=$(find "$work/archive" -name "$name" -print -quit)
    [[ -n $found ]] || die "$archive: no $name found in it; fetch $url again"
    tr -d '\r' <"$found" >"$work/lists/$name"
done
"$SPIKING_TASNET_PYTHON" - "$work"/lists/*.txt <<'PYTHON' || die "$archive: its lists are not those of WSJ0-2mix; fetch $url again"
import sys
sys.path[:] = filter(None, sys.path)
import pathlib
from spiking_tasnet.separation.corpora.census import is_merl_list
bad = [path for path in map(pathlib.Path, sys.argv[1:]) if not is_merl_list(path)]
for path in bad:
    print(f"{path.name}: another SHA-256 found than that of MERL's list", file=sys.stderr)
sys.exit(bool(bad))
PYTHON
mv "$work/lists" "$lists"
echo "$lists is ready: 20,000 training, 5,000 development and 3,000 test mixtures"
