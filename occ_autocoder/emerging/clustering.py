"""Embeddings of candidates -> groups of like ones, and noise: HDBSCAN, with a second look at the noise."""

import numpy as np
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA

NOISE = -1
METHODS = "eom", "leaf"


def cluster_embeddings(
    embeddings: np.ndarray,
    *,
    min_cluster_size: int = 5,
    min_samples: int = 1,
    components: int | None = 100,
    method: str = "eom",
    quantile: float | None = 0.95,
) -> np.ndarray:
    """Each row's cluster [n], the largest 0, and -1 for noise; the same for the same input.

    HDBSCAN (Campello, Moulavi and Sander 2013) on the principal components, brought back to unit length so that
    Euclidean distances order pairs as cosines do. Then `revisit_noise`.

    Args:
        embeddings: unit vectors [n, d].
        min_cluster_size: the fewest rows of a cluster.
        min_samples: how many near ones make a row dense; more leave more as noise.
        components: how many principal components to cluster on; None for the embeddings as they are.
        method: which clusters of HDBSCAN's tree are taken: "eom", those that last longest, or "leaf", the smallest.
        quantile: of `revisit_noise`; None to leave the noise.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r}; allowed: {', '.join(METHODS)}")
    if min_cluster_size < 2:
        raise ValueError(f"min_cluster_size {min_cluster_size}; allowed: 2 or more")
    if len(embeddings) < max(min_cluster_size, min_samples):
        return np.full(len(embeddings), NOISE)
    model = HDBSCAN(
        min_cluster_size=min_cluster_size, min_samples=min_samples, cluster_selection_method=method, copy=True
    )
    labels = model.fit(reduced(embeddings, components)).labels_
    return by_size(labels if quantile is None else revisit_noise(embeddings, labels, quantile))


def reduced(embeddings: np.ndarray, components: int | None) -> np.ndarray:
    """The first principal components of unit length, [n, components]; without a reduction the embeddings."""
    if components is None or components >= min(embeddings.shape):
        return embeddings
    return unit(PCA(components, svd_solver="full").fit_transform(embeddings))


def revisit_noise(embeddings: np.ndarray, labels: np.ndarray, quantile: float = 0.95) -> np.ndarray:
    """The labels [n], where noise joins the cluster with the nearest centroid if it is near enough.

    Near enough is no farther than that quantile of the members' own distances. A member is measured to the centroid of
    the others, as noise is: with itself in the centroid it would look nearer than it is, in a small cluster by much.
    """
    noise = np.flatnonzero(labels == NOISE)
    clusters = range(labels.max() + 1)
    if not len(noise) or not clusters:
        return labels
    sums = np.stack([embeddings[labels == cluster].sum(axis=0) for cluster in clusters])
    cosines = embeddings[noise] @ unit(sums).T
    limits = np.array([lowest_cosine(embeddings[labels == cluster], sums[cluster], quantile) for cluster in clusters])
    best = cosines.argmax(axis=1)
    joins = cosines.max(axis=1) >= limits[best]
    labels = labels.copy()
    labels[noise[joins]] = best[joins]
    return labels


def lowest_cosine(members: np.ndarray, total: np.ndarray, quantile: float) -> float:
    """The cosine to the centroid of the others that this share of the members [n, d], whose sum is `total`, reaches."""
    return float(np.quantile((members * unit(total - members)).sum(axis=1), 1 - quantile))


def centroids(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The unit centroids [k, d] of clusters 0 to k - 1."""
    sums = [embeddings[labels == cluster].sum(axis=0) for cluster in range(labels.max(initial=NOISE) + 1)]
    return unit(np.stack(sums)) if sums else np.zeros((0, embeddings.shape[1]), dtype=embeddings.dtype)


def unit(vectors: np.ndarray) -> np.ndarray:
    """The vectors [n, d] with a length of 1; one without a direction stays 0."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def by_size(labels: np.ndarray) -> np.ndarray:
    """The labels renumbered, the largest cluster 0; of clusters of one size the one that comes first."""
    names, first, counts = np.unique(labels[labels != NOISE], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    number = {int(names[place]): rank for rank, place in enumerate(order)} | {NOISE: NOISE}
    return np.array([number[int(label)] for label in labels], dtype=np.int64)
