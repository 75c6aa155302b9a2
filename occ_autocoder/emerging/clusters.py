"""Groups of candidates as what an office looks at: how many, since when, growing or not, how far from known codes."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from datasets import Dataset, Value

from occ_autocoder.data.diversity import mean_cosine

from .candidates import read_candidates, unit_vectors
from .clustering import cluster_embeddings, unit
from .duplicates import JACCARD, merge_duplicates
from .judgement import Group
from .keywords import cluster_keywords
from .periods import UNITS, Growth, count_periods, growth, periods_between


@dataclass(frozen=True)
class Settings:
    """How candidates become clusters; see `duplicates.merge_duplicates` and `clustering.cluster_embeddings`.

    The defaults were chosen by the F1 of cluster-to-code formation on job titles, with and without duties, of
    occupations with 8 to 60 ads each.

    Args:
        unit: the length of a period: "year", "quarter" or "month".
        nearest, keywords: how many of a cluster's nearest codes and keywords are kept.
    """

    jaccard: float = JACCARD
    min_cluster_size: int = 5
    min_samples: int = 1
    components: int | None = 100
    method: str = "eom"
    quantile: float | None = 0.95
    unit: str = "quarter"
    nearest: int = 5
    keywords: int = 12
    seed: int = 0

    def __post_init__(self):
        if self.unit not in UNITS:
            raise ValueError(f"unit {self.unit!r}; allowed: {', '.join(UNITS)}")


@dataclass(frozen=True)
class Cluster:
    """Ads that belong together.

    Args:
        size: candidates, repeated ads included; `ads`: after near-duplicates were merged.
        employers, places: how many different ones are named.
        first_seen, last_seen: YYYY-MM-DD, "" without dates; `counts`: period -> ads; `growth`: None where unknown.
        cohesion: mean cosine of two ads of the cluster.
        nearest: (code, mean cosine of the ads to it) of the nearest codes, the nearest first.
        rows: places of the ads in `Found.ads`, the most central first; `cosines`: theirs to the centroid.
        score: see `score`.
        centroid: unit vector [d].
    """

    id: str
    size: int
    ads: int
    employers: int
    places: int
    first_seen: str
    last_seen: str
    counts: Mapping[str, int]
    growth: Growth | None
    cohesion: float
    nearest: tuple[tuple[str, float], ...]
    keywords: tuple[str, ...]
    rows: tuple[int, ...]
    cosines: tuple[float, ...]
    score: float = 0.0
    centroid: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)


@dataclass(frozen=True)
class Found:
    """The clusters, the highest score first; the ads (n rows of `duplicates.AD_FEATURES`, with `cluster`: an id, or ""
    for none), their embeddings [n, d], the periods that the dates span, and the digest of the codes' embeddings: only
    clusters of the same `space` can be compared.
    """

    clusters: tuple[Cluster, ...]
    ads: Dataset
    embeddings: np.ndarray
    periods: tuple[str, ...]
    space: str


def find_clusters(
    candidates: Dataset | pd.DataFrame,
    embeddings: np.ndarray,
    codes: Sequence[str],
    code_embeddings: np.ndarray,
    *,
    settings: Settings = Settings(),
    totals: Mapping[str, int] | None = None,
) -> Found:
    """The clusters of the candidates, near-duplicate ads merged before.

    Args:
        candidates: with `id`, `job_title`, `job_duties`, and as far as known `date`, `employer`, `place`.
        embeddings: of the candidates [n, d].
        codes: of the taxonomy's texts (a title, a definition); a code may come several times.
        code_embeddings: of these texts [C, d], by the same encoder.
        totals: period -> all ads of it, coded ones included; see `periods.growth`.
    Raises:
        ValueError: a row, a column, a shape or a setting is not as it is allowed to be.
    """
    records = read_candidates(candidates)
    if not len(records):
        raise ValueError("no candidates; allowed: one or more")
    vectors = unit_vectors(embeddings, len(records), "embeddings")
    known = unit_vectors(code_embeddings, len(codes), "code_embeddings")
    if vectors.shape[1] != known.shape[1]:
        raise ValueError(f"embeddings have {vectors.shape[1]} and code_embeddings {known.shape[1]} dimensions")
    ads = merge_duplicates(records, settings.jaccard, settings.seed)
    vectors = vectors[[rows[0] for rows in ads["rows"]]]
    labels = cluster_embeddings(
        vectors,
        min_cluster_size=settings.min_cluster_size,
        min_samples=settings.min_samples,
        components=settings.components,
        method=settings.method,
        quantile=settings.quantile,
    )
    periods = periods_between((day for days in ads["dates"] for day in days), settings.unit)
    words = cluster_keywords(ads["job_title"], ads["job_duties"], ads["employers"], labels, settings.keywords)
    clusters = []
    for label, keywords in enumerate(words):
        cluster = described(np.flatnonzero(labels == label), ads, vectors, periods, settings.unit, totals)
        nearest = nearest_codes(vectors[labels == label], codes, known, settings.nearest)
        clusters.append(replace(cluster, nearest=nearest, keywords=tuple(keywords)))
    ranked = rank(clusters)
    return Found(ranked, with_clusters(ads, ranked), vectors, tuple(periods), space_of(code_embeddings))


def space_of(code_embeddings: np.ndarray) -> str:
    """The digest of `Found.space`."""
    return hashlib.sha256(np.ascontiguousarray(code_embeddings)).hexdigest()


def described(
    rows: np.ndarray,
    ads: Dataset,
    vectors: np.ndarray,
    periods: Sequence[str],
    unit_of_time: str,
    totals: Mapping[str, int] | None,
) -> Cluster:
    """The cluster of these rows, without what depends on codes or other clusters."""
    [centroid] = unit(vectors[rows].sum(axis=0, keepdims=True))
    cosines = vectors[rows] @ centroid
    order = np.argsort(-cosines, kind="stable")
    members = ads.select(rows)
    days = sorted(day for days in members["dates"] for day in days)
    counts = count_periods(members["dates"], periods, unit_of_time)
    return Cluster(
        id="",
        size=sum(members["copies"]),
        ads=len(rows),
        employers=different(members["employers"]),
        places=different(members["places"]),
        first_seen=days[0] if days else "",
        last_seen=days[-1] if days else "",
        counts=counts,
        growth=growth(counts, totals),
        cohesion=mean_cosine(vectors[rows]),
        nearest=(),
        keywords=(),
        rows=tuple(int(row) for row in rows[order]),
        cosines=tuple(float(cosine) for cosine in cosines[order]),
        centroid=centroid,
    )


def different(names: Sequence[Sequence[str]]) -> int:
    """How many different names, whatever the case."""
    return len({name.casefold() for some in names for name in some})


def nearest_codes(
    vectors: np.ndarray, codes: Sequence[str], code_embeddings: np.ndarray, top_k: int
) -> tuple[tuple[str, float], ...]:
    """(code, mean cosine of the vectors [n, d] to it) of the `top_k` nearest; of a code's texts the nearest counts."""
    cosines = code_embeddings @ vectors.mean(axis=0)
    best: dict[str, float] = {}
    for place in np.argsort(-cosines, kind="stable"):
        best.setdefault(codes[place], float(cosines[place]))
        if len(best) == top_k:
            break
    return tuple(best.items())


