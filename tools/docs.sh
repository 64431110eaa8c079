#!/usr/bin/env bash
# Build the documentation into site/; any warning is an error. `tools/docs.sh serve` shows it while you write.
# It needs the docs extra: .venv/bin/pip install -c constraints.txt '.[docs]'.
# shellcheck source=tools/env.sh
. "$(dirname "$0")/env.sh" || exit
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export NO_MKDOCS_2_WARNING=1 # a banner about its successor, not about our pages
exec "$SPIKING_TASNET_PYTHON" -m mkdocs "${@:-build}" --strict
