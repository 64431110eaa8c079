# shellcheck shell=bash
# Numbered stages: options, order, markers, parameters, logs, locks, interrupts. What the stages do is not here.
#
# A kind of recipe (separation_stages.sh, vision_stages.sh) sources this file and sets
#
#   kind             its name, for --help
#   kind_options     rows of options (see options.sh) that all its recipes have
#   stage_titles     one line a stage; as many stages there are
#   stage_makes      what each stage leaves in exp/<name>, the first in the data folder, for --force to remove: words,
#                    which may be patterns
#   stage_options    the options that decide the outcome of each stage: words
#   training_stages  the stages that read the config, --set and --seed: words
#   data_title       one word for what stage 0 makes
#   stage_<N>        functions that do the stages, mostly by cli
#   kind_settings    function, called after the options are read: sets corpus_root, which stays empty where the options
#                    name no corpus (what stage 0 made is then taken as it is); may set default_config and defaults of
#                    options, and add KEY=VALUE to presets, which come before the user's --set
#   check_corpus     function, called before stage 0 runs: stops with one line if it has no corpus
#   missing_data     function: prints a file that the data need and that is not there; may be left out
#   log_results      function, called after the last stage
#
# A recipe's run.sh sources path.sh, which sources its kind, sets
#
#   recipe_name      where it is, the first word of its messages
#   description      one line for --help
#   default_config   YAML, from the recipe's folder
#   stage_costs      what each stage costs: time, disk
#   recipe_options   rows of options that only this recipe has
#
# and what its kind asks for, and ends with `run_stages "$@"`.
#
# Markers. A stage that starts writes its parameters to `<stage>.begun`; one that ends renames that to `<stage>`. So a
# marker exists only for a finished stage, and an interrupted one is done again (training goes on from its checkpoint).
# A stage that starts takes the markers of later stages away, so a marker also vouches for those before. A marker names
# what its stage made; where that is gone or empty, the stage is not done.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/options.sh
. "$tools/options.sh"

common_options=(
    "stage|N|first stage to run (default 0)"
    "stop-stage|N|last stage to run (default: the last)"
    "force||run the stages again from the beginning, removing what they and later ones made"
    "data-dir|DIR|gets what stage 0 makes (default: data in the recipe)"
    "exp-dir|DIR|holds one folder an experiment (default: exp in the recipe)"
    "name|NAME|name of the experiment (default: the name of the config)"
    "config|FILE!|YAML of the experiment"
    "set|KEY=VALUE...|override one key of the config, such as ann.lr=5e-4; may be repeated"
    "seed|N|override the seed of the config"
    "threads|N|CPU threads of training (default: all)"
    "help||print this"
)
kind='' kind_options=() stage_titles=() stage_makes=() stage_options=() training_stages='' data_title=''
description='' default_config='' recipe_options=() stage_costs=() corpus_root='' presets=() running=''

# Print a line with the time.
log() {
    printf '%(%F %T)T %s: %s\n' -1 "$recipe_name" "$*"
}

# Run one command of the package, and leave a trace of it in the log.
cli() {
    printf '$ spiking-tasnet %s\n' "$*"
    "$SPIKING_TASNET_PYTHON" -m spiking_tasnet "$@"
}

# Markers and parameters.

# Print the path of the marker of stage $1.
marker_of() {
    if (($1)); then printf '%s\n' "$exp/.done/stage$1"; else printf '%s\n' "$data/.done"; fi
}

# Say whether stage $1 trains.
trains() { [[ " $training_stages " == *" $1 "* ]]; }

