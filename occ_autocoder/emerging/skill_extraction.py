"""Texts -> spans of skills and knowledge by a trained tagger, and the sentences that say what is done."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from .skill_tagger import TAG, best_tags, by_layer, spans_of
from .spans import Piece, Span, sentences

SKILL, TASK = "skill", "task"
WINDOW, STRIDE = 128, 32  # tokens of a long sentence's windows, and how many two of them share
TEXTS = 64  # that are read at a time, so that their sentences of like length share a batch
SHARE, FEWEST = 0.5, 3  # of the words of a task that lie in skills, and the words it has at least
_WORD = re.compile(r"\w+(?:[-'’/.]\w+)*[+#]*|[^\w\s]")


class SkillExtractor:
    """Texts -> their spans, by a folder that `skill_tagger.train_tagger` wrote.

    A text is read sentence by sentence, as the tagger was trained, so that one has the same spans wherever it stands. A
    sentence of more than `WINDOW` tokens is read in windows, each word in the one where it is farthest from an edge.

    Raises: ValueError where the folder holds no tagger.
    """

    def __init__(self, folder: str | Path, batch_size: int = 32):
        allowed = "allowed: a folder that train-skills wrote"
        try:
            self.model = AutoModelForTokenClassification.from_pretrained(folder, trust_remote_code=False).eval()
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise ValueError(f"{folder}: {error}; {allowed}") from None
        names = [self.model.config.id2label[place] for place in range(self.model.config.num_labels)]
        self.layers = [name.partition("-")[2] for name in names[:: len(TAG)]]
        if names != [f"{tag}-{layer}" for layer in self.layers for tag in TAG]:
            raise ValueError(f"{folder}: its labels are {', '.join(names)}; {allowed}")
        self.window = min(WINDOW, self.model.config.max_position_embeddings)
        self.batch_size = batch_size

    def __call__(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """The spans of each text, in its order; their `confidence` is the mean probability of their words' tags."""
        rest = iter(texts)
        while part := list(islice(rest, TEXTS)):
            yield from self.extract(part)

    def extract(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of these texts, all held in memory."""
        read = [(place, words) for place, text in enumerate(texts) for words in sentence_words(text)]
        read.sort(key=lambda sentence: len(sentence[1]))
        found: list[list[Span]] = [[] for _ in texts]
        for first in range(0, len(read), self.batch_size):
            rows = read[first : first + self.batch_size]
            scores = self.probabilities([[texts[place][slice(*word)] for word in words] for place, words in rows])
            for (place, words), own in zip(rows, scores, strict=True):
                found[place] += self.spans(texts[place], words, own)
        return [sorted(spans, key=lambda span: (span.start, span.end, span.kind)) for spans in found]

    @torch.no_grad()
    def probabilities(self, rows: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """The words of each sentence -> probabilities of their tags [words, layers, 3], in the order of `TAG`."""
        tokens = self.tokenizer(
            [[word.encode("utf-8", "replace").decode() for word in words] for words in rows],  # half a character
            is_split_into_words=True,
            truncation=True,
            max_length=self.window,
            stride=min(STRIDE, self.window // 4),
            return_overflowing_tokens=True,
            padding=True,
            return_tensors="pt",
        )
        outside = np.eye(len(TAG))[TAG["O"]]
        found = [np.tile(outside, (len(words), len(self.layers), 1)) for words in rows]
        depth = [np.full(len(words), -1) for words in rows]
        scores = [
            by_layer(self.model(input_ids=ids, attention_mask=mask).logits).float().softmax(-1).numpy()
            for ids, mask in zip(
                tokens["input_ids"].split(self.batch_size), tokens["attention_mask"].split(self.batch_size), strict=True
            )
        ]
        windows = zip(tokens["overflow_to_sample_mapping"].tolist(), np.concatenate(scores), strict=True)
        for window, (row, own) in enumerate(windows):
            last = int(tokens["attention_mask"][window].sum()) - 1
            words = tokens.word_ids(window)
            for place, (word, before) in enumerate(zip(words, [None, *words])):
                if word is not None and word != before and min(place, last - place) > depth[row][word]:
                    depth[row][word] = min(place, last - place)
                    found[row][word] = own[place]
        return found

    def spans(self, text: str, words: Sequence[Piece], scores: np.ndarray) -> list[Span]:
        """The spans of a sentence, its words and their probabilities [words, layers, 3]."""
        found, tags = [], best_tags(scores)
        chosen = np.take_along_axis(scores, tags[..., None], -1)[..., 0]
        for layer, first, end in spans_of(tags, self.layers):
            start, stop = words[first][0], words[end - 1][1]
            confidence = float(chosen[first:end, self.layers.index(layer)].mean())
            found.append(Span(layer, text[start:stop], start, stop, confidence))
        return found


def sentence_words(text: str) -> list[list[Piece]]:
    """The words of each sentence or line of a text, as places; signs are words, blanks are none."""
    pieces = [[match.span() for match in _WORD.finditer(text, *piece)] for piece in sentences(text)]
    return [words for words in pieces if words]


def task_sentences(text: str, spans: Sequence[Span]) -> list[Span]:
    """The sentences of `FEWEST` words or more of which half lie in skills: these say what the person does."""
    covered = [span for span in spans if span.kind == SKILL]
    found = []
    for words in sentence_words(text):
        own = [word for word in words if text[word[0]].isalnum()]
        inside = sum(any(span.start <= start and end <= span.end for span in covered) for start, end in own)
        if len(own) >= FEWEST and inside >= SHARE * len(own):
            start, stop = words[0][0], words[-1][1]
            found.append(Span(TASK, text[start:stop], start, stop))
    return found
