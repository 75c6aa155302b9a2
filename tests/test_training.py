"""What a person who trains relies on: kills cost nothing, NaN never becomes a model, settings do what they say."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from tiny import tiny_arguments, tiny_records, tiny_taxonomy

import occ_autocoder
from occ_autocoder.data.records import RECORD_FEATURES
from occ_autocoder.model.head_occupation import Fusion
from occ_autocoder.training import embeddings, loop
from occ_autocoder.training.checkpoints import CheckpointError
from occ_autocoder.training.initial import freeze, new_model
from occ_autocoder.training.losses import LOSSES, ClassificationLoss
from occ_autocoder.training.train import train

HERE = Path(__file__).parent


def run(folder: Path, encoder: Path, **changes):
    """Train the tiny model in `folder`."""
    records = Dataset.from_list(tiny_records(), features=RECORD_FEATURES)
    return train(tiny_taxonomy(), records, tiny_arguments(encoder, **changes), folder, cache=encoder.parent / "cache")


class Runs:
    """Training runs in processes that can be killed."""

    def __init__(self, encoder: Path):
        command = [sys.executable, str(HERE / "training_runs.py"), str(encoder)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def start(self, output: Path, **arguments) -> int:
        """Start a run; its process id."""
        self.process.stdin.write(json.dumps({"output": str(output), "arguments": arguments}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> int:
        """Wait for the run; its exit code, negative for a signal."""
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def runs(encoder_folder):
    """The process that runs are forked from."""
    found = Runs(encoder_folder)
    yield found
    found.process.kill()


def checkpoint_step(output: Path) -> int:
    """The step of the newest checkpoint, -1 without one."""
    return max([int(path.name.split("-")[1]) for path in output.glob("checkpoints/checkpoint-*[0-9]")], default=-1)


@pytest.mark.parametrize(("mode", "kills"), [("frozen", 20), ("full", 6)])
def test_killed_training_ends_with_the_same_weights(runs, tmp_path, mode, kills):
    """SIGKILL at random moments, several within an epoch of six steps: the final weights are the same, bit for bit."""
    arguments = {"mode": mode, "epochs": 30, "patience": 0, "checkpoint_steps": 2, "loss": "cdb"}
    start = time.monotonic()
    runs.start(tmp_path / "whole", **arguments)
    assert runs.end() == 0
    duration = time.monotonic() - start
    generator = random.Random(0)
    hits, steps = 0, []
    while hits < kills:
        process = runs.start(tmp_path / "killed", **arguments)
        before = checkpoint_step(tmp_path / "killed")
        while checkpoint_step(tmp_path / "killed") == before:  # it has got somewhere
            time.sleep(0.002)
        time.sleep(generator.uniform(0, duration / kills / 4))
        os.kill(process, signal.SIGKILL)
        ended = runs.end()
        if ended == 0:
            break
        hits += ended == -signal.SIGKILL
        steps.append(checkpoint_step(tmp_path / "killed"))
    runs.start(tmp_path / "killed", **arguments)
    assert runs.end() == 0
    assert hits == kills, f"the run ended after {hits} kills"
    assert len({step // 6 for step in steps}) < len(steps), "no two kills within an epoch"
    whole, killed = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    histories = [json.loads((tmp_path / name / "training.json").read_text())["history"] for name in ("whole", "killed")]
    assert histories[0] == histories[1]


def test_a_run_with_other_settings_does_not_go_on_from_the_checkpoints(tmp_path, encoder_folder):
    run(tmp_path, encoder_folder, checkpoint_steps=3, epochs=2)
    with pytest.raises(CheckpointError, match="another run"):
        run(tmp_path, encoder_folder, checkpoint_steps=3, epochs=2, learning_rate=1e-3)


def test_a_loss_that_is_not_finite_stops_at_its_step_and_names_the_rows(tmp_path, encoder_folder, monkeypatch):
    honest = ClassificationLoss.row_losses
    calls = []

    def broken(self, logits, labels):
        calls.append(len(labels))
        found = honest(self, logits, labels)
        return found * float("nan") if len(calls) == 15 else found  # two heads a step

    monkeypatch.setattr(ClassificationLoss, "row_losses", broken)
    with pytest.raises(loop.TrainingError, match=r"nan at step 7, examples of (record|taxonomy) [0-9]{4}"):
        run(tmp_path, encoder_folder, checkpoint_steps=3)
    assert checkpoint_step(tmp_path) == 6
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_the_encoder_is_trained_too(tmp_path, encoder_folder, mode):
    model = run(tmp_path, encoder_folder, mode=mode, epochs=2, encoder_learning_rate=1e-3)
    before = load_file(encoder_folder / "model.safetensors")
    after = dict(model.encoder.named_parameters())
    changed = [name for name in after if not torch.equal(after[name], before[name])]
    assert any("attention" in name for name in changed)
    assert not any("lora" in name for name in load_file(tmp_path / "model.safetensors"))
    remembered = model.titles.embeddings[:1]
    tokens = model.titles.texts_of(model.titles.token_starts, model.titles.token_ids)[0][None].long()
    assert torch.allclose(model.encode(tokens, torch.ones_like(tokens)), remembered, atol=1e-5)
    assert occ_autocoder.load(str(tmp_path))("staff nurse")[0]["label"] == "2221"


def test_a_frozen_encoder_stays_as_it_was(tmp_path, encoder_folder):
    model = run(tmp_path, encoder_folder, epochs=2)
    before = load_file(encoder_folder / "model.safetensors")
    assert all(torch.equal(weight, before[name]) for name, weight in model.encoder.named_parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_trains(tmp_path, encoder_folder, name):
    run(tmp_path, encoder_folder, loss=name, epochs=6)
    history = json.loads((tmp_path / "training.json").read_text())["history"]
    assert history[-1]["loss"] < history[0]["loss"]


def test_embeddings_are_computed_once(tmp_path, encoder_folder, monkeypatch):
    first = run(tmp_path / "first", encoder_folder, epochs=1)

    def refuse(*_):
        raise AssertionError("embedded again")

    monkeypatch.setattr(embeddings, "embed_tokens", refuse)
    again = run(tmp_path / "again", encoder_folder, epochs=1)
    assert torch.equal(first.head.semantic.output.weight, again.head.semantic.output.weight)


def test_training_stops_when_no_better_epoch_comes(tmp_path, encoder_folder):
    run(tmp_path, encoder_folder, epochs=40, patience=2, early_stopping_metric="macro_recall")
    about = json.loads((tmp_path / "training.json").read_text())
    assert len(about["history"]) == about["best_epoch"] + 3 < 40
    best = max(about["history"], key=lambda row: row["macro_recall"])
    assert best["macro_recall"] == about["history"][about["best_epoch"]]["macro_recall"]


def test_a_batch_in_parts_trains_as_the_whole_batch(tmp_path, encoder_folder):
    settings = {"epochs": 1, "head_dropout": 0.0}
    whole = run(tmp_path / "whole", encoder_folder, **settings)
    parts = run(tmp_path / "parts", encoder_folder, gradient_accumulation=4, **settings)
    assert torch.allclose(whole.head.semantic.output.weight, parts.head.semantic.output.weight, atol=1e-4)


def test_two_processes_train_as_one(tmp_path, encoder_folder):
    settings = {"epochs": 2, "head_dropout": 0.0}
    one = run(tmp_path / "one", encoder_folder, **settings)
    two = in_two_processes(tmp_path, encoder_folder, settings)
    assert torch.allclose(one.head.semantic.output.weight, two["head.semantic.output.weight"], atol=1e-4)


def test_two_processes_take_the_encoder_that_one_has_trained(tmp_path, encoder_folder):
    settings = {"epochs": 1, "contrastive_epochs": 1}
    with pytest.raises(AssertionError, match=r"ValueError: 2 processes; allowed: one, whose .*encoder others find"):
        in_two_processes(tmp_path, encoder_folder, settings)
    run(tmp_path / "two", encoder_folder, **settings)
    (tmp_path / "two" / "model.safetensors").unlink()
    two = in_two_processes(tmp_path, encoder_folder, settings)
    tuned = load_file(tmp_path / "two" / "encoder" / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(two[f"encoder.{name}"], tuned[name])


def in_two_processes(tmp_path, encoder_folder, settings) -> dict[str, torch.Tensor]:
    """The weights of a model that two processes train."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom test_training import run\n"
        f"run(Path(sys.argv[2]), Path(sys.argv[3]), **{settings!r})\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    arguments = [str(HERE), str(tmp_path / "two"), str(encoder_folder)]
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(tmp_path / "two" / "model.safetensors")


