# bash completion of sluice(8) and sluice-bench(1): the options that their --help lists, and files and
# directories where an option takes one.
# shellcheck shell=bash

_sluice() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} help argument
    COMPREPLY=()
    help=$("${1/#\~\//$HOME/}" --help 2>/dev/null)

    if [[ $current == '=' ]]; then # --option=value is three words
        current=''
    elif [[ $previous == '=' ]]; then
        previous=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    if [[ $previous == -* ]]; then
        argument=$(sed -En "s/^ +(-., )?$previous (\[?[A-Za-z|:,.]+\]?)( .*)?\$/\2/p" <<<"$help")
    fi
    case $argument in
    FILE)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        ;;
    DIR)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        ;;
    *'|'*)
        argument=${argument#[} argument=${argument%]}
        mapfile -t COMPREPLY < <(compgen -W "${argument//|/ }" -- "$current")
        ;;
    *)
        [[ $current == -* ]] &&
            mapfile -t COMPREPLY < <(sed -En 's/^ +(-., )?(--[a-z-]+).*/\2/p' <<<"$help" |
                grep -e "^$current")
        ;;
    esac
}

complete -F _sluice sluice sluice-bench
