"""Cleaning of labels: each record against the whole list of codes, and what is to be done with the code it came with.

The steps are retrieval of candidates, the opinion of a classifier that did not see the record, and, where there is a
language model, its choice among the candidates. Without one the same decision follows from the first two.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from datasets import Dataset, Features, List, Value, concatenate_datasets

from occ_autocoder.extras import require
from occ_autocoder.llm.request import Answer, Generate
from occ_autocoder.taxonomy import Taxonomy

from .decisions import RIGHT, SURE, Finding, decide
from .encoder import Encode
from .evidence import START, Noise, beside, distribution, estimate_noise, posterior
from .records import record_texts
from .retrieval import Candidate, Retriever
from .selection import Selection, read_selection, selection_request
from .witnesses import out_of_sample

require("data")

FOLDS, TOP_K = 5, 5
NON_ANSWERS = (
    *("n/a", "none", "unknown", "not known", "not stated", "not applicable", "no answer", "refused to answer"),
    *("don't know", "see above", "same as before", "to be confirmed", "just a test", "asdf", "xxx", "lorem ipsum"),
    *("job", "work", "other", "various", "unemployed", "retired", "12345"),
)
TEXT, NUMBER = Value("string"), Value("float32")
CLEANED_FEATURES = Features(
    {
        "decision": TEXT,  # one of DECISIONS
        "cleaned_code": TEXT,  # of a record that is kept or relabelled, else ""
        "why": TEXT,
        "suggested_code": TEXT,  # the most probable, the given one considered
        "suggested_probability": NUMBER,
        "given_probability": NUMBER,  # 0 where no code of the list is given
        "candidates": List(TEXT),
        "retrieval_scores": List(NUMBER),
        "relevance": List(NUMBER),  # of the language model; without its answer, how likely each is by its texts
        "classifier_code": TEXT,
        "classifier_probability": NUMBER,
        "label_quality": NUMBER,  # cleanlab's, 0..1; none where no code of the list is given
        "label_issue": Value("bool"),  # cleanlab's
        "selected_code": TEXT,  # the language model's; "" for none of the candidates, null where it gave no answer
        "selected_reason": TEXT,
        "selector": TEXT,
    }
)


def clean_records(
    dataset: Dataset,
    taxonomy: Taxonomy,
    encode: Encode,
    *,
    generate: Generate | None = None,
    top_k: int = TOP_K,
    folds: int = FOLDS,
    sure: float = SURE,
    non_answers: Sequence[str] = NON_ANSWERS,
    seed: int = 0,
) -> tuple[Dataset, Noise]:
    """The records with `CLEANED_FEATURES` added, none edited or dropped; and the noise that was found in their codes.

    A code is kept where it is more probable than not, and replaced where another is at least `sure`; else a person is
    to look. A record whose text is nearer to one of `non_answers` than to anything that the taxonomy says is discarded
    as uncodable. With `generate` a language model chooses among the candidates, without being told the given code: what
    it and the given code, or it and the other evidence, agree on is the code; where nothing agrees a person is to look.
    A record that it does not answer is decided as without it. An uncodable record is not sent.

    Takes about 16 bytes of memory for each record and code.

    Args:
        dataset: with the columns of a record. Codes that are not leaves of the taxonomy count as not given.
        encode: texts -> unit vectors [n, d].
        top_k: candidates of a record.
        folds: of the cross-validation of the classifier.
        non_answers: what is written where there is no answer, in the language of the records.
    Raises:
        ValueError: a column is missing or would be overwritten; a number out of range.
        RunStopped: of `generate`.
    """
    check_arguments(dataset, top_k, folds, sure)
    if not len(dataset):
        features = Features({**dataset.features, **CLEANED_FEATURES})
        return Dataset.from_dict({name: [] for name in features}, features=features), Noise(*START)
    titles, duties = list(dataset["job_title"]), list(dataset["job_duties"])
    retriever = Retriever(taxonomy, encode)
    labels = labels_of(dataset["code"], retriever.codes)
    opinions = out_of_sample(taxonomy, retriever.codes, titles, duties, labels, encode, folds, seed)
    likely = distribution(retriever, titles, duties, opinions)
    chances = beside(taxonomy, retriever.codes)
    noise = estimate_noise(likely[labels >= 0], labels[labels >= 0], chances)
    probable = posterior(likely, labels, chances, noise)
    silent = uncodable(retriever, titles, duties, encode, non_answers)
    findings = list(findings_of(retriever.codes, labels, probable, silent))
    candidates = retriever.retrieve(titles, duties, top_k)
    answers = ask(dataset, candidates, findings, taxonomy, generate)
    columns = {
        **decided(findings, answers, sure),
        **shortlists(retriever.codes, candidates, likely, answers),
        **second_opinion(retriever.codes, labels, np.exp(opinions["discriminant"])),
    }
    added = Dataset.from_dict({name: columns[name] for name in CLEANED_FEATURES}, features=CLEANED_FEATURES)
    return concatenate_datasets([dataset, added], axis=1), noise


def check_arguments(dataset: Dataset, top_k: int, folds: int, sure: float) -> None:
    """ValueError for what is not allowed."""
    if missing := {"id", "job_title", "job_duties", "code"} - {*dataset.column_names}:
        raise ValueError(f"no column {min(missing)}; allowed: records with id, job_title, job_duties and code")
    if taken := {*CLEANED_FEATURES} & {*dataset.column_names}:
        raise ValueError(f"column {min(taken)}: the records were cleaned before; allowed: records without it")
    if top_k < 2 or folds < 2 or not RIGHT <= sure <= 1:
        raise ValueError(f"top_k={top_k}, folds={folds}, sure={sure}; allowed: from 2, from 2, from {RIGHT} to 1")


def labels_of(codes: Sequence[str], allowed: Sequence[str]) -> np.ndarray:
    """[n], the place of each code among those that are allowed; -1 for another one."""
    places = {code: label for label, code in enumerate(allowed)}
    return np.array([places.get(code, -1) for code in codes], dtype=int)


def uncodable(
    retriever: Retriever, titles: Sequence[str], duties: Sequence[str], encode: Encode, non_answers: Sequence[str]
) -> np.ndarray:
    """[n], whether the whole text of a record is nearer to a non-answer than to all titles and texts of the codes."""
    texts = record_texts(titles, duties)
    if not texts or not non_answers:
        return np.zeros(len(texts), dtype=bool)
    known = retriever.similarities
    nothing = (encode(texts) @ encode(list(non_answers)).T).max(axis=1)
    something = np.maximum(
        known.nearest("dense_titles", texts, encode).max(axis=1),
        known.nearest("dense_texts", texts, encode).max(axis=1),
    )
    return nothing > something


def findings_of(
    codes: Sequence[str], labels: np.ndarray, probable: np.ndarray, silent: np.ndarray
) -> Iterator[Finding]:
    """What is known of each record."""
    for label, row, nothing in zip(labels, probable, silent, strict=True):
        best = int(row.argmax())
        given = (codes[label], float(row[label])) if label >= 0 else ("", 0.0)
        yield Finding(*given, codes[best], float(row[best]), bool(nothing))


def ask(
    dataset: Dataset,
    candidates: Sequence[Sequence[Candidate]],
    findings: Sequence[Finding],
    taxonomy: Taxonomy,
    generate: Generate | None,
) -> list[Answer | None]:
    """The language model's answer about each record; None where it was not asked."""
    if generate is None:
        return [None] * len(dataset)
    asked = [row for row, finding in enumerate(findings) if not finding.uncodable]
    answers = generate([selection_request(dataset[row], candidates[row], taxonomy) for row in asked])
    found = dict(zip(asked, answers, strict=True))
    return [found.get(row) for row in range(len(dataset))]


