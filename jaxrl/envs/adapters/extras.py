"""Libraries that come with an extra of this package, imported when first needed."""

import contextlib
import importlib
import io
from types import ModuleType

from jaxrl.core.check import InputError


def imported(module: str, extra: str, what: str) -> ModuleType:
    """The module; where it, or one that it needs, is missing, an InputError that says which extra brings it.

    extra: "" for what this package always needs. what: the thing that needs it, named in the message. What libraries
    print while they are imported, notes on their releases and on optional parts that are absent, is dropped.
    """
    silent = io.StringIO()
    try:
        with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
            return importlib.import_module(module)
    except ImportError as error:
        missing = f"module {error.name!r} is missing" if error.name else f"importing {module} fails ({one_line(error)})"
        needs = f"needs the extra {extra!r}: " if extra else "cannot be had: "
        raise InputError(f"{what} {needs}{missing}; {remedy(extra)}") from error


def remedy(extra: str) -> str:
    """What to do where an extra, or with "" what this package always needs, is not installed."""
    return f"run `pip install 'jaxrl-suite[{extra}]'`" if extra else "run `pip install jaxrl-suite` again"


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks and final full stop."""
    return " ".join(str(error).split()).rstrip(".")
