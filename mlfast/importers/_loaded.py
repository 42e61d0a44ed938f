"""Is an object from a library? Asked without importing the library."""

from __future__ import annotations


def comes_from(value: object, package: str) -> bool:
    """Whether the class of `value`, or one of its bases, is defined in `package`."""
    return any(base.__module__.partition(".")[0] == package for base in type(value).__mro__)


def class_names(value: object, package: str) -> list[str]:
    """Names of the classes of `value` that `package` defines, the most derived first."""
    return [
        base.__name__
        for base in type(value).__mro__
        if base.__module__.partition(".")[0] == package
    ]
