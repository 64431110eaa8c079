#!/usr/bin/env bash
# The paper's Table 4: WSJ0-2mix, or any corpus with mixture lists in MERL's format. See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