def rank(clusters: Sequence[Cluster]) -> tuple[Cluster, ...]:
    """The clusters with `score` and with ids E001, E002, ..., the highest score first."""
    scored = sorted((replace(cluster, score=score(cluster)) for cluster in clusters), key=lambda found: -found.score)
    return tuple(replace(cluster, id=f"E{place:03d}") for place, cluster in enumerate(scored, start=1))


def score(cluster: Cluster) -> float:
    """What a look at the cluster promises: how unlike the codes, times how cohesive, times how many, times growth.

    That is (1 - cosine to the nearest code) x cohesion x log2(1 + employers, or ads where no employer is named) x the
    lower bound of the growth, held between 1 and 2: what may be chance raises nothing.
    """
    distance = 1 - max((cosine for _, cosine in cluster.nearest), default=0.0)
    many = math.log2(1 + (cluster.employers or cluster.ads))
    rising = min(2.0, max(1.0, cluster.growth.low)) if cluster.growth else 1.0
    return distance * max(0.0, cluster.cohesion) * many * rising


def with_clusters(ads: Dataset, clusters: Sequence[Cluster]) -> Dataset:
    """The ads with the column `cluster`."""
    names = {row: cluster.id for cluster in clusters for row in cluster.rows}
    column = [names.get(row, "") for row in range(len(ads))]
    return ads.add_column("cluster", column, feature=Value("string"))


def group_of(cluster: Cluster, ads: Dataset, texts: int = 30) -> Group:
    """The cluster as the question `judgement.judgement_request` takes it, with its most central ads."""
    central = ads.select(cluster.rows[:texts])
    pairs = tuple(zip(central["job_title"], central["job_duties"], strict=True))
    return Group(cluster.id, cluster.size, pairs, cluster.keywords, tuple(code for code, _ in cluster.nearest))
