"""Synthetic records of codes that have too few: which codes need how many, and what comes back."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from datasets import Dataset, Features, Value, concatenate_datasets

from occ_autocoder.llm.prompt import prompt_version
from occ_autocoder.llm.request import Answer, Generate
from occ_autocoder.model.text_occupation import normalize
from occ_autocoder.taxonomy import Occupation, Taxonomy

from .leakage import TEXTS, Fault, filter_records, with_faults
from .records import RECORD_FEATURES
from .synthesis_requests import BATCH, FIELDS, PROMPT, Order, new_orders, new_request, seed_lines, turn

if TYPE_CHECKING:
    from .encoder import Encode
    from .retrieval import Retriever

SOURCE, ROUNDS, MOST_SEEDS = "synthetic", 3, 5
SYNTHETIC_FEATURES = Features(
    {
        **RECORD_FEATURES,
        **{name: Value("string") for name in ("register", "generator", "prompt_version")},
        "seed": Value("int64"),
    }
)


def synthesize_records(
    taxonomy: Taxonomy,
    generate: Generate,
    *,
    codes: Collection[str] | None = None,
    target: int | Mapping[str, int] = BATCH,
    below: int | None = None,
    records: Dataset | None = None,
    seeds: int = 0,
    protected: Dataset | None = None,
    encode: "Encode | None" = None,
    retriever: "Retriever | None" = None,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """Records that a language model writes for the codes that `wanted_records` names, and what was set aside.

    A request is for 30 records at most; those of one code differ in what they lean to (register, seniority, sector)
    and in their seed records. What was not delivered, or was set aside by `leakage.filter_records`, is asked for
    again, in at most `rounds` rounds; `shortages` tells what is missing after them.

    Args:
        codes, target, below: see `wanted_records`.
        seeds: how many records of the code a prompt shows for their style, 0 to 5, of those in `records` that are
            near none of `protected`; personal data in them is masked.
        records, protected, encode, retriever: see `filter_records`; `records` are the known ones.
    Returns:
        The records (`SYNTHETIC_FEATURES`), whose ids name seed, code, request and place; and those set aside, with
        `reason` and `evidence`. A request without an answer is a row there too, without texts.
    Raises:
        ValueError: `seeds` without records or out of range, `rounds` below 1; see `wanted_records`.
    """
    check_numbers(seeds, rounds, records)
    wanted = wanted_records(taxonomy, codes=codes, target=target, below=below, records=records)
    pools = seed_lines(records, protected, wanted, seed) if seeds else {}
    judging = {"known": records, "protected": protected, "encode": encode, "retriever": retriever, "seed": seed}
    rows, unanswered, sent = [], [], Counter()
    kept, aside = as_dataset([]), with_faults(as_dataset([]), [])
    for _ in range(rounds):
        orders = list(new_orders(shortages(wanted, kept), sent))
        if not orders:
            break
        answers = ask(taxonomy, generate, orders, pools, seeds, titles_by_code(rows), seed)
        rows += [row for order, answer in zip(orders, answers) for row in answer_rows(order, answer, seed)]
        unanswered += [(order, answer) for order, answer in zip(orders, answers) if answer.value is None]
        sent.update(order.code for order in orders)
        kept, aside = filter_records(as_dataset(rows), taxonomy, fields=TEXTS, **judging)
    kept, surplus = up_to(kept, wanted)
    return kept, concatenate_datasets([aside, surplus, without_answer(unanswered, seed)])


def check_numbers(seeds: int, rounds: int, records: Dataset | None) -> None:
    """ValueError for numbers that are not allowed."""
    if not 0 <= seeds <= MOST_SEEDS or rounds < 1:
        raise ValueError(f"seeds={seeds}, rounds={rounds}; allowed: 0 to {MOST_SEEDS} seeds, rounds from 1")
    if seeds and records is None:
        raise ValueError(f"seeds={seeds} without records; allowed with the records that they are drawn from")


def wanted_records(
    taxonomy: Taxonomy,
    *,
    codes: Collection[str] | None = None,
    target: int | Mapping[str, int] = BATCH,
    below: int | None = None,
    records: Dataset | None = None,
) -> dict[str, int]:
    """Code -> how many records are to be written for it, in the taxonomy's order; only codes that need some.

    Args:
        codes: those that may get records; else the codes of `target` where it is a mapping, else all leaves.
        target: the records that a code shall have, those in `records` among them: one number, or one for each code.
        below: only codes with fewer than so many in `records`.
    Raises:
        ValueError: a code that is no leaf or has no target, a negative target, `below` without `records`.
    """
    leaves = [item.code for item in taxonomy.leaves]
    targets = target if isinstance(target, Mapping) else dict.fromkeys(leaves, target)
    chosen = (targets if isinstance(target, Mapping) else leaves) if codes is None else codes
    check_codes(leaves, chosen, targets)
    if below is not None and records is None:
        raise ValueError(f"below={below} without records; allowed with the records in which a code is counted")
    support = Counter(() if records is None else records["code"])
    rare = [code for code in leaves if code in set(chosen) and (below is None or support[code] < below)]
    return {code: targets[code] - support[code] for code in rare if targets[code] > support[code]}


def check_codes(leaves: Collection[str], chosen: Collection[str], targets: Mapping[str, int]) -> None:
    """ValueError for a code that is no leaf, has no target or a negative one."""
    if unknown := sorted({*chosen, *targets} - set(leaves)):
        raise ValueError(f"code {unknown[0]}: none that records are coded to; allowed: one of {len(leaves)} leaves")
    for code in chosen:
        if targets.get(code, -1) < 0:
            raise ValueError(f"target of {code} is {targets.get(code)}; allowed: a whole number from 0")


def shortages(wanted: Mapping[str, int], records: Dataset) -> dict[str, int]:
    """Code -> how many of the wanted records are not among `records`; only codes that lack some."""
    support = Counter(records["code"])
    return {code: number - support[code] for code, number in wanted.items() if support[code] < number}


def ask(
    taxonomy: Taxonomy,
    generate: Generate,
    orders: Sequence[Order],
    pools: Mapping[str, Sequence[str]],
    seeds: int,
    taken: Mapping[str, Sequence[str]],
    seed: int,
) -> list[Answer]:
    """The answers to the orders, in their order; `pools` are the seed lines of each code, `taken` its titles so far."""
    requests = []
    for order in orders:
        shown = turn(pools.get(order.code, ()), order.number, seeds)
        about = prompt_values(taxonomy, order.code)
        requests.append(new_request(order, about, shown, taken.get(order.code, ()), seed))
    answers = {answer.id: answer for answer in generate(requests)}
    return [answers[request.id] for request in requests]


def answer_rows(order: Order, answer: Answer, seed: int) -> list[dict]:
    """The records of an answer, normalised, with their provenance; none where there is no answer."""
    return [
        new_row(f"{answer.id}-{place:02}", order, answer, seed) | {name: normalize(record[name]) for name in FIELDS}
        for place, record in enumerate(answer.value["records"] if answer.value else (), start=1)
    ]


def without_answer(unanswered: Sequence[tuple[Order, Answer]], seed: int) -> Dataset:
    """A row without texts for each order that had no answer, with the answer's reason as evidence."""
    rows = [new_row(answer.id, order, answer, seed) for order, answer in unanswered]
    return with_faults(as_dataset(rows), [Fault("no answer", answer.reason) for _, answer in unanswered])


