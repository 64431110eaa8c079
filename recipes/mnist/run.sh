#!/usr/bin/env bash
# MNIST: the paper's CNN (Table 2) and its autoencoder (Table 3, Fig. 8). See --help and README.md.
. "$(dirname "$0")/../../tools/env.sh" later || exit
exec "$runner" -m spiking_tasnet run "$(dirname "$0")" "$@"
