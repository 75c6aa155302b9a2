"""A checkpoint comes back bit for bit, survives a kill at any moment of a save, and no damage to it goes unnoticed."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from killer import _delays, run_with_kills
from torch import Tensor, nn

from occ_autocoder.training import checkpoints
from occ_autocoder.training.checkpoints import (
    CheckpointError,
    flatten_optimizer,
    load_latest,
    restore_optimizer,
    rng_state,
    save_checkpoint,
    set_rng_state,
)

# A server that has imported all this once and forks in milliseconds: every child is a process of its own.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "torch", "occ_autocoder.training.checkpoints"])

RUN = {"data": "3f2a", "seed": 7}
FILES = ["tensors.safetensors", "state.json", "manifest.json"]


def save(folder: Path, step: int, keep: int = 2, run: dict = RUN, size: int = 50) -> Path:
    tensors = {"weight": torch.full((size,), float(step)), "step": torch.tensor(step)}
    return save_checkpoint(folder, step, tensors, {"epoch": step // 10, "run": run}, keep=keep)


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def memory_path(tmp_path) -> Iterator[Path]:
    """A folder in memory where there is one: a kill loses nothing that was written, disk or not, and this is quick."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path) as folder:
        yield Path(folder)


# What was saved comes back


def test_every_dtype_and_shape_comes_back_bit_for_bit(tmp_path):
    bits = torch.arange(-40, 40, dtype=torch.int16)
    tensors = {
        "bfloat16": bits.view(torch.bfloat16),
        "half": bits.view(torch.float16),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0]),
        "double": torch.rand(3, 0, 2, dtype=torch.float64),
        "scalar": torch.tensor(3),
        "bool": torch.tensor([True, False]),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "transposed": torch.rand(3, 4).T,
        "ünicode / name": torch.rand(2),
    }
    state = {"epoch": 1, "loss": 0.1 + 0.2, "name": "Køb 🛒", "none": None, "nested": {"list": [1, 2.5, "x"]}}
    save_checkpoint(tmp_path, 12, tensors, state)
    step, loaded, loaded_state = load_latest(tmp_path)
    assert step == 12 and loaded_state == state and loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype and loaded[name].shape == tensor.shape
        same_bits = [
            t.contiguous().flatten().view(torch.uint8) if t.numel() and t.ndim else t for t in (loaded[name], tensor)
        ]
        assert torch.equal(*same_bits), name


def test_tensors_that_share_memory_are_both_kept(tmp_path):
    tied = torch.rand(4, 3)
    save_checkpoint(tmp_path, 1, {"encoder": tied, "head": tied, "row": tied[1]}, {})
    tensors = load_latest(tmp_path).tensors
    assert torch.equal(tensors["encoder"], tied) and torch.equal(tensors["head"], tied)
    assert torch.equal(tensors["row"], tied[1])


def test_no_checkpoint_is_none(tmp_path):
    assert load_latest(tmp_path / "missing") is None
    (tmp_path / ".checkpoint-3.tmp").mkdir()
    (tmp_path / "checkpoint-best").mkdir()
    assert load_latest(tmp_path) is None


def test_the_newest_steps_are_kept_by_number_not_by_name(tmp_path):
    for step in (8, 9, 10, 11):
        save(tmp_path, step, keep=3)
    assert steps(tmp_path) == ["checkpoint-10", "checkpoint-11", "checkpoint-9"]
    assert load_latest(tmp_path).step == 11


