"""What the ads of a cluster say and those of other clusters do not: class-based TF-IDF."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer

# Two characters or more, a letter among them: "3d", "c++" and "c#" are words, "24" and "r" are none.
WORD = r"\b(?=\w*[^\W\d_])\w[\w+#]+"
TITLE_WEIGHT = 3
FEWEST = 2  # ads, and employers: the name of the one who posts is no keyword


def cluster_keywords(
    titles: Sequence[str],
    duties: Sequence[str],
    employers: Sequence[Sequence[str]],
    labels: np.ndarray,
    top_k: int = 12,
    stop_words: str | Sequence[str] | None = "english",
) -> list[list[str]]:
    """The `top_k` words and pairs of words of each cluster 0 to k - 1, the weightiest first.

    The weight is that of Grootendorst (2022, "BERTopic"): how often a cluster has the term among all it has, times
    log(1 + A / f), with the terms of a mean cluster A and of all clusters f. A term counts once an ad, in a title
    three times, so that one long ad does not speak for its cluster. It has to stand in two of the cluster's ads, and
    where these have different employers in ads of two. A word is left out where a pair with it comes before.

    Args:
        employers: those of each ad, none to many.
        labels: each ad's cluster [n], -1 for none.
        stop_words: as in scikit-learn's `CountVectorizer`.
    """
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return []
    try:
        counts, terms = term_counts([titles[row] for row in rows], [duties[row] for row in rows], stop_words)
    except ValueError:  # scikit-learn's word for texts without a term
        return [[] for _ in range(labels.max() + 1)]
    weights = class_tf_idf(counts, labels[rows])
    chosen = []
    for cluster, weight in enumerate(weights):
        members = np.flatnonzero(labels[rows] == cluster)
        weight = weight * shared(counts[members], [employers[rows[place]] for place in members])
        chosen.append(best_terms(weight, terms, top_k))
    return chosen


def term_counts(
    titles: Sequence[str], duties: Sequence[str], stop_words: str | Sequence[str] | None
) -> tuple[csr_matrix, np.ndarray]:
    """The weighted terms [n, terms] of n ads, and their names; ValueError where no ad has one."""
    vectorizer = CountVectorizer(
        token_pattern=WORD, ngram_range=(1, 2), stop_words=stop_words, min_df=FEWEST, binary=True
    )
    both = vectorizer.fit_transform([*titles, *duties]).tocsr()
    return (TITLE_WEIGHT * both[: len(titles)] + both[len(titles) :]).tocsr(), vectorizer.get_feature_names_out()


def class_tf_idf(counts: csr_matrix, labels: np.ndarray) -> np.ndarray:
    """The weight [k, terms] of every term in clusters 0 to k - 1; counts [n, terms], labels [n]."""
    ones = np.ones(len(labels))
    classes = (csr_matrix((ones, (labels, np.arange(len(labels))))) @ counts).toarray()
    frequency, mean = classes.sum(axis=0), classes.sum() / len(classes)
    share = classes / np.maximum(classes.sum(axis=1, keepdims=True), 1)
    return share * np.log1p(mean / np.maximum(frequency, 1))


def shared(counts: csr_matrix, employers: Sequence[Sequence[str]]) -> np.ndarray:
    """Whether each term [terms] stands in ads enough of a cluster, and of employers enough where there are more."""
    present = (counts > 0).astype(int)
    enough = np.asarray(present.sum(axis=0)).ravel() >= FEWEST
    names = {name: place for place, name in enumerate(sorted({name for ad in employers for name in ad}))}
    pairs = [(names[name], place) for place, ad in enumerate(employers) for name in ad]
    if len(names) < FEWEST:
        return enough
    who, where = zip(*pairs)
    posted = csr_matrix((np.ones(len(pairs)), (who, where)), shape=(len(names), len(employers)))
    return enough & (np.asarray(((posted @ present) > 0).sum(axis=0)).ravel() >= FEWEST)


def best_terms(weights: np.ndarray, terms: np.ndarray, top_k: int) -> list[str]:
    """The weightiest terms, of a weight above 0, but for words of a pair that comes before."""
    chosen: list[str] = []
    for place in np.argsort(-weights, kind="stable"):
        if weights[place] <= 0 or len(chosen) == top_k:
            break
        if not any(set(terms[place].split()) <= set(term.split()) for term in chosen):
            chosen.append(str(terms[place]))
    return chosen
