"""LoRA fine-tuning teaches a model other answers, goes on after a kill, and can be pushed to the Hub."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from datasets import Dataset
from loopback_hub import loopback_hub

pytest.importorskip("trl")

from safetensors.torch import load_file, save_file
from tiny import tiny_records, tiny_taxonomy
from tiny_gemma import CODES, answer, question, trained_gemma
from transformers import AutoTokenizer
from typer.testing import CliRunner

from occ_autocoder.cli_tuning import finetune_llm
from occ_autocoder.llm.adapter import IGNORED, finetune, push_adapter, tokenize_all
from occ_autocoder.llm.arguments import AdapterArguments
from occ_autocoder.llm.local import LocalModel
from occ_autocoder.llm.request import Request
from occ_autocoder.taxonomy import Taxonomy

OTHER = {"nurse": "8331", "cook": "2341", "bus driver": "2221", "teacher": "5120"}
PUSH = """
import sys
from dataclasses import replace
from occ_autocoder.llm.adapter import push_adapter
print(push_adapter(sys.argv[1], "agency/adapter", private=False))
"""


def examples(codes=OTHER) -> Dataset:
    rows = [{"prompt": question(title), "completion": answer(code)} for title, code in codes.items()]
    return Dataset.from_list(rows)


def settings(**changes) -> AdapterArguments:
    small = {
        "model": str(trained_gemma()),
        "epochs": 30,
        "batch_size": 2,
        "learning_rate": 1e-2,
        "lora_rank": 8,
        "lora_dropout": 0.1,
        "max_length": 100,
        "checkpoint_steps": 25,
        "logging_steps": 1,
    }
    return AdapterArguments(**{**small, **changes})


def answers(adapter: Path | None = None) -> dict[str, str]:
    local = LocalModel(str(trained_gemma()), adapter=adapter and str(adapter))
    requests = [Request(title, question(title)) for title in OTHER]
    return {request.id: reply.text for request, reply in zip(requests, local.complete(requests, 40), strict=True)}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> SimpleNamespace:
    """An adapter that was trained on other codes than the model's, with one example that is too long."""
    folder = tmp_path_factory.mktemp("tuned") / "adapter"
    long = {"prompt": question("nurse " * 200), "completion": answer("2221")}
    train = Dataset.from_list([*examples(), long])
    return SimpleNamespace(folder=folder, about=finetune(train, settings(), folder, validation=examples()))


def test_the_loss_falls(tuned):
    losses = [entry["loss"] for entry in tuned.about["history"] if "loss" in entry]
    held = [entry["eval_loss"] for entry in tuned.about["history"] if "eval_loss" in entry]
    assert len(losses) == 60 and len(held) == 30
    assert losses[-1] < losses[0] / 10 and held[-1] < held[0] / 10


def test_the_saved_adapter_gives_the_trained_answers_and_the_model_without_it_its_own(tuned):
    assert answers(tuned.folder) == {title: answer(code) for title, code in OTHER.items()}
    assert answers() == {title: answer(CODES[title]) for title in OTHER}


def test_the_name_tells_one_adapter_from_another_and_no_path(tuned, tmp_path):
    def name(folder: Path) -> str:
        return LocalModel(str(trained_gemma()), adapter=str(folder)).name

    other = shutil.copytree(tuned.folder, tmp_path / "adapter", ignore=shutil.ignore_patterns("checkpoints"))
    assert name(other) == name(tuned.folder) and re.fullmatch(r"gemma\+adapter@[0-9a-f]{8}", name(other))
    weights = {key: value + 1 for key, value in load_file(other / "adapter_model.safetensors").items()}
    save_file(weights, other / "adapter_model.safetensors")
    assert name(other) != name(tuned.folder)


def test_the_folder_says_how_it_came_about(tuned):
    about = json.loads((tuned.folder / "training.json").read_text())
    assert about == json.loads(json.dumps(tuned.about))
    assert about["arguments"]["lora_rank"] == 8 and about["arguments"]["seed"] == 0
    assert about["examples"] == {"train": 4, "validation": 4} and about["too_long"] == {"train": 1, "validation": 0}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json", "README.md"} <= {
        path.name for path in tuned.folder.iterdir()
    }


