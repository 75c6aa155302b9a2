"""Candidates to clusters: groups made for it come back, repeated ads count once, noise joins where it is near."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from datasets import Dataset

from occ_autocoder.emerging.candidates import read_candidates
from occ_autocoder.emerging.clustering import NOISE, cluster_embeddings, revisit_noise
from occ_autocoder.emerging.clusters import Settings, find_clusters, group_of, score
from occ_autocoder.emerging.duplicates import merge_duplicates
from occ_autocoder.emerging.periods import Growth

DUTIES = {
    "drone pilot": "flies drones over fields and maps the crops from the air",
    "prompt engineer": "writes prompts for language models and measures the answers",
    "repair cafe host": "shows visitors how to mend toasters lamps and clothes",
}
LONG = "Plans flights, checks the batteries, flies the drone over fields and hands the farmer a map of the dry spots"


def direction(seed, size=32):
    vector = np.random.default_rng(seed).normal(size=size)
    return vector / np.linalg.norm(vector)


def blob(centre, count, spread, seed):
    """Unit vectors round a centre."""
    vectors = centre + spread * np.random.default_rng(seed).normal(size=(count, len(centre))) / len(centre) ** 0.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def world(sizes=(12, 9, 7), noise=8):
    """(table, embeddings, kind of each row): three groups and ads that are like none."""
    rows, vectors, kinds = [], [], []
    for seed, ((title, duties), size) in enumerate(zip(DUTIES.items(), sizes, strict=True)):
        vectors.append(blob(direction(seed), size, 0.4, seed))
        for number in range(size):
            date = f"{2023 + (number >= 2)}-0{1 + number % 6}-10"
            employer = f"Firm {number}" if title != "prompt engineer" else "One Firm"
            rows.append([f"{title} level {number}", f"{duties} {number}", date, employer])
            kinds.append(title)
    vectors += [direction(100 + number)[None] for number in range(noise)]
    rows += [[f"odd job {number}", "", "", ""] for number in range(noise)]
    table = pd.DataFrame(rows, columns=["job_title", "job_duties", "date", "employer"])
    return table.assign(id=[f"r{row}" for row in range(len(table))]), np.concatenate(vectors), kinds + [""] * noise


def codes():
    """Three texts of two codes: the first is near the drone pilots, in its second text."""
    near = blob(direction(0), 1, 0.8, 7)[0]
    return ["8350", "1111", "1111"], np.stack([direction(50), direction(51), near])


def test_groups_come_back_as_clusters_with_what_is_known_of_them():
    table, embeddings, kinds = world(noise=0)
    found = find_clusters(table, embeddings, *codes(), settings=Settings(unit="year"))
    assert found.ads.num_rows == len(table) and found.periods == ("2023", "2024")
    assert {cluster.id for cluster in found.clusters} == {"E001", "E002", "E003"}
    for cluster in found.clusters:
        kind = kinds[cluster.rows[0]]
        assert {kinds[row] for row in cluster.rows} == {kind}
        assert cluster.ads == cluster.size == kinds.count(kind)
        assert cluster.employers == (1 if kind == "prompt engineer" else cluster.ads)
        assert cluster.counts == {"2023": 2, "2024": cluster.ads - 2}
        assert (cluster.first_seen, cluster.last_seen[:4]) == ("2023-01-10", "2024")
        assert set(kind.split()) <= set(" ".join(cluster.keywords).split())
        assert list(cluster.cosines) == sorted(cluster.cosines, reverse=True)
        assert {found.ads["cluster"][row] for row in cluster.rows} == {cluster.id}


def test_most_odd_ads_stay_out_of_the_clusters_and_no_ad_of_a_group_does():
    table, embeddings, kinds = world()
    found = find_clusters(table, embeddings, *codes())
    outside = [kinds[row] for row, name in enumerate(found.ads["cluster"]) if not name]
    assert set(outside) == {""} and len(outside) > 4


def test_cohesion_nearest_codes_and_central_ads_are_the_cosines_worked_by_hand():
    table, embeddings, kinds = world(noise=0)
    found = find_clusters(table, embeddings, *codes())
    [drones] = [cluster for cluster in found.clusters if kinds[cluster.rows[0]] == "drone pilot"]
    own, (_, known) = embeddings[sorted(drones.rows)], codes()
    pairs = (own @ own.T)[np.triu_indices(len(own), 1)]
    assert drones.cohesion == pytest.approx(pairs.mean(), abs=1e-5)
    cosines = (own @ known.T).mean(axis=0)
    assert [code for code, _ in drones.nearest] == ["1111", "8350"]
    assert dict(drones.nearest) == pytest.approx({"1111": cosines[1:].max(), "8350": cosines[0]}, abs=1e-5)
    assert drones.rows[0] == np.argmax(embeddings[: len(own)] @ drones.centroid)


def test_the_score_is_distance_times_cohesion_times_employers_and_only_a_sure_growth_raises_it():
    table, embeddings, _ = world()
    found = find_clusters(table, embeddings, *codes())
    scores = [cluster.score for cluster in found.clusters]
    assert scores == sorted(scores, reverse=True) and scores == [score(cluster) for cluster in found.clusters]
    plain = replace(found.clusters[0], nearest=(("1", 0.4), ("2", 0.3)), cohesion=0.5, employers=7, ads=31, growth=None)
    assert score(plain) == pytest.approx(0.6 * 0.5 * 3)
    assert score(replace(plain, employers=0)) == pytest.approx(0.6 * 0.5 * 5)
    for low, factor in ((0.7, 1), (1.4, 1.4), (5.0, 2)):
        assert score(replace(plain, growth=Growth(2, 20, 10.0, low, 50.0))) == pytest.approx(0.9 * factor)


def test_the_same_input_gives_the_same_clusters_and_another_order_the_same_groups():
    table, embeddings, _ = world()
    first, again = (find_clusters(table, embeddings, *codes()) for _ in range(2))
    assert first.clusters == again.clusters
    order = np.random.default_rng(3).permutation(len(table))
    mixed = find_clusters(table.iloc[order], embeddings[order], *codes())

    def groups(found):
        return {frozenset(found.ads[row]["id"] for row in cluster.rows) for cluster in found.clusters}

    assert groups(mixed) == groups(first)


def test_a_cluster_becomes_the_question_for_a_judge():
    table, embeddings, _ = world()
    found = find_clusters(table, embeddings, *codes())
    group = group_of(found.clusters[0], found.ads, texts=3)
    central = [found.ads[row] for row in found.clusters[0].rows[:3]]
    assert group.id == "E001" and group.size == found.clusters[0].size
    assert group.texts == tuple((ad["job_title"], ad["job_duties"]) for ad in central)


def test_too_few_candidates_are_no_cluster_and_none_are_refused():
    table, embeddings, _ = world()
    found = find_clusters(table[:4], embeddings[:4], *codes())
    assert found.clusters == () and found.ads["cluster"] == [""] * 4
    with pytest.raises(ValueError, match="no candidates"):
        find_clusters(table[:0], embeddings[:0], *codes())


def test_an_ad_posted_again_counts_once_but_its_dates_and_employers_stay():
    rows = [
        ("a", "Drone pilot (f/m)", LONG, "2024-02-01", "Fields Ltd"),
        ("b", "Drone pilot", LONG, "2023-11-05T08:00:00", "Fields Ltd"),
        ("c", "Drone pilot", LONG, None, "Agency"),
        (
            "d",
            "Beekeeper",
            "Keeps bees on the roofs of offices and sells the honey to the people who work below",
            "",
            "",
        ),
    ]
    table = pd.DataFrame(rows, columns=["id", "job_title", "job_duties", "date", "employer"])
    ads = merge_duplicates(read_candidates(table))
    assert ads["ids"] == [["b", "a", "c"], ["d"]] and ads["rows"] == [[1, 0, 2], [3]] and ads["copies"] == [3, 1]
    assert ads["dates"][0] == ["2023-11-05", "2024-02-01"] and ads["employers"][0] == ["Fields Ltd", "Agency"]


def test_two_jobs_of_one_template_are_two_ads():
    titles = ["Drone pilot", "Drone technician", "Drone pilot, night shift", "Drone technician"]
    table = pd.DataFrame({"id": list("abcd"), "job_title": titles, "job_duties": [LONG] * 4})
    assert merge_duplicates(read_candidates(table))["ids"] == [["a", "c"], ["b", "d"]]


def test_short_texts_are_duplicates_only_where_they_are_the_same():
    titles = ["Engineer", "engineer ", "Data engineer", "Data engineer night shift", "", ""]
    table = Dataset.from_dict({"id": list("abcdef"), "job_title": titles, "job_duties": [""] * 6})
    assert merge_duplicates(read_candidates(table))["ids"] == [["a", "b"], ["c"], ["d"], ["e"], ["f"]]


@pytest.mark.parametrize("components", [None, 8])
@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_labels_are_numbered_by_size(components, method):
    _, embeddings, kinds = world(noise=0)
    labels = cluster_embeddings(embeddings, components=components, method=method)
    sizes = np.bincount(labels[labels != NOISE])
    assert list(sizes) == sorted(sizes, reverse=True) and list(sizes) == [12, 9, 7]
    assert all(len({kinds[row] for row in np.flatnonzero(labels == label)}) == 1 for label in range(3))


def test_equal_embeddings_are_one_cluster():
    embeddings = np.repeat(np.stack([direction(seed) for seed in range(3)]), 6, axis=0)
    assert cluster_embeddings(embeddings).tolist() == [0] * 6 + [1] * 6 + [2] * 6


def test_noise_joins_the_nearest_cluster_within_its_reach_and_no_other():
    first, second = direction(0), direction(1)
    members = np.concatenate([blob(first, 20, 0.5, 1), blob(second, 20, 0.1, 2)])
    near, far, beside = blob(first, 1, 0.3, 5), blob(first, 1, 2.5, 6), blob(second, 1, 0.6, 4)
    labels = np.array([0] * 20 + [1] * 20 + [NOISE] * 3)
    found = revisit_noise(np.concatenate([members, near, far, beside]), labels)
    # As far from its centroid as a member of the wide cluster is, the last is too far for the narrow one.
    assert found[:40].tolist() == labels[:40].tolist() and found[40:].tolist() == [0, NOISE, NOISE]
    assert labels[40:].tolist() == [NOISE] * 3


def test_noise_that_is_as_a_member_of_a_small_cluster_joins_it():
    # Six vectors that nobody can tell apart; the centroid of the first five is nearer to these than to the sixth.
    vectors = np.concatenate([np.full((6, 1), 0.8), 0.6 * np.eye(6)], axis=1)
    assert revisit_noise(vectors, np.array([0, 0, 0, 0, 0, NOISE])).tolist() == [0] * 6


def test_what_is_wrong_with_the_input_is_said():
    table, embeddings, _ = world()
    known, vectors = codes()
    with pytest.raises(ValueError, match="column job_duties is missing"):
        find_clusters(table.drop(columns="job_duties"), embeddings, known, vectors)
    with pytest.raises(ValueError, match="row 2, column id: 'r0' of row 1 again"):
        find_clusters(table.assign(id=["r0", "r0", *table["id"][2:]]), embeddings, known, vectors)
    with pytest.raises(ValueError, match=r"row 1, column date: 10 characters that are no date; allowed: one as"):
        find_clusters(table.assign(date="3rd of May"), embeddings, known, vectors)
    with pytest.raises(ValueError, match=r"embeddings has the shape \[3, 32\]; allowed: \[36, d\]"):
        find_clusters(table, embeddings[:3], known, vectors)
    with pytest.raises(ValueError, match="code_embeddings, row 2: no direction"):
        find_clusters(table, embeddings, known, vectors * [[1], [0], [1]])
    with pytest.raises(ValueError, match="embeddings have 32 and code_embeddings 5 dimensions"):
        find_clusters(table, embeddings, known, vectors[:, :5])
    with pytest.raises(ValueError, match="method 'all'; allowed: eom, leaf"):
        find_clusters(table, embeddings, known, vectors, settings=Settings(method="all"))
