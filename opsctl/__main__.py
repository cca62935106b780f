"""The front door: version and top-level help without importing Typer, everything else through the command tree."""

import sys


def main() -> None:
    """Entry point of the ``opsctl`` script."""
    argv = sys.argv[1:]
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: the next socket must not take its place
            setattr(sys, name, open("/dev/null", mode))  # noqa: SIM115, PTH123 - for the rest of the process
    if argv == ["--version"]:
        from opsctl import __version__

        _say(f"opsctl {__version__}\n")
        return
    if argv in ([], ["--help"], ["-h"]):
        help_text = _help()
        if help_text is not None:
            _say(help_text)
            if not argv:
                sys.exit(64)
            return
    import gc

    gc.set_threshold(100_000)  # imports make objects to keep, no garbage: looking for some costs a tenth of a command
    from opsctl.cli.run import main as run

    run()


def _say(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:  # the reader went away, or the disk is full
        from opsctl.cli.run import leave

        leave(0 if isinstance(error, BrokenPipeError) else 73)


def _help() -> str | None:
    """The generated top-level help (completion/generate writes it, a test compares it with the live one)."""
    try:
        with open(__file__.rpartition("__main__")[0] + "cli/help.txt", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than the whole door
            return file.read()
    except OSError:
        return None


if __name__ == "__main__":
    main()
