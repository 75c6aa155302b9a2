"""A saved model codes alike wherever it is loaded: with the package or without, from a folder or from the Hub."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from loopback_hub import loopback_hub
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.model.features_occupation import collate, record_features

RECORDS = ["staff nurse", {"job_title": "cook", "job_duties": "Prepares meals in a kitchen"}, {"job_duties": "bus"}]
REPOSITORY = "acme/tiny"

# What the processes below begin with. `shown` are the scores of RECORDS, as {code: score} each.
START = f"""
import json, sys

def shown(coder):
    return [{{row["label"]: row["score"] for row in rows}} for rows in coder({RECORDS!r}, top_k=None)]
"""
# A process that can import everything but the package codes from every [model, revision] of its arguments.
WITHOUT_THE_PACKAGE = """
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "occ_autocoder":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocked())
from transformers import pipeline

found = []
for model, revision in json.loads(sys.argv[1]):
    coder = pipeline("occupation-classification", model=model, revision=revision, trust_remote_code=True)
    assert type(coder.model).__module__.startswith("transformers_modules.")
    found.append(shown(coder))
    assert coder.explain("staff nurse", top_k=1)[0]["label"] == coder("staff nurse", top_k=1)[0]["label"]
assert not any(name.partition(".")[0] == "occ_autocoder" for name in sys.modules)
print(json.dumps(found))
"""
# The package is imported first: it loads the folder, pushes it, tags it, pushes another, and loads the tagged one.
WITH_THE_PACKAGE = f"""
import occ_autocoder
from huggingface_hub import create_tag

coder = occ_autocoder.load(sys.argv[1])
found = {{"folder": shown(coder)}}
coder.push_to_hub({REPOSITORY!r})
create_tag({REPOSITORY!r}, tag="v1")
coder.model.config.softmax_temperature = 7.0
coder.push_to_hub({REPOSITORY!r})
found["tag"] = shown(occ_autocoder.load({REPOSITORY!r}, revision="v1"))
found["main"] = shown(occ_autocoder.load({REPOSITORY!r}))
found["remote code"] = [name for name in sys.modules if name.startswith("transformers_modules")]

from transformers import pipeline
found["trusted"] = shown(pipeline("occupation-classification", model=sys.argv[1], trust_remote_code=True))
print(json.dumps(found))
"""
PACKAGE_LAST = """
from transformers import AutoConfig, AutoModelForSequenceClassification, pipeline
import occ_autocoder

coder = pipeline("occupation-classification", model=sys.argv[1], trust_remote_code=True)
print(json.dumps(shown(coder)))
"""


def run(code: str, home, *arguments: str, **environment: str):
    """What a fresh process with caches of its own in `home` prints, read as JSON."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "HF_MODULES_CACHE": str(home / "modules")}
    command = [sys.executable, "-c", START + code, *arguments]
    done = subprocess.run(command, env={**clean, **offline, **environment}, cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def scores(coder) -> list[dict[str, float]]:
    """As `shown` above."""
    return [{row["label"]: row["score"] for row in rows} for rows in coder(RECORDS, top_k=None)]


def alike(found: list[dict], expected: list[dict]) -> bool:
    return found == [pytest.approx(row, abs=1e-5) for row in expected]


@pytest.fixture(scope="module")
def expected(model_folder):
    """The scores in the process of the tests."""
    return scores(occ_autocoder.load(model_folder))


@pytest.fixture(scope="module")
def tuned(model_folder, tmp_path_factory):
    """The tiny model after six steps of `transformers.Trainer`: its folder, and its scores before it was saved."""
    from transformers import Trainer, TrainingArguments

    folder = tmp_path_factory.mktemp("tuned")
    coder = occ_autocoder.load(model_folder)
    model, tokenizer = coder.model, coder.tokenizer

    def batch(rows):
        return {**collate(rows, tokenizer.pad_token_id), "labels": torch.tensor([row["label"] for row in rows])}

    rows = [
        {
            **record_features(row["job_title"], row["job_duties"], tokenizer, model.config),
            "label": model.config.label2id[row["code"]],
        }
        for row in tiny_records()
    ]
    settings = TrainingArguments(
        output_dir=str(folder / "run"),
        max_steps=6,
        learning_rate=1e-2,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(model=model, args=settings, train_dataset=rows, data_collator=batch)
    trainer.train()
    model.eval()
    trainer.save_model(str(folder / "model"))
    tokenizer.save_pretrained(folder / "model")
    return SimpleNamespace(folder=folder / "model", scores=scores(coder))


@pytest.fixture(scope="module")
def hub():
    with loopback_hub() as hub:
        yield SimpleNamespace(HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_XET="1", HF_TOKEN="hf_any")


@pytest.fixture(scope="module")
def with_the_package(hub, model_folder, tmp_path_factory):
    return run(WITH_THE_PACKAGE, tmp_path_factory.mktemp("with"), str(model_folder), **vars(hub))


def test_folders_load_without_the_package(model_folder, tuned, expected, tmp_path):
    models = [(str(model_folder), None), (str(tuned.folder), None)]
    plain, again = run(WITHOUT_THE_PACKAGE, tmp_path, json.dumps(models))
    assert alike(plain, expected)
    assert alike(again, tuned.scores)
    assert not alike(again, plain), "the training changed nothing, so that the second folder shows nothing"


def test_the_package_loads_a_folder_without_running_its_code(with_the_package, expected):
    assert alike(with_the_package["folder"], expected)
    assert with_the_package["remote code"] == []


@pytest.mark.parametrize("order", ["package first", "transformers first"])
def test_a_trusted_folder_codes_alike_where_the_package_is_imported(
    with_the_package, model_folder, expected, tmp_path, order
):
    first = order == "package first"
    found = with_the_package["trusted"] if first else run(PACKAGE_LAST, tmp_path, str(model_folder))
    assert alike(found, expected)


def test_a_revision_of_the_hub_is_what_was_tagged(with_the_package, hub, expected, tmp_path):
    assert alike(with_the_package["tag"], expected)
    assert not alike(with_the_package["main"], expected), "main is the later push, of other scores"
    tagged, newest = run(
        WITHOUT_THE_PACKAGE, tmp_path, json.dumps([(REPOSITORY, "v1"), (REPOSITORY, None)]), **vars(hub)
    )
    assert alike(tagged, expected)
    assert alike(newest, with_the_package["main"])


def test_importing_the_package_imports_no_heavy_library(tmp_path):
    code = (
        'import occ_autocoder\nprint(json.dumps([name for name in ("torch", "transformers") if name in sys.modules]))'
    )
    assert run(code, tmp_path) == []


@pytest.mark.parametrize("model", ["missing/on-the-hub", "{tmp_path}/missing", "{tmp_path}"])
def test_a_model_that_is_not_there_is_an_os_error(model, tmp_path):
    with pytest.raises(OSError):
        occ_autocoder.load(model.format(tmp_path=tmp_path))
