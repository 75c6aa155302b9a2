"""SetFit (Tunstall et al. 2022): an encoder tuned on pairs of texts, and logistic regression on its embeddings.

For few codes with few texts each. The `setfit` package lists all pairs of texts before it draws any, so that time and
memory grow with the square of the texts: 20,000 of them make 200 million pairs.
"""

import tempfile
from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

from occ_autocoder.data.encoder import encoder_source
from occ_autocoder.data.records import record_texts
from occ_autocoder.training.examples import Example

from .texts import example_texts

MAX_PAIRS = 2_000_000


class SetFitCoder:
    """SetFit on record texts.

    Args:
        encoder: a folder, a Hub id, or "bundled".
        max_steps: steps of the encoder's training, of `batch_size` pairs each.
        max_pairs: how many pairs of texts there may be.
    """

    def __init__(
        self,
        encoder: str = "bundled",
        seed: int = 0,
        max_steps: int = 500,
        batch_size: int = 16,
        max_pairs: int = MAX_PAIRS,
    ):
        self.encoder, self.seed = encoder, seed
        self.max_steps, self.batch_size, self.max_pairs = max_steps, batch_size, max_pairs

    def fit(self, examples: Sequence[Example], classes: int) -> "SetFitCoder":
        """Tune the encoder, fit the head. ValueError: more than `max_pairs` pairs of texts, or fewer than two codes."""
        texts, labels = example_texts(examples)
        check_pairs(len(texts), self.max_pairs)
        if len(np.unique(labels)) < 2:
            raise ValueError("examples of 1 code: at least two are needed")
        body = SentenceTransformer(encoder_source(self.encoder), device="cpu")
        self.model = SetFitModel(model_body=body, model_head=LogisticRegression(max_iter=1000))
        self.classes = classes
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                batch_size=self.batch_size,
                max_steps=self.max_steps,
                seed=self.seed,
                save_strategy="no",
                report_to="none",
            )
            data = Dataset.from_dict({"text": texts, "label": labels.tolist()})
            Trainer(model=self.model, args=arguments, train_dataset=data).train()
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Probabilities [n, C]; 0 for a code never seen."""
        texts = record_texts(job_titles, job_duties)
        probabilities = np.zeros((len(texts), self.classes))
        probabilities[:, self.model.model_head.classes_] = self.model.predict_proba(texts, as_numpy=True)
        return probabilities


def check_pairs(texts: int, limit: int) -> None:
    """ValueError, with the number of pairs and what to do, where `texts` make more than `limit` pairs."""
    pairs = texts * (texts + 1) // 2
    if pairs > limit:
        fitting = int((2 * limit) ** 0.5)
        raise ValueError(
            f"SetFit lists all pairs of texts: {texts} texts make {pairs}, allowed: {limit} (about {fitting} texts); "
            "take fewer texts a code, or another coder"
        )
