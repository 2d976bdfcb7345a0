"""What a process of the command line must bear: signals, and an output that nobody takes."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, TextIO

from calcimetry.errors import InputError, OutputError
from calcimetry.escape import visible

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Stopped(BaseException):
    """A signal that asks the process to end: Ctrl-C, a scheduler's or a container's stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def catch_signals() -> None:
    """Let signals that end a process raise `Stopped`, so that it clears up before it ends.

    Those that the caller has had ignored (nohup, a shell's background) stay so.
    """
    for name in _SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (
            signal.SIG_DFL,
            signal.default_int_handler,
        ):
            signal.signal(number, _stop)


def open_streams() -> None:
    """Give streams that the caller has closed (`2>&-`) to the null device.

    Else the next file that is opened would take the number, and what libraries write to
    stderr would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _stop(number: int, _: FrameType | None) -> None:
    raise Stopped(number)


class Output:
    """A stream that may be refused, by a full disk or a reader that left (`| head`).

    The work goes on all the same, and its files are written; what is printed after that is
    lost. `refusal` is then the error to tell at the end, None for a reader that left: that
    is no error of ours.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.refusal: OutputError | None = None
        with suppress(AttributeError, ValueError):
            # A name or word that the terminal's encoding lacks is shown by its number.
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno not in (errno.EPIPE, errno.ECONNRESET):
            self.refusal = _refused(error)
        # Also what is still held back, which would be tried again when the process ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _refused(error: OSError) -> OutputError:
    return OutputError(
        "STDOUT_NOT_WRITABLE",
        found=(error.strerror or str(error)).lower(),
        expected="an output that takes what is printed",
        where="standard output",
        remedy="send it elsewhere; files that were to be written have been written",
    )


def of_system(error: OSError) -> InputError:
    """What the operating system refused outside of the outputs."""
    names = [
        os.fsdecode(n) for n in (error.filename, error.filename2) if isinstance(n, str | bytes)
    ]
    return InputError(
        "UNREADABLE",
        found=(error.strerror or str(error) or type(error).__name__).lower(),
        expected="files and folders that can be read",
        where=" and ".join(names) or "the input",
        remedy="check that it is there, its permissions and its disk",
    )


def out_of_memory() -> InputError:
    return InputError(
        "OUT_OF_MEMORY",
        found="less memory than this takes",
        expected="an input that fits in the memory that may be used",
        where="this machine, its container or its limits (ulimit)",
        remedy="use a machine or container with more memory, or a smaller input",
    )


def too_deep() -> InputError:
    return InputError(
        "NESTED_TOO_DEEP",
        found="a file nested far deeper than any that is meant",
        expected="a file as its format has it",
        where="one of the inputs",
        remedy="check the files that were given; --debug shows where it was met",
    )


def say(text: str) -> None:
    """One message on stderr, if that can be written; what would command a terminal is shown."""
    with suppress(OSError, ValueError, AttributeError):  # closed, it is None
        sys.stderr.write(visible(text, keep="\n\t") + "\n")
        sys.stderr.flush()
