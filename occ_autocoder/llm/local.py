"""A causal language model in this process, with or without a LoRA adapter: requests -> completions, in batches."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    SuppressTokensLogitsProcessor,
)

from occ_autocoder.extras import require

from .arguments import MODEL
from .request import Completion, Request
from .turn import control_tokens, end_tokens, prompt_ids, read_turn

TOO_LONG = "context_length_exceeded"


class LocalModel:
    """A model of the Hub or of a folder, which answers requests.

    Args:
        model: id or folder of the model; `revision` is its branch, tag or commit.
        adapter: id or folder of a peft adapter for it, as `adapter.finetune` writes it.
        batch_size: requests that are generated at a time.
        temperature: 0 takes the most probable token. Above 0 tokens are drawn, by the seed, the request's id and its
            prompt, so that a request has the same answer whatever else is asked, and however it is batched.
        device: "cuda" where there is one, else "cpu".
        dtype: of the weights; in less than float32 a batch may change an answer.
    """

    def __init__(
        self,
        model: str = MODEL,
        adapter: str | None = None,
        revision: str | None = None,
        batch_size: int = 8,
        temperature: float = 0.0,
        seed: int = 0,
        device: str | None = None,
        dtype: str = "float32",
    ):
        check_numbers(batch_size, temperature)
        self.name = name_of(model, adapter, revision) + (f", t={temperature:g}, seed {seed}" if temperature else "")
        self.batch_size, self.temperature, self.seed = batch_size, temperature, seed
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.tokenizer = AutoTokenizer.from_pretrained(model, revision=revision, trust_remote_code=False)
        self.model = open_model(model, adapter, revision, dtype).to(self.device).eval()
        self.turn = read_turn(self.tokenizer)
        self.ends = end_tokens(self.model, self.tokenizer, self.turn)
        self.context = self.model.config.get_text_config().max_position_embeddings
        self.constraints: dict[str, LogitsProcessor] = {}

    def complete(self, requests: Sequence[Request], max_tokens: int) -> list[Completion]:
        """A completion for each request, in their order, of at most `max_tokens` tokens.

        The `finish_reason` is "stop" where the model ended its reply, "length" where `max_tokens` did. With a schema
        the reply follows it, by constrained decoding, as far as the tokens reach. A request whose prompt leaves no room
        for `max_tokens` in the model's context has no text, and `context_length_exceeded` as its reason.
        """
        prompts = [prompt_ids(self.tokenizer, self.turn, request.prompt) for request in requests]
        found: dict[int, Completion] = {}
        for place, ids in enumerate(prompts):
            if len(ids) + max_tokens > self.context:
                found[place] = Completion(None, TOO_LONG, len(ids), 0, self.name)
        fitting = [place for place in range(len(requests)) if place not in found]
        for places in batches(fitting, requests, prompts, self.batch_size):
            batch = [requests[place] for place in places]
            found |= zip(places, self.generate(batch, [prompts[place] for place in places], max_tokens), strict=True)
        return [found[place] for place in range(len(requests))]

    @torch.inference_mode()
    def generate(
        self, requests: Sequence[Request], prompts: Sequence[Sequence[int]], max_tokens: int
    ) -> Iterator[Completion]:
        """The completions of one batch, whose requests have one schema."""
        pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.ends[0]
        ids, mask = left_padded(prompts, pad, self.device)
        with torch.compiler.set_stance("force_eager"):  # outlines would compile its masks in C++, for 20 s
            output = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max_tokens,
                do_sample=False,
                eos_token_id=self.ends,
                pad_token_id=pad,
                logits_processor=LogitsProcessorList(self.processors(requests)),
            )
        replies = output[:, ids.shape[1] :].tolist()
        return (self.completion(prompt, reply) for prompt, reply in zip(prompts, replies, strict=True))

    def processors(self, requests: Sequence[Request]) -> Iterator[LogitsProcessor]:
        """What the logits go through: the schema first, then the draw.

        To outlines a control token is the text of its name, which may stand within a string and would end the reply.
        """
        if requests[0].schema is not None:
            yield self.constraint(requests[0].schema)
            control = control_tokens(self.tokenizer) - {self.tokenizer.eos_token_id}
            yield SuppressTokensLogitsProcessor(sorted(control), device=self.device)
        if self.temperature:
            yield Draw(requests, self.temperature, self.seed)

    def constraint(self, schema: Mapping) -> LogitsProcessor:
        """What keeps a reply to the schema; compiled once for each schema, which takes seconds."""
        key = json.dumps(schema)
        if key not in self.constraints:
            self.constraints[key] = compile_schema(key, self.model, self.tokenizer)
        self.constraints[key].reset()
        return self.constraints[key]

    def completion(self, prompt: Sequence[int], reply: Sequence[int]) -> Completion:
        """A generated row as a completion; what stands after the end of the reply is padding."""
        end = next((place for place, token in enumerate(reply) if token in self.ends), None)
        text = self.tokenizer.decode(reply[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        length = len(reply) if end is None else end + 1
        return Completion(text, "length" if end is None else "stop", len(prompt), length, self.name)


class Draw(LogitsProcessor):
    """Logits to which the most probable token is a draw from their distribution: Gumbel noise (Gumbel 1954).

    Each request has its own generator, so that its draws do not depend on the batch.
    """

    def __init__(self, requests: Sequence[Request], temperature: float, seed: int):
        self.temperature = temperature
        self.generators = [generator_of(request, seed) for request in requests]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """[n, vocabulary] -> [n, vocabulary]."""
        noise = [torch.rand(scores.shape[1], generator=generator).clamp_min_(1e-20) for generator in self.generators]
        gumbel = -torch.log(-torch.log(torch.stack(noise).to(scores.device)))
        return scores.float() / self.temperature + gumbel


def name_of(model: str, adapter: str | None, revision: str | None) -> str:
    """Whom answers are said to be from: a folder by its name, not its path; an adapter's weights by their digest."""
    name = called(model) + (f"@{revision}" if revision else "")
    if adapter is None:
        return name
    weights = Path(adapter, "adapter_model.safetensors")
    digest = f"@{sha256(weights.read_bytes()).hexdigest()[:8]}" if weights.is_file() else ""
    return f"{name}+{called(adapter)}{digest}"


