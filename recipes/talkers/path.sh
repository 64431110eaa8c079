# shellcheck shell=bash
# Where things are; sourced by run.sh.
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/separation_stages.sh
. "$recipe/../../tools/separation_stages.sh"
