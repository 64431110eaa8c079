#!/usr/bin/env bash
# Run the tests; arguments go to pytest (`tools/test.sh tests/snn -k fold`).
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/need_bash.sh"
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/env.sh
. "$root/tools/env.sh"
cd "$root"
exec "$SPIKING_TASNET_PYTHON" -m pytest -q "$@"
