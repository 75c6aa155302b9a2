"""The configuration: the encoder's, the head's, and the classification that the model codes to.

An explicit `__init__` without the newest API, so that published models load on transformers 4.57 to 5.23.
"""

from collections.abc import Mapping

from transformers import AutoConfig, PretrainedConfig

from .text_occupation import FORMS

TASK = "occupation-classification"
# In the config itself, so that every copy that anybody saves again still names its pipeline.
CUSTOM_PIPELINES = {
    TASK: {
        "impl": "pipeline_occupation.OccupationClassificationPipeline",
        "pt": ["AutoModelForSequenceClassification"],
        "type": "text",
    }
}


class OccupationConfig(PretrainedConfig):
    """Configuration of `OccupationForSequenceClassification`.

    Args:
        encoder_config: the encoder's configuration, or its dict with `model_type`; a small BERT where None.
        occupations: code -> {"title", "parent", "level"} for every code of every level; parent is None at the top. The
            labels (`id2label`) are the codes that records are coded to.
        scheme: id of the classification, as "isco-08"; `scheme_version` is its release.
        pooling: "mean" over the tokens or "cls", the first token.
        query_prefix: put before every text, as some encoders want it.
        max_seq_length: tokens of a record's text; what is beyond is cut, and said to be.
        head_hidden_size, head_dropout: of the two multilayer heads.
        ngram_buckets: hash buckets of the title's character n-grams, and as many of the whole text's n-grams.
        ngram_dim: size of the vector of a record's n-grams, which the lexical head begins with.
        title_memory, definition_memory: how much room the memories of known texts take (`Memory.sizes`).
        title_words, text_words: the words of known titles with how often each occurs, and those of other known texts:
            a word of a title that is none of these, and one slip away from one of the first, is read as that one.
        softmax_temperature: what the logits are divided by before the softmax: a number, or one for each of the forms
            title_and_duties, title and duties.
        doubt: the share of the probability that all codes have alike after that, a number or one for each form: of how
            many records the right code does not follow from the text.
    """

    model_type = "occ_autocoder"
    sub_configs = {"encoder_config": AutoConfig}
    keys_to_ignore_at_inference = ["head_logits", "embeddings"]

    def __init__(
        self,
        encoder_config=None,
        occupations=None,
        scheme="",
        scheme_version="",
        pooling="mean",
        query_prefix="",
        max_seq_length=256,
        head_hidden_size=512,
        head_dropout=0.3,
        ngram_buckets=32768,
        ngram_dim=128,
        title_memory=None,
        definition_memory=None,
        title_words=None,
        text_words=None,
        softmax_temperature=1.0,
        doubt=0.0,
        novelty=None,
        initializer_range=0.02,
        **kwargs,
    ):
        if encoder_config is None:
            encoder_config = {"model_type": "bert"}
        if isinstance(encoder_config, dict):
            encoder_config = AutoConfig.for_model(**encoder_config)
        encoder_config._name_or_path = ""  # else the path of the machine that built the model is published
        if pooling not in ("mean", "cls"):
            raise ValueError(f"pooling is {pooling!r}; allowed: 'mean', 'cls'")
        self.encoder_config = encoder_config
        self.occupations = occupations or {}
        self.scheme = scheme
        self.scheme_version = scheme_version
        self.pooling = pooling
        self.query_prefix = query_prefix
        self.max_seq_length = max_seq_length
        self.head_hidden_size = head_hidden_size
        self.head_dropout = head_dropout
        self.ngram_buckets = ngram_buckets
        self.ngram_dim = ngram_dim
        self.title_memory = title_memory or {}
        self.definition_memory = definition_memory or {}
        self.title_words = title_words or {}
        self.text_words = text_words or []
        self.softmax_temperature = checked(softmax_temperature, "softmax_temperature", 0, float("inf"))
        self.doubt = checked(doubt, "doubt", -1e-9, 1)
        self.novelty = novelty or {}
        self.initializer_range = initializer_range
        kwargs.setdefault("custom_pipelines", {name: dict(values) for name, values in CUSTOM_PIPELINES.items()})
        super().__init__(**kwargs)

    def get_text_config(self, *args, **kwargs):
        return self.encoder_config


def checked(given: float | Mapping[str, float], name: str, above: float, below: float) -> float | dict[str, float]:
    """A number, or one for each form; ValueError for a form that is missing or unknown, or a value out of range."""
    values = dict(given) if isinstance(given, Mapping) else dict.fromkeys(FORMS, given)
    if sorted(values) != sorted(FORMS) or not all(above < value < below for value in values.values()):
        bounds = f"from 0 to below {below}" if above < 0 else f"above {above}"
        raise ValueError(f"{name} is {given}; allowed: {bounds}, one or for each of {', '.join(FORMS)}")
    return values if isinstance(given, Mapping) else given


def by_form(given: float | Mapping[str, float]) -> list[float]:
    """The number of each of `FORMS`."""
    return [given[form] if isinstance(given, Mapping) else given for form in FORMS]


OccupationConfig.register_for_auto_class()
