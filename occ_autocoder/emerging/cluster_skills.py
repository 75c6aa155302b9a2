"""The skills of a cluster: what its ads name, in their own words or as the entries of a list."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from .clusters import Found
from .skill_linking import LinkedSkill
from .spans import Span, sentences_at

Extract = Callable[[Iterable[str]], Iterator[list[Span]]]
Link = Callable[[Sequence[str], Sequence[str]], list[list[LinkedSkill] | None]]
FEWEST = 2  # ads: what one alone names is no skill of the cluster


def cluster_skills(found: Found, extract: Extract, link: Link | None = None, top_k: int = 12) -> dict[str, list[str]]:
    """Cluster id -> the `top_k` skills and pieces of knowledge that most of its ads name, two of them at least.

    Without `link` spans of the same letters, whatever the case, are one; with it those of the same nearest entry, and a
    span without one counts for none.
    """
    skills = {}
    for cluster in found.clusters:
        texts = list(found.ads.select(cluster.rows)["job_duties"])
        counts = Counter(name for names in named(texts, list(extract(texts)), link) for name in names)
        skills[cluster.id] = [name for name, count in counts.most_common(top_k) if count >= FEWEST]
    return skills


def named(texts: Sequence[str], spans: Sequence[Sequence[Span]], link: Link | None) -> list[dict[str, None]]:
    """The names of each text's skills, each once, in its order."""
    if link is None:
        return [dict.fromkeys(span.text.casefold() for span in own) for own in spans]
    flat = [
        (place, span.text, sentence)
        for place, own in enumerate(spans)
        for span, sentence in zip(own, sentences_at(texts[place], own), strict=True)
    ]
    found: list[dict[str, None]] = [{} for _ in texts]
    if flat:
        places, words, contexts = map(list, zip(*flat, strict=True))
        for place, entries in zip(places, link(words, contexts), strict=True):
            if entries:
                found[place][entries[0].label] = None
    return found
