"""The weights of the novelty score, fitted on held-out records as they would look if their own code were not there.

Without the evidence for its code a record of a known occupation is one of an unknown one: nothing has to be trained
again without the code, and every code takes part.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from occ_autocoder.model.novelty_occupation import HEAD_PLACES, novelty_features

LEAST = 50
STRENGTH = 0.1  # inverse of the penalty on the weights of standardized features
PART = 64


@torch.no_grad()
def novelty_weights(evidence: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor) -> dict | None:
    """`weights` [F] and `bias` of the score, from held-out records of one form; None of fewer than 50.

    Args:
        evidence, labels: [n, C, K] and [n], of records that neither the heads nor the memory have seen.
        weight: [K], of the evidence in the fusion.
    """
    if len(labels) < LEAST or evidence.shape[1] < 3:
        return None
    known, novel = [], []
    for part, own in zip(evidence.split(PART), labels.split(PART), strict=True):
        known.append(novelty_features(part, part @ weight))
        part = without(part, own)
        novel.append(novelty_features(part, part @ weight))
    return fitted(torch.cat(known), torch.cat(novel))


def without(evidence: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Evidence [B, C, K] without the code of each record: [B, C - 1, K], the heads' probabilities of the others."""
    others = torch.ones(evidence.shape[:2], dtype=torch.bool).scatter(1, labels[:, None], False)
    left = evidence[others].view(len(evidence), -1, evidence.shape[2]).clone()
    left[..., HEAD_PLACES] = left[..., HEAD_PLACES].log_softmax(1)
    return left


def fitted(known: torch.Tensor, novel: torch.Tensor) -> dict:
    """`weights` and `bias` of the logistic regression of novel against known on features [n, F] of each."""
    features = torch.cat([known, novel]).double().numpy()
    answers = np.repeat([0, 1], [len(known), len(novel)])
    scaler, regression = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=2000)).fit(
        features, answers
    )
    weights = regression.coef_[0] / scaler.scale_
    return {"weights": weights.tolist(), "bias": float(regression.intercept_[0] - weights @ scaler.mean_)}