def called(source: str) -> str:
    """The id of a model of the Hub, or the name of its folder."""
    return Path(source).resolve().name if Path(source).is_dir() else source


def check_numbers(batch_size: int, temperature: float) -> None:
    """ValueError for numbers that are not allowed."""
    if batch_size < 1 or temperature < 0:
        raise ValueError(f"batch_size={batch_size}, temperature={temperature}; allowed: from 1, from 0")


def open_model(model: str, adapter: str | None, revision: str | None, dtype: str):
    """The model, with the adapter on it where there is one."""
    found = AutoModelForCausalLM.from_pretrained(
        model, revision=revision, dtype=getattr(torch, dtype), trust_remote_code=False
    )
    if adapter is None:
        return found
    require("generate")
    from peft import PeftModel

    return PeftModel.from_pretrained(found, adapter).merge_and_unload()


def compile_schema(schema: str, model, tokenizer) -> LogitsProcessor:
    """outlines' logits processor for a JSON schema."""
    require("generate")
    import outlines
    from outlines.backends import get_json_schema_logits_processor

    return get_json_schema_logits_processor(None, outlines.from_transformers(model, tokenizer), schema)


def batches(
    places: Sequence[int], requests: Sequence[Request], prompts: Sequence[Sequence[int]], size: int
) -> Iterator[list[int]]:
    """The places in batches of one schema each, prompts of like length together."""

    def schema_of(place: int) -> str:
        return json.dumps(requests[place].schema)

    ordered = sorted(places, key=lambda place: (schema_of(place), len(prompts[place]), place))
    for _, group in groupby(ordered, key=schema_of):
        same = list(group)
        yield from (same[start : start + size] for start in range(0, len(same), size))


def left_padded(prompts: Sequence[Sequence[int]], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [n, longest] with the padding before them, and the mask of what is none."""
    longest = max(map(len, prompts))
    ids = [[*[pad] * (longest - len(prompt)), *prompt] for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def generator_of(request: Request, seed: int) -> torch.Generator:
    """A random generator of the request's own."""
    digest = sha256(f"{seed}\0{request.id}\0{request.prompt}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
