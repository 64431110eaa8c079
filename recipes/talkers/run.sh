#!/usr/bin/env bash
# A separator of real voices, trained on any folder of talkers. See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
