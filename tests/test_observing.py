"""What is seen of records: codes, novelty and embeddings in the rows' order, and every row accounted for."""

import numpy as np
import pytest
from tiny import tiny_records

import occ_autocoder
from occ_autocoder.data.records import Record, Rejected
from occ_autocoder.model.novelty_occupation import FEATURES
from occ_autocoder.serving import observe

ROWS = [
    Record(row["id"], row["job_title"], row["job_duties"], "", "", number + 1)
    for number, row in enumerate(tiny_records())
]


@pytest.fixture(scope="module")
def coder(model_folder):
    coder = occ_autocoder.load(model_folder)
    fitted = {"weights": [0.1] * len(FEATURES), "bias": -1.0}
    coder.model.config.novelty = {"title": fitted, "duties": None, "title_and_duties": None}
    return coder


def test_each_row_in_its_order_as_the_pipeline_sees_it_alone(coder):
    found = observe(coder, ROWS, top_k=3, batch_size=4)
    assert found.records["id"] == [row.id for row in ROWS] and found.embeddings.shape == (len(ROWS), 2, 32)
    for place in (0, 1, 17):
        record = {"job_title": ROWS[place].job_title, "job_duties": ROWS[place].job_duties}
        alone, row = coder(record, top_k=3, return_novelty=True), found.records[place]
        assert row["codes"] == [item["label"] for item in alone["occupations"]]
        assert row["confidences"] == pytest.approx([item["score"] for item in alone["occupations"]], abs=1e-5)
        assert (row["novelty"] is None) == bool(record["job_duties"])
        np.testing.assert_allclose(found.embeddings[place], alone["embeddings"].numpy(), atol=1e-5)


def test_rejected_rows_come_back_and_without_a_record_there_is_nothing_to_see(coder):
    rejected = Rejected(99, "x", "job_title", "empty")
    assert observe(coder, [ROWS[0], rejected]).rejected == [rejected]
    with pytest.raises(ValueError, match="no record to look at, 1 were rejected; row 99: empty"):
        observe(coder, [rejected])
