"""Synthetic records of codes that have too few: what a prompt needs to know of a code."""

from occ_autocoder.taxonomy import Occupation, Taxonomy


def prompt_values(taxonomy: Taxonomy, code: str, neighbours: int = 14) -> dict:
    """What the prompts say of a code: scheme, code, title, definition, path from the top, examples, neighbours."""
    occupation = taxonomy[code]
    return {
        "scheme": taxonomy.scheme.upper(),
        "code": code,
        "title": occupation.title,
        "definition": occupation.definition,
        "path": [f"{above.code} {above.title}" for above in reversed(taxonomy.ancestors(code))],
        "examples": list(occupation.examples),
        "neighbours": nearest_leaves(taxonomy, code)[:neighbours],
    }


def nearest_leaves(taxonomy: Taxonomy, code: str) -> list[Occupation]:
    """The other leaves below the same top group, those with the nearest common ancestor first, in table order."""
    found: dict[str, Occupation] = {}
    for above in taxonomy.ancestors(code):
        for leaf in taxonomy.leaves_under(above.code):
            found.setdefault(leaf.code, leaf)
    return [leaf for leaf in found.values() if leaf.code != code]
