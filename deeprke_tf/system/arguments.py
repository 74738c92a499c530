"""Arguments of the Python API: a value of a wrong type is refused by its name.

Without this, a number given for a path fails deep below the call, in words of the
standard library.
"""

import collections.abc
import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeVar, Union

from deeprke_tf.errors import UserError

Function = TypeVar("Function", bound=Callable[..., Any])

_ONE_AND_SEVERAL = {
    bool: ("True or False", "booleans"),
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    str: ("text", "texts"),
    os.PathLike: ("a path", "paths"),
    collections.abc.Callable: ("a function", "functions"),
    types.NoneType: ("None", "None"),
}


def checked(function: Function) -> Function:
    """Makes a function refuse arguments that are not of the annotated types.

    NumPy's numbers are handed on as Python's, which JSON can hold. Annotations in
    quotation marks and `**settings` are left to the function, and so are the items of
    an iterable that is no sequence.

    >>> @checked
    ... def draw(n: int | None = None): ...
    >>> draw("3")
    Traceback (most recent call last):
    deeprke_tf.errors.UserError: `n` must be a whole number or None; got '3'.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # Python names the function, too
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            if parameter.kind == parameter.VAR_KEYWORD:
                bound.arguments[name] = {k: _plain(item) for k, item in value.items()}
                continue
            bound.arguments[name] = _plain(value)
            if parameter.annotation is not parameter.empty:
                several = parameter.kind == parameter.VAR_POSITIONAL
                for item in value if several else (value,):
                    require_type(name, item, parameter.annotation)
        return function(*bound.args, **bound.kwargs)

    return typing.cast(Function, call)


def require_type(name: str, value: Any, hint: Any) -> None:
    """Refuses a value that is not of a type.

    Args:
      name: Of the argument.
      value: Its value.
      hint: Its type, as an annotation has it.

    Raises:
      UserError: It is of another type, or an empty path.
    """
    if not any(_is(value, option) for option in _options(hint)):
        *first, last = dict.fromkeys(map(_in_words, _options(hint)))
        expected = f"{', '.join(first)} or {last}" if first else last
        raise UserError(f"`{name}` must be {expected}; got {_shown(value)}.")


def _options(hint: Any) -> Iterator[Any]:
    """Yields the types of a union, a path as one of them."""
    if typing.get_origin(hint) is Annotated:
        hint = hint.__origin__
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    has_paths = any(typing.get_origin(option) is os.PathLike for option in options)
    yield from (option for option in options if not (has_paths and option is str))


def _plain(value: Any) -> Any:
    """Returns a number of NumPy as a number of Python, anything else as it is."""
    is_scalar = type(value).__module__ == "numpy" and value.ndim == 0
    return value.item() if is_scalar else value


def _is(value: Any, hint: Any) -> bool:
    kind, value = typing.get_origin(hint) or hint, _plain(value)
    is_text = isinstance(value, (str, bytes))
    if kind is Literal:
        return value in typing.get_args(hint)
    if kind is os.PathLike:
        return isinstance(value, os.PathLike) or (isinstance(value, str) and value > "")
    if kind in (int, float):
        number = int if kind is int else (int, float)
        return isinstance(value, number) and not isinstance(value, bool)
    if not isinstance(kind, type):
        return True  # quoted
    if kind in (tuple, collections.abc.Sequence):
        return (isinstance(value, kind) and not is_text) and all(
            any(_is(item, option) for option in _options(typing.get_args(hint)[0]))
            for item in value
        )
    # A text is not several texts, though Python can go through its letters.
    return isinstance(value, kind) and (kind is str or not is_text)


def _in_words(hint: Any, several: bool = False) -> str:
    kind = typing.get_origin(hint) or hint
    if kind is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if kind in _ONE_AND_SEVERAL:
        return _ONE_AND_SEVERAL[kind][several]
    if not typing.get_args(hint):
        return f"{kind.__name__}s" if several else f"a {kind.__name__}"
    of_items = [_in_words(item, True) for item in _options(typing.get_args(hint)[0])]
    return f"{'a tuple of' if kind is tuple else 'several'} {' or '.join(of_items)}"


def _shown(value: Any) -> str:
    """Returns a value as Python writes it; one without a short form, by its type."""
    text = repr(value)
    short = len(text) <= 60 and not text.startswith("<")
    return text if short else f"a value of type {type(value).__name__}"
