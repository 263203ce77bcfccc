"""Errors that the user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """Something that the user gave cannot be used; the message says what, where, what was expected and the remedy.

    Commands and nodes show its message alone. Any other `ValueError` is a fault of the program and shows a traceback.
    """