def test_the_same_step_can_be_saved_again(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    save_checkpoint(tmp_path, 2, {"weight": torch.tensor([-1.0])}, {"again": True})
    assert load_latest(tmp_path).state == {"again": True}
    assert steps(tmp_path) == ["checkpoint-1", "checkpoint-2"]


def test_what_a_kill_left_is_cleared_by_the_next_save(tmp_path):
    save(tmp_path, 5)
    (tmp_path / ".checkpoint-9.tmp").mkdir()
    (tmp_path / ".checkpoint-9.tmp" / "tensors.safetensors").write_text("half")
    shutil.copytree(tmp_path / "checkpoint-5", tmp_path / "checkpoint-5.replaced")
    save(tmp_path, 6)
    assert steps(tmp_path) == ["checkpoint-5", "checkpoint-6"]


def test_a_save_after_falling_back_is_the_newest_again(tmp_path):
    """A later checkpoint that was damaged must neither count as kept nor be preferred to what is saved after it."""
    save(tmp_path, 20)
    (save(tmp_path, 30) / "state.json").unlink()
    save(tmp_path, 25, keep=1)
    assert steps(tmp_path) == ["checkpoint-25"] and load_latest(tmp_path).step == 25


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"history": {1: 2}}, r"state\['history'\] comes back from JSON as another value"),
        ({"betas": (0.9, 0.99)}, r"state\['betas'\]"),
        ({"best": float("nan")}, r"state\['best'\] cannot be written as JSON"),
        ({"path": Path("x")}, r"state\['path'\] cannot be written as JSON"),
        ({1: 2}, r"state\[1\]"),
    ],
)
def test_a_state_that_json_would_change_is_refused_before_anything_is_written(tmp_path, state, message):
    save(tmp_path, 1)
    with pytest.raises(ValueError, match=message):
        save_checkpoint(tmp_path, 2, {}, state)
    assert steps(tmp_path) == ["checkpoint-1"]


def test_wrong_numbers_are_refused(tmp_path):
    for step, keep in [(-1, 1), (1, 0)]:
        with pytest.raises(ValueError, match="allowed are keep 1 or more and step 0 or more"):
            save(tmp_path, step, keep=keep)


# Training continues as if it had not stopped


