"""Calling a user's own function, named `package.module:function`. What goes wrong in it is one line and, in the log, a traceback."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from typing import Any

from gradtui.lab.errors import SettingError


def call(key: str, name: str, **arguments: object) -> Any:
    """What the function returns. `key` opens the error's line: it is what the user wrote `name` for. Raises SettingError.

    The current directory is searched last, so that no file in it can shadow an installed module.
    """
    module_name, _, path = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            where = f"in {os.getcwd()} or among the installed packages"
            raise SettingError(f"{key} is {name}; there is no module {error.name} {where}") from None
        raise failed(key, name, "could not be imported", error) from error
    except Exception as error:
        raise failed(key, name, "could not be imported", error) from error
    for part in path.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingError(f"{key} is {name}; {module_name} has no {path}{hint}")
        found = getattr(found, part)
    try:
        return found(**arguments)
    except Exception as error:
        raise failed(key, name, "failed", error) from error


def failed(key: str, name: str, how: str, error: Exception) -> SettingError:
    """What to raise for an exception in what `name` made: one line, after the traceback on standard error."""
    traceback.print_exception(error)
    return SettingError(f"{key}: {name} {how}: {type(error).__name__}: {error}".replace("\n", " "))
