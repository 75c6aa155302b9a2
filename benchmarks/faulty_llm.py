"""A server that speaks OpenAI's chat completions and fails in 13 ways, drawn by a seed: what a run has to survive."""

import asyncio
import json
import random
from collections import Counter
from hashlib import sha256

from occ_autocoder.llm.request import Request

CODES = [f"{number:04d}" for number in range(1000, 1400)]
SHORTLIST = 5
SCHEMA = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "relevance": {"type": "number", "minimum": 0, "maximum": 1}},
    "required": ["code", "relevance"],
    "additionalProperties": False,
}
KINDS = (
    *("http_500", "http_503", "http_429", "hang", "reset", "html_200", "empty", "null", "truncated"),
    *("length", "foreign_code", "duplicate_keys", "nan"),
)
STATUS = {"http_500": "500 Internal Server Error", "http_503": "503 Service Unavailable", "http_429": "429 Too Many"}
RETRY_AFTER = "0.05"
CUT = 2048  # tokens: with more of them no reply is cut


def faulty_request(record: str) -> Request:
    """The question about a record: which of its five codes is right; it is the first line that tells the record."""
    codes = shortlist(record)
    prompt = f"{record}\nWhich of {', '.join(codes)} is right? Reply with JSON."

    def check(value: dict) -> str:
        return "" if value["code"] in codes else f"code {value['code']} is no candidate; allowed: {', '.join(codes)}"

    return Request(record, prompt, SCHEMA, check)


def shortlist(record: str) -> list[str]:
    """The codes that may be right for a record."""
    return random.Random(f"shortlist {record}").sample(CODES, SHORTLIST)


def truth(record: str) -> dict:
    """The right answer about a record."""
    digest = sha256(record.encode()).digest()
    return {"code": shortlist(record)[digest[0] % SHORTLIST], "relevance": digest[1] / 255}


class FaultyServer:
    """The server. Which fault a call meets follows from the seed, the record and how often that was asked before.

    Args:
        share: of the calls that meet a fault, each of `KINDS` as often.
        hang: seconds that a call hangs before the connection is closed.
    """

    def __init__(self, share: float, seed: int = 0, hang: float = 2.0):
        self.share, self.seed, self.hang = share, seed, hang
        self.calls: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; returns the port."""
        self.server = await asyncio.start_server(self.connected, "127.0.0.1", port, limit=1 << 20, backlog=1024)
        return self.server.sockets[0].getsockname()[1]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the calls of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
                )
                body = await reader.readexactly(int(length.split(b":")[1]))
                await self.answer(head.split(b" ", 2)[1].decode(), body, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer(self, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        """Answer one call: a chat completion, the counts so far at /counts, or another share of faults at /share."""
        if path == "/counts":
            writer.write(response("200 OK", json.dumps({"calls": self.calls, "kinds": self.kinds})))
        elif path == "/share":
            self.share = json.loads(body)
            writer.write(response("200 OK", "{}"))
        else:
            asked = json.loads(body)
            await self.complete(asked["messages"][0]["content"].split("\n")[0], asked["max_tokens"], writer)

    async def complete(self, record: str, max_tokens: int, writer: asyncio.StreamWriter) -> None:
        """Answer about a record, or fail."""
        draw = random.Random(f"{self.seed} {record} {self.calls[record]}")
        kinds = KINDS if max_tokens <= CUT else [kind for kind in KINDS if kind != "length"]
        kind = draw.choice(kinds) if draw.random() < self.share else "good"
        self.calls[record] += 1
        self.kinds[kind] += 1
        if kind in STATUS:
            headers = {} if kind == "http_500" else {"Retry-After": RETRY_AFTER}
            writer.write(response(STATUS[kind], '{"error": {"message": "later"}}', headers))
        elif kind == "hang":
            await asyncio.sleep(self.hang)
            writer.transport.abort()
        elif kind == "reset":
            writer.transport.abort()
        elif kind == "html_200":
            writer.write(response("200 OK", "<html>Please log in</html>", {"Content-Type": "text/html"}))
        else:
            writer.write(response("200 OK", json.dumps(chat_completion(kind, record))))


def chat_completion(kind: str, record: str) -> dict:
    """A completion about the record, with the fault in its text."""
    right = truth(record)
    text = json.dumps(right)
    other = next(code for code in CODES if code not in shortlist(record))
    wrong = next(code for code in shortlist(record) if code != right["code"])
    texts = {
        "empty": "",
        "null": None,
        "truncated": text[:-3],
        "length": text[:-3],
        "foreign_code": json.dumps(right | {"code": other}),
        "duplicate_keys": f'{{"code": "{wrong}", {text[1:]}',
        "nan": json.dumps({"code": wrong, "relevance": float("nan")}),
    }
    reason = "length" if kind == "length" else "stop"
    message = {"role": "assistant", "content": texts.get(kind, text)}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "faulty-1",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 12, "total_tokens": 52},
    }


def response(status: str, body: str, headers: dict[str, str] | None = None) -> bytes:
    """An HTTP response."""
    content = body.encode()
    lines = {"Content-Type": "application/json", **(headers or {}), "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


async def serve(server: FaultyServer, port: int) -> None:
    """Serve for ever; the first line of output is the port."""
    print(await server.start(port), flush=True)
    await server.server.serve_forever()