class Coder(nn.Module):
    """A sparse embedding, a dropout and a head: the random state and both optimizers matter."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.EmbeddingBag(20, 8, sparse=True)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 3))
        self.dense = torch.optim.AdamW(self.head.parameters(), lr=0.01, betas=(0.8, 0.95), amsgrad=True)
        self.sparse = torch.optim.SparseAdam(self.embedding.parameters(), lr=0.02)

    def train_steps(self, count: int) -> None:
        for _ in range(count):
            tokens = torch.from_numpy(np.random.randint(0, 20, (4, 5)))
            labels = torch.tensor([random.randrange(3) for _ in range(4)])
            loss = nn.functional.cross_entropy(self.head(self.embedding(tokens)), labels)
            for optimizer in (self.dense, self.sparse):
                optimizer.zero_grad()
            loss.backward()
            for optimizer in (self.dense, self.sparse):
                optimizer.step()

    def save(self, folder: Path, step: int) -> None:
        dense, dense_state = flatten_optimizer(self.dense.state_dict())
        sparse, sparse_state = flatten_optimizer(self.sparse.state_dict())
        rng, rng_rest = rng_state()
        sparse = {f"sparse.{name}": tensor for name, tensor in sparse.items()}
        state = {"dense": dense_state, "sparse": sparse_state, "rng": rng_rest}
        save_checkpoint(folder, step, {**self.state_dict(), **dense, **sparse, **rng}, state)

    def load(self, folder: Path) -> None:
        _, tensors, state = load_latest(folder)
        self.load_state_dict({name: tensors[name] for name in self.state_dict()})
        restore_optimizer(self.dense, tensors, state["dense"])
        sparse = {name.removeprefix("sparse."): t for name, t in tensors.items() if name.startswith("sparse.")}
        restore_optimizer(self.sparse, sparse, state["sparse"])
        set_rng_state(tensors, state["rng"])


def seed_everything(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


def test_resumed_training_ends_bit_identical(tmp_path):
    whole = Coder()
    seed_everything(1)
    whole.train_steps(20)
    first = Coder()
    seed_everything(1)
    first.train_steps(7)
    first.save(tmp_path, 7)
    first.train_steps(2)  # lost: never saved
    seed_everything(99)
    resumed = Coder()
    resumed.load(tmp_path)
    resumed.train_steps(13)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name
    for one, other in [(whole.dense, resumed.dense), (whole.sparse, resumed.sparse)]:
        assert_same(one.state_dict(), other.state_dict())


def assert_same(one: object, other: object) -> None:
    assert type(one) is type(other)
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype and torch.equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for item, other_item in zip(one, other, strict=True):
            assert_same(item, other_item)
    else:
        assert one == other


def test_an_optimizer_state_comes_back_exactly_through_the_disk(tmp_path):
    coder = Coder()
    coder.train_steps(3)
    coder.dense.param_groups[0]["lr"] = 0.1 + 0.2
    tensors, state = flatten_optimizer(coder.dense.state_dict())
    save_checkpoint(tmp_path, 3, tensors, {"optimizer": state})
    loaded, fresh = load_latest(tmp_path), Coder()
    restore_optimizer(fresh.dense, loaded.tensors, loaded.state["optimizer"])
    assert_same(coder.dense.state_dict(), fresh.dense.state_dict())


def test_stepping_a_restored_optimizer_leaves_the_loaded_tensors_alone():
    coder = Coder()
    coder.train_steps(1)
    tensors, state = flatten_optimizer(coder.dense.state_dict())
    loaded = {name: tensor.clone() for name, tensor in tensors.items()}
    before = {name: tensor.clone() for name, tensor in loaded.items()}
    fresh = Coder()
    restore_optimizer(fresh.dense, loaded, state)
    fresh.train_steps(1)
    assert_same(before, loaded)


def test_a_missing_optimizer_tensor_is_named():
    coder = Coder()
    coder.train_steps(1)
    tensors, state = flatten_optimizer(coder.dense.state_dict())
    del tensors["optimizer.state.0.exp_avg"]
    with pytest.raises(ValueError, match=r"'optimizer.state.0.exp_avg' is missing"):
        restore_optimizer(coder.dense, tensors, state)


def test_random_numbers_continue(tmp_path):
    seed_everything(5)
    random.gauss(0, 1)  # both keep a second Gaussian number back
    np.random.randn()
    tensors, state = rng_state()
    save_checkpoint(tmp_path, 1, tensors, {"rng": state})

    def draw() -> list:
        return [torch.rand(3).tolist(), random.random(), random.gauss(0, 1), np.random.randn(3).tolist()]

    expected = draw()
    seed_everything(6)
    loaded = load_latest(tmp_path)
    set_rng_state(loaded.tensors, loaded.state["rng"])
    assert draw() == expected


# Damage


def truncate(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip_bit(path: Path, other: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def swap(path: Path, other: Path, rng: random.Random) -> None:
    shutil.copy(other, path)


def empty(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(b"")


def delete(path: Path, other: Path, rng: random.Random) -> None:
    path.unlink()


def append(path: Path, other: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 9)))


def swap_all(path: Path, other: Path, rng: random.Random) -> None:
    for file in other.parent.iterdir():
        shutil.copy(file, path.parent)


def wrong_run(path: Path, other: Path, rng: random.Random) -> None:
    save(path.parent.parent, 30, keep=3, run={**RUN, "seed": rng.randrange(10, 99)})


DAMAGES = [truncate, flip_bit, swap, empty, delete, append, swap_all, wrong_run]


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_noticed_named_and_the_one_before_is_used(tmp_path, damage):
    save(tmp_path, 10, keep=3)
    save(tmp_path, 20, keep=3)
    good = save(tmp_path, 30, keep=3)
    shutil.copytree(good, tmp_path / "backup")
    rng = random.Random(damage.__name__)
    for round_ in range(25):
        name = FILES[round_ % 3]
        damage(good / name, tmp_path / "checkpoint-10" / name, rng)
        with pytest.warns(UserWarning, match="passed over") as warned:
            loaded = load_latest(tmp_path, fingerprint=RUN)
        assert loaded.step == 20 and torch.equal(loaded.tensors["weight"], torch.full((50,), 20.0))
        assert len(warned) == 1 and "checkpoint-30" in str(warned[0].message)
        shutil.rmtree(good)
        shutil.copytree(tmp_path / "backup", good)
    with warnings.catch_warnings(action="error"):
        assert load_latest(tmp_path, fingerprint=RUN).step == 30


@pytest.mark.parametrize(
    ("file", "damage", "cause"),
    [
        ("tensors.safetensors", delete, "tensors.safetensors is missing"),
        ("state.json", empty, "state.json does not have the SHA-256"),
        ("tensors.safetensors", truncate, "tensors.safetensors does not have the SHA-256"),
        ("manifest.json", append, "manifest.json is damaged or that of another checkpoint"),
        ("manifest.json", swap_all, "manifest.json is damaged or that of another checkpoint"),
    ],
)
def test_the_warning_names_the_file_and_the_cause(tmp_path, file, damage, cause):
    save(tmp_path, 10)
    path = save(tmp_path, 20)
    damage(path / file, tmp_path / "checkpoint-10" / file, random.Random(0))
    with pytest.warns(UserWarning, match=cause):
        load_latest(tmp_path)


def test_when_every_checkpoint_is_damaged_nothing_is_silently_started_anew(tmp_path):
    for step in (1, 2):
        (save(tmp_path, step) / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be used") as error:
        load_latest(tmp_path)
    assert "checkpoint-1" in str(error.value) and "checkpoint-2" in str(error.value)


def test_the_checkpoints_of_another_run_are_refused_and_what_differs_is_said(tmp_path):
    save(tmp_path, 1)
    with pytest.raises(CheckpointError, match="is of another run: seed was 7 and is now 8"):
        load_latest(tmp_path, fingerprint={**RUN, "seed": 8})
    with pytest.raises(CheckpointError, match="is of another run"):
        load_latest(tmp_path, fingerprint="abc")
    assert load_latest(tmp_path, fingerprint=RUN).step == load_latest(tmp_path).step == 1


def test_loading_runs_no_code(tmp_path):
    """A pickle in the place of the tensors is never opened as one, even under a manifest that fits."""
    path, canary = save(tmp_path, 1), tmp_path / "canary"

    class Payload:
        def __reduce__(self):
            return (os.mkdir, (str(canary),))

    torch.save({"weight": Payload()}, path / "tensors.safetensors")
    (path / "manifest.json").write_text(checkpoints._manifest(1, checkpoints._hashes(path)))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_latest(tmp_path)
    assert not canary.exists()


# Kills


def naive_save(folder: Path, step: int, keep: int = 2, size: int = 50) -> Path:
    """As many do it: make room first, then write in place. Made of the same parts, in the wrong order."""
    for path in checkpoints._checkpoints(folder)[max(0, keep - 1) :]:
        shutil.rmtree(path)
    path = folder / f"checkpoint-{step}"
    tensors = {"weight": torch.full((size,), float(step)), "step": torch.tensor(step)}
    checkpoints._write(path, step, tensors, json.dumps({"epoch": step // 10, "run": RUN}))
    return path


def save_on_and_on(saver: Callable, folder: Path, keep: int, size: int, saved: Connection) -> None:
    """A child's work: save step after step, on from what is there, and report each step when its save has returned."""
    latest = load_latest(folder)
    step = latest.step if latest else 0
    while True:
        step += 1
        saver(folder, step, keep=keep, size=size)
        saved.send(step)