# Print what decides the outcome of stage $1, one `key=value` a line.
parameters_of() {
    local name set_
    (($1 == 0)) || printf '%s=%s\n' "$data_title" "$(grep -v '^made=' "$(marker_of 0)" | cksum)"
    if trains "$1"; then
        printf 'config=%s\n' "$(cksum <"$config")"
        set_=$(grep -v -e '^data\.num_workers=' -e '^ptl\.cache_mib=' <<<"${option[set]:-}") || true # these change no result
        printf 'set=%s\n' "$(tr '\n' ' ' <<<"$set_")"
        printf 'seed=%s\n' "${option[seed]:-}"
    fi
    for name in ${stage_options[$1]}; do
        # The values of an option that is repeated stand on one line.
        printf '%s=%s\n' "$name" "$(while IFS= read -r set_; do portable "$set_"; done <<<"${option[$name]:-}" | paste -sd ' ')"
    done
}

# Print a value of an option; a path beside the data or in the checkout so that it stays the same when they are moved.
portable() {
    case $1 in
        "${data%/*}"/*) printf '%s\n' "${1#"${data%/*}"/}" ;;
        "${tools%/*}"/*) printf '%s\n' "<checkout>/${1#"${tools%/*}"/}" ;;
        *) printf '%s\n' "$1" ;;
    esac
}

# Leave out how many epochs a training may take.
without_epochs() { sed -E 's/(^| )[a-z_]+\.max_epochs=[^ ]*/\1/g; s/^ +//; s/ +$//; s/ +/ /g'; }

# Print how the parameters in file $1 differ from those of stage $2: `key: there 'a', here 'b'`.
difference() {
    local key value
    local -A there=()
    while IFS='=' read -r key value; do there[$key]=$value; done <"$1"
    while IFS='=' read -r key value; do
        if [[ $key == set && $1 == *.begun ]]; then # it may go on for more epochs; the command checks that
            value=$(without_epochs <<<"$value")
            there[set]=$(without_epochs <<<"${there[set]:-}")
        fi
        [[ $(portable "${there[$key]:-}") == "$value" ]] || printf "%s '%s' there, '%s' here; " "$key" "${there[$key]:-}" "$value"
    done < <(parameters_of "$2")
}

# Stop if stage $1 was begun or finished (file $2) with other parameters.
same_parameters() {
    local differs where="another --name"
    # Without a corpus in the options, what is there is meant.
    if (($1 == 0)); then
        [[ -n $corpus_root ]] || return 0
        where="another --data-dir"
    fi
    differs=$(difference "$2" "$1")
    [[ -z $differs ]] || die "stage $1 ran with other parameters (${differs%; }, in $2); give $where, or --force to replace its results"
}

# Stop if a stage before $1 has not finished, or what it made is gone.
check_order() {
    local before gone
    for ((before = 0; before < $1; before++)); do
        [[ -f $(marker_of "$before") ]] \
            || die "stage $1 needs stage $before ($(stage_title "$before")), which has not finished ($(marker_of "$before") is missing); run --stage $before first"
        gone=$(missing_of "$before")
        [[ -z $gone ]] || die "stage $1 needs stage $before ($(stage_title "$before")), but $gone is gone or empty; run --stage $before first"
    done
}

# Print the first thing of stage $1, which has finished, that is gone or empty. Its marker names what it made, from the
# folder of the experiment or of the data.
missing_of() {
    local folder=$exp name
    (($1)) || folder=$data
    while IFS= read -r name; do
        has_something "$folder/$name" || { printf '%s\n' "$folder/$name"; return; }
    done < <(sed -n 's/^made=//p' "$(marker_of "$1")")
    (($1)) || missing_data
}

# Say whether $1 is a folder or a file with something in it.
has_something() {
    if [[ -d $1 ]]; then [[ -n $(find "$1" -mindepth 1 -print -quit) ]]; else [[ -s $1 ]]; fi
}

# Print what is there now of what stage $1 makes, one `made=name` a line.
made_by() {
    local folder=$exp pattern patterns name
    (($1)) || folder=$data
    read -ra patterns <<<"${stage_makes[$1]}"
    for pattern in "${patterns[@]}"; do
        while IFS= read -r name; do
            ! has_something "$folder/$name" || printf 'made=%s\n' "$name"
        done < <(cd "$folder" && compgen -G "$pattern")
    done
}

# Print the first file that the data need and that is not there; a kind of recipe looks into its own.
missing_data() { :; }

stage_title() { printf '%s\n' "${stage_titles[$1]}"; }

# Running a stage.

# Take away the markers of stage $1 and of those after it that rest on it; with --force, what they made too.
begin() {
    local later place pattern patterns marker last=$last_stage
    # An experiment remembers its data by their parameters, so stage 0 need not take experiments away.
    (($1)) || last=0
    for ((later = $1; later <= last; later++)); do
        rm -f -- "$(marker_of "$later")"
        [[ -n ${option[force]:-} || $later -gt $1 ]] && rm -f -- "$(marker_of "$later").begun"
        [[ -n ${option[force]:-} ]] || continue
        place=$exp
        ((later)) || place=$data
        read -ra patterns <<<"${stage_makes[later]}"
        # shellcheck disable=SC2086 # the pattern is meant to match
        for pattern in "${patterns[@]}"; do rm -rf -- "${place:?}"/$pattern; done
    done
    marker=$(marker_of "$1")
    mkdir -p "$(dirname "$marker")" || die "cannot make $(dirname "$marker"); is the disk full, or not yours to write?"
    { parameters_of "$1" >"$marker.new" && mv -f -- "$marker.new" "$marker.begun"; } 2>/dev/null \
        || die "cannot write $marker.begun; is the disk full, or not yours to write?"
}

# Keep a second run.sh, or what a killed one left running, out of the experiment, and out of the data while stage 0 of
# one makes them ($1: the stage).
lock() {
    if [[ -z ${locked:-} ]]; then
        mkdir -p "$exp/log" || die "cannot make $exp/log; is the disk full, or not yours to write?"
        exec 8>"$exp/.lock"
        hold 8 || die "another run is at work in $exp; wait for it, or give another --name"
        locked=1
    fi
    (($1 == 0)) || return 0
    mkdir -p "$data" || die "cannot make $data; is the disk full, or not yours to write?"
    exec 9>"$data/.lock"
    hold 9 || die "another run makes its data in $data; wait for it, or give another --data-dir"
}

# Lock file descriptor $1, where there is a flock.
hold() { ! command -v flock >/dev/null || flock -n "$1"; }

# Run stage $1 as a process group of its own, its output on the screen and in the log; set `code` to its exit code.
# Never call it where a failure is caught (`||`, `if`): bash would then run the stage on past a failed command.
run_logged() {
    local stage=$1
    code=0
    set -m # a group of its own: an interrupt then reaches every process of the stage
    (
        set +e +m +o pipefail
        { log "stage $stage: $(stage_title "$stage")"; printf '$ %s\n' "$invocation"; (set -e; "stage_$stage"); } 2>&1 \
            </dev/null | tee -ia "$exp/log/stage$stage.log"
        exit "${PIPESTATUS[0]}"
    ) &
    running=$!
    set +m
    wait "$running" || code=$?
    running=''
}

# On a signal: end the stage's processes, leave its marker unwritten.
interrupted() {
    trap '' INT TERM HUP
    if [[ -n $running ]]; then
        kill -INT -- "-$running" 2>/dev/null || true # Python ends in order, loaders and all
        for _ in {1..50}; do
            kill -0 -- "-$running" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$running" 2>/dev/null || true
    fi
    printf '\n%s: interrupted; the same command goes on where it stopped\n' "$recipe_name" >&2
    exit "$1"
}

# Do stage $1, unless it is done.
do_stage() {
    local stage=$1 marker code begun=$SECONDS log_file gone
    marker=$(marker_of "$stage")
    check_order "$stage"
    if [[ -z ${option[force]:-} ]]; then
        if [[ -f $marker ]]; then
            same_parameters "$stage" "$marker"
            gone=$(missing_of "$stage")
            if [[ -z $gone ]]; then
                log "stage $stage ($(stage_title "$stage")): done on $(date -r "$marker" '+%F %R'), skipped; --force does it again"
                return
            fi
            log "stage $stage ($(stage_title "$stage")): done on $(date -r "$marker" '+%F %R'), but $gone is gone or empty"
        fi
        [[ ! -f $marker.begun ]] || same_parameters "$stage" "$marker.begun"
    fi
    ((stage)) || check_corpus
    ! trains "$stage" || [[ -f $config ]] || die "$config: no such file; name the experiment's YAML with --config"
    # shellcheck source=tools/env.sh
    . "$tools/env.sh" || exit 1
    lock "$stage"
    begin "$stage"
    log_file=$exp/log/stage$stage.log
    [[ -z ${stage_costs[stage]:-} ]] || log "what stage $stage costs: ${stage_costs[stage]}"
    run_logged "$stage"
    if ((code)); then
        printf '%s: error: stage %s failed with exit code %s; see %s\n' "$recipe_name" "$stage" "$code" "$log_file" >&2
        exit "$code"
    fi
    { made_by "$stage" >>"$marker.begun" && mv -f -- "$marker.begun" "$marker"; } 2>/dev/null \
        || die "cannot write $marker; is the disk full, or not yours to write?"
    ((stage)) || exec 9>&- # others may read the data now
    log "stage $stage done in $((SECONDS - begun)) s"
}

print_help() {
    local stage
    printf '%s\n\nUsage: %s [--stage N] [--stop-stage N] [option...]\n' "$description" "$0"
    if ((${#recipe_options[@]})); then
        printf '\nThis recipe:\n'
        print_options "${recipe_options[@]}"
    fi
    printf '\nEvery %s recipe:\n' "$kind"
    print_options "${kind_options[@]}"
    printf '\nEvery recipe:\n'
    print_options "${common_options[@]}"
    printf '\nStages, and what they cost:\n'
    for ((stage = 0; stage <= last_stage; stage++)); do
        printf '  %d  %s: %s\n' "$stage" "$(stage_title "$stage")" "${stage_costs[stage]:-}"
    done
    printf '\nPaths are taken from the folder you are in. A finished stage is skipped.\n'
}

# Read the options and run the stages asked for.
run_stages() {
    # shellcheck disable=SC2034 # parse_options takes the table by name
    local all_options=("${recipe_options[@]}" "${kind_options[@]}" "${common_options[@]}") first stop stage line
    last_stage=$((${#stage_titles[@]} - 1))
    invocation="$0${*:+ $*}"
    [[ " $* " != *" -h "* ]] || set -- --help
    parse_options all_options "$@"
    if [[ -n ${option[help]:-} ]]; then
        print_help
        exit 0
    fi
    first=${option[stage]:-0} stop=${option[stop-stage]:-$last_stage}
    ((first <= last_stage && stop <= last_stage)) || die "--stage $first --stop-stage $stop found, 0 to $last_stage expected"
    ((first <= stop)) || die "--stage $first --stop-stage $stop: nothing to run; the stop stage comes before the first"
    kind_settings
    config=${option[config]:-$recipe/$default_config}
    name=${option[name]:-$(basename "$config" .yaml)}
    [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || die "--name '$name' found, letters, digits and . _ - expected"
    data=${option[data-dir]:-$recipe/data}
    exp=${option[exp-dir]:-$recipe/exp}/$name
    training=(--config "$config" --data "$data" --exp "$exp")
    for line in "${presets[@]}"; do training+=(--set "$line"); done
    while IFS= read -r line; do [[ -z $line ]] || training+=(--set "$line"); done <<<"${option[set]:-}"
    [[ -z ${option[seed]:-} ]] || training+=(--seed "${option[seed]}")
    [[ -z ${option[threads]:-} ]] || training+=(--threads "${option[threads]}")
    export SPIKING_TASNET_RECIPE="$recipe_name/run.sh${*:+ $*}"
    export PYTHONUNBUFFERED=1
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    trap 'interrupted 129' HUP
    for ((stage = first; stage <= stop; stage++)); do do_stage "$stage"; done
    ((stop < last_stage)) || log_results
}
