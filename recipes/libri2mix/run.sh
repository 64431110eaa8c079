#!/usr/bin/env bash
# Libri2Mix: the open road to the paper's system. See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
