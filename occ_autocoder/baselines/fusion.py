"""Nothing trained: four similarities to what the taxonomy and the records say of a code, added up."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.retrieval import LabelledVectors, record_texts
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.training.examples import Example


class UntrainedFusion:
    """The sum of four cosines; a code without a known text of a kind has 0 there.

    Two to the nearest known title: of character n-grams, and of the encoder. Two of title and duties together to the
    nearest text about the code's work: of words, and of the encoder. A record without one of the fields lacks its two.

    Args:
        encode: texts -> unit vectors [n, d].
    """

    def __init__(self, encode: Encode):
        self.encode = encode
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, dtype=np.float32)
        self.words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)

    def fit(self, examples: Sequence[Example], classes: int) -> "UntrainedFusion":
        """Take the known titles (examples with a title alone) and the texts about the work (with duties alone)."""
        if not examples:
            raise ValueError("no examples to fit on")
        self.classes = classes
        titles = [(normalize(item.job_title), item.label) for item in examples if not item.job_duties]
        duties = [(normalize(item.job_duties), item.label) for item in examples if not item.job_title]
        self.title_pair = similarity_pair(titles, self.characters, self.encode)
        self.duties_pair = similarity_pair(duties, self.words, self.encode)
        return self

    def predict_proba(self, job_titles: Sequence[str], job_duties: Sequence[str]) -> np.ndarray:
        """Scores [n, C], no probabilities: sums of cosines."""
        titles, duties = [np.array(list(map(normalize, texts)), dtype=object) for texts in (job_titles, job_duties)]
        texts = np.array(record_texts(titles, duties), dtype=object)
        scores = np.zeros((len(texts), self.classes))
        scores[titles != ""] += self.similarity(titles[titles != ""], self.title_pair, self.characters)
        scores[duties != ""] += self.similarity(texts[duties != ""], self.duties_pair, self.words)
        return scores

    def similarity(self, texts: np.ndarray, pair: tuple, vectorizer: TfidfVectorizer) -> np.ndarray:
        """[n, C], the two cosines of texts to the nearest known text, added."""
        if not len(texts) or pair is None:
            return np.zeros((len(texts), self.classes))
        queries = (vectorizer.transform(texts), self.encode(list(texts)))
        scores = [known.nearest(query, self.classes) for known, query in zip(pair, queries, strict=True)]
        return sum(np.where(np.isinf(score), 0.0, score) for score in scores)


def similarity_pair(
    known: Sequence[tuple[str, int]], vectorizer: TfidfVectorizer, encode: Encode
) -> tuple[LabelledVectors, LabelledVectors] | None:
    """Known texts, (text, label) pairs, as n-grams by a vectorizer that is fitted here, and embedded; None for none."""
    if not known:
        return None
    texts, labels = [text for text, _ in known], np.array([label for _, label in known])
    return LabelledVectors(vectorizer.fit_transform(texts).tocsr(), labels), LabelledVectors(encode(texts), labels)
