"""The bash script: a case table and ``compgen -W``. Works with bash 3.2 (macOS)."""

from __future__ import annotations

from opsctl.completion.model import Flag, Node, Tree


def script(tree: Tree) -> str:
    """completions/opsctl.bash."""
    children = "\n".join(_children(node) for node in tree.values() if node.children or node.child_kind)
    flags = "\n".join(_flags(node) for node in tree.values())
    values = "\n".join(_values(node) for node in tree.values())
    arguments = "\n".join(_argument(node) for node in tree.values() if node.argument or node.argument_values)
    return _TEMPLATE.format(
        children=children, flags=flags, values=_unique(values), arguments=arguments, valued=_valued(tree)
    )


def _key(node: Node) -> str:
    return "/".join(node.path)


def _children(node: Node) -> str:
    fixed = " ".join(node.children)
    dynamic = f"; kind={node.child_kind}" if node.child_kind else ""
    return f"        '{_key(node)}') words='{fixed}'{dynamic} ;;"


def _flags(node: Node) -> str:
    return f"        '{_key(node)}') words='{' '.join(name for flag in node.flags for name in flag.names)}' ;;"


def _values(node: Node) -> str:
    lines = []
    for flag in node.flags:
        if not flag.takes_value:
            continue
        for name in flag.names:
            lines.append(f"        '{_key(node)} {name}') {_choice(flag)} ;;")
    return "\n".join(lines)


def _choice(flag: Flag) -> str:
    if flag.values:
        return f"words='{' '.join(flag.values)}'"
    return f"kind={flag.kind or 'none'}"


def _argument(node: Node) -> str:
    words = f"words='{' '.join(node.argument_values)}'" if node.argument_values else f"kind={node.argument}"
    return f"        '{_key(node)}') {words} ;;"


def _valued(tree: Tree) -> str:
    names = sorted({name for node in tree.values() for flag in node.flags if flag.takes_value for name in flag.names})
    return "|".join(names)


def _unique(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line)


_TEMPLATE = """\
# bash completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

_opsctl() {{
    local cur prev path word words='' kind='' skip='' i cache
    COMPREPLY=()
    cur=${{COMP_WORDS[COMP_CWORD]}}
    prev=${{COMP_WORDS[COMP_CWORD-1]}}
    path=''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ -n $skip ]]; then
            skip=''
            continue
        fi
        case $word in
            {valued}) skip=1 ;;
            -*) ;;
            *) _opsctl_down "$word" ;;
        esac
    done
    if [[ -n $skip ]]; then
        _opsctl_values "$prev"
    elif [[ $cur == -* ]]; then
        _opsctl_flags
    else
        _opsctl_children
        if [[ -z $words$kind ]]; then
            _opsctl_arguments
        fi
    fi
    case $kind in
        service|runbook|context)
            cache=${{XDG_CACHE_HOME:-$HOME/.cache}}/opsctl/complete/$kind
            if [[ -r $cache ]]; then
                IFS= read -r -d '' word < "$cache"
                words="$words $word"
            fi
            ;;
        file) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return ;;
        folder) compopt -o default 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")); return ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}

# Go down the tree by one word, where it names a subcommand; a second argument stays where it is.
_opsctl_down() {{
    local words='' kind='' cache names
    _opsctl_children
    case " $words " in
        *" $1 "*) path=${{path:+$path/}}$1; return ;;
    esac
    if [[ -n $kind ]]; then
        path=${{path:+$path/}}'*'
    fi
}}

_opsctl_children() {{
    case $path in
{children}
    esac
}}

_opsctl_flags() {{
    case $path in
{flags}
    esac
}}

_opsctl_values() {{
    case "$path $1" in
{values}
    esac
}}

_opsctl_arguments() {{
    case $path in
{arguments}
    esac
}}

complete -F _opsctl opsctl
"""