def kill_while_saving(saver: Callable, folder: Path, keep: int, kills: int, seed: int, size: int) -> list[str]:
    """SIGKILL a saving child `kills` times; what was wrong with the folder after each kill (empty: nothing)."""
    rng, wrong, acknowledged = random.Random(seed), [], 0
    for kill in range(kills):
        reader, writer = PROCESSES.Pipe(duplex=False)
        child = PROCESSES.Process(target=save_on_and_on, args=(saver, folder, keep, size, writer), daemon=True)
        child.start()
        writer.close()
        acknowledged = reader.recv()
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        while reader.poll():
            try:
                acknowledged = reader.recv()
            except EOFError:
                break
        wrong += [f"kill {kill}: {fault}" for fault in faults(folder, acknowledged, size)]
        if wrong:
            break
    return wrong


def faults(folder: Path, acknowledged: int, size: int) -> list[str]:
    """What is wrong with a folder in which `acknowledged` was saved and the next step perhaps; a warning is a fault."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            step, tensors, state = load_latest(folder, fingerprint=RUN) or (-1, {}, {})
        except CheckpointError as error:
            return [str(error)]
    if step not in (acknowledged, acknowledged + 1):
        return [f"step {acknowledged} was saved and {step} was loaded"]
    if not torch.equal(tensors["weight"], torch.full((size,), float(step))) or state["epoch"] != step // 10:
        return [f"step {step} has the content of another"]
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_killed_while_saving_there_is_always_the_last_saved_checkpoint(memory_path, keep):
    assert kill_while_saving(save, memory_path, keep, kills=20, seed=keep, size=100_000) == []


@pytest.mark.parametrize("keep", [1, 2])
def test_the_kills_catch_a_saver_that_writes_in_place(memory_path, keep):
    assert kill_while_saving(naive_save, memory_path, keep, kills=20, seed=keep, size=100_000)


def save_and_die(saver: Callable, folder: Path, step: int, keep: int, call: int) -> None:
    """A child's work: die at the `call`-th file operation of a save, before it is done."""
    seen = 0

    def watch(event: str, args: tuple) -> None:
        nonlocal seen
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            seen += 1
            if seen == call:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    saver(folder, step, keep=keep)


