#!/usr/bin/env bash
# Two synthesised talkers, from nothing to a spiking separation you can listen to. See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
