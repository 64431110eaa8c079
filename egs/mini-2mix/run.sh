#!/usr/bin/env bash
# Two synthesised talkers, from nothing to a spiking separation you can listen to. See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=egs/mini-2mix/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=egs/mini-2mix
description="Separate two synthesised talkers with a spiking network: a small example that runs anywhere."
default_config=conf/mini.yaml
stage_costs=(
    "a minute on two cores; 0.7 GB"
    "6 minutes on two cores, less where they compute bfloat16"
    "3 minutes on two cores"
    "a minute; 60 MB"
    "a minute"
    "some seconds"
)
recipe_options=(
    "corpus-dir|DIR|where the talkers are put (default: corpus in the recipe)"
    "train-talkers|N|talkers to train on"
    "test-talkers|N|talkers of the open test"
    "utterances|N|sentences of each training talker"
    "mixtures|TR,CV,TT|how many mixtures to list"
)
mixed=(corpus-dir train-talkers test-talkers utterances mixtures)

corpus_settings() {
    corpus_root=${option[corpus-dir]:=$recipe/corpus}
}

check_corpus() { :; }

make_corpus() {
    local name options=(--out "$corpus_root")
    for name in train-talkers test-talkers utterances mixtures jobs; do
        [[ -z ${option[$name]:-} ]] || options+=("--$name" "${option[$name]}")
    done
    "$SPIKING_TASNET_PYTHON" "$recipe/local/synthesise.py" "${options[@]}"
}

mix_corpus() { mix mix --wsj0 "$corpus_root" --mix-lists "$corpus_root"; }

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
