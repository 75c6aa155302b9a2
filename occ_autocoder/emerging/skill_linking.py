"""Spans of texts -> the skills of a list that they name: cosines of embeddings and of n-grams, added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occ_autocoder.data.encoder import Encode
from occ_autocoder.data.records import prose
from occ_autocoder.data.retrieval import QUERIES, labelled
from occ_autocoder.extras import require

from .skill_lists import Skill, SkillsError, read_skills

require("data")
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402

__all__ = ["LinkedSkill", "Skill", "SkillLinker", "SkillsError", "read_skills"]

DENSE, LEXICAL = ("dense_label", "dense_names", "dense_text"), ("lexical_names", "lexical_text")
CONTEXT = "dense_context"
# Measured on validation rows of TECH and HOUSE by benchmarks/skill_linking.py: other weights raise the mean of the
# measures by 0.002 at most; the F1 of the first skill is highest at this threshold, with the sentence and without.
WEIGHTS = {**dict.fromkeys((*DENSE, *LEXICAL), 1.0), CONTEXT: 0.4}
THRESHOLD = 0.5
WORD = r"\w+[+#]*|[^\w\s]+"  # else C, C++ and C# are one word


@dataclass(frozen=True)
class LinkedSkill:
    """A skill that a span may name; `score` 0..1 is the weighted mean of the cosines."""

    id: str
    label: str
    score: float


class SkillLinker:
    """The skills of a list, ranked for a span by the weighted mean of its cosines to what is known of each.

    `dense_label` is the encoder's cosine with the label, `dense_names` with the nearest of label and alternatives,
    `dense_text` with label and description; `lexical_names` compares the names by the 3 and 4-grams of characters of
    their words, `lexical_text` all that is known by words, both by tf-idf (Salton and Buckley 1988). `dense_context` is
    `dense_text` of the sentence that the span stands in, where there is one.

    Args:
        skills: at least one, each id once.
        encode: texts -> unit vectors [n, d], as `data.encoder.sentence_encoder` gives it; one with a cache, since the
            names of ESCO's skills, 98,380, take minutes on a CPU.
        weights: of the cosines, by name.
    """

    def __init__(self, skills: Sequence[Skill], encode: Encode, weights: Mapping[str, float] = WEIGHTS):
        if not skills or len({skill.id for skill in skills}) < len(skills):
            raise SkillsError(f"{len(skills)} skills; allowed: one or more, each id once")
        self.skills, self.encode, self.weights = list(skills), encode, weights
        self.characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, dtype=np.float32)
        self.words = TfidfVectorizer(token_pattern=WORD, sublinear_tf=True, dtype=np.float32)
        places = list(enumerate(skills))
        names = [(name, place) for place, skill in places for name in (skill.label, *skill.alternatives)]
        texts = [(" ".join([skill.label, *skill.alternatives, skill.description]), place) for place, skill in places]
        self.known = {
            "dense_label": labelled([(skill.label, place) for place, skill in places], encode),
            "dense_names": labelled(names, encode),
            "dense_text": labelled([(f"{skill.label}: {skill.description}", place) for place, skill in places], encode),
            "lexical_names": labelled(names, lambda known: self.characters.fit_transform(known).tocsr()),
            "lexical_text": labelled(texts, lambda known: self.words.fit_transform(known).tocsr()),
        }

    def cosines(self, spans: Sequence[str], contexts: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Name -> cosines [n, skills] of n normalised spans, and of their sentences where `contexts` has them."""
        queries = dict.fromkeys(DENSE, self.encode(spans))
        queries |= {"lexical_names": self.characters.transform(spans), "lexical_text": self.words.transform(spans)}
        found = {name: self.known[name].nearest(query, len(self.skills)) for name, query in queries.items()}
        if contexts is not None:
            found[CONTEXT] = self.known["dense_text"].nearest(self.encode(contexts), len(self.skills))
        return found

    def scores(self, spans: Sequence[str], contexts: Sequence[str] | None = None) -> np.ndarray:
        """[n, skills], scores 0..1 of n normalised spans, all at a time: `link` takes them in parts."""
        return weighted(self.cosines(spans, contexts), self.weights, contexts)

    def link(
        self,
        spans: Sequence[str],
        contexts: Sequence[str] | None = None,
        top_k: int = 5,
        threshold: float = THRESHOLD,
    ) -> list[list[LinkedSkill] | None]:
        """For each span at most `top_k` skills with a score of `threshold` or more, best first; None if there is none.

        Args:
            contexts: the sentence of each span, "" for none. Equal spans in equal sentences are looked up once, 256 at
                a time, so that memory does not grow with their number.
        Raises: ValueError for more or fewer contexts than spans, and for `top_k` below 1.
        """
        if top_k < 1 or (contexts is not None and len(contexts) != len(spans)):
            given = "no" if contexts is None else len(contexts)
            raise ValueError(f"top_k {top_k}, {given} contexts; allowed: 1 or more, and one for each span or none")
        asked = [(prose(span), prose(near)) for span, near in zip(spans, contexts or [""] * len(spans), strict=True)]
        unique = [query for query in dict.fromkeys(asked) if query[0]]
        found: dict[tuple[str, str], list[LinkedSkill]] = {}
        for start in range(0, len(unique), QUERIES):
            part = unique[start : start + QUERIES]
            scores = self.scores(*map(list, zip(*part, strict=True)))
            found |= zip(part, (self.best(row, top_k, threshold) for row in scores), strict=True)
        return [found.get(query) or None for query in asked]

    def best(self, scores: np.ndarray, top_k: int, threshold: float) -> list[LinkedSkill]:
        """The skills with the `top_k` largest of the scores [skills], of those from `threshold` on; equals in order."""
        near = np.flatnonzero(scores >= threshold)
        order = near[np.argsort(-scores[near], kind="stable")[:top_k]]
        return [LinkedSkill(self.skills[place].id, self.skills[place].label, float(scores[place])) for place in order]


def weighted(
    cosines: Mapping[str, np.ndarray], weights: Mapping[str, float], contexts: Sequence[str] | None = None
) -> np.ndarray:
    """Cosines [n, C] by name -> their weighted means [n, C], 0..1; the context counts in the rows that have one."""
    total = sum(weights[name] * cosines[name] for name in weights if name in cosines and name != CONTEXT)
    divisor = np.full((len(total), 1), sum(weights[name] for name in weights if name in cosines and name != CONTEXT))
    if contexts is not None and weights.get(CONTEXT):
        own = weights[CONTEXT] * np.array([[bool(context)] for context in contexts])
        total, divisor = total + own * cosines[CONTEXT], divisor + own
    return np.clip(total / divisor, 0.0, 1.0).astype(np.float32)
