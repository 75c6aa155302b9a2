"""Record -> text: normalisation and the three templates, the same for training and for serving.

Only the standard library: this file travels with published weights.
"""

import unicodedata

TEMPLATES = {
    "title_and_duties": "job_title={job_title} job_duties={job_duties}",
    "title": "job_title={job_title}",
    "duties": "job_duties={job_duties}",
}
FORMS = tuple(TEMPLATES)
MAX_CHARACTERS = 20_000

# Format characters (zero-width, bidirectional, tag), controls, surrogates, private use and unassigned code points.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def normalize(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return `text` in NFKC, without invisible characters, with single spaces, cut at `max_characters`.

    Idempotent. The text is cut before the normalisation and after it, since NFKC can expand one character to eighteen.
    """
    text = unicodedata.normalize("NFKC", text[:max_characters])[:max_characters]
    visible = "".join(map(_visible, text))
    # Removing a character can bring two together that compose, so normalise once more.
    return " ".join(unicodedata.normalize("NFKC", visible).split())[:max_characters].strip()


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    return "" if unicodedata.category(character) in _INVISIBLE_CATEGORIES else character


def form_of(job_title: str, job_duties: str) -> str:
    """Return the template's name for a record whose fields are normalised: one of `FORMS`.

    Raises:
        ValueError: when both fields are empty.
    """
    if job_title:
        return "title_and_duties" if job_duties else "title"
    if job_duties:
        return "duties"
    raise ValueError("a record needs a job_title or job_duties: both are empty")


def render(job_title: str, job_duties: str = "") -> str:
    """Return the record's text in the template that fits its non-empty fields."""
    return TEMPLATES[form_of(job_title, job_duties)].format(job_title=job_title, job_duties=job_duties)
