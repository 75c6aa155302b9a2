"""What several test files share: no network, and a tiny encoder and model that are built once a session."""

import os

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of tiny tensors wait for each other more than they work
os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    """The folder of the tiny encoder, which no test changes."""
    from tiny import tiny_encoder

    return tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory, encoder_folder):
    """The folder of a trained tiny model, which no test changes."""
    from tiny import tiny_model

    return tiny_model(tmp_path_factory.mktemp("tiny_model") / "model", encoder_folder)
