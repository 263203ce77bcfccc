"""Settings: dataclass fields with a default, a range and a description, checked wherever they come from."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from nanohtnet_ros.errors import UserError


@dataclass(frozen=True)
class Constraint:
    """What is known of one setting beside its default.

    Attributes:
        description: what it does, with the unit.
        low, high: inclusive range of a number, or None.
        choices: all values that it may have, or none for any.
        live: may change while the networks are loaded.
    """

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    live: bool = False

    def problem(self, name: str, value: Any) -> str | None:
        """Why a value of the right type cannot be taken, or None."""
        if isinstance(value, float) and not math.isfinite(value):
            return f"{name} is {value}, expected a finite number"
        if self.low is not None and self.high is not None and not self.low <= value <= self.high:
            return f"{name} is {value:g}, expected {self.low:g} to {self.high:g}"
        if self.choices and value not in self.choices:
            return f"{name} is '{value}', expected one of {', '.join(map(str, self.choices))}"
        return None


def setting(
    default: Any,
    description: str,
    low: float | None = None,
    high: float | None = None,
    *,
    choices: tuple[Any, ...] = (),
    live: bool = False,
) -> Any:
    """A field of a `Settings` dataclass; see `Constraint`."""
    return field(default=default, metadata={"constraint": Constraint(description, low, high, choices, live)})


def constraint_of(entry: Field) -> Constraint:
    """The constraint of a field that `setting` made."""
    return entry.metadata["constraint"]


@dataclass(frozen=True)
class Settings:
    """Base of dataclasses whose fields are made by `setting`; values are checked at construction.

    Raises:
        UserError: a value is of the wrong type or out of its range; the message names it.
    """

    def __post_init__(self) -> None:
        """Check every value; a whole number is taken for a float, and for a text, as in `source:=0`."""
        for entry in fields(self):
            value, kind = getattr(self, entry.name), type(default_of(entry))
            if kind in (float, str) and type(value) is int:
                value = kind(value)
                object.__setattr__(self, entry.name, value)
            if kind is tuple and isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, entry.name, value)
            if type(value) is not kind:
                raise UserError(f"{entry.name} is {value!r}, expected a value of type {kind.__name__}")
            if problem := constraint_of(entry).problem(entry.name, value):
                raise UserError(problem)


RENAMED = {"detect_every": "detect_rate_hz"}
"""Settings of former versions, and what is in their place."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: do you mean 'threads'?` where a known name is near, or in the place of this one, else nothing."""
    near = [RENAMED[name]] if name in RENAMED else get_close_matches(name, list(known), n=1)
    return f": do you mean '{near[0]}'?" if near else ""


def default_of(entry: Field) -> Any:
    """A setting's default."""
    if entry.default is MISSING:
        raise TypeError(f"setting {entry.name} has no default")
    return entry.default
