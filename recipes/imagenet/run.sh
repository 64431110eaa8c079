#!/usr/bin/env bash
# ImageNet: AlexNet and VGG-16 (the paper's Table 1). See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/imagenet/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/imagenet
description="Classify ImageNet with a spiking AlexNet or VGG-16 (paper, Table 1)."
corpus=imagenet
source_help="holds train/ and val/, each with one folder a class"
networks=(alexnet vgg16)
stage_costs=(
    "see README.md; the images stay where they are"
    "wants GPUs, with --fast a CPU will do; see README.md"
    "wants GPUs, with --fast a CPU will do; see README.md"
    "see README.md; rate and primitive train nothing"
    "see README.md; rate takes longest, it runs many more steps"
    "seconds"
)
recipe_options=(
    "source|DIR!|$source_help"
    "network|NAME|alexnet (default) or vgg16: takes conf/NAME.yaml"
    "$fast_option"
)

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
