"""Checkpoints that survive a kill at any moment, notice any damage, and hold nothing that runs code when it is loaded.

A checkpoint is a folder `checkpoint-<step>` of `tensors.safetensors`, `state.json` and `manifest.json`, which holds the
SHA-256 of the other two. It is written under another name, reaches the disk, and only then gets its own name; an older
one is removed only after that. So whatever bears the name is complete, and one that does not verify was damaged later.
"""

import hashlib
import json
import os
import random
import re
import shutil
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .packing import pack, unpack

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
# While a step is saved again its former checkpoint is set aside as "replaced", and counts until the new one is there.
NAME = re.compile(r"checkpoint-(0|[1-9]\d*)(\.replaced)?")


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be used; the message names the file and the cause."""


class Checkpoint(NamedTuple):
    """What `save_checkpoint` was given."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, step: int, tensors: dict[str, Tensor], state: dict[str, Any], keep: int = 2) -> Path:
    """Write `checkpoint-<step>` into `folder` and remove all but the `keep` newest; returns the checkpoint's path.

    Checkpoints of later steps are removed too: they belong to a course of the run that was left. `state` must come back
    equal from JSON (string keys, lists, no tuples, no NaN), else ValueError. `state["run"]` is the run's fingerprint,
    which `load_latest` can ask for. Tensors that share memory are written one by one. OSError: the disk is full or
    cannot be written; the checkpoints that were there are still there.
    """
    if keep < 1 or step < 0:
        raise ValueError(f"keep is {keep} and step is {step}: allowed are keep 1 or more and step 0 or more")
    text = _state_text(state)
    folder = Path(folder)
    if not folder.is_dir():
        folder.mkdir(parents=True)
        _fsync(folder.parent)
    temporary = folder / f".checkpoint-{step}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        _write(temporary, step, tensors, text)
        path = _give_name(temporary, folder / f"checkpoint-{step}")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _verify(path)
    _remove_old(path, keep)
    return path


def load_latest(folder: Path, fingerprint: Any = None) -> Checkpoint | None:
    """The newest checkpoint in `folder` that is whole and, when a `fingerprint` is given, has it as `state["run"]`.

    A newer one that had to be passed over is named in a warning, with the cause. None: there is no checkpoint.
    CheckpointError: there are some and none can be used. Tensors come back on the CPU.
    """
    causes = []
    for path in _checkpoints(Path(folder)):
        try:
            checkpoint = _read(path, fingerprint)
        except (CheckpointError, OSError) as error:
            causes.append(str(error))
            continue
        for cause in causes:
            warnings.warn(f"checkpoint passed over: {cause}; using {path}", stacklevel=2)
        return checkpoint
    if not causes:
        return None
    advice = "to start from the beginning, use another folder or remove these checkpoints"
    raise CheckpointError("\n- ".join([f"no checkpoint in {folder} can be used; {advice}", *causes]))


def flatten_optimizer(state_dict: dict[str, Any]) -> tuple[dict[str, Tensor], Any]:
    """`optimizer.state_dict()` -> its tensors, named "optimizer. ...", and the rest as JSON.

    The tensors are the optimizer's own, not copies: save them before the next step.
    """
    return pack(state_dict, "optimizer")


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], state: Any) -> None:
    """Undo `flatten_optimizer`; `tensors` may hold others too. ValueError: one is missing or of another optimizer."""
    optimizer.load_state_dict(unpack(state, tensors))


def rng_state() -> tuple[dict[str, Tensor], Any]:
    """The random states of torch (CPU and every CUDA device), `random` and `numpy.random`, of this process only."""
    kind, keys, *rest = np.random.get_state()
    states = {"cpu": torch.get_rng_state(), "python": random.getstate(), "numpy": (kind, keys.tolist(), *rest)}
    states["cuda"] = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return pack(states, "rng")


def set_rng_state(tensors: dict[str, Tensor], state: Any) -> None:
    """Undo `rng_state`; `tensors` may hold others too. Warns when the number of CUDA devices has changed."""
    states = unpack(state, tensors)
    torch.set_rng_state(states["cpu"])
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    devices = torch.cuda.device_count()
    if devices != len(states["cuda"]):
        warnings.warn(f"the checkpoint is of {len(states['cuda'])} CUDA devices, here are {devices}", stacklevel=2)
    torch.cuda.set_rng_state_all(states["cuda"][:devices])


