"""Records with codes -> questions about groups with their right answers, to fine-tune the judging language model on.

A code that is hidden from the nearest ones makes a group that is new; one that is shown, a group that exists; records
of several codes together are no occupation.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from datasets import Dataset

from occ_autocoder.data.retrieval import Retriever
from occ_autocoder.data.selection import NONE
from occ_autocoder.data.tuning import accepted, as_examples, check_codes, generator_of
from occ_autocoder.taxonomy import Taxonomy

from .judgement import EXISTING, LONGEST_DEFINITION, LONGEST_TITLE, NEW, NO_OCCUPATION, TASKS, Group, judgement_request

SIZE, NEAREST, KEYWORDS = 5, 4, 8
SHARES = {NEW: 0.45, EXISTING: 0.35, NO_OCCUPATION: 0.2}


def judgement_examples(
    dataset: Dataset,
    taxonomy: Taxonomy,
    retriever: Retriever,
    *,
    per_code: int = 2,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
) -> Dataset:
    """Questions about groups of 5 records, with the right answer as completion (`data.tuning.EXAMPLE_FEATURES`).

    Args:
        dataset: with the columns of `data.records.RECORD_FEATURES`; codes are among `retriever.codes`.
        retriever: finds the nearest codes of a group, those of all its texts together.
        per_code: groups made for each code with 5 records or more, and 3 tasks or sentences of its own.
        shares: how many of the groups have which verdict.
        seed: of every draw.
    Raises: ValueError for a code that is not retrieved.
    """
    check_codes(dataset, retriever.codes)
    by_code: dict[str, list[tuple[str, str]]] = {}
    for row in dataset:
        by_code.setdefault(row["code"], []).append((row["job_title"], row["job_duties"]))
    usable = {code: texts for code, texts in by_code.items() if len(texts) >= SIZE and tasks_of(taxonomy, code)}
    examples = []
    for code in sorted(usable):
        for number in range(per_code):
            generator = generator_of(f"{code}-{number}", seed)
            verdict = str(generator.choice(list(shares), p=list(shares.values())))
            group, answer = question(code, verdict, usable, taxonomy, retriever, generator, f"{code}-{number}")
            request = judgement_request(group, taxonomy)
            examples.append({"prompt": request.prompt, "completion": accepted(answer, request), "source_id": group.id})
    return as_examples(examples, seed)


def question(
    code: str,
    verdict: str,
    texts: Mapping[str, Sequence[tuple[str, str]]],
    taxonomy: Taxonomy,
    retriever: Retriever,
    generator: np.random.Generator,
    id: str,
) -> tuple[Group, dict]:
    """A group of records with this verdict, and the right answer about it."""
    sources = [code] * SIZE
    if verdict == NO_OCCUPATION:
        others = [other for other in sorted(texts) if other != code]
        sources = [code, *map(str, generator.choice(others, min(SIZE - 1, len(others)), replace=False))]
    drawn = [texts[source][place] for source, place in places_of(sources, texts, generator)]
    near = nearest(drawn, retriever, NEAREST + 1)
    if verdict == NEW:
        near = [other for other in near if other != code]
    elif verdict == EXISTING and code not in near[:NEAREST]:
        near = [*near[: NEAREST - 1], code]
    near = near[:NEAREST]
    shuffled = tuple(near[place] for place in generator.permutation(len(near)))
    group = Group(id, SIZE, tuple(drawn), keywords(drawn), shuffled)
    return group, right_answer(code, verdict, near, taxonomy)


def places_of(
    sources: Sequence[str], texts: Mapping[str, Sequence], generator: np.random.Generator
) -> list[tuple[str, int]]:
    """(code, place of one of its records) for each source, no record twice."""
    order = {source: generator.permutation(len(texts[source])).tolist() for source in dict.fromkeys(sources)}
    return [(source, order[source].pop()) for source in sources]


def nearest(texts: Sequence[tuple[str, str]], retriever: Retriever, count: int) -> list[str]:
    """The codes with the largest sum of scores over the texts."""
    sums: dict[str, float] = {}
    titles, duties = (list(part) for part in zip(*texts, strict=True))
    for found in retriever.retrieve(titles, duties, top_k=2 * count):
        for candidate in found:
            sums[candidate.code] = sums.get(candidate.code, 0.0) + candidate.score
    return sorted(sums, key=lambda code: (-sums[code], code))[:count]


def keywords(texts: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The words that stand in most of the titles, the longer ones first among equals."""
    counts: dict[str, int] = {}
    for title, _ in texts:
        for word in {word.strip(".,()/").lower() for word in title.split()} - {""}:
            counts[word] = counts.get(word, 0) + 1
    return tuple(sorted(counts, key=lambda word: (-counts[word], -len(word), word))[:KEYWORDS])


def tasks_of(taxonomy: Taxonomy, code: str) -> list[str]:
    """The tasks of a code, or the sentences of its definition; none where there are fewer than three."""
    occupation = taxonomy[code]
    found = list(occupation.tasks) or [part.strip() for part in occupation.definition.split(". ") if part.strip()]
    return [task[:200] for task in found[: TASKS[1]]] if len(found) >= TASKS[0] and occupation.definition else []


def right_answer(code: str, verdict: str, near: Sequence[str], taxonomy: Taxonomy) -> dict:
    """The answer about a group whose records are of `code`."""
    occupation = taxonomy[code]
    if verdict == NO_OCCUPATION:
        reason = "The texts are of several different jobs."
        return {"reason": reason, "verdict": verdict, "code": NONE, "title": "", "definition": "", "tasks": []}
    reason = f"The work is that of {occupation.title}."
    if verdict == NEW:
        reason = f"The main tasks are not those of {taxonomy[near[0]].title}."
    return {
        "reason": reason,
        "verdict": verdict,
        "code": code if verdict == EXISTING else NONE,
        "title": occupation.title[:LONGEST_TITLE],
        "definition": occupation.definition[:LONGEST_DEFINITION],
        "tasks": tasks_of(taxonomy, code),
    }
