"""`pipeline("occupation-classification")`: a record -> its most probable codes, with a confidence."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from transformers import Pipeline

from .backoff_occupation import is_ambiguous, safe_code, separating_question
from .explain_occupation import explain
from .features_occupation import TEXT_FIELDS, collate, record_features
from .head_occupation import EVIDENCE
from .novelty_occupation import novelty_features, novelty_score
from .text_occupation import FORMS

TOP_K = 5


class OccupationClassificationPipeline(Pipeline):
    """Codes a job title (a string) or a record (a dict with `job_title`, `job_duties` or both).

    Args of a call:
        inputs: one string or dict, or a list, generator or dataset of them; with `batch_size` they go in batches.
        top_k: how many codes, 5 where it is not said; None for all.
        level: the level of the classification to answer at; a group's score is the sum of its codes' scores. Without
            it, the codes that the model was trained on.
        return_truncated: gives {"occupations": [...], "truncated": bool} a record in place of the list.
        return_novelty: gives the dict of `return_truncated` with `novelty`, 0 to 1, how much the record looks like work
            that no code names, None where the model has no such score for the record's form; `embeddings` [2, d], of
            the text and of the title (a tensor, unit vectors; 0 without a title); and `similarity`, the cosine of the
            text to the nearest text that the model knows.
        thresholds: level -> confidence from which a code of that level is safe, as a plan has them. Gives the dict of
            `return_truncated` with `safe`, {"label", "title", "level", "score"} of the deepest safe code, or None where
            a person is to code the record; `ambiguous`, whether the second code is half as probable as the first; and
            `question`, which separates these two where it is, else "".
    Returns for every record a list of {"label": code, "title": str, "score": 0..1}, the most probable first.
    Raises: ValueError for a record with neither title nor duties, or a level that the classification lacks.
    """

    _load_tokenizer = True
    _load_processor = False
    _load_image_processor = False
    _load_feature_extractor = False

    def __call__(self, inputs, *args, **kwargs):
        """See the class. What is iterated over, a dataset too, gives an iterator, whose answers come as asked for."""
        if isinstance(inputs, Sequence | Mapping) or not isinstance(inputs, Iterable):
            return super().__call__(inputs, *args, **kwargs) if inputs != [] else []
        return super().__call__((record for record in inputs), *args, **kwargs)

    def _sanitize_parameters(
        self, top_k=TOP_K, level=None, return_truncated=False, thresholds=None, return_novelty=False
    ):
        if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
            raise ValueError(f"top_k is {top_k!r}; allowed: a whole number from 1, or None for all codes")
        if level is not None:
            self.groups_at(level)
        for name, threshold in (thresholds or {}).items():
            self.groups_at(name)
            if not isinstance(threshold, int | float):
                raise ValueError(f"the threshold of level {name} is {threshold!r}; allowed: a number")
        options = {"top_k": top_k, "level": level, "return_truncated": return_truncated, "thresholds": thresholds}
        return {}, {"return_novelty": return_novelty}, options

    def preprocess(self, inputs):
        job_title, job_duties = record_fields(inputs)
        features = record_features(job_title, job_duties, self.tokenizer, self.model.config, self.model.spelling())
        tensors = collate([features], self.tokenizer.pad_token_id or 0)
        return {**tensors, "truncated": torch.tensor([features["truncated"]])}

    def _forward(self, model_inputs, return_novelty=False):
        truncated = model_inputs.pop("truncated")
        output = self.model(**model_inputs, output_evidence=return_novelty)
        found = {"logits": output.logits, "truncated": truncated}
        return found | self.novelty(output, model_inputs["form"]) if return_novelty else found

    def postprocess(self, model_outputs, top_k=TOP_K, level=None, return_truncated=False, thresholds=None):
        all_scores = model_outputs["logits"][0].double().softmax(-1)
        codes, scores = self.at_level(all_scores, level)
        count = len(codes) if top_k is None else min(top_k, len(codes))
        best = scores.topk(count)
        occupations = [
            {"label": codes[place], "title": self.title_of(codes[place]), "score": score}
            for score, place in zip(best.values.tolist(), best.indices.tolist())
        ]
        if not return_truncated and thresholds is None and "novelty" not in model_outputs:
            return occupations
        found = {"occupations": occupations, "truncated": bool(model_outputs["truncated"][0])}
        if "novelty" in model_outputs:
            novelty = float(model_outputs["novelty"][0])
            found |= {"novelty": None if novelty != novelty else novelty, "embeddings": model_outputs["embeddings"][0]}
            found["similarity"] = float(model_outputs["similarity"][0])
        return found if thresholds is None else found | self.decide(all_scores, thresholds)

    def novelty(self, output, form: torch.Tensor) -> dict[str, torch.Tensor]:
        """`novelty` [B], not a number of a form without a score, `embeddings` [B, 2, d] and `similarity` [B]."""
        features = novelty_features(output.evidence, self.model.fusion(output.evidence, form))
        found = features.new_full((len(form),), float("nan"))
        for place, name in enumerate(FORMS):
            fitted = self.model.config.novelty.get(name)
            if fitted and (form == place).any():
                found[form == place] = novelty_score(features[form == place], fitted)
        known = [list(EVIDENCE).index(name) for name in ("text_nearest_title", "text_nearest_definition")]
        similarity = output.evidence[..., known].amax((1, 2))
        return {"novelty": found, "embeddings": output.embeddings, "similarity": similarity}

    def title_of(self, code: str) -> str:
        """The title of a code of any level."""
        return self.model.config.occupations.get(code, {}).get("title", "")

    def decide(self, scores: torch.Tensor, thresholds: Mapping[int, float]) -> dict:
        """What `thresholds` adds to an answer, from the scores of all labels [C]."""
        safe = safe_code({level: self.at_level(scores, level) for level in thresholds}, thresholds)
        if safe is not None:
            level, code, score = safe
            safe = {"label": code, "title": self.title_of(code), "level": level, "score": score}
        ambiguous, question = is_ambiguous(scores), ""
        if ambiguous:
            question = separating_question(self.model, self.tokenizer, *scores.topk(2).indices.tolist())
        return {"safe": safe, "ambiguous": ambiguous, "question": question}

    def explain(self, record, top_k: int = 3) -> list[dict]:
        """Why a record gets its `top_k` codes: known texts, words and the rival code; see `explain_occupation.explain`.

        Takes some fifty times as long as coding it: the record is coded again without each of its words.
        """
        return explain(self.model, self.tokenizer, *record_fields(record), top_k=top_k)

    def at_level(self, scores: torch.Tensor, level: int | None) -> tuple[list[str], torch.Tensor]:
        """The codes of a level and their scores: the sums over the labels below each."""
        if level is None:
            return [self.model.config.id2label[place] for place in range(len(scores))], scores
        codes, group = self.groups_at(level)
        return codes, scores.new_zeros(len(codes)).index_add_(0, torch.tensor(group), scores)

    def groups_at(self, level: int) -> tuple[list[str], list[int]]:
        """The codes of a level, in order, and the place among them of each label's.

        A label above the level stands for itself, one that skips the level under its next ancestor above it.
        """
        config = self.model.config
        allowed = sorted({item["level"] for item in config.occupations.values()})
        if level not in allowed:
            raise ValueError(
                f"level is {level!r}; allowed: {', '.join(map(str, allowed))}, the levels of {config.scheme}"
            )
        labels = [config.id2label[place] for place in range(config.num_labels)]
        groups = [ancestor_at(label, level, config.occupations) for label in labels]
        codes = list(dict.fromkeys(groups))
        places = {code: place for place, code in enumerate(codes)}
        return codes, [places[group] for group in groups]


def record_fields(inputs) -> tuple[str, str]:
    """Title and duties of what the pipeline was given; ValueError where that is neither a string nor a record."""
    if isinstance(inputs, str):
        return inputs, ""
    if not isinstance(inputs, Mapping):
        raise ValueError(f"a record is a {type(inputs).__name__}; allowed: a string (the title), or a dict")
    fields = [inputs.get(name) or "" for name in TEXT_FIELDS]
    for name, value in zip(TEXT_FIELDS, fields):
        if not isinstance(value, str):
            raise ValueError(f"{name} is a {type(value).__name__}; allowed: a string")
    return fields[0], fields[1]


def ancestor_at(code: str, level: int, occupations: Mapping[str, Mapping]) -> str:
    """The code on the way from `code` to the top that is at `level`, or the first above it; the topmost at last."""
    while occupations[code]["level"] > level and occupations[code]["parent"]:
        code = occupations[code]["parent"]
    return code
