"""Walk the command tree once, for completion scripts, the help page and the tests that compare them."""

from __future__ import annotations

from typing import Any

from opsctl.cli.app import COMMANDS, load, tree
from opsctl.completion.model import Flag, Node, Tree

_KIND = {
    "--service": "service",
    "--context": "context",
    "--config": "file",
    "--runbooks": "folder",
    "--kubeconfig": "file",
    "--dir": "folder",
    "--cases": "folder",
    "--policy": "file",
}
_ARGUMENT: dict[tuple[str, ...], str] = {
    ("service", "show"): "service",
    ("service", "lint"): "service",
    ("service", "check"): "service",
    ("runbook", "show"): "runbook",
    ("runbook", "lint"): "runbook",
    ("runbook", "test"): "runbook",
    ("context", "use"): "context",
    ("context", "show"): "context",
}


def walk() -> Tree:
    """Path -> node for every command; the path ``diagnose/*`` stands for any runbook."""
    found: Tree = {}
    root = tree()
    found[()] = Node((), root.help or "", _flags(root), tuple(COMMANDS))
    for name in COMMANDS:
        _walk(load(name), (name,), found)
    return found


def _walk(command: Any, path: tuple[str, ...], found: Tree) -> None:
    if path == ("diagnose",):
        _walk_diagnose(command, found)
        return
    if path == ("remediate",):
        _walk_remediate(command, found)
        return
    children: dict[str, Any] = dict(getattr(command, "commands", {}))
    found[path] = Node(
        path,
        _help(command),
        _flags(command),
        tuple(children),
        argument=_ARGUMENT.get(path, ""),
        argument_values=_values(path),
    )
    for name, child in children.items():
        _walk(child, (*path, name), found)


def _walk_diagnose(command: Any, found: Tree) -> None:
    """Runbook names come from the cache; the built-in ones have their own options, any other the common ones."""
    from opsctl.cli.diagnose import runbook_command
    from opsctl.cli.options import Root
    from opsctl.config.places import built_in
    from opsctl.runbooks.find import find

    folder = built_in()
    names = tuple(find([folder]))
    found[("diagnose",)] = Node(("diagnose",), _help(command), _flags(command), names, child_kind="runbook")
    common: tuple[Flag, ...] | None = None
    for name in names:
        built = runbook_command(name, Root(runbooks=str(folder)))
        flags = _flags(built)
        found[("diagnose", name)] = Node(("diagnose", name), _help(built), flags)
        common = flags if common is None else tuple(f for f in common if f in flags)
    found[("diagnose", "*")] = Node(("diagnose", "*"), "Any other runbook", common or ())


def _walk_remediate(command: Any, found: Tree) -> None:
    """The built-in runbooks with their actions; those of other runbooks are not known here."""
    from opsctl.cli.options import Root
    from opsctl.cli.remediate import action_command, actions_of, runbook_group
    from opsctl.config.places import built_in
    from opsctl.runbooks.find import find
    from opsctl.runbooks.load import load

    folder = built_in()
    root = Root(runbooks=str(folder))
    names = tuple(find([folder]))
    found[("remediate",)] = Node(("remediate",), _help(command), _flags(command), names, child_kind="runbook")
    for name in names:
        group, loaded = runbook_group(name, root), load(name, [folder])
        actions = actions_of(loaded)
        found[("remediate", name)] = Node(("remediate", name), _help(group), _flags(group), tuple(actions))
        for action, mitigation in actions.items():
            built = action_command(loaded, mitigation, root)
            found[("remediate", name, action)] = Node(("remediate", name, action), _help(built), _flags(built))
    found[("remediate", "*")] = Node(("remediate", "*"), "Any other runbook", found[("remediate", names[0])].flags)


def _values(path: tuple[str, ...]) -> tuple[str, ...]:
    if path == ("probe", "show"):
        from opsctl.probes.registry import all_probes

        return tuple(all_probes())
    if path == ("action", "show"):
        from opsctl.actions.registry import all_actions

        return tuple(all_actions())
    if path in (("lab", "break"), ("lab", "heal")):
        from opsctl.lab.faults import FAULTS

        return tuple(f.id for f in FAULTS)
    return ()


def _help(command: Any) -> str:
    text = command.help or ""
    return " ".join(str(text).partition("\n\n")[0].split())


def _flags(command: Any) -> tuple[Flag, ...]:
    flags = []
    for parameter in command.params:
        if getattr(parameter, "param_type_name", "") != "option" or getattr(parameter, "hidden", False):
            continue
        names = (*parameter.opts, *parameter.secondary_opts)
        takes_value = not parameter.is_flag and not getattr(parameter, "count", False)
        choices = tuple(str(c) for c in getattr(parameter.type, "choices", ()) or ())
        kind = next((_KIND[n] for n in parameter.opts if n in _KIND), "")
        flags.append(Flag(names, " ".join((parameter.help or "").split()), takes_value, choices, kind))
    flags.append(Flag(("-h", "--help"), "Show this help", False))
    return tuple(flags)
