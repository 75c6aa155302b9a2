"""What a language model is asked for the rewordings of a title or of duties, each apart."""

from collections.abc import Mapping
from functools import cache

from occ_autocoder.llm.prompt import nonce, prompt_version, render_prompt
from occ_autocoder.llm.request import Request
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Taxonomy

from .selection import shown

PROMPTS = {"job_title": "paraphrase_title", "job_duties": "paraphrase_duties"}
LONGEST = 4000  # characters of a rewording


def paraphrase_request(id: str, field: str, text: str, code: str, taxonomy: Taxonomy, count: int) -> Request:
    """The request for at most `count` rewordings of a record's `field`, "job_title" or "job_duties".

    Personal data in the text is masked, and what is longer than 2,000 characters is cut. The text stands between two
    lines with a number that follows from it, so that it cannot hold the line that would end it.
    """
    occupation, text = taxonomy[code], shown(normalize(text))
    prompt = render_prompt(
        PROMPTS[field],
        scheme=taxonomy.scheme.upper(),
        code=code,
        title=occupation.title,
        definition=occupation.definition,
        fence=f"=== text {nonce([text])} ===",
        text=text,
        count=count,
    )
    return Request(id, prompt, paraphrase_schema(count), paraphrase_fault)


@cache
def paraphrase_schema(count: int) -> Mapping:
    """The JSON schema of an answer with one to `count` rewordings."""
    texts = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": count}
    return {
        "type": "object",
        "properties": {"rewordings": texts},
        "required": ["rewordings"],
        "additionalProperties": False,
    }


def paraphrase_fault(value: Mapping) -> str:
    """What is wrong with an answer that fits the schema; "" for nothing."""
    if not any(normalize(text) for text in value["rewordings"]):
        return "no rewording has a text; allowed: at least one"
    if max(map(len, value["rewordings"])) > LONGEST:
        return f"a rewording is longer than {LONGEST:,} characters"
    return ""


@cache
def paraphrase_version() -> str:
    """The versions of both prompts, for provenance."""
    return " ".join(map(prompt_version, PROMPTS.values()))
