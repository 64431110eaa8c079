#!/usr/bin/env bash
# The paper's Table 4: WSJ0-2mix, or any corpus with mixture lists in MERL's format. See --help and README.md.
# shellcheck source=tools/need_bash.sh
. "$(dirname "$0")/../../tools/need_bash.sh"
set -euo pipefail
# shellcheck source=recipes/wsj0-2mix/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"

recipe_name=recipes/wsj0-2mix
description="Separate two talkers of WSJ0, or of any corpus with mixture lists in MERL's format (paper, Table 4)."
default_config=conf/paper.yaml
stage_costs=(
    "minutes; 0.2 MB a mixture, 5 GB for all of WSJ0-2mix at 8 kHz"
    "cpu.yaml: about an hour on one core; paper.yaml wants a GPU"
    "cpu.yaml: a quarter of an hour on one core; paper.yaml: about as long as stage 1"
    "some seconds a minute of audio and core"
    "half a second a mixture, system and core"
    "under a minute"
)
recipe_options=(
    "wsj0|DIR!|corpus root, where the paths in the lists start (for WSJ0: holds wsj0/)"
    "mix-lists|DIR!|holds mix_2_spk_{tr,cv,tt}.txt (default: lists in the recipe, by tools/fetch_mix_lists.sh)"
    "activlev|DIR!-or-none|holds activlev_*.txt (default: those beside the lists; else, or by none, levels are measured)"
    "spkrinfo|FILE!|table of the talkers' sex, besides those of the corpus"
)
mixed=(wsj0 mix-lists activlev spkrinfo)
report_options=(--paper)

corpus_settings() {
    corpus_root=${option[wsj0]:-}
    mix_lists=${option[mix-lists]:-}
    [[ -n $mix_lists || ! -f $recipe/lists/mix_2_spk_tr.txt ]] || mix_lists=$recipe/lists
}

check_corpus() {
    [[ -n $corpus_root ]] \
        || die "stage 0 needs --wsj0 DIR (the corpus) and --mix-lists DIR (MERL's lists); without a corpus, run egs/mini-2mix/run.sh --stage 0"
    [[ -n $mix_lists ]] || die "stage 0 needs --mix-lists DIR (MERL's lists), or run tools/fetch_mix_lists.sh first"
}

make_corpus() { :; }

mix_corpus() {
    mix mix --wsj0 "$corpus_root" --mix-lists "$mix_lists" ${option[activlev]:+--activlev "${option[activlev]}"} \
        ${option[spkrinfo]:+--spkrinfo "${option[spkrinfo]}"}
}

run_stages "$@"; exit # on one line: the shell reads no further, so this file may change during a long run
