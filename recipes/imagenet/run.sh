#!/usr/bin/env bash
# ImageNet: AlexNet and VGG-16 (the paper's Table 1). See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
