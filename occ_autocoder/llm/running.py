"""Coroutines of a run: a backend opened, workers that are watched, an end that is awaited inside or outside a loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from inspect import iscoroutinefunction

from .request import Backend, Completion, Request

Complete = Callable[[Sequence[Request], int], Awaitable[Sequence[Completion]]]


@asynccontextmanager
async def opened(backend: Backend) -> AsyncIterator[Complete]:
    """The backend's `complete` as a coroutine function: an endpoint is connected, a local model works in a thread."""
    if iscoroutinefunction(backend.complete):
        async with backend:
            yield backend.complete
    else:
        yield partial(asyncio.to_thread, backend.complete)


async def watched(workers: Iterable[Coroutine], watch: Coroutine) -> None:
    """Run the workers to their end. The first error, of one of them or of the watch, ends all and is raised."""
    running, watcher = {asyncio.create_task(work) for work in workers}, asyncio.create_task(watch)
    tasks = [*running, watcher]
    try:
        while running:
            done, _ = await asyncio.wait({*running, watcher}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            running -= done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def run_to_end(coroutine: Coroutine) -> None:
    """Run the coroutine; where a loop is running already, as in a notebook, in a thread beside it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(coroutine)
        return
    started: Future = Future()
    with ThreadPoolExecutor(max_workers=1) as pool:
        ending = pool.submit(asyncio.run, told(coroutine, started))
        try:
            ending.result()
        except KeyboardInterrupt:
            loop, task = started.result()
            loop.call_soon_threadsafe(task.cancel)
            raise


async def told(coroutine: Coroutine, started: Future) -> None:
    """Await the coroutine, once it is told which loop and task do so."""
    started.set_result((asyncio.get_running_loop(), asyncio.current_task()))
    await coroutine