def test_only_the_completion_is_learned_with_its_end():
    tokenizer = AutoTokenizer.from_pretrained(trained_gemma())
    data, _ = tokenize_all({"train": examples()}, tokenizer, 100)
    for row, code in zip(data["train"], OTHER.values(), strict=True):
        learned = [token for token in row["labels"] if token != IGNORED]
        assert row["input_ids"][-len(learned) :] == learned
        assert tokenizer.decode(learned) == f"{answer(code)}<end_of_turn>\n"


def test_a_run_that_was_killed_goes_on_and_comes_to_the_same_adapter(tmp_path, monkeypatch):
    from trl import SFTTrainer

    done, step = [], SFTTrainer.training_step

    def counted(self, *args, **kwargs):
        done.append(self.state.global_step)
        if len(done) == kill_after:
            raise InterruptedError
        return step(self, *args, **kwargs)

    monkeypatch.setattr(SFTTrainer, "training_step", counted)
    short, kill_after = settings(epochs=6, checkpoint_steps=5), 8
    with pytest.raises(InterruptedError):
        finetune(examples(), short, tmp_path / "killed")
    half = tmp_path / "killed" / "checkpoints" / "checkpoint-7"
    shutil.copytree(half.with_name("checkpoint-5"), half)
    (half / "trainer_state.json").unlink()  # as a kill leaves it: the trainer writes this file last
    kill_after = 0
    done.clear()
    about = finetune(examples(), short, tmp_path / "killed")
    assert done == list(range(5, 12)), "it did not go on from the checkpoint"
    expected = finetune(examples(), short, tmp_path / "whole")
    assert about == expected
    killed, whole = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("killed", "whole"))
    assert killed.keys() == whole.keys()
    assert all((killed[name] == whole[name]).all() for name in whole)


def test_checkpoints_of_another_run_are_not_gone_on_with(tuned):
    with pytest.raises(ValueError, match="checkpoints of a run with other train, validation; allowed: another folder"):
        finetune(examples(), settings(), tuned.folder)
    long = Dataset.from_list([*examples(), {"prompt": question("nurse " * 200), "completion": answer("2221")}])
    with pytest.raises(ValueError, match="other settings;"):
        finetune(long, settings(seed=1), tuned.folder, validation=examples())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"prompt": "a", "answer": "b"}], "train: no column completion; allowed: prompt and completion"),
        ([{"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": " "}], "train, row 1, column completion"),
        ([{"prompt": "a", "completion": "b " * 300}], "none of 1 examples has at most max_length=100 tokens"),
    ],
)
def test_examples_that_cannot_train_are_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        finetune(Dataset.from_list(rows), settings(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"learning_rate": 0.0}, {"lora_dropout": 1.0}, {"dtype": "int8"}, {"lora_rank": -1}]
)
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} is .*allowed"):
        settings(**change)


