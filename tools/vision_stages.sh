# shellcheck shell=bash
# The stages of a vision recipe, run by stages.sh. Besides what stages.sh asks for, a recipe's run.sh sets
#
#   corpus           name of the corpus, as `spiking-tasnet vision-data` knows it
#   source_help      what --source is, in words
#   networks         array, names of its networks; conf/NAME.yaml trains one, the first is the default
#   network_methods  array by network: the methods it is compared with, where they are not all the default ones
#
# instead of default_config; its recipe_options have `source` and `network`, and download_option and fast_option where
# torchvision can fetch the corpus and where there is a conf/NAME-fast.yaml for each network.

# shellcheck source=tools/stages.sh
. "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

kind=vision
kind_options=(
    "methods|LIST|compared with PTL: of tandem,surrogate,lif,rate,primitive (default: all but lif)"
)
stage_titles=(
    "corpus"
    "train the ANN"
    "convert it to spikes by progressive tandem learning"
    "the methods it is compared with"
    "test every network"
    "report"
)
stage_makes=(
    "dataset.json *_images.npy *_labels.npy" # what torchvision fetched stays
    ann
    ptl
    "tandem surrogate lif rate primitive"
    results.json
    "RESULTS.md curves.png results.csv"
)
stage_options=(source "" "" methods "" "")
training_stages="1 2 3"
data_title=corpus
corpus='' source_help='' networks=() methods=()
declare -A network_methods=()
# shellcheck disable=SC2034 # for recipe_options
download_option="download||let torchvision fetch the corpus, instead of --source" \
    fast_option="fast||take conf/NETWORK-fast.yaml: minutes to an hour on a CPU"

# Stop unless $2, given by --$1, is one of the other arguments.
expect_one_of() {
    local name=$1 value=$2 word
    shift 2
    for word in "$@"; do [[ $value != "$word" ]] || return 0; done
    die "--$name '$value' found, one of $(printf '%s, ' "$@" | sed 's/, $//') expected"
}

kind_settings() {
    local network method known default=tandem,surrogate,rate,primitive
    corpus_root=${option[source]:-}
    [[ -z ${option[config]:-} || -z ${option[network]:-}${option[fast]:-} ]] \
        || die "--config names the experiment's YAML; leave out --network and --fast, which choose one of the recipe's"
    [[ -z $corpus_root || -z ${option[download]:-} ]] || die "--source and --download found, one of them expected"
    network=${option[network]:-${networks[0]}}
    expect_one_of network "$network" "${networks[@]}"
    default_config=conf/$network${option[fast]:+-fast}.yaml
    for network in "${!network_methods[@]}"; do # a YAML of the user's is known by the beginning of its name
        [[ $(basename "${option[config]:-$default_config}") != "$network"* ]] || default=${network_methods[$network]}
    done
    IFS=, read -ra methods <<<"${option[methods]:=$default}"
    read -ra known <<<"${stage_makes[3]}"
    for method in "${methods[@]}"; do expect_one_of methods "$method" "${known[@]}"; done
}

check_corpus() {
    local or=''
    [[ "${recipe_options[*]}" != *"$download_option"* ]] || or="; or --download"
    [[ -n $corpus_root || -n ${option[download]:-} ]] || die "stage 0 needs --source DIR ($source_help)$or"
}

missing_data() {
    local folder
    folder=$(sed -n 's/^ *"folder": "\(..*\)",\{0,1\}$/\1/p' "$data/dataset.json" 2>/dev/null) || true
    case $folder in
        '' | /*) ;;
        *) folder=$data/$folder ;;
    esac
    [[ -z $folder || -d $folder ]] || printf '%s\n' "$folder"
}

stage_0() {
    cli vision-data --corpus "$corpus" ${corpus_root:+--source "$corpus_root"} --out "$data" \
        ${option[download]:+--download}
}

stage_1() { cli vision-train --method ann "${training[@]}"; }

stage_2() { cli vision-train --method ptl "${training[@]}"; }

stage_3() {
    local method
    for method in "${methods[@]}"; do cli vision-train --method "$method" "${training[@]}"; done
}

stage_4() { cli vision-test --data "$data" --exp "$exp" ${option[threads]:+--threads "${option[threads]}"}; }

stage_5() { cli vision-report --data "$data" --exp "$exp"; }

log_results() { log "results: $exp/RESULTS.md, with $exp/curves.png and results.csv"; }
