"""What a run may cost, and what it has cost so far."""

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Budget:
    """The most that the calls of a folder may cost, and the prices of a million tokens, in a currency of your choice.

    None is without a limit. ValueError for a negative number, or money without a price.
    """

    money: float | None = None
    tokens: int | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self):
        numbers = (self.money or 0, self.tokens or 0, self.prompt_price, self.completion_price)
        if not all(number >= 0 for number in numbers):
            raise ValueError(f"{self}; allowed: numbers from 0")
        if self.money is not None and not self.prompt_price + self.completion_price:
            raise ValueError(f"a budget of {self.money} without prices; allowed with a price of tokens")


class Spend:
    """The account of a folder's calls.

    A call that has no end in the journal, because the run was killed or the reply did not come in time, may have been
    paid: it counts as the dearest call so far, and so does a call in flight.
    """

    def __init__(self, budget: Budget):
        self.budget = budget
        self.prompt_tokens = self.completion_tokens = self.unknown = 0
        self.dearest = self.longest = 0.0

    def add(self, entry: Mapping) -> None:
        """Count an entry of the journal."""
        if entry["event"] == "call":
            self.unknown += 1
        elif entry["event"] == "end" and not entry["paid"]:
            self.unknown -= 1
            self.add_tokens(entry["completion"] or {})

    def add_tokens(self, completion: Mapping) -> None:
        """Count the tokens of a completion."""
        prompt, reply = (completion.get(name, 0) for name in ("prompt_tokens", "completion_tokens"))
        self.prompt_tokens += prompt
        self.completion_tokens += reply
        self.dearest = max(self.dearest, self.price(prompt, reply))
        self.longest = max(self.longest, prompt + reply)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        budget = self.budget
        return (prompt_tokens * budget.prompt_price + completion_tokens * budget.completion_price) / MILLION

    @property
    def cost(self) -> float:
        """The money for all calls."""
        return self.price(self.prompt_tokens, self.completion_tokens) + self.unknown * self.dearest

    @property
    def tokens(self) -> int:
        """The tokens of all calls."""
        return self.prompt_tokens + self.completion_tokens + int(self.unknown * self.longest)

    @property
    def reached(self) -> bool:
        """Whether no further call may begin."""
        limits = ((self.budget.money, self.cost), (self.budget.tokens, self.tokens))
        return any(limit is not None and spent >= limit for limit, spent in limits)

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens, cost {self.cost:.2f}"
