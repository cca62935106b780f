"""The fish script: one ``complete`` line per word, guarded by where the command line is."""

from __future__ import annotations

from opsctl.completion.model import Flag, Node, Tree


def script(tree: Tree) -> str:
    """completions/opsctl.fish."""
    valued = " ".join(
        sorted({n for node in tree.values() for flag in node.flags if flag.takes_value for n in flag.names})
    )
    children = "\n".join(
        f"        case {_quote('/'.join(node.path))}\n            echo {_quote(_names(node))}"
        for node in tree.values()
        if node.children or node.child_kind
    )
    lines = [line for node in tree.values() for line in _lines(node, tree)]
    return _TEMPLATE.format(valued=valued, children=children, lines="\n".join(lines))


def _names(node: Node) -> str:
    return " ".join((*node.children, "*") if node.child_kind else node.children)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lines(node: Node, tree: Tree) -> list[str]:
    key = "/".join(node.path)
    at = f"-n {_quote(f'__opsctl_at {_quote_inner(key)}')}"
    lines = [
        f"complete -c opsctl {at} -a {_quote(name)} -d {_quote(_short(tree[(*node.path, name)].help))}"
        for name in node.children
    ]
    if node.child_kind:
        lines.append(f"complete -c opsctl {at} -a {_quote(f'(__opsctl_cached {node.child_kind})')}")
    if node.argument_values:
        lines.append(f"complete -c opsctl {at} -a {_quote(' '.join(node.argument_values))}")
    elif node.argument in ("service", "runbook", "context"):
        lines.append(f"complete -c opsctl {at} -a {_quote(f'(__opsctl_cached {node.argument})')}")
    elif node.argument in ("file", "folder"):
        lines.append(f"complete -c opsctl {at} -F")
    lines.extend(f"complete -c opsctl {at} {_flag(flag)}" for flag in node.flags)
    return lines


def _quote_inner(key: str) -> str:
    return '"' + key.replace("*", "\\*") + '"' if "*" not in key else '"' + key + '"'


def _flag(flag: Flag) -> str:
    words = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in flag.names]
    if flag.takes_value:
        words.append("-x" if flag.kind not in ("file", "folder") else "-r -F")
        if flag.values:
            words.append(f"-a {_quote(' '.join(flag.values))}")
        elif flag.kind in ("service", "runbook", "context"):
            words.append(f"-a {_quote(f'(__opsctl_cached {flag.kind})')}")
    return " ".join([*words, f"-d {_quote(_short(flag.help))}"])


def _short(help: str) -> str:
    return help.partition("\n")[0].rstrip(".")


_TEMPLATE = """\
# fish completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

function __opsctl_children
    switch $argv[1]
{children}
    end
end

function __opsctl_where
    set -l where ''
    set -l skip 0
    set -l line (commandline -opc)
    for word in $line[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        if contains -- $word {valued}
            set skip 1
            continue
        end
        string match -q -- '-*' $word; and continue
        set -l names (string split ' ' -- (__opsctl_children "$where"))
        set -l step ''
        if contains -- $word $names
            set step $word
        else if contains -- '*' $names
            set step '*'
        end
        if test -n "$step"
            if test -n "$where"
                set where "$where/$step"
            else
                set where $step
            end
        end
    end
    echo $where
end

function __opsctl_at
    test (__opsctl_where) = "$argv[1]"
end

function __opsctl_cached
    set -l cache $HOME/.cache
    set -q XDG_CACHE_HOME; and set cache $XDG_CACHE_HOME
    test -r $cache/opsctl/complete/$argv[1]; and command cat $cache/opsctl/complete/$argv[1]
end

complete -c opsctl -f
{lines}
"""
