#!/usr/bin/env bash
# CIFAR-10: AlexNet and VGG (the paper's Tables 1 and 2, Figs. 4 to 6). See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/cifar10/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/cifar10
description="Classify CIFAR-10 with a spiking AlexNet or VGG (paper, Table 1)."
corpus=cifar10
source_help="holds cifar-10-batches-py, or train/ and test/ with one folder a class, or these two as .tar.gz"
networks=(alexnet vgg11 vgg13 vgg16)
stage_costs=(
    "see README.md"
    "wants a GPU, with --fast a CPU will do; see README.md"
    "wants a GPU, with --fast a CPU will do; see README.md"
    "see README.md; rate and primitive train nothing"
    "see README.md; rate takes longest, it runs many more steps"
    "seconds"
)
recipe_options=(
    "source|DIR!|$source_help"
    "$download_option"
    "network|NAME|alexnet (default), vgg11, vgg13 or vgg16: takes conf/NAME.yaml"
    "$fast_option"
)

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
