#!/bin/sh
# Build stn-separate and libseparator.a into DIR: tools/build_runtime.sh [DIR]. Needs gcc or clang and libm, nothing else.
# CC, CFLAGS: compiler and flags, e.g. CFLAGS="-O1 -g -fsanitize=address,undefined"; -O3 -march=native unless given.
set -eu
sources=$(cd "$(dirname "$0")/../spiking_tasnet/runtime" && pwd)
out=${1:-.} compiler=${CC:-cc}
mkdir -p "$out"
for name in separator layer dense stn wav stn_separate; do
    # shellcheck disable=SC2086  # flags are several words
    "$compiler" -std=gnu11 -fwrapv -ffp-contract=off -Wall -Wextra -Wno-unknown-pragmas \
        -Wno-psabi ${CFLAGS:--O3 -march=native} \
        -c "$sources/$name.c" -o "$out/$name.o"
done
(cd "$out" && ar rcs libseparator.a separator.o layer.o dense.o stn.o)
# shellcheck disable=SC2086
"$compiler" ${CFLAGS:--O3 -march=native} "$out/stn_separate.o" "$out/wav.o" "$out/libseparator.a" -lm -o "$out/stn-separate"
rm -f "$out"/separator.o "$out"/layer.o "$out"/dense.o "$out"/stn.o "$out"/wav.o "$out"/stn_separate.o