def die_at_every_call(saver: Callable, folder: Path, step: int, keep: int) -> tuple[int, list[str]]:
    """Kill a save of `step` at its 1st, 2nd, ... file operation, from the same start; calls and first faults."""
    for call in range(1, 200):
        trial = folder.with_name(f"{folder.name}-{call}")
        shutil.copytree(folder, trial)
        child = PROCESSES.Process(target=save_and_die, args=(saver, trial, step, keep, call))
        child.start()
        child.join()
        wrong = [f"call {call}: {fault}" for fault in faults(trial, acknowledged=2, size=50)]
        save(trial, 4)
        wrong += [f"after call {call}: {fault}" for fault in faults(trial, acknowledged=4, size=50)]
        shutil.rmtree(trial)
        if child.exitcode == 0 or wrong:
            return call - 1, wrong
    raise AssertionError("a save has fewer than 200 file operations")


@pytest.mark.parametrize(("step", "keep"), [(3, 1), (3, 2), (2, 1), (2, 2)])
def test_killed_at_any_file_operation_of_a_save(memory_path, step, keep):
    """Step 3 is new; step 2 is saved again over itself. Step 2 or 3 is there after any kill, and the run can go on."""
    folder = memory_path / "run"
    for earlier in (1, 2):
        save(folder, earlier, keep=keep)
    calls, wrong = die_at_every_call(save, folder, step, keep)
    assert calls >= 15 and wrong == []


def test_dying_at_every_file_operation_catches_a_saver_that_writes_in_place(memory_path):
    folder = memory_path / "run"
    save(folder, 2, keep=1)
    assert die_at_every_call(naive_save, folder, 3, keep=1)[1]


def save_with_little_room(folder: Path, answer: Connection) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        save(folder, 2, keep=1, size=100_000)
    except OSError as error:
        answer.send(str(error))


def test_a_full_disk_is_an_error_that_names_the_file_and_costs_nothing(tmp_path):
    save(tmp_path, 1, keep=1)
    reader, writer = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=save_with_little_room, args=(tmp_path, writer))
    child.start()
    writer.close()
    assert "tensors.safetensors cannot be written" in reader.recv()
    child.join()
    assert steps(tmp_path) == ["checkpoint-1"] and load_latest(tmp_path).step == 1


