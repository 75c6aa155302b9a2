"""The question-answer step of cleaning: a record and its candidates go to a language model, which picks a code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from occ_autocoder.llm.prompt import nonce, render_prompt
from occ_autocoder.llm.request import Request
from occ_autocoder.taxonomy import Taxonomy

from .privacy import mask_personal
from .retrieval import Candidate

PROMPT = "select_code"
NONE = "none"
LONGEST_TEXT = 2000
LONGEST_REASON = 400
TASKS = 8


@dataclass(frozen=True)
class Selection:
    """A model's answer about a record: the code ("" for none of them), a relevance 0..1 for each candidate, why."""

    code: str
    relevance: tuple[float, ...]
    reason: str


def selection_request(record: Mapping[str, str], candidates: Sequence[Candidate], taxonomy: Taxonomy) -> Request:
    """The question which of `candidates` is right for `record` (`id`, `job_title`, `job_duties`).

    Personal data in the texts is masked, and what is longer than 2,000 characters is cut. The texts stand between two
    lines with a number that follows from them, so that no text can hold the line that would end it. An answer is a
    fault unless its code is a candidate's or "none", and no candidate is more relevant than the one that is chosen.
    """
    texts = {name: shown(record[name]) for name in ("job_title", "job_duties")}
    prompt = render_prompt(
        PROMPT,
        scheme=taxonomy.scheme.upper(),
        candidates=[described(taxonomy, candidate.code) for candidate in candidates],
        fence=f"=== record {nonce(texts.values())} ===",
        none=NONE,
        **texts,
    )
    codes = [candidate.code for candidate in candidates]
    return Request(record["id"], prompt, selection_schema(len(codes)), lambda value: selection_fault(value, codes))


def read_selection(value: Mapping) -> Selection:
    """An accepted answer as a `Selection`."""
    return Selection("" if value["code"] == NONE else value["code"], tuple(value["relevance"]), value["reason"])


@cache
def selection_schema(candidates: int) -> Mapping:
    """The JSON schema of an answer about so many candidates; the relevances come first, and the choice follows."""
    relevance = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "type": "object",
        "properties": {
            "relevance": {"type": "array", "items": relevance, "minItems": candidates, "maxItems": candidates},
            "code": {"type": "string", "minLength": 1, "maxLength": 100},
            "reason": {"type": "string", "maxLength": LONGEST_REASON},
        },
        "required": ["relevance", "code", "reason"],
        "additionalProperties": False,
    }


def selection_fault(value: Mapping, codes: Sequence[str]) -> str:
    """What is wrong with an answer that fits the schema; "" for nothing."""
    code, relevance = value["code"], value["relevance"]
    if code == NONE:
        return ""
    if code not in codes:
        return f"code {code!r} is no candidate; allowed: {', '.join([*codes, NONE])}"
    if relevance[codes.index(code)] < max(relevance):
        return f"code {code} is not the most relevant by your own numbers"
    return ""


def described(taxonomy: Taxonomy, code: str) -> dict:
    """What the prompt says of a candidate."""
    occupation = taxonomy[code]
    return {
        "code": code,
        "title": occupation.title,
        "definition": occupation.definition,
        "path": [above.title for above in reversed(taxonomy.ancestors(code))],
        "tasks": list(occupation.tasks[:TASKS]),
        "excluded": list(occupation.excluded[:TASKS]),
    }


def shown(text: str) -> str:
    """A text of the record as the prompt shows it: one line, masked, of bounded length."""
    masked, _ = mask_personal(" ".join(text.split()))
    return masked[:LONGEST_TEXT]
