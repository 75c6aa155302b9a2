"""A nested value (an optimizer's state, random states) as named tensors and JSON, and back to exactly what it was."""

from typing import Any

from torch import Tensor


def pack(value: Any, name: str) -> tuple[dict[str, Tensor], Any]:
    """The tensors in `value`, named "<name>.<key>...", and the rest as JSON in which each tensor left its name.

    JSON has no tuples and no keys but strings: both are written so that `unpack` gives them back. No tensor is copied.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, _pack(value, name, tensors)


def unpack(packed: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo `pack`, with copies of the tensors; `tensors` may hold others too. ValueError: one is missing."""
    if isinstance(packed, list):
        return [unpack(item, tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    [(kind, content)] = packed.items()
    if kind == "tensor" and content not in tensors:
        raise ValueError(f"the tensor {content!r} is missing")
    if kind == "tensor":
        return tensors[content].clone()
    items = unpack(content, tensors)
    return tuple(items) if kind == "tuple" else dict(items)


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[key, _pack(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        items = [_pack(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    return value
