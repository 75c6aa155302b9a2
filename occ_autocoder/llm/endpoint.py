"""Any server that speaks OpenAI's chat completions: one call, its reply or its fault."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from occ_autocoder.extras import require

from .faults import EndpointRefused, Fault
from .pace import Pace, retry_after
from .replies import LONGEST, printable, read_completion, read_object
from .request import Completion, Request

MODEL = "gpt-4o-mini"
KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
REFUSED = {401: "a valid key", 402: "an account with credit", 403: "a key with access", 404: "an address and a model"}
PASSING = (408, 409, 425)  # statuses under 500 that do not blame the request

logger = logging.getLogger(__name__)


class Endpoint:
    """A chat-completions server; a context manager, within which `complete` may be called.

    The key comes from the environment variable OPENAI_API_KEY and goes nowhere but to the server; a server at a
    `base_url` may need none. JSON schemas are sent along until the server refuses one that it need not have refused.

    Args:
        base_url: as "http://127.0.0.1:8000/v1"; else OPENAI_BASE_URL, else OpenAI.
        concurrency: calls at a time.
        requests_per_minute: at most; None for no limit.
        timeout: seconds for a reply; with `stream`, for each piece of it.
        temperature, seed: sent along where they are given.
    Raises:
        ValueError: a number out of range, a URL that is none or holds a password, no key for OpenAI.
    """

    batch_size = 1

    def __init__(
        self,
        model: str = MODEL,
        *,
        base_url: str | None = None,
        concurrency: int = 16,
        requests_per_minute: float | None = None,
        timeout: float = 120.0,
        temperature: float | None = None,
        seed: int | None = None,
        stream: bool = False,
    ):
        require("generate")
        check_numbers(concurrency, requests_per_minute, timeout)
        self.name, self.base_url = model, checked_url(base_url or os.environ.get(BASE_URL) or None)
        self.concurrency, self.timeout, self.stream = concurrency, timeout, stream
        self.pace = Pace(requests_per_minute)
        given = {"temperature": temperature, "seed": seed}
        self.settings = {name: value for name, value in given.items() if value is not None}
        self.structured = True
        read_key(self.base_url)

    async def __aenter__(self) -> "Endpoint":
        import openai

        self.client = openai.AsyncOpenAI(
            api_key=read_key(self.base_url),
            base_url=self.base_url,
            max_retries=0,
            timeout=self.timeout,
            http_client=openai.DefaultAioHttpClient(),
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.close()

    async def complete(self, requests: Sequence[Request], max_tokens: int) -> list[Completion]:
        """The completions of the requests, in their order.

        Raises:
            Fault: a call had no reply.
            EndpointRefused: the server takes no call at all: key, address or model are wrong.
        """
        return [await self.ask(request, max_tokens) for request in requests]

    async def ask(self, request: Request, max_tokens: int) -> Completion:
        """The completion of one request; without the schema where the server takes it only so."""
        messages = [{"role": "user", "content": request.prompt}]
        body = {"model": self.name, "messages": messages, "max_tokens": max_tokens, **self.settings}
        if request.schema is None or not self.structured:
            return await self.send(body)
        try:
            return await self.send(body | {"response_format": response_format(request.schema)})
        except Fault as fault:
            if not fault.final:
                raise
        completion = await self.send(body)
        self.structured = False
        logger.warning("%s takes no JSON schema: it is asked without", self.place)
        return completion

    async def send(self, body: Mapping) -> Completion:
        """The completion of one call."""
        import aiohttp
        import httpx2
        import openai

        await self.pace.turn()
        try:
            found = await (self.streamed(body) if self.stream else self.whole(body))
        except openai.APIStatusError as error:
            raise self.status_fault(error) from None
        except UnicodeEncodeError:
            raise Fault("the prompt holds a lone surrogate; allowed: Unicode characters", final=True) from None
        except (
            openai.OpenAIError,
            httpx2.HTTPError,
            aiohttp.ClientError,
            OSError,
            ValueError,
            RecursionError,
        ) as error:
            raise lost_call(error, self.timeout) from None
        return read_completion(found, body, self.without_key)

    async def whole(self, body: Mapping) -> dict:
        """The response, as JSON; BadReply where it is none."""
        async with asyncio.timeout(self.timeout):
            response = await self.client.chat.completions.with_raw_response.create(**body)
        return read_object(response.content.decode(errors="replace"))

    async def streamed(self, body: Mapping) -> dict:
        """The response put together from its chunks; Fault where it breaks off, is damaged, or does not end."""
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        now, found = asyncio.get_running_loop().time, Streamed()
        async with asyncio.timeout(self.timeout) as limit, await self.client.chat.completions.create(**asked) as chunks:
            async for chunk in chunks:
                limit.reschedule(now() + self.timeout)
                found.add(chunk)
        if not found.finish_reason:
            raise Fault("the stream broke off", paid=found.chunks > 0)
        return found.response()

    def status_fault(self, error) -> Exception:
        """What an openai.APIStatusError means: to the run, to the request, or to this call alone."""
        status, code = error.status_code, printable(self.without_key(str(error.code or "")))
        if status in REFUSED:
            return EndpointRefused(f"{self.place}: HTTP {status} for {self.name}; allowed: {REFUSED[status]}")
        message = f"HTTP {status} {code}".strip()
        wait = retry_after(error.response.headers.get("retry-after"))
        if status == 429:
            return Fault(message, retry_after=wait, counted=False)
        if status in PASSING or status >= 500:
            return Fault(message, retry_after=wait)
        return Fault(f"{message}: {printable(self.without_key(error.message))}", final=True)

    @property
    def place(self) -> str:
        """The server, as messages name it."""
        return self.base_url or "OpenAI"

    def without_key(self, text: str) -> str:
        """The text as a server sent it, in which it may have repeated our key."""
        return text.replace(self.client.api_key, "[key]")


class Streamed:
    """The chunks of a streamed response, added up. openai hands them on unchecked, whatever a server has sent."""

    def __init__(self):
        self.chunks, self.text, self.finish_reason, self.about = 0, "", "", {}

    def add(self, chunk) -> None:
        """Add a chunk; Fault for one that is damaged, or one too many."""
        self.chunks += 1
        try:
            self.about |= {"model": chunk.model} | ({"usage": chunk.usage.model_dump()} if chunk.usage else {})
            for piece in chunk.choices or ():
                self.text += (piece.delta and piece.delta.content) or ""
                self.finish_reason = piece.finish_reason or self.finish_reason
        except (AttributeError, TypeError):
            raise Fault("the stream is damaged", paid=True) from None
        if max(self.chunks, len(self.text)) > LONGEST:
            raise Fault("the stream does not end", paid=True)

    def response(self) -> dict:
        """What the server would have sent in one piece."""
        choice = {"message": {"content": self.text}, "finish_reason": self.finish_reason}
        return {**self.about, "choices": [choice]}


def lost_call(error: BaseException, timeout: float) -> Fault:
    """The fault of a call without a response, by all that led to the error: for openai most of it is a timeout."""
    import aiohttp

    name, causes = type(error.__cause__ or error).__name__, []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    for kinds, message, paid in (
        (aiohttp.ClientConnectorError, "no connection to the server", False),
        (TimeoutError, f"no reply within {timeout:g} s", True),
        ((aiohttp.ClientConnectionError, aiohttp.ClientPayloadError), "the connection was lost", True),
    ):
        if any(isinstance(cause, kinds) for cause in causes):
            return Fault(message, paid=paid)
    return Fault(f"no chat completion came back: {name}")


def check_numbers(concurrency: int, requests_per_minute: float | None, timeout: float) -> None:
    """ValueError for numbers that are not allowed."""
    if concurrency < 1 or timeout <= 0 or (requests_per_minute is not None and requests_per_minute <= 0):
        given = f"concurrency={concurrency}, requests_per_minute={requests_per_minute}, timeout={timeout}"
        raise ValueError(f"{given}; allowed: a concurrency from 1, the others above 0")


def checked_url(url: str | None) -> str | None:
    """The URL; ValueError, which does not repeat it, for one that is none or holds a user or a password."""
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError(
                "the base URL cannot be used; allowed: http(s)://host/path without user, password or query"
            )
    return url


def read_key(base_url: str | None) -> str:
    """The key of the environment; ValueError where OpenAI needs one, or for what cannot be sent."""
    key = os.environ.get(KEY, "").strip()
    if not key and base_url is None:
        raise ValueError(f"{KEY} is not set; allowed: a key in the environment, or a base URL of a server without keys")
    if not key.isascii() or any(not sign.isprintable() or sign == " " for sign in key):
        raise ValueError(f"{KEY} holds characters that no key has")
    return key or "none"


def response_format(schema: Mapping) -> dict:
    """A schema as chat completions take it."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