def test_a_push_is_one_commit_without_checkpoints_or_paths_of_this_machine(tmp_path):
    folder = tmp_path / "adapter"
    finetune(examples(), settings(epochs=1, base_model="google/gemma-2b"), folder)
    with loopback_hub() as hub:
        where = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": "hf_any"}
        run = subprocess.run(
            [sys.executable, "-c", PUSH, str(folder)],
            env={**os.environ, **where, "HF_HOME": str(tmp_path / "home")},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        commits = [line for line in hub.log if "/commit/" in line]
        files = hub.repository("agency/adapter").at("main").files
    assert len(commits) == 1
    assert files["adapter_model.safetensors"] == (folder / "adapter_model.safetensors").read_bytes()
    assert "base_model: google/gemma-2b" in files["README.md"].decode()
    assert not [name for name in files if "checkpoint" in name]
    assert not [name for name, content in files.items() if str(trained_gemma()).encode() in content]


def test_an_adapter_of_a_folder_that_nobody_else_has_is_not_pushed(tuned, tmp_path):
    with pytest.raises(ValueError, match=r"an adapter of the folder .*; allowed: a model of the Hub"):
        push_adapter(tuned.folder, "agency/adapter")
    with pytest.raises(ValueError, match=r"no adapter_model\.safetensors"):
        push_adapter(tmp_path, "agency/adapter")


@pytest.fixture(scope="module")
def command():
    """`finetune-llm` with the tiny taxonomy and model, one epoch: (arguments) -> result."""
    app = typer.Typer()
    app.command()(finetune_llm)

    def run(folder: Path, *arguments: object):
        taxonomy = folder / "taxonomy.parquet"
        tiny_taxonomy().save(taxonomy)
        changes = [f"--set={change}" for change in ("epochs=1", "max_length=8192", "logging_steps=1")]
        fixed = [f"--taxonomy={taxonomy}", f"--output={folder / 'adapter'}", f"--model={trained_gemma()}", *changes]
        return CliRunner().invoke(app, [*fixed, *map(str, arguments)])

    return run


def test_the_command_tunes_on_given_pairs(command, tmp_path):
    rows = [
        {"original": "taxi driver", "reworded": text, "field": "job_title", "code": "8322"}
        for text in ("cab driver", "cabbie", "hackney driver")
    ]
    Dataset.from_list(rows).to_csv(tmp_path / "pairs.csv")
    result = command(tmp_path, f"--pairs={tmp_path / 'pairs.csv'}")
    assert result.exit_code == 0, result.output
    assert "2 prompts with their completions, of 3 rows" in result.output
    about = json.loads((tmp_path / "adapter" / "training.json").read_text())
    assert about["examples"] == {"train": 2} and about["arguments"]["epochs"] == 1


def test_the_command_tunes_on_the_choice_of_a_code_and_counts_what_it_rejects(command, tmp_path, encoder_folder):
    rows = [*tiny_records()[:4], {**tiny_records()[4], "code": "9999"}]
    Dataset.from_list(rows).to_json(tmp_path / "records.jsonl")
    result = command(
        tmp_path,
        "--task=selection",
        f"--records={tmp_path / 'records.jsonl'}",
        f"--encoder={encoder_folder}",
        f"--cache={tmp_path / 'cache'}",
    )
    assert result.exit_code == 0, result.output
    assert "4 records, 1 rejected" in result.output and "4 prompts" in result.output
    assert "9999" in (tmp_path / "adapter" / "rejected_train.csv").read_text()


def test_judging_groups_is_learnt_from_codes_with_texts_of_their_own(command, tmp_path, encoder_folder):
    rows = [{**row, "id": f"{row['id']}-{copy}"} for row in tiny_records() for copy in range(2)]
    Dataset.from_list(rows).to_json(tmp_path / "records.jsonl")
    options = [
        f"--records={tmp_path / 'records.jsonl'}",
        f"--encoder={encoder_folder}",
        f"--cache={tmp_path / 'cache'}",
    ]
    refused = command(tmp_path, "--task=judgement", *options)
    assert "no code with 5 records, a definition and 3 tasks or sentences" in str(refused.exception)
    richer = [replace(item, tasks=("cook", "bake", "fry")) for item in tiny_taxonomy()]
    Taxonomy(richer, "tiny").save(tmp_path / "richer.parquet")
    result = command(tmp_path, "--task=judgement", *options, f"--taxonomy={tmp_path / 'richer.parquet'}")
    assert result.exit_code == 0, result.output
    assert "12 prompts with their completions, of 72 rows" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --records or --pairs"),
        (["--records=a", "--pairs=b"], "either --records or --pairs"),
        (["--task=selection", "--pairs=b"], "--pairs with --task selection"),
        (["--task=naming", "--records=a"], "--task naming; allowed: paraphrase, selection, judgement"),
        (["--pairs=a.doc"], "--pairs a.doc: allowed: a file of .csv"),
        (["--pairs=a.csv", "--set=rank=3"], "unknown setting(s) rank; allowed: model, "),
        (["--pairs=a.csv", "--set=lora_rank=x"], "lora_rank is 'x'; allowed: a whole number"),
    ],
)
def test_the_command_says_what_is_allowed(command, tmp_path, arguments, message):
    result = command(tmp_path, *arguments)
    assert isinstance(result.exception, ValueError) and message in str(result.exception)
