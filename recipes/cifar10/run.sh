#!/usr/bin/env bash
# CIFAR-10: AlexNet and VGG (the paper's Tables 1 and 2, Figs. 4 to 6). See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
