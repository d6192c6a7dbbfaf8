"""Where the program starts and ends: `pgconflict`, and what its exit codes mean.

0 fine; 1 a defect; 2 usage; 3 findings; 69 a server can't be reached; 77 a privilege
is missing; 78 configuration. Imports nothing before it must: `--version` is asked by
scripts, and every import counts there.
"""

import gc
import sys

from pgconflict import __version__

INTERRUPTED = 128 + 2  # as a shell reports SIGINT


def program() -> int:
    """The program as it is installed: `main` without the garbage of its imports.

    What is imported lives until the end. Looking through it, at each import and once
    more at the end, takes longer than many a command.
    """
    gc.disable()
    code = main()
    gc.freeze()
    return code


def main(argv: list[str] | None = None) -> int:
    """Run one command line; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words == ["--version"]:
        print(f"pgconflict {__version__}")
        return 0
    try:
        return _run(words)
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(words: list[str]) -> int:
    # Not needed by --version.
    from pgconflict.cli.parser import parse  # noqa: PLC0415
    from pgconflict.errors import PgConflictError  # noqa: PLC0415

    try:
        command, arguments = parse(words)
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        # JSON is UTF-8 whatever the locale; a table shows what the locale can't.
        if arguments.json:
            _reconfigure(encoding="utf-8")
        else:
            _reconfigure(errors="backslashreplace")
        code = command(arguments)
        sys.stdout.flush()
    except PgConflictError as error:
        print(f"pgconflict: error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Whoever reads us has seen enough (`| head`). Python would complain again
        # when it flushes at the end.
        import os  # noqa: PLC0415

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _reconfigure(**how: str) -> None:
    # A test's replacement of standard output may not have it.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(**how)