def second_opinion(codes: Sequence[str], labels: np.ndarray, classifier: np.ndarray) -> dict[str, list]:
    """What the classifier holds for right, and what cleanlab makes of it."""
    rows = np.flatnonzero(labels >= 0)
    quality, issue = np.full(len(labels), None), np.zeros(len(labels), dtype=bool)
    if len(rows):
        from cleanlab.filter import find_label_issues
        from cleanlab.rank import get_label_quality_scores

        quality[rows] = get_label_quality_scores(labels[rows], classifier[rows])
        issue[rows] = find_label_issues(labels[rows], classifier[rows], n_jobs=1)
    return {
        "classifier_code": [codes[best] for best in classifier.argmax(axis=1)],
        "classifier_probability": classifier.max(axis=1).tolist(),
        "label_quality": quality.tolist(),
        "label_issue": issue.tolist(),
    }


def shortlists(
    codes: Sequence[str],
    candidates: Sequence[Sequence[Candidate]],
    likely: np.ndarray,
    answers: Sequence[Answer | None],
) -> dict[str, list]:
    """The candidates of each record with their scores, and how relevant they are by the language model or the texts."""
    places = {code: label for label, code in enumerate(codes)}
    relevance = []
    for row, found in enumerate(candidates):
        selection = selected(answers[row])
        own = likely[row, [places[candidate.code] for candidate in found]].tolist()
        relevance.append(own if selection is None else list(selection.relevance))
    return {
        "candidates": [[candidate.code for candidate in found] for found in candidates],
        "retrieval_scores": [[candidate.score for candidate in found] for found in candidates],
        "relevance": relevance,
    }


def decided(findings: Sequence[Finding], answers: Sequence[Answer | None], sure: float) -> dict[str, list]:
    """What is done with each record, and by whose word."""
    columns: dict[str, list] = {}
    for finding, answer in zip(findings, answers, strict=True):
        selection = selected(answer)
        decision = decide(finding, selection, sure)
        unanswered = f"no answer ({answer.reason}); " if answer and selection is None else ""
        row = {
            "decision": decision.decision,
            "cleaned_code": decision.code,
            "why": unanswered + decision.why,
            "suggested_code": finding.suggested,
            "suggested_probability": finding.suggested_probability,
            "given_probability": finding.given_probability,
            "selected_code": selection and selection.code,
            "selected_reason": selection and selection.reason,
            "selector": selection and answer.generator,
        }
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def selected(answer: Answer | None) -> Selection | None:
    """What the language model chose; None where it was not asked or gave no answer that could be used."""
    return None if answer is None or answer.value is None else read_selection(answer.value)
