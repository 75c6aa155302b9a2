"""What is done with the code that a record came with: it is kept or replaced, a person looks, or the record goes."""

from dataclasses import dataclass

from .selection import Selection

KEEP, RELABEL, PERSON, DISCARD = DECISIONS = ("keep", "relabel", "person", "discard")
RIGHT, SURE = 0.5, 0.8
LITTLE = 0.2  # a relevance that says no


@dataclass(frozen=True)
class Finding:
    """What is known of a record before a language model is asked: two codes, "" for none, and how probable they are.

    `given` is the code that it came with, `suggested` the most probable one, which may be the same.
    """

    given: str
    given_probability: float
    suggested: str
    suggested_probability: float
    uncodable: bool

    def __str__(self) -> str:
        given = f"given {self.given} {self.given_probability:.2f}" if self.given else "no code of the list is given"
        other = f"{self.suggested} {self.suggested_probability:.2f}"
        return given if self.given == self.suggested else f"{given}, {other}"


@dataclass(frozen=True)
class Decision:
    """One of `DECISIONS`, the code of a record that is kept or relabelled ("" for the others), and why."""

    decision: str
    code: str
    why: str


def decide(finding: Finding, selection: Selection | None = None, sure: float = SURE) -> Decision:
    """What to do with a record; without a selection by what is known of it alone."""
    if finding.uncodable:
        return Decision(DISCARD, "", "the text is nearer to no answer at all than to any code")
    if selection is None:
        return decide_alone(finding, sure)
    return decide_with(finding, selection)


def decide_alone(finding: Finding, sure: float) -> Decision:
    """The given code where it is more probable than not, another where it is at least `sure`."""
    if finding.given and finding.given_probability >= RIGHT:
        return Decision(KEEP, finding.given, str(finding))
    if finding.suggested != finding.given and finding.suggested_probability >= sure:
        return Decision(RELABEL, finding.suggested, str(finding))
    return Decision(PERSON, "", str(finding))


def decide_with(finding: Finding, selection: Selection) -> Decision:
    """The code that the language model, which was not told the given one, agrees on with what else is known."""
    why = f"selected {selection.code or 'none'}; {finding}"
    if selection.code and selection.code == finding.given:
        return Decision(KEEP, finding.given, why)
    if selection.code and selection.code == finding.suggested:
        return Decision(RELABEL, finding.suggested, why)
    nothing = not selection.code and max(selection.relevance) <= LITTLE
    if nothing and max(finding.given_probability, finding.suggested_probability) < RIGHT:
        return Decision(DISCARD, "", why)
    return Decision(PERSON, "", why)