def test_runs_are_tracked(tmp_path, encoder_folder, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "tracked"))
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom test_training import run\n"
        "run(Path(sys.argv[2]), Path(sys.argv[3]), epochs=2, report_to='trackio')\n"
    )
    command = [sys.executable, "-c", script, str(HERE), str(tmp_path / "model"), str(encoder_folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=dict(os.environ))
    assert done.returncode == 0, done.stderr[-3000:]
    stored = [path for path in (tmp_path / "tracked").rglob("*") if path.is_file()]
    assert any(b"macro_recall" in path.read_bytes() for path in stored)


def test_the_heads_layers_are_decayed_and_its_vectors_and_ngrams_are_not(encoder_folder):
    arguments = tiny_arguments(encoder_folder, mode="full", weight_decay=0.5, encoder_weight_decay=0.25)
    model, _ = new_model(tiny_taxonomy(), [leaf.code for leaf in tiny_taxonomy().leaves], arguments)
    freeze(model, arguments)
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = loop.parameter_groups(model, arguments)
    found = {names[id(weight)]: group for group in groups for weight in group["params"]}
    assert set(found) == {name for name, weight in model.named_parameters() if weight.requires_grad}
    for name, group in found.items():
        own, decay = ("encoder.", 0.25) if name.startswith("encoder.") else ("head.", 0.5)
        assert name.startswith(own)
        vector = model.get_parameter(name).ndim == 1 or name == "head.ngrams.weight"
        assert group["weight_decay"] == (0.0 if vector else decay)
        assert group["lr"] == (arguments.encoder_learning_rate if own == "encoder." else arguments.learning_rate)


def test_a_code_that_is_no_label_is_refused(tmp_path, encoder_folder):
    records = Dataset.from_list([{**tiny_records()[0], "code": "9999"}, *tiny_records()[1:]], features=RECORD_FEATURES)
    with pytest.raises(ValueError, match=r"record 0110-0: code '9999'; allowed: one of 6 labels"):
        train(tiny_taxonomy(), records, tiny_arguments(encoder_folder), tmp_path, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "value"), [("mode", "half"), ("epochs", 0), ("validation_share", 1.0), ("pooling", "max")]
)
def test_settings_that_make_no_sense_are_refused(encoder_folder, name, value):
    with pytest.raises(ValueError, match=f"{name} is {value!r}; allowed"):
        tiny_arguments(encoder_folder, **{name: value})


def test_a_taxonomy_alone_trains_and_what_needs_validation_says_so(tmp_path, encoder_folder):
    """Without a record the taxonomy's own texts train, and the evidence keeps the weights that public data gave."""
    none = Dataset.from_dict({name: [] for name in RECORD_FEATURES}, features=RECORD_FEATURES)
    arguments = (tmp_path / "model", none, tmp_path / "cache")
    model = train(tiny_taxonomy(), none, tiny_arguments(encoder_folder), *arguments)
    assert torch.equal(model.fusion.weight, Fusion.prior())
    for setting in ({"patience": 3}, {"loss": "cdb"}):
        with pytest.raises(ValueError, match="no validation records"):
            train(tiny_taxonomy(), none, tiny_arguments(encoder_folder, **setting), *arguments)
