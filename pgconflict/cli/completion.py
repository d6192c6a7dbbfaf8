"""`pgconflict completion`: a script that lets a shell complete our command lines.

The script asks `pgconflict completion words` at each TAB, so that it never grows old
and knows the nodes of the configuration.
"""

from __future__ import annotations

import argparse
from typing import Final

from pgconflict.cli.complete import candidates

_BASH: Final = """\
# pgconflict completion for bash:
#   source <(pgconflict completion bash)
#   pgconflict completion bash > /etc/bash_completion.d/pgconflict
_pgconflict() {
    local word help
    COMPREPLY=()
    while IFS=$'\\t' read -r word help; do
        # After a = bash asks for what stands behind it.
        [[ ${COMP_WORDS[COMP_CWORD]} == *=* ]] || word=${word#--*=}
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" completion words -- \\
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _pgconflict pgconflict
"""

_ZSH: Final = """\
#compdef pgconflict
# pgconflict completion for zsh:
#   source <(pgconflict completion zsh)
#   pgconflict completion zsh > "${fpath[1]}/_pgconflict"
_pgconflict() {
    local -a found
    local line
    for line in "${(@f)$("${words[1]}" completion words -- \\
            "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}")
    done
    if (( $#found )); then
        _describe -t values pgconflict found
    else
        _files
    fi
}
if [[ ${funcstack[1]-} == _pgconflict ]]; then
    _pgconflict "$@"
else
    compdef _pgconflict pgconflict
fi
"""

_FISH: Final = """\
# pgconflict completion for fish:
#   pgconflict completion fish | source
#   pgconflict completion fish > ~/.config/fish/completions/pgconflict.fish
function __pgconflict_complete
    set -l before (commandline -opc)
    set -l found ($before[1] completion words -- $before[2..-1] \\
        (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c pgconflict -f -a '(__pgconflict_complete)'
"""

SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the shell."""
    shells = parser.add_subparsers(metavar="SHELL", required=True, dest="shell")
    for shell in SCRIPTS:
        one = shells.add_parser(
            shell,
            help=f"print the script for {shell}",
            description=f"Print the completion script for {shell}; it says how it is"
            " installed.",
        )
        one.set_defaults(text=SCRIPTS[shell])
    # What the scripts ask; not for people.
    asked = shells.add_parser("words")
    asked.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Print the script, or a word a line with its meaning."""
    if arguments.shell in SCRIPTS:
        print(arguments.text, end="")
        return 0
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    for one in candidates(words or [""]):
        print(f"{one.word}\t{one.help}")
    return 0
