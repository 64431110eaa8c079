#!/usr/bin/env bash
# A separator of real voices, trained on any folder of talkers. See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/talkers/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/talkers
description="Separate two real talkers: train on any folder of single-talker recordings, mixed on the fly."
default_config=conf/real.yaml
stage_costs=(
    "a minute for 10 hours of speech; 60 MB an hour, and 0.4 MB a mixture of dev and test"
    "as long as you let it: 20 ms per second of audio on one core with bfloat16; stop and go on as you like"
    "half an hour on one core"
    "some seconds a minute of audio and core"
    "half a second a mixture, system and core"
    "under a minute"
)
recipe_options=(
    "talkers|DIR!|single-talker recordings, one folder per talker; mix_2_spk_{cv,tt}.txt in it are dev and test"
    "extra|DIR!...|more talkers, for training only, without what the lists in it name; may be repeated"
    "noise|DIR!|noise recordings to train with (default: no noise)"
    "dev-mixtures|N|dev mixtures, where the lists are drawn (default 300)"
    "test-mixtures|N|test mixtures, where the lists are drawn (default 300)"
)
mixed=(talkers extra noise dev-mixtures test-mixtures)

corpus_settings() {
    corpus_root=${option[talkers]:-}
    # shellcheck disable=SC2034 # read by stages.sh
    stage_makes[0]="talkers noise lists talkers.json ${stage_makes[0]}"
}

check_corpus() {
    [[ -n $corpus_root ]] \
        || die "stage 0 needs --talkers DIR (one folder per talker); without recordings, run egs/mini-2mix/run.sh --stage 0"
}

make_corpus() { :; }

mix_corpus() {
    local name folder given=()
    while IFS= read -r folder; do [[ -z $folder ]] || given+=(--extra "$folder"); done <<<"${option[extra]:-}"
    for name in noise dev-mixtures test-mixtures sample-rate jobs; do
        [[ -z ${option[$name]:-} ]] || given+=("--$name" "${option[$name]}")
    done
    cli talkers --talkers "$corpus_root" --data-dir "$data" "${given[@]}"
}

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
