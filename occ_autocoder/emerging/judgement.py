"""The question-answer step about a group of records that no code fits: what it is, what to call it, what is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from occ_autocoder.data.selection import LONGEST_REASON, NONE, described, shown
from occ_autocoder.llm.prompt import nonce, render_prompt
from occ_autocoder.llm.request import Request
from occ_autocoder.taxonomy import Taxonomy

PROMPT = "judge_emerging"
NEW, VARIANT, EXISTING, NO_OCCUPATION = VERDICTS = "new", "variant", "existing", "no occupation"
TEXTS, KEYWORDS, TASKS = 6, 12, (3, 8)
LONGEST_TEXT, LONGEST_DEFINITION, LONGEST_TITLE = 600, 1200, 120


@dataclass(frozen=True)
class Group:
    """Records that belong together: the most typical `texts` (title, duties) first, `keywords`, the nearest `codes`."""

    id: str
    size: int
    texts: tuple[tuple[str, str], ...]
    keywords: tuple[str, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """What a group is: one of `VERDICTS`, the `code` that it is or varies ("" for none), a draft of its entry, why."""

    verdict: str
    code: str
    title: str
    definition: str
    tasks: tuple[str, ...]
    reason: str


def judgement_request(group: Group, taxonomy: Taxonomy) -> Request:
    """The question what `group` is, beside its nearest codes. As in `selection_request`, texts are masked and fenced.

    An answer is a fault where its code and title do not go with its verdict.
    """
    texts = [
        {"job_title": shown(title), "job_duties": shown(duties)[:LONGEST_TEXT]} for title, duties in group.texts[:TEXTS]
    ]
    keywords = [shown(word) for word in group.keywords[:KEYWORDS]]
    prompt = render_prompt(
        PROMPT,
        scheme=taxonomy.scheme.upper(),
        candidates=[described(taxonomy, code) for code in group.codes],
        size=group.size,
        keywords=keywords,
        texts=texts,
        fence=f"=== texts {nonce([*keywords, *(value for text in texts for value in text.values())])} ===",
        none=NONE,
    )
    return Request(group.id, prompt, SCHEMA, lambda value: judgement_fault(value, group.codes))


SCHEMA: Mapping = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": LONGEST_REASON},
        "verdict": {"type": "string", "enum": list(VERDICTS)},
        "code": {"type": "string", "minLength": 1, "maxLength": 100},
        "title": {"type": "string", "maxLength": LONGEST_TITLE},
        "definition": {"type": "string", "maxLength": LONGEST_DEFINITION},
        "tasks": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}, "maxItems": TASKS[1]},
    },
    "required": ["reason", "verdict", "code", "title", "definition", "tasks"],
    "additionalProperties": False,
}


def judgement_fault(value: Mapping, codes: Sequence[str]) -> str:
    """What is wrong with an answer that fits the schema; "" for nothing."""
    verdict, code = value["verdict"], value["code"]
    if verdict in (VARIANT, EXISTING) and code not in codes:
        return f'code {code!r} with "{verdict}"; allowed: {", ".join(codes)}'
    if verdict in (NEW, NO_OCCUPATION) and code != NONE:
        return f'code {code!r} with "{verdict}"; allowed: {NONE}'
    if verdict != NO_OCCUPATION and not (value["title"].strip() and value["definition"].strip()):
        return f'title or definition is empty; allowed with "{verdict}": a text'
    if verdict != NO_OCCUPATION and len(value["tasks"]) < TASKS[0]:
        return f'{len(value["tasks"])} tasks; allowed with "{verdict}": {TASKS[0]} to {TASKS[1]}'
    return ""


def read_judgement(value: Mapping) -> Judgement:
    """An accepted answer as a `Judgement`."""
    code = "" if value["code"] == NONE else value["code"]
    return Judgement(
        value["verdict"], code, value["title"], value["definition"], tuple(value["tasks"]), value["reason"]
    )
