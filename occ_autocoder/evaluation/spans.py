"""Precision, recall and F1 of spans, strict and loose (Zhang et al. 2022, "SkillSpan", NAACL)."""

from collections.abc import Callable, Collection, Sequence

Place = tuple[str, int, int]  # kind, start, end
MEASURES = ("precision", "recall", "f1")
BOTH = "both"


def span_scores(gold: Sequence[Collection[Place]], found: Sequence[Collection[Place]]) -> dict[str, dict]:
    """ "strict" and "loose" -> kind, and "both" for all kinds together -> `precision`, `recall`, `f1`, from 0 to 1.

    Strict: a found span is right where a gold one has its kind, start and end. Loose: where one of its kind has a
    character or token in common; precision counts the found ones that overlap a gold one, recall the gold ones that
    are overlapped. Over all texts together (micro); 0 where there is nothing to count.

    Args:
        gold, found: of each text its spans, (kind, start, end) with the end excluded.
    Raises: ValueError where they are not of one length.
    """
    if len(gold) != len(found):
        raise ValueError(f"{len(gold)} texts with gold spans and {len(found)} with found ones; allowed: the same texts")
    kinds = sorted({kind for spans in (*gold, *found) for kind, _, _ in spans})
    return {
        name: {kind: scores(gold, found, kinds if kind == BOTH else [kind], same) for kind in (*kinds, BOTH)}
        for name, same in (("strict", equal), ("loose", overlapping))
    }


def equal(one: Place, other: Place) -> bool:
    """Whether two spans are the same."""
    return one == other


def overlapping(one: Place, other: Place) -> bool:
    """Whether two spans of one kind have a part in common."""
    return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]


def scores(gold, found, kinds: Collection[str], same: Callable[[Place, Place], bool]) -> dict[str, float]:
    """The measures over the spans of these kinds."""
    right = named = asked = met = 0
    for own, other in zip(gold, found, strict=True):
        own, other = ([span for span in {*spans} if span[0] in kinds] for spans in (own, other))
        right += sum(any(same(span, target) for target in own) for span in other)
        met += sum(any(same(span, target) for span in other) for target in own)
        named, asked = named + len(other), asked + len(own)
    precision, recall = right / named if named else 0.0, met / asked if asked else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return dict(zip(MEASURES, (precision, recall, f1), strict=True))
