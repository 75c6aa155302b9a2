"""The pictures of a report on clusters: their rank, where they lie, how they grow, how far they are from codes."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from occ_autocoder.evaluation.plots import BLUE, DPI, GREY, ORANGE, amount, legend_below, new_figure

from .clusters import Cluster, Found

# Okabe and Ito (2008), without the yellow that is faint on white; a mark beside each, for those who see no colours.
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKS = "osD^v<>"
BARS, NAMED = 20, 40  # clusters in a picture of bars, and with their id on the map
LONGEST = 32
MOST_POINTS, NEIGHBOURS = 2000, 30


def write_plots(folder: Path, found: Found, names: Mapping[str, str], seed: int = 0) -> list[str]:
    """Draw the plots that have data into the folder; the names of the files.

    Args:
        names: cluster id -> what stands beside it.
    """
    if not found.clusters:
        return []
    figures = {
        "ranking.png": ranking_figure(found.clusters, names),
        "map.png": map_figure(found, seed),
        "nearest_codes.png": nearest_figure(found.clusters, names),
    }
    if len(found.periods) > 1:
        figures["growth.png"] = growth_figure(found.clusters, found.periods, names)
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=DPI)
    return list(figures)


def label(cluster: Cluster, names: Mapping[str, str]) -> str:
    """The id with the cluster's name, short."""
    name = names.get(cluster.id, "")
    return verbatim(f"{cluster.id}  {name if len(name) <= LONGEST else f'{name[: LONGEST - 1].rstrip()}…'}".rstrip())


def verbatim(text: str) -> str:
    """The text with nothing that matplotlib takes for a formula."""
    return text.replace("$", r"\$")


def horizontal(clusters: Sequence[Cluster], names: Mapping[str, str]) -> tuple[Figure, Axes]:
    """A figure with a line for each of the clusters, the first on top."""
    figure, (ax,) = new_figure(7.5, 1.4 + 0.3 * len(clusters))
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color="#E0E0E0", linewidth=0.8)
    ax.set_yticks(range(len(clusters)), [label(cluster, names) for cluster in clusters], fontsize=9)
    ax.set_ylim(len(clusters) - 0.4, -0.6)
    return figure, ax


def ranking_figure(clusters: Sequence[Cluster], names: Mapping[str, str]) -> Figure:
    """The score of the first clusters, with their ads."""
    shown = clusters[:BARS]
    figure, ax = horizontal(shown, names)
    scores = [cluster.score for cluster in shown]
    ax.barh(range(len(shown)), scores, height=0.6, color=BLUE)
    for place, cluster in enumerate(shown):
        ax.text(scores[place], place, f" {amount(cluster.ads, 'ad')}", va="center", fontsize=9)
    ax.set(xlabel="Score", xlim=(0, 1.2 * max(*scores, 1e-9)))
    ax.set_title("Clusters by score", loc="left", fontsize=12)
    return figure


def nearest_figure(clusters: Sequence[Cluster], names: Mapping[str, str]) -> Figure:
    """How near a cluster's ads are to each other, and to the code that is nearest, which stands at the right."""
    shown = clusters[:BARS]
    figure, ax = horizontal(shown, names)
    lines = [(place, cluster.cohesion, *cluster.nearest[0]) for place, cluster in enumerate(shown) if cluster.nearest]
    places, cohesion, codes, cosines = zip(*lines) if lines else [()] * 4
    ax.hlines(places, cosines, cohesion, color=GREY, linewidth=1)
    ax.plot(cohesion, places, "o", color=BLUE, label="of two ads of the cluster")
    ax.plot(cosines, places, "D", color=ORANGE, label="of an ad to the nearest code, at the right")
    for place, code in zip(places, codes):
        ax.text(1.01, place, verbatim(code[:LONGEST]), va="center", fontsize=8, transform=ax.get_yaxis_transform())
    ax.set_xlabel("Mean cosine")
    ax.set_title("Nearness within the cluster and to known codes", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def growth_figure(clusters: Sequence[Cluster], periods: Sequence[str], names: Mapping[str, str]) -> Figure:
    """Ads by period of the first clusters."""
    figure, (ax,) = new_figure(7.0, 5.0)
    for cluster, colour, mark in zip(clusters, COLOURS, MARKS, strict=False):
        counts = [cluster.counts[period] for period in periods]
        ax.plot(range(len(periods)), counts, color=colour, marker=mark, markersize=5, label=label(cluster, names))
    step = -(-len(periods) // 10)
    ax.set_xticks(range(0, len(periods), step), periods[::step], rotation=30, ha="right", fontsize=9)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel("Ads, without near-duplicates")
    ax.set_title("Ads by period, the clusters with the highest scores", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def map_figure(found: Found, seed: int = 0) -> Figure:
    """Every ad as a point, clusters with their ids; of many ads a sample, drawn with the seed."""
    rows = np.arange(len(found.ads))
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_POINTS, replace=False))
    points = plane(found.embeddings[rows], seed)
    names = np.array(found.ads["cluster"])[rows]
    figure, (ax,) = new_figure(7.5, 7.0)
    ax.plot(*points[names == ""].T, ".", color="#C8C8C8", markersize=3, label="in no cluster")
    for cluster, colour, mark in zip(found.clusters, cycle(COLOURS), cycle(MARKS)):
        ax.plot(*points[names == cluster.id].T, mark, color=colour, markersize=3.5, alpha=0.7, linestyle="none")
    for cluster in found.clusters[:NAMED]:
        if (names == cluster.id).any():
            middle = np.median(points[names == cluster.id], axis=0)
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
            ax.text(*middle, cluster.id, fontsize=8, ha="center", va="center", bbox=box)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    ax.set(xticks=[], yticks=[])
    ax.set_title("Map of the ads: like ones lie together", loc="left", fontsize=12)
    legend_below(figure, ax)
    return figure


def plane(embeddings: np.ndarray, seed: int = 0) -> np.ndarray:
    """The vectors on a plane [n, 2]: t-SNE (van der Maaten and Hinton 2008); of a few the principal components."""
    if len(embeddings) == 1:
        return np.zeros((1, 2))
    if len(embeddings) <= 3 * NEIGHBOURS:
        components = min(2, *embeddings.shape)
        flat = PCA(components, svd_solver="full").fit_transform(embeddings)
        return np.pad(flat, ((0, 0), (0, 2 - components)))
    return TSNE(perplexity=NEIGHBOURS, init="pca", metric="cosine", random_state=seed).fit_transform(embeddings)