def test_everything_reaches_the_disk_before_the_name_and_the_name_before_anything_is_removed(tmp_path, monkeypatch):
    """What a power cut can undo is what was not synced: the order of these calls is the promise."""
    save(tmp_path, 1, keep=1)
    log = []
    fsync, replace, rmtree = os.fsync, os.replace, shutil.rmtree
    monkeypatch.setattr(os, "fsync", lambda fd: (log.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (log.append(f"rename to {Path(b).name}"), replace(a, b)))
    monkeypatch.setattr(shutil, "rmtree", lambda path, **o: (log.append(f"remove {path.name}"), rmtree(path, **o)))
    save(tmp_path, 2, keep=1)
    assert log[1:] == [
        *["tensors.safetensors", "state.json", "manifest.json", ".checkpoint-2.tmp"],
        *["rename to checkpoint-2", tmp_path.name, "remove checkpoint-1"],
    ]


# The killer of commands

COUNTER = """
import os, sys, time
folder, resumes = sys.argv[1], sys.argv[2] == "resumes"
print("start", flush=True)
path = os.path.join(folder, "count")
with open(os.path.join(folder, "starts"), "a") as starts:
    starts.write("x")
count = int(open(path).read()) if resumes and os.path.exists(path) else 0
print("ready", flush=True)
while count < 100:
    time.sleep(0.005)
    count += 1
    with open(path + ".tmp", "w") as file:
        file.write(str(count))
    os.replace(path + ".tmp", path)
"""


def counter(folder: Path, how: str) -> list[str]:
    return [sys.executable, "-S", "-c", COUNTER, str(folder), how]


def test_killer_kills_restarts_and_counts(tmp_path):
    hits = run_with_kills(counter(tmp_path, "resumes"), kills=8, seed=1, duration=0.5, ready="ready")
    assert hits == 8
    assert len((tmp_path / "starts").read_text()) == 9 and (tmp_path / "count").read_text() == "100"


def test_killer_draws_its_moments_from_the_seed_and_over_the_whole_run():
    delays = list(_delays(1000, 3, 10.0))
    assert delays == list(_delays(1000, 3, 10.0)) != list(_delays(1000, 4, 10.0))
    assert min(delays) >= 0 and 9.9 < sum(delays) < 10


def test_killer_stops_when_the_command_is_done_and_counts_only_what_it_hit(tmp_path):
    assert run_with_kills(counter(tmp_path, "resumes"), kills=3, seed=0, duration=1000, ready="ready") == 0


def test_killer_reports_a_command_that_fails_by_itself():
    with pytest.raises(RuntimeError, match=r"(?s)ended with 3 after 0 kills.*it broke"):
        run_with_kills(
            [sys.executable, "-S", "-c", "print('it broke'); raise SystemExit(3)"], kills=2, seed=0, duration=50
        )


def test_killer_reports_a_command_that_hangs():
    with pytest.raises(RuntimeError, match=r"took over 0.3 s"):
        run_with_kills(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"], kills=0, seed=0, duration=1, timeout=0.3
        )
    with pytest.raises(RuntimeError, match=r"took over 0.3 s"):
        run_with_kills(
            [sys.executable, "-S", "-c", "import time; time.sleep(60)"],
            kills=1, seed=0, duration=1, ready="never", timeout=0.3,
        )  # fmt: skip


def test_killer_kills_the_children_too(tmp_path):
    """A worker that outlives its parent would write into what the next start reads."""
    child = f"import time; time.sleep(0.6); open({str(tmp_path / 'late')!r}, 'w')"
    parent = (
        f"import os, subprocess, sys, time\n"
        f"if os.path.exists({str(tmp_path / 'once')!r}): sys.exit()\n"
        f"open({str(tmp_path / 'once')!r}, 'w')\n"
        f"subprocess.Popen([sys.executable, '-S', '-c', {child!r}]); print('ready', flush=True); time.sleep(60)"
    )
    assert run_with_kills([sys.executable, "-S", "-c", parent], kills=1, seed=0, duration=0.1, ready="ready") == 1
    time.sleep(0.8)
    assert not (tmp_path / "late").exists()
