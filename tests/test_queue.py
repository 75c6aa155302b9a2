"""The order of records for review: figures worked by hand, doubt and rarity first, likes apart, and a random share."""

import json
import math

import numpy as np
import pytest
from commands import fail, succeed
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.feedback.queue import Queue, entropy, margin, queue_of, rarity, review_order

SPREAD = np.array([[0.5, 0.5, 0.0, 0.0], [0.25] * 4, [1.0, 0.0, 0.0, 0.0], [0.6, 0.3, 0.1, 0.0]])


def queue(probabilities=SPREAD, embeddings=None, rare=None) -> Queue:
    size = len(probabilities)
    embeddings = np.eye(size) if embeddings is None else embeddings
    labels = np.argsort(-probabilities, axis=1)
    return Queue(
        entropy(probabilities),
        margin(probabilities),
        labels,
        np.take_along_axis(probabilities, labels, axis=1),
        np.zeros(size) if rare is None else np.array(rare),
        embeddings,
    )


def places(*arguments, audit=0.0, **options) -> list[int]:
    return review_order(*arguments, audit=audit, **options)[0].tolist()


def test_doubt_and_rarity_by_hand():
    assert entropy(SPREAD)[:3] == pytest.approx([math.log(2) / math.log(4), 1.0, 0.0])
    assert margin(SPREAD) == pytest.approx([0.0, 0.0, 1.0, 0.3])
    assert rarity(np.array([0, 1]), np.array([0, 8])) == pytest.approx([1.0, 1 / 3])


def test_each_order_puts_its_own_doubt_first():
    assert places(queue(), 4, order="entropy") == [1, 3, 0, 2]
    assert places(queue(), 4, order="margin") == [0, 1, 3, 2]
    assert places(queue(), 3) == [0, 1, 3]


def test_of_equal_doubt_the_rare_code_comes_first():
    same = np.array([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0]])
    assert places(queue(same, rare=[0.0, 0.5]), 2) == [1, 0]


def test_records_alike_do_not_follow_each_other():
    alike = np.array([[1.0, 0.0], [0.999, math.sqrt(1 - 0.999**2)], [0.0, 1.0]])
    doubt = np.array([[0.5, 0.5, 0.0], [0.51, 0.49, 0.0], [0.7, 0.3, 0.0]])
    assert places(queue(doubt, alike), 3) == [0, 2, 1]
    assert places(queue(doubt, alike), 3, order="margin") == [0, 1, 2]


def test_a_share_is_drawn_at_random_and_no_record_comes_twice():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(400, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    many = queue(generator.dirichlet(np.ones(5), 400), vectors)
    found, drawn = review_order(many, 100, audit=0.2, seed=3)
    assert len({*found.tolist()}) == 100 and drawn.sum() == 20
    assert many.margin[found[~drawn]].mean() < many.margin.mean()
    again = review_order(many, 100, audit=0.2, seed=3)
    assert (again[0] == found).all() and (review_order(many, 100, audit=0.2, seed=4)[0] != found).any()
    assert len(review_order(many, 1000)[0]) == 400
    random = [review_order(many, 50, "random", seed=seed)[0] for seed in range(20)]
    assert many.margin[np.concatenate(random)].mean() == pytest.approx(many.margin.mean(), abs=0.03)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="order is 'best'; allowed: active, entropy, margin, random"):
        review_order(queue(), 2, "best")
    with pytest.raises(ValueError, match="allowed: from 1, from 0 to 1"):
        review_order(queue(), 0)


def test_a_model_says_what_the_pipeline_says(model_folder):
    coder, rows = occ_autocoder.load(model_folder), tiny_records()
    found = queue_of(coder, [row["job_title"] for row in rows], [row["job_duties"] for row in rows], 3, batch_size=7)
    for place, codes in enumerate(coder(rows, top_k=3)):
        labels = [coder.model.config.id2label[label] for label in found.labels[place]]
        assert labels == [code["label"] for code in codes]
        assert found.confidence[place] == pytest.approx([code["score"] for code in codes], abs=1e-5)
    assert found.embeddings.shape == (36, 32) and np.linalg.norm(found.embeddings, axis=1) == pytest.approx(1, abs=1e-5)
    assert found.rarity.max() < 1


def test_the_command_writes_what_a_reviewer_needs(model_folder, tmp_path):
    source = tmp_path / "records.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in [*tiny_records(), {"id": "empty", "job_title": " "}]))
    asked = ["review-queue", source, "--model", model_folder, "--output", tmp_path / "queue.jsonl", "--size", 20]
    output = succeed(*asked, "--audit", 0.1, "--blind", 0.25)
    assert "36 records, 1 rejected" in output and "empty" in (tmp_path / "queue_rejected.csv").read_text()
    lines = [json.loads(line) for line in (tmp_path / "queue.jsonl").read_text().splitlines()]
    assert len({line["id"] for line in lines}) == 20 and len(lines[0]["shown"]) == 5
    assert sum(line["mode"] == "blind" for line in lines) == 5 and sum(line["why"] == "random" for line in lines) == 2
    assert "order is 'best'" in fail(*asked, "--order", "best")
