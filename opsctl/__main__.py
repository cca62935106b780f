"""The front door: version and top-level help without importing Typer, everything else through the command tree."""

import sys


def main() -> None:
    """Entry point of the ``opsctl`` script."""
    argv = sys.argv[1:]
    if argv == ["--version"]:
        from opsctl import __version__

        sys.stdout.write(f"opsctl {__version__}\n")
        return
    if argv in ([], ["--help"], ["-h"]):
        help_text = _help()
        if help_text is not None:
            sys.stdout.write(help_text)
            if not argv:
                sys.exit(64)
            return
    import gc

    gc.set_threshold(100_000)  # imports make objects to keep, no garbage: looking for some costs a tenth of a command
    from opsctl.cli.run import main as run

    run()


def _help() -> str | None:
    """The generated top-level help (completion/generate writes it, a test compares it with the live one)."""
    try:
        with open(__file__.rpartition("__main__")[0] + "cli/help.txt", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs more than the whole door
            return file.read()
    except OSError:
        return None


if __name__ == "__main__":
    main()
