# shellcheck shell=bash
# The stages of a separation recipe, run by stages.sh. Besides what stages.sh asks for, a recipe's run.sh sets
#
#   corpus_settings  function, called after the options are read: sets corpus_root
#   mixed            array, the recipe's options that decide the mixtures
#   check_corpus     function, see stages.sh
#   make_corpus      function that makes the corpus, or does nothing
#   mix_corpus       function that makes the mixtures: calls mix with what it takes besides the options of all recipes
#   report_options   array, further options of `spiking-tasnet report`

# shellcheck source=tools/stages.sh
. "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

kind=separation
kind_options=(
    "sample-rate|N|of the mixtures and the network, Hz (default 8000)"
    "mode|MODE|of the mixtures: min, cut to the shorter talker (default), or max, padded to the longer"
    "limit|N|use only the first N lines of each list"
    "jobs|N|processes of mixing and scoring (default: one a core)"
    "init|FILE!|model.pt of the same sizes that stage 1 starts from (default: random weights)"
)
stage_titles=(
    "corpus and mixtures"
    "train the ANN"
    "convert it to spikes by progressive tandem learning"
    "separate dev and test with both systems"
    "score the mixtures and both systems"
    "report and listening page"
)
stage_makes=("wav*k tr cv tt" ann snn separated scores "RESULTS.md results.json curves.png demo")
stage_options=("limit sample-rate mode" "init" "" "" "" "")
training_stages="1 2"
data_title=mixtures
mixed=() report_options=()

kind_settings() {
    stage_options[0]="${mixed[*]} ${stage_options[0]}"
    [[ -z ${option[sample-rate]:-} ]] || presets+=("model.sample_rate=${option[sample-rate]}")
    corpus_settings
}

missing_data() {
    local list path
    for list in "$data"/{tr,cv,tt}; do
        [[ -d $list ]] || continue
        list=$list/wav.scp
        [[ -s $list ]] || { printf '%s\n' "$list"; return; }
        read -r _ path <"$list" || continue
        case $path in
            '' | *'|') continue ;;
            /*) ;;
            *) path=${list%/*}/$path ;;
        esac
        [[ -s $path ]] || { printf '%s\n' "$path"; return; }
    done
}

stage_0() {
    make_corpus
    mix_corpus
}

# Mix by `spiking-tasnet $1`: the other arguments, and the options that all recipes have.
mix() {
    local name common=(--data-dir "$data")
    for name in limit sample-rate mode jobs; do
        [[ -z ${option[$name]:-} ]] || common+=("--$name" "${option[$name]}")
    done
    cli "$@" "${common[@]}"
}

stage_1() { cli train "${training[@]}" ${option[init]:+--init "${option[init]}"}; }

stage_2() { cli convert "${training[@]}"; }

stage_3() {
    local system subset cost
    for system in ann snn; do
        for subset in cv tt; do
            cost=()
            [[ $system/$subset != snn/tt ]] || cost=(--cost "$exp/snn/cost.json")
            cli separate-set --data "$data/$subset" --model "$exp/$system" \
                --out "$exp/separated/$system/$subset" "${cost[@]}"
        done
    done
}

stage_4() {
    local system subset est
    for system in mixture ann snn; do
        for subset in cv tt; do
            est=$exp/separated/$system/$subset
            [[ $system != mixture ]] || est=mixture
            cli score --data "$data/$subset" --est "$est" --out "$exp/scores/${system}_$subset.csv" \
                ${option[jobs]:+--jobs "${option[jobs]}"}
        done
    done
}

stage_5() { cli report --exp "$exp" --data "$data" "${report_options[@]}"; }

log_results() { log "results: $exp/RESULTS.md; listen: $exp/demo/index.html"; }
