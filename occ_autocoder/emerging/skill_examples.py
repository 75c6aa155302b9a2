"""Tagged tokens -> questions about their text with the right answers, to fine-tune a model that extracts skills."""

from collections.abc import Mapping, Sequence

from datasets import Dataset

from occ_autocoder.data.tagged import TOKENS, tag_columns, tagged_spans
from occ_autocoder.data.tuning import accepted, as_examples, generator_of

from .skill_requests import MOST_PARTS, shown_places, skill_request

COLUMNS = {"tags": "skills", "tags_skill": "skills", "tags_knowledge": "knowledge", "tags_task": "tasks"}
EMPTY_SHARE = 0.3


def skill_examples(dataset: Dataset, *, empty_share: float = EMPTY_SHARE, seed: int = 0) -> Dataset:
    """The question which parts of each text are skills, and the tagged ones as answer (`data.tuning.EXAMPLE_FEATURES`).

    A text is its tokens with blanks between them. Only the kinds that have a column of tags are asked for, so that the
    model does not learn to leave the others empty; ask it later for the same (`skill_request`'s `kinds`). A part that
    the prompt does not show, as it is masked or beyond its longest text, is not in the answer.

    Args:
        dataset: as `data.tagged.read_tagged` gives it; `tags` or `tags_skill`, `tags_knowledge`, `tags_task`.
        empty_share: at most this share of the examples has an empty answer, drawn by `seed`; 0..1.
        seed: of the draw and of the examples' order.
    Raises:
        ValueError: another column of tags, two of one kind, a share outside of 0..1, or an answer that the request
            itself would not accept.
    """
    columns = kinds_of(tag_columns(dataset))
    if not 0 <= empty_share <= 1:
        raise ValueError(f"empty_share {empty_share}; allowed: 0 to 1")
    found = [example(f"row-{place}", row, columns) for place, row in enumerate(dataset)]
    full, empty = ([item for item in found if item["empty"] is is_empty] for is_empty in (False, True))
    most = len(empty) if empty_share == 1 else int(len(full) * empty_share / (1 - empty_share))
    drawn = sorted(empty, key=lambda item: generator_of(item["source_id"], seed).random())[:most]
    return as_examples([*full, *drawn], seed)


def kinds_of(columns: Sequence[str]) -> dict[str, str]:
    """The kind of each column of tags; ValueError for one that is not known, and for two of a kind."""
    unknown = [name for name in columns if name not in COLUMNS]
    kinds = {name: COLUMNS[name] for name in columns if name in COLUMNS}
    if unknown or not kinds or len(set(kinds.values())) < len(kinds):
        raise ValueError(f"columns of tags: {', '.join(columns) or 'none'}; allowed, one a kind: {', '.join(COLUMNS)}")
    return kinds


def example(id: str, row: Mapping[str, Sequence[str]], columns: Mapping[str, str]) -> dict:
    """The prompt and the completion about one text, and whether the answer is empty."""
    text = " ".join(row[TOKENS])
    shown, _ = shown_places(text)
    answer = {}
    for name, kind in columns.items():
        parts = [shown_places(" ".join(row[TOKENS][start:end])) for start, end in tagged_spans(row[name])]
        answer[kind] = [part for part, own in parts if part in shown and own and None not in own][:MOST_PARTS]
    request = skill_request(id, text, list(answer))
    completion = accepted(answer, request)
    return {"prompt": request.prompt, "completion": completion, "source_id": id, "empty": not any(answer.values())}
