"""Requests -> answers: asked, checked, asked again, and kept in a folder, so that a run can stop anywhere and go on."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from tqdm.auto import tqdm

from .budget import Budget, Spend
from .faults import BudgetSpent, EndpointDown, Fault
from .history import History, read_histories
from .journal import Journal, fingerprints, write_dead_letters
from .outcome import end_of_fault, judge
from .pace import Circuit, backoff
from .prompt import render_prompt
from .request import Answer, Backend, Request
from .running import Complete, opened, run_to_end, watched

ATTEMPTS, MAX_TOKENS, PATIENCE = 8, 2048, 25.0
PROBE = "(probe)"  # the id of what is asked to see whether the endpoint works


def generate(
    requests: Sequence[Request],
    backend: Backend,
    folder: str | PathLike,
    *,
    attempts: int = ATTEMPTS,
    max_tokens: int = MAX_TOKENS,
    budget: Budget | None = None,
    patience: float = PATIENCE,
    seed: int = 0,
) -> list[Answer]:
    """The answers to the requests, in their order; a request that was given up has the reason in place of a value.

    A call without a reply is repeated after a while, a bad reply with its fault in the prompt, a reply that was cut off
    once with twice the tokens. `folder` keeps a journal of every call, and `dead_letters.jsonl` with the requests that
    were given up; the same call again goes on from there, and asks nothing that was answered. Several calls, also with
    other requests, may share a folder one after the other; more `attempts` or `max_tokens` open given-up ones again.

    Args:
        attempts: calls a request, all runs together; those to a server that was busy or down do not count.
        max_tokens: of a reply.
        budget: of all calls of the folder.
        patience: see `pace.Circuit`.
        seed: of the jitter of the waits.
    Raises:
        ValueError: an id that is given twice, a number out of range, a journal that is damaged.
        EndpointDown, EndpointRefused, BudgetSpent, RunLocked: the run stopped, and can go on.
        OSError: the folder cannot be written.
    """
    if attempts < 1 or max_tokens < 1:
        raise ValueError(f"attempts={attempts}, max_tokens={max_tokens}; allowed: whole numbers from 1")
    with Journal(Path(folder)) as journal:
        run = Run(requests, backend, journal, attempts, max_tokens, Spend(budget or Budget()), Circuit(patience), seed)
        try:
            run_to_end(run.run())
        finally:
            run.bar.close()
            write_dead_letters(Path(folder), run.dead_letters(), run.requests)
    return [run.answers[request.id] for request in requests]


class Run:
    """One run over the requests: which are pending, which are held, and the answers so far.

    A request is held, once its attempts are used up, until another reply shows that the endpoint works: an outage
    must not use up the attempts of what happens to be asked then. Where no other reply comes, a probe is asked.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        backend: Backend,
        journal: Journal,
        attempts: int,
        max_tokens: int,
        spend: Spend,
        circuit: Circuit,
        seed: int,
    ):
        self.requests = {request.id: request for request in requests}
        self.backend, self.journal, self.spend, self.circuit, self.seed = backend, journal, spend, circuit, seed
        self.attempts, self.max_tokens = attempts, max_tokens
        self.probe = Request(PROBE, render_prompt("probe"))
        self.fingerprints = fingerprints([*requests, self.probe], backend.name)
        self.histories = read_histories(journal.entries)
        for entry in journal.entries:
            spend.add(entry)
        journal.entries = []
        self.answers: dict[str, Answer] = {}
        self.pending: deque[Request] = deque()
        self.held: list[Request] = []
        self.bar = tqdm(total=len(requests), desc=backend.name, unit=" requests", disable=None)
        for request in requests:
            self.recall(request)

    async def run(self) -> None:
        """Answer or give up every request."""
        async with opened(self.backend) as complete:
            try:
                await self.work_off(complete)
                if self.doubtful:
                    self.histories[self.fingerprints[PROBE]] = History()
                    self.pending.append(self.probe)
                    await self.work_off(complete)
                self.check_end()
            except EndpointDown:
                await self.journal.append([{"event": "outage"}])
                raise
        self.give_up()

    async def work_off(self, complete: Complete) -> None:
        """Let as many workers as the backend takes go through what is pending."""
        number = getattr(self.backend, "concurrency", 1)
        await watched([self.work(complete) for _ in range(number)], self.circuit.watch())

    @property
    def doubtful(self) -> bool:
        """Whether requests are held of which nobody knows whether they or the endpoint are at fault."""
        unsure = any(not self.history(request).final for request in self.held)
        return bool(unsure and self.circuit.last and not self.pending)

    def check_end(self) -> None:
        """Raise BudgetSpent or EndpointDown where not all is done."""
        if self.pending:
            left = f"{len(self.requests) - len(self.answers):,} of {len(self.requests):,} requests are left"
            raise BudgetSpent(f"the budget is spent: {self.spend}; {left}. Run again with more to go on")
        if self.doubtful:
            raise EndpointDown(self.circuit.message)

    async def work(self, complete: Complete) -> None:
        """Take requests until none is left, or the budget is reached."""
        while batch := self.take():
            delay = await self.call(batch, complete)
            await asyncio.sleep(delay)
            for request in reversed(batch):
                self.sort_in(request)

    def take(self) -> list[Request]:
        """The next requests of one limit of tokens, as many as a call may have."""
        batch: list[Request] = []
        if self.spend.reached:
            return batch
        while self.pending and len(batch) < self.backend.batch_size:
            if batch and self.limit(self.pending[0]) != self.limit(batch[0]):
                break
            batch.append(self.pending.popleft())
        return batch

    async def call(self, batch: Sequence[Request], complete: Complete) -> float:
        """Send a batch and write down what came of it; the seconds to wait before it is sorted in."""
        limit, wait = self.limit(batch[0]), 0.0
        named = [{"id": request.id, "fingerprint": self.fingerprints[request.id]} for request in batch]
        calls = [{"event": "call", **name, "max_tokens": limit} for name in named]
        await self.note(calls)
        self.circuit.called(len(batch))
        try:
            completions = await complete([self.asked(request) for request in batch], limit)
        except Fault as fault:
            ends = [call | end_of_fault(fault) for call in calls]
            values, wait = [None] * len(batch), fault.retry_after
        else:
            judged = [judge(completion, request) for completion, request in zip(completions, batch, strict=True)]
            ends = [call | end for call, (end, _) in zip(calls, judged, strict=True)]
            values = [value for _, value in judged]
        await self.note(ends)
        for request, end, value in zip(batch, ends, values, strict=True):
            self.settle(request, end, value, wait)
        lost = ends[0]["completion"] is None
        return backoff(self.history(batch[0]).calls, wait, f"{self.seed}-{batch[0].id}") if lost else 0.0

    async def note(self, entries: Sequence[Mapping]) -> None:
        """Write the entries down, and count what they cost."""
        await self.journal.append(entries)
        for entry in entries:
            self.spend.add(entry)

    def settle(self, request: Request, end: Mapping, value: object, wait: float) -> None:
        """Count the end of a call; a value is the answer."""
        self.history(request).add(end)
        self.circuit.add(end, wait)
        if not end["fault"]:
            self.answer(Answer(request.id, value, generator=end["completion"]["model"] or self.backend.name))
            self.give_up()

    def recall(self, request: Request) -> None:
        """Sort in a request as the journal leaves it: a reply that was accepted is read again, for today's checks."""
        history = self.history(request)
        if history.accepted:
            end, value = judge(history.reply, request)
            if not end["fault"]:
                self.answer(Answer(request.id, value, generator=history.reply.model or self.backend.name))
                return
            history.fault = history.complaint = end["fault"]
        self.sort_in(request, last=True)

    def sort_in(self, request: Request, last: bool = False) -> None:
        """Put a request without an answer among the pending or the held."""
        if request.id in self.answers:
            return
        if self.reason(request):
            self.held.append(request)
        elif last:
            self.pending.append(request)
        else:
            self.pending.appendleft(request)

    def give_up(self) -> None:
        """Make dead letters of what is held."""
        for request in self.held:
            self.answer(Answer(request.id, None, self.reason(request), self.backend.name))
        self.held = []

    def answer(self, answer: Answer) -> None:
        """Keep an answer, and show how far we are."""
        self.answers[answer.id] = answer
        self.bar.set_postfix_str(str(self.spend), refresh=False)
        self.bar.update(answer.id in self.requests)

    def dead_letters(self) -> list[dict]:
        """Those that were given up, with the last reply, in the order of the requests."""
        dead = [self.requests[id] for id in self.requests if id in self.answers and self.answers[id].reason]
        replies = {request.id: self.history(request).reply for request in dead}
        return [
            {"id": id, "reason": self.answers[id].reason, "reply": reply.text if reply else None}
            for id, reply in replies.items()
        ]

    def history(self, request: Request) -> History:
        """What became of the request so far."""
        return self.histories[self.fingerprints[request.id]]

    def limit(self, request: Request) -> int:
        """The tokens of the request's next reply."""
        return self.history(request).limit(self.max_tokens)

    def reason(self, request: Request) -> str:
        """Why it is not asked again; "" where it is."""
        return self.history(request).given_up(self.attempts, self.max_tokens)

    def asked(self, request: Request) -> Request:
        """The request, with what was wrong with the last reply."""
        fault = self.history(request).complaint
        if not fault:
            return request
        return replace(request, prompt=render_prompt("ask_again", prompt=request.prompt, fault=fault))
