#!/usr/bin/env bash
# Run the tests; arguments go to pytest (`tools/test.sh tests/snn -k fold`).
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh" || exit
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec "$SPIKING_TASNET_PYTHON" -m pytest -q "$@"
