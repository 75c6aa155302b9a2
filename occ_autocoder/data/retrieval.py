"""Records -> the codes that they may belong to: cosines of embeddings and of n-grams, fused by reciprocal rank."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occ_autocoder.extras import require
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Occupation, Taxonomy

from .encoder import Encode
from .records import record_texts

require("data")
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402

QUERIES = 256
RANK_CONSTANT = 5
WEIGHTS = {  # of a record with duties, of a title alone
    "dense_titles": (0.75, 1.5),
    "dense_texts": (1.0, 1.0),
    "lexical_titles": (0.25, 0.5),
    "lexical_texts": (0.75, 0.5),
}
DENSE, LEXICAL = ("dense_titles", "dense_texts"), ("lexical_titles", "lexical_texts")
Labelled = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Candidate:
    """A code that a record may belong to; `score` is the fused score, 1 where every ranking has the code first."""

    code: str
    score: float


class Similarities:
    """Four cosines of a record to what is known of each code; exact, by one product with all known texts.

    `*_titles` compare the title with the nearest known title, by character n-grams and by the encoder; `*_texts` title
    and duties together with the nearest text about the work, by words and by the encoder.

    Args:
        titles, texts: (text, label) pairs, at least one in all; labels from 0 to `classes` - 1.
        encode: texts -> unit vectors [n, d].
    """

    def __init__(self, titles: Labelled, texts: Labelled, classes: int, encode: Encode):
        if not titles and not texts:
            raise ValueError("no text of any code; allowed: at least one title or text about the work")
        self.classes, self.encode = classes, encode
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32)
        self.words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
        self.known = {
            "lexical_titles": labelled(titles, lambda known: self.characters.fit_transform(known).tocsr()),
            "dense_titles": labelled(titles, encode),
            "lexical_texts": labelled(texts, lambda known: self.words.fit_transform(known).tocsr()),
            "dense_texts": labelled(texts, encode),
        }

    def __call__(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> dict[str, np.ndarray]:
        """Name -> cosines [n, classes]; -inf for a code without a known text, and for a record without a title."""
        titles, texts = list(map(normalize, job_titles)), record_texts(job_titles, job_duties)
        queries = {
            "lexical_titles": (titles, self.characters.transform),
            "dense_titles": (titles, self.encode),
            "lexical_texts": (texts, self.words.transform),
            "dense_texts": (texts, self.encode),
        }
        return {name: self.nearest(name, *query) for name, query in queries.items()}

    def nearest(self, name: str, queries: Sequence[str], vectorize) -> np.ndarray:
        """[n, classes], the cosine of each query to the nearest known text of each code."""
        scores = np.full((len(queries), self.classes), -np.inf, dtype=np.float32)
        rows = [row for row, query in enumerate(queries) if query]
        if rows and self.known[name] is not None:
            scores[rows] = self.known[name].nearest(vectorize([queries[row] for row in rows]), self.classes)
        return scores


class Retriever:
    """The codes of a taxonomy, ranked for a record by what the taxonomy says of them.

    Reciprocal rank fusion (Cormack et al. 2009): the weighted sum over the rankings of 1 / (5 + rank), divided by its
    largest value, so that scores lie in 0..1. The constant and the weights were chosen for recall at 5, for which the
    60 of the paper is too flat, on validation records of SSOC 2020, SSOC 2024, ISCO-08 and O*NET-SOC.

    Args:
        encode: texts -> unit vectors [n, d], as `encoder.sentence_encoder` gives it.
        codes: those that may be retrieved; else the leaves.
    """

    def __init__(self, taxonomy: Taxonomy, encode: Encode, codes: Collection[str] | None = None):
        self.taxonomy = taxonomy
        self.codes = [item.code for item in taxonomy.leaves] if codes is None else list(codes)
        occupations = [taxonomy[code] for code in self.codes]
        titles = [(text, label) for label, item in enumerate(occupations) for text in known_titles(item)]
        texts = [(text, label) for label, item in enumerate(occupations) for text in known_texts(item)]
        self.similarities = Similarities(titles, texts, len(self.codes), encode)

    def scores(
        self, job_titles: Sequence[str], job_duties: Sequence[str], rankings: Collection[str] = (*DENSE, *LEXICAL)
    ) -> np.ndarray:
        """[n, codes], the fused scores of the named rankings."""
        return reciprocal_rank(self.similarities(job_titles, job_duties), with_text(job_duties), rankings)

    def retrieve(self, job_titles: Sequence[str], job_duties: Sequence[str], top_k: int = 5) -> list[list[Candidate]]:
        """The `top_k` best codes of each record, the best first; equals in the taxonomy's order."""
        found = []
        for start in range(0, len(job_titles), QUERIES):
            part = slice(start, start + QUERIES)
            scores = self.scores(job_titles[part], job_duties[part])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
            found += [[Candidate(self.codes[i], float(row[i])) for i in places] for row, places in zip(scores, best)]
        return found


class LabelledVectors:
    """Vectors [m, d], dense or sparse, in the order of their labels."""

    def __init__(self, vectors, labels: np.ndarray):
        order = np.argsort(labels, kind="stable")
        self.vectors = vectors[order]
        self.labels, self.starts = np.unique(labels[order], return_index=True)

    def nearest(self, queries, classes: int) -> np.ndarray:
        """[n, classes], the largest inner product of each query with a vector of the label; -inf where it has none."""
        scores = np.full((queries.shape[0], classes), -np.inf, dtype=np.float32)
        for start in range(0, queries.shape[0], QUERIES):
            part = queries[start : start + QUERIES] @ self.vectors.T
            part = part.toarray() if hasattr(part, "toarray") else part
            scores[start : start + QUERIES, self.labels] = np.maximum.reduceat(part, self.starts, axis=1)
        return scores


def known_titles(occupation: Occupation) -> list[str]:
    """The title and the example titles, normalised, each once."""
    return list(dict.fromkeys(filter(None, map(normalize, (occupation.title, *occupation.examples)))))


def known_texts(occupation: Occupation) -> list[str]:
    """The texts about the work: title with definition, and title with tasks, normalised."""
    parts = (occupation.definition, " ".join(occupation.tasks))
    return [normalize(f"{occupation.title} {part}") for part in parts if part] or [normalize(occupation.title)]


def labelled(known: Labelled, vectorize) -> LabelledVectors | None:
    """Known texts as vectors under their labels; None for none."""
    if not known:
        return None
    return LabelledVectors(vectorize([text for text, _ in known]), np.array([label for _, label in known]))


def with_text(texts: Sequence[str]) -> np.ndarray:
    """[n], whether anything is left of each text once it is normalised."""
    return np.array([bool(normalize(text)) for text in texts])


def reciprocal_rank(
    cosines: Mapping[str, np.ndarray], described: np.ndarray, rankings: Collection[str] = (*DENSE, *LEXICAL)
) -> np.ndarray:
    """Cosines [n, C] by name -> their weighted reciprocal ranks, added and divided by the largest sum.

    `described` [n] tells the records that have duties.
    """
    weights = {name: np.where(described, *WEIGHTS[name])[:, np.newaxis] for name in rankings}
    total = sum(weight / (RANK_CONSTANT + ranks(cosines[name])) for name, weight in weights.items())
    return total * (RANK_CONSTANT + 1) / sum(weights.values())


def ranks(scores: np.ndarray) -> np.ndarray:
    """[n, C], 1 for the largest of a row; equals have the mean of their ranks."""
    from scipy.stats import rankdata

    return rankdata(-scores, axis=1)
