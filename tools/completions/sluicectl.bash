# bash completion of sluicectl(1), from its own tables (`sluicectl --rows`): commands, options,
# directories, and from a running server topics and clients.
# shellcheck shell=bash

# The words up to the cursor into $words. bash has cut them at : and = (COMP_WORDBREAKS), which belong to
# topics' names and to --option=value.
_sluicectl_words() {
    local i word last=-1
    words=()
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((last >= 0)) && [[ $word == [:=]* || ${COMP_WORDS[i - 1]} == [:=] ]]; then
            words[last]+=$word
        else
            words+=("$word")
            last=$((${#words[@]} - 1))
        fi
    done
}

# Reads the options and operands before the cursor: $command, $operand_count, $data, and in $wanted
# what the word at the cursor is (an option's ARGUMENT, an operand, `command`, or -- for an option).
_sluicectl_read() {
    local i word is_value=''
    for ((i = 0; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $is_value ]]; then
            [[ $is_value != DATA ]] || data=(-d "$(_sluicectl_plain "$word")")
            is_value=''
        elif [[ $word == --*=* ]]; then
            [[ $word != --data=* ]] || data=(-d "$(_sluicectl_plain "${word#*=}")")
        elif [[ $word == -?* ]]; then
            is_value=${arguments[$word]-}
        elif [[ -z $command ]]; then
            command=$word
        else
            operand_count=$((operand_count + 1))
        fi
    done
    wanted=$is_value
    if [[ -z $wanted && $current == --*=* ]]; then
        wanted=${arguments[${current%%=*}]-none}
        current=${current#*=}
    elif [[ -z $wanted && $current == -* ]]; then
        wanted='--'
    elif [[ -z $wanted && -z $command ]]; then
        wanted='command'
    elif [[ -z $wanted ]]; then
        _sluicectl_operand
    fi
}

# Which of the command's operands it is; the last may be repeated: TOPIC...
_sluicectl_operand() {
    local list
    read -ra list <<<"${operands[$command]-}"
    wanted=${list[operand_count]-}
    if [[ -z $wanted && ${#list[@]} -gt 0 && ${list[-1]} == *... ]]; then
        wanted=${list[-1]}
    fi
    wanted=${wanted%...}
}

# As the shell would read it, without running anything.
_sluicectl_plain() {
    local word=${1//\\/}
    word=${word#[\"\']}
    printf '%s' "${word/#\~\//$HOME/}"
}

# Rows of a table without its heading and its first $1 columns; nothing when no server answers.
_sluicectl_ask() {
    local skip=$1
    shift
    timeout 3 "$program" -q "${data[@]}" "$@" 2>/dev/null |
        sed -En "1d; s/^( *[^ ]+  ){$skip}//p"
}

_sluicectl_offer() {
    local candidate
    while IFS= read -r candidate; do
        [[ $candidate == "$current"* ]] && COMPREPLY+=("$candidate")
    done
}

_sluicectl() {
    local program current command='' operand_count=0 wanted='' i
    local kind name argument of rest words data=()
    local -A arguments=() operands=() owners=()
    program=$(_sluicectl_plain "$1")
    COMPREPLY=()

    while IFS=$'\037' read -r kind name argument of rest; do
        case $kind in
        command) operands[$name]=$argument ;;
        option) arguments[$name]=$argument owners[$name]=$of ;;
        esac
    done < <("$program" --rows 2>/dev/null | tr '\t' '\037')

    _sluicectl_words
    current=$(_sluicectl_plain "${words[-1]}")
    _sluicectl_read
    case $wanted in
    command) _sluicectl_offer < <(printf '%s\n' "${!operands[@]}") ;;
    --)
        for name in "${!owners[@]}"; do
            [[ -z $command || -z ${owners[$name]} || ${owners[$name]} == "$command" ]] &&
                _sluicectl_offer <<<"$name"
        done
        ;;
    DATA | DATA_DIR | DEST)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
        ;;
    TOPIC | PREFIX) _sluicectl_offer < <(_sluicectl_ask 2 topics --prefix "$current") ;;
    CLIENT) _sluicectl_offer < <(_sluicectl_ask 0 clients | sed 's/ .*//') ;;
    esac

    # What stands before the last : is there already, and stays.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
    for i in "${!COMPREPLY[@]}"; do
        COMPREPLY[i]=$(printf '%q' "${COMPREPLY[i]}")
    done
}

complete -F _sluicectl sluicectl
