# shellcheck shell=bash
# Where things are; sourced by run.sh.
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/vision_stages.sh
. "$recipe/../../tools/vision_stages.sh"
