#!/usr/bin/env bash
# MNIST: the paper's CNN (Table 2) and its autoencoder (Table 3, Fig. 8). See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/mnist/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/mnist
description="Classify or reconstruct MNIST's digits with a spiking network (paper, Tables 2 and 3)."
corpus=mnist
source_help="holds MNIST's four IDX files, gzipped or not, there or in MNIST/raw"
networks=(cnn autoencoder)
network_methods[autoencoder]=primitive
stage_costs=(
    "seconds"
    "see README.md; with --fast minutes on a CPU"
    "see README.md; with --fast minutes on a CPU"
    "see README.md; rate and primitive train nothing"
    "see README.md; rate takes longest, it runs many more steps"
    "seconds"
)
recipe_options=(
    "source|DIR!|$source_help"
    "$download_option"
    "network|NAME|cnn (default) or autoencoder: takes conf/NAME.yaml"
    "$fast_option"
)

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
