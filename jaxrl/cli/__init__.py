"""The command `jaxrl`: list, train, sweep, bench, table, cite, data, new, doctor.

Exit codes: 0 all went well; 1 some of what was asked for could not be run; 2 bad input; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from jaxrl.cli import commands
from jaxrl.cli.arguments import parser
from jaxrl.core.check import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; bad input ends in one line on standard error and code 2."""
    kept = ""
    try:
        arguments = parser().parse_args(argv)
        kept = (
            "; finished runs are kept, the same command goes on after them" if arguments.run is commands.bench else ""
        )
        return arguments.run(arguments) or 0
    except InputError as error:
        print(f"jaxrl: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"jaxrl: interrupted{kept}", file=sys.stderr)
        if argv is None:
            leave(130)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def leave(code: int) -> None:
    """End the process at once: an ordinary exit waits for the stretch of updates that is being computed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
