"""The zsh script: the same tables, with each word's help beside it."""

from __future__ import annotations

from opsctl.completion.model import Flag, Node, Tree


def script(tree: Tree) -> str:
    """completions/_opsctl."""
    return _TEMPLATE.format(
        children="\n".join(_children(node, tree) for node in tree.values() if node.children or node.child_kind),
        flags="\n".join(_flags(node) for node in tree.values()),
        values="\n".join(line for node in tree.values() for line in _values(node)),
        arguments="\n".join(_argument(node) for node in tree.values() if node.argument or node.argument_values),
        valued="|".join(
            sorted({n for node in tree.values() for flag in node.flags if flag.takes_value for n in flag.names})
        ),
    )


def _key(node: Node) -> str:
    return "/".join(node.path)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _pair(word: str, help: str) -> str:
    return _quote(word.replace(":", "\\:") + ":" + help.partition("\n")[0].rstrip("."))


def _children(node: Node, tree: Tree) -> str:
    words = " ".join(_pair(name, tree[(*node.path, name)].help) for name in node.children)
    kind = f"; kind={node.child_kind}" if node.child_kind else ""
    return f"    '{_key(node)}') words=({words}){kind} ;;"


def _flags(node: Node) -> str:
    return f"    '{_key(node)}') words=({' '.join(_pair(n, f.help) for f in node.flags for n in f.names)}) ;;"


def _values(node: Node) -> list[str]:
    return [
        f"    '{_key(node)} {name}') {_choice(flag)} ;;"
        for flag in node.flags
        if flag.takes_value
        for name in flag.names
    ]


def _choice(flag: Flag) -> str:
    if flag.values:
        return f"words=({' '.join(_quote(v) for v in flag.values)})"
    return f"kind={flag.kind or 'none'}"


def _argument(node: Node) -> str:
    if node.argument_values:
        return f"    '{_key(node)}') words=({' '.join(_quote(v) for v in node.argument_values)}) ;;"
    return f"    '{_key(node)}') kind={node.argument} ;;"


_TEMPLATE = """\
#compdef opsctl
# zsh completion for opsctl. Generated from the command tree by `make completions`; do not edit.
# It never starts Python: names of services, runbooks and contexts come from small files that opsctl keeps.

_opsctl_children() {{
  case $where in
{children}
  esac
}}

_opsctl_flags() {{
  case $where in
{flags}
  esac
}}

_opsctl_values() {{
  case "$where $1" in
{values}
  esac
}}

_opsctl_arguments() {{
  case $where in
{arguments}
  esac
}}

_opsctl_down() {{
  local -a words
  local kind=''
  _opsctl_children
  if (( ${{words[(I)$1:*]}} )); then
    where=${{where:+$where/}}$1
  elif [[ -n $kind ]]; then
    where=${{where:+$where/}}'*'
  fi
}}

_opsctl() {{
  local cur=${{words[CURRENT]}} prev=${{words[CURRENT-1]}} where='' kind='' skip='' word cache
  local -a line found
  line=("${{(@)words[2,CURRENT-1]}}")
  local -a words
  for word in "${{line[@]}}"; do
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
  words=()
  if [[ -n $skip ]]; then
    _opsctl_values "$prev"
  elif [[ $cur == -* ]]; then
    _opsctl_flags
  else
    _opsctl_children
    if [[ -z "$words$kind" ]]; then
      _opsctl_arguments
    fi
  fi
  case $kind in
    service|runbook|context)
      cache=${{XDG_CACHE_HOME:-$HOME/.cache}}/opsctl/complete/$kind
      [[ -r $cache ]] && words+=("${{(@f)$(<$cache)}}")
      ;;
    file) _files; return ;;
    folder) _files -/; return ;;
  esac
  found=("${{words[@]}}")
  _describe -t opsctl opsctl found
}}

_opsctl "$@"
"""
