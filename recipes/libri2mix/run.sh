#!/usr/bin/env bash
# Libri2Mix: the open road to the paper's system. See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/libri2mix/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/libri2mix
description="Separate two talkers of LibriSpeech, mixed by LibriMix's published metadata: no licence to buy."
default_config=../wsj0-2mix/conf/paper.yaml
stage_costs=(
    "at 8 kHz 40 GB with train-360, 14 GB with train-100; with noise 67 and 23 GB"
    "days of a GPU with train-360"
    "about as long as stage 1"
    "some seconds a minute of audio and core"
    "half a second a mixture, system and core"
    "under a minute"
)
recipe_options=(
    "librispeech|DIR!|holds train-clean-360 (or -100), dev-clean, test-clean and SPEAKERS.TXT"
    "metadata|DIR!|holds LibriMix's libri2mix_*.csv"
    "wham|DIR!|WHAM's noise (tr, cv, tt): separate noisy mixtures (default: clean ones)"
    "train-set|NAME|train-360 (default) or train-100"
)
mixed=(librispeech metadata wham train-set)

corpus_settings() {
    corpus_root=${option[librispeech]:-}
}

check_corpus() {
    [[ -n $corpus_root && -n ${option[metadata]:-} ]] \
        || die "stage 0 needs --librispeech DIR (the corpus) and --metadata DIR (LibriMix's metadata/Libri2Mix); without a corpus, run egs/mini-2mix/run.sh --stage 0"
}

make_corpus() { :; }

mix_corpus() {
    mix mix-librimix --librispeech "$corpus_root" --metadata "${option[metadata]}" \
        ${option[wham]:+--wham "${option[wham]}"} ${option[train-set]:+--train-set "${option[train-set]}"}
}

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
