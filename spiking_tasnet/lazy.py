"""Public names of a package that are imported on first use, so that one of them does not load what the others need."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    namespace: dict[str, Any], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package (PEP 562).

    Args:
        namespace: the package's `globals()`.
        homes: public name -> the module that defines it. For type checkers, import the same names under
            ``if TYPE_CHECKING``.

    Examples:
        >>> namespace = {"__name__": "package"}
        >>> getattr_, dir_ = lazy_names(namespace, {"sqrt": "math"})
        >>> getattr_("sqrt")(9.0), dir_()
        (3.0, ['__name__', 'sqrt'])
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {namespace['__name__']!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        namespace[name] = value
        return value

    return get, lambda: sorted({*namespace, *homes})
