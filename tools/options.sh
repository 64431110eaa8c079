# shellcheck shell=bash
# Command-line options read from a table; sourced by stages.sh.
#
# A row of the table is 'name|ARGUMENT|help'. ARGUMENT says what is accepted:
#   (empty)       a switch; given, its value is 1
#   N             a whole number
#   DIR  FILE     a path, made absolute from the caller's folder
#   DIR! FILE!    the same, and it must exist
#   DIR!-or-none  the same, or the word none
#   ...suffix     the option may be repeated; its values are collected one a line
#   other words   any text
# parse_options fills the associative array `option`; an option that is not given has no entry.

declare -A option=()

# Print one line and stop.
die() {
    printf '%s: error: %s\n' "${recipe_name:-run.sh}" "$*" >&2
    exit 1
}

# Print $1 as an absolute path, from the folder the caller is in.
absolute() {
    case $1 in
        /*) printf '%s\n' "$1" ;;
        *) printf '%s\n' "$PWD/${1#./}" ;;
    esac
}

# Print the rows of a table as help.
print_options() {
    local row name argument text
    for row in "$@"; do
        IFS='|' read -r name argument text <<<"$row"
        argument=${argument%...}
        printf '  %-22s %s\n' "--$name ${argument/!/}" "$text"
    done
}

# Check the value of an option and store it. Arguments: name, its ARGUMENT, value.
_store_option() {
    local name=$1 argument=${2%...} value=$3
    if [[ $argument == *-or-none ]]; then
        argument=${argument%-or-none}
        [[ $value != none ]] || argument=none
    fi
    case $argument in
        N) [[ $value =~ ^[0-9]+$ ]] || die "--$name '$value' found, a whole number expected" && value=$((10#$value)) ;;
        DIR!) [[ -d $value ]] || die "--$name '$value': no such folder; check the path" ;;
        FILE!) [[ -f $value ]] || die "--$name '$value': no such file; check the path" ;;
        *) [[ -n $value ]] || die "--$name is empty; give it a value or leave it out" ;;
    esac
    case $argument in
        DIR* | FILE*) value=$(absolute "$value") ;;
    esac
    [[ $2 != *... ]] || value=${option[$name]+${option[$name]}$'\n'}$value
    option[$name]=$value
}

# Read "$@" by the rows of the array named by the first argument.
parse_options() {
    local -n rows=$1
    local row word name argument value
    local -A known=()
    shift
    for row in "${rows[@]}"; do
        IFS='|' read -r name argument _ <<<"$row"
        known[$name]=$argument
    done
    while (($#)); do
        word=$1
        shift
        [[ $word == --?* ]] || die "'$word' found, an option expected; see --help"
        name=${word#--}
        name=${name%%=*}
        name=${name//_/-} # --stop_stage, as Kaldi and ESPnet write it
        [[ -v known[$name] ]] || die "unknown option --$name; see --help"
        argument=${known[$name]}
        if [[ -z $argument ]]; then
            [[ $word != *=* ]] || die "--$name takes no value"
            option[$name]=1
        elif [[ $word == *=* ]]; then
            _store_option "$name" "$argument" "${word#*=}"
        else
            (($#)) || die "--$name needs a value: --$name ${argument/!/}"
            _store_option "$name" "$argument" "$1"
            shift
        fi
    done
}
