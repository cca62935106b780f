"""A terminal's screen that is redrawn in place, and what the user presses meanwhile. Left as it was found."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

from opsctl.report.style import Style, style_of

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the second screen, no cursor, no wrapping of long lines
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h\x1b[H", "\x1b[J\x1b[?2026l"  # terminals that know it show a frame only when it is whole


class Screen:
    """``with Screen() as screen: screen.draw(lines)``. Raises KeyboardInterrupt on SIGTERM as on Ctrl-C."""

    def __init__(self) -> None:
        self._out = sys.stdout
        self._wake, self._woken = os.pipe()
        self._before: dict[int, Any] = {}
        self._modes: list[Any] | None = None
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)

    def __enter__(self) -> Screen:
        for number, handler in (
            (signal.SIGTERM, _interrupt),
            (signal.SIGHUP, _interrupt),
            (signal.SIGWINCH, lambda *_: self.wake()),
            (signal.SIGTSTP, self._suspend),
        ):
            self._before[number] = signal.signal(number, handler)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def style(self) -> Style:
        """The style for the terminal's present width; its last column stays free: clearing behind it would clear it."""
        columns = self.size()[0]
        return style_of(self._out)._replace(width=min(max(columns - 1, 20), 120))

    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        try:
            size = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            return 80, 24
        return size.columns or 80, size.lines or 24

    def draw(self, lines: Sequence[str]) -> None:
        """Show the lines from the top on; what has no room below is left out, and that is said on the last line."""
        height = self.size()[1]
        shown = list(lines)
        if len(shown) > height:
            left = len(shown) - height + 1
            shown = [*shown[: height - 1], f"… {left} more lines; q ends and prints all of them"]
        body = "\x1b[K\n".join(shown) + "\x1b[K"
        encoding = self._out.encoding or "ascii"
        self._out.write(_BEGIN + body.encode(encoding, "replace").decode(encoding) + _END)
        self._out.flush()

    def wake(self) -> None:
        """End a ``wait`` now; may be called from any thread and from a signal's handler."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._woken, b".")

    def wait(self, seconds: float) -> str:
        """Wait until the time is over, ``wake`` is called, or a key is pressed; gives the keys."""
        keyboard = [sys.stdin.fileno()] if self._modes is not None else []
        ready, _, _ = select.select([self._wake, *keyboard], [], [], max(0.0, seconds))
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
        if keyboard and keyboard[0] in ready:
            return os.read(keyboard[0], 64).decode("ascii", "ignore")
        return ""

    def _take(self) -> None:
        """The screen, and keys at once and without their echo (Ctrl-C still is Ctrl-C)."""
        import termios

        with contextlib.suppress(termios.error, ValueError, OSError):
            modes = termios.tcgetattr(sys.stdin.fileno())
            quiet = [*modes[:3], modes[3] & ~(termios.ECHO | termios.ICANON), *modes[4:]]
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, quiet)
            self._modes = modes
        self._out.write(_ENTER)
        self._out.flush()

    def _give_back(self) -> None:
        import termios

        with contextlib.suppress(OSError):
            self._out.write(_LEAVE)
            self._out.flush()
        if self._modes is not None:
            with contextlib.suppress(termios.error, ValueError, OSError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._modes)
            self._modes = None

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets the terminal as it was; back in the foreground the screen is taken again."""
        self._give_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        self.wake()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