def new_row(id: str, order: Order, answer: Answer, seed: int) -> dict:
    """A row of `SYNTHETIC_FEATURES` without texts."""
    about = {"id": id, "code": order.code, "source": SOURCE, "generator": answer.generator}
    return dict.fromkeys(SYNTHETIC_FEATURES, "") | about | {"prompt_version": prompt_version(PROMPT), "seed": seed}


def as_dataset(rows: Sequence[Mapping]) -> Dataset:
    """The rows with `SYNTHETIC_FEATURES`."""
    return Dataset.from_dict({name: [row[name] for row in rows] for name in SYNTHETIC_FEATURES}, SYNTHETIC_FEATURES)


def titles_by_code(rows: Sequence[Mapping]) -> dict[str, list[str]]:
    """Code -> the titles in the rows, each once."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row["code"], {})[row["job_title"]] = None
    return {code: list(titles) for code, titles in found.items()}


def up_to(records: Dataset, wanted: Mapping[str, int]) -> tuple[Dataset, Dataset]:
    """The first records of each code, as many as are wanted, by code and id; and the others, as set aside."""
    codes, ids, left = list(records["code"]), list(records["id"]), Counter(wanted)
    place = {code: place for place, code in enumerate(wanted)}
    standing, surplus = [], []
    for row, code in enumerate(codes):
        (standing if left[code] > 0 else surplus).append(row)
        left[code] -= 1
    standing.sort(key=lambda row: (place[codes[row]], ids[row]))
    return records.select(standing), with_faults(records.select(surplus), [Fault("beyond the target")] * len(surplus))


def prompt_values(taxonomy: Taxonomy, code: str, neighbours: int = 14) -> dict:
    """What the prompts say of a code: its own title and texts, the path from the top, the neighbours, the scheme."""
    occupation = taxonomy[code]
    return {
        "scheme": taxonomy.scheme.upper(),
        "code": code,
        "title": occupation.title,
        "definition": occupation.definition,
        "tasks": list(occupation.tasks),
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
