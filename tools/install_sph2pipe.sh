#!/usr/bin/env bash
# Fetch, check and build sph2pipe 2.5 (LDC), which reads WSJ0's compressed SPHERE files, into tools/sph2pipe.
#
# tools/install_sph2pipe.sh              fetch it
# tools/install_sph2pipe.sh FILE.tar.gz  build from an archive that you fetched yourself
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh" bash
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sha256=5be236dc94ed0a301c5c8a369f849f76799ec7e70f25dfc0521068d9d1d4d3e3
urls=(
    https://www.openslr.org/resources/3/sph2pipe_v2.5.tar.gz
    https://www.ldc.upenn.edu/sites/default/files/sph2pipe_v2.5.tar.gz
)

die() {
    printf 'tools/install_sph2pipe.sh: error: %s\n' "$*" >&2
    exit 1
}

[[ ! -x $tools/sph2pipe/sph2pipe ]] || { echo "$tools/sph2pipe/sph2pipe is there already"; exit; }
command -v "${CC:-cc}" >/dev/null || die "no C compiler found; install one (Debian, Ubuntu: apt-get install gcc)"
work=$(mktemp -d "$tools/.sph2pipe.XXXXXX")
trap 'rm -rf "$work"' EXIT
archive=${1:-$work/sph2pipe.tar.gz}
if (($# == 0)); then
    for url in "${urls[@]}"; do
        if curl --fail --silent --show-error --location --max-time 60 --output "$archive" "$url"; then break; fi
    done
fi
[[ -s $archive ]] || die "sph2pipe_v2.5.tar.gz could not be fetched; fetch ${urls[0]} yourself and run $0 FILE"
found=$(sha256sum "$archive" | cut -d' ' -f1)
[[ $found == "$sha256" ]] || die "$archive: sha256 $found found, $sha256 expected; fetch it again"
mkdir "$work/source"
tar --extract --gzip --no-same-owner --strip-components=1 --directory "$work/source" --file "$archive"
"${CC:-cc}" -O2 -w -o "$work/source/sph2pipe" "$work"/source/{sph2pipe,shorten_x,file_headers}.c -lm \
    || die "sph2pipe did not compile; see above"
rm -rf "$tools/sph2pipe"
mv "$work/source" "$tools/sph2pipe"
echo "$tools/sph2pipe/sph2pipe is ready"