def _state_text(state: dict[str, Any]) -> str:
    for key, value in state.items():
        try:
            same = isinstance(key, str) and json.loads(json.dumps(value, allow_nan=False)) == value
        except (TypeError, ValueError) as error:
            raise ValueError(f"state[{key!r}] cannot be written as JSON: {error}") from error
        if not same:
            raise ValueError(f"state[{key!r}] comes back from JSON as another value: allowed are string keys and lists")
    return json.dumps(state, allow_nan=False)


def _write(path: Path, step: int, tensors: dict[str, Tensor], state_text: str) -> None:
    """Write the files of a checkpoint into the new folder `path`, the manifest last, and see them on the disk."""
    path.mkdir()
    try:
        save_file(_apart(tensors), path / TENSORS)
    except SafetensorError as error:
        raise OSError(f"{path / TENSORS} cannot be written: {error}") from error
    (path / STATE).write_text(state_text, encoding="utf-8")
    for name in (TENSORS, STATE):
        _fsync(path / name)
    (path / MANIFEST).write_text(_manifest(step, _hashes(path)), encoding="utf-8")
    _fsync(path / MANIFEST)
    _fsync(path)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors on the CPU, no two of which share memory, as safetensors demands (tied weights do share)."""
    apart, seen = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return apart


def _give_name(temporary: Path, path: Path) -> Path:
    """Rename `temporary` to `path`; a checkpoint of that step that is there already stays readable until then."""
    replaced = path.with_name(f"{path.name}.replaced")
    if path.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        os.replace(path, replaced)
    os.replace(temporary, path)
    _fsync(path.parent)
    return path


def _remove_old(saved: Path, keep: int) -> None:
    folder = saved.parent
    newest_last = _checkpoints(folder)[::-1]
    one_a_step = {_step(path): path for path in newest_last if _step(path) <= _step(saved)}
    kept = list(one_a_step.values())[-keep:]
    for path in [*newest_last, *folder.glob(".checkpoint-*.tmp")]:
        if path not in kept:
            try:
                shutil.rmtree(path)
            except OSError as error:
                warnings.warn(f"an old checkpoint could not be removed: {error}", stacklevel=3)


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first; of one step the replaced one last."""
    found = [path for path in folder.glob("checkpoint-*") if NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: (_step(path), path.suffix == ""), reverse=True)


def _step(path: Path) -> int:
    return int(NAME.fullmatch(path.name)[1])


def _read(path: Path, fingerprint: Any) -> Checkpoint:
    _verify(path)
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    if fingerprint is not None and state.get("run") != fingerprint:
        raise CheckpointError(f"{path} is of another run: {_difference(state.get('run'), fingerprint)}")
    try:
        return Checkpoint(_step(path), load_file(path / TENSORS), state)
    except SafetensorError as error:
        raise CheckpointError(f"{path / TENSORS} cannot be read: {error}") from error


def _difference(saved: Any, wanted: Any) -> str:
    if not (isinstance(saved, dict) and isinstance(wanted, dict)):
        return f"its fingerprint is {saved!r}, that of this run {wanted!r}"
    keys = [key for key in {**saved, **wanted} if saved.get(key) != wanted.get(key)]
    return "; ".join(f"{key} was {saved.get(key)!r} and is now {wanted.get(key)!r}" for key in keys)


def _verify(path: Path) -> None:
    """CheckpointError unless the manifest is, to the byte, the one this folder must have."""
    for name in (TENSORS, STATE, MANIFEST):
        if not (path / name).is_file():
            raise CheckpointError(f"{path / name} is missing")
    hashes, written = _hashes(path), (path / MANIFEST).read_bytes()
    for name, digest in hashes.items():
        if digest.encode() not in written:
            raise CheckpointError(f"{path / name} does not have the SHA-256 in {MANIFEST}: one of the two is damaged")
    if written != _manifest(_step(path), hashes).encode():
        raise CheckpointError(f"{path / MANIFEST} is damaged or that of another checkpoint")


def _hashes(path: Path) -> dict[str, str]:
    digests = {}
    for name in (TENSORS, STATE):
        with (path / name).open("rb") as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def _manifest(step: int, hashes: dict[str, str]) -> str:
    return json.dumps({"format": 1, "step": step, "sha256": hashes}, indent=1)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
