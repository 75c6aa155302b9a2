"""Codes job titles and duties to an occupation classification.

Importing this package makes `pipeline("occupation-classification")` and the Auto classes know our model, at the moment
transformers itself is imported: the command line stays quick, and nothing else happens.
"""

import sys

from wrapt import register_post_import_hook

__version__ = "0.1.0"

MODELING = "occ_autocoder.model.modeling_occupation"


def load(model: str, revision: str | None = None, **kwargs):
    """Return an `OccupationClassificationPipeline` over a folder or a Hub id, running no code from there.

    Args:
        model: a folder written by `save_pretrained`, or a Hub id.
        revision: the Hub's branch, tag or commit; pin a commit for official work.
        kwargs: passed to `transformers.pipeline` (`device`, `batch_size`, ...).

    Raises:
        OSError: when `model` is neither a folder nor a repository that can be reached.
    """
    from transformers import AutoTokenizer, pipeline

    from .model.modeling_occupation import OccupationForSequenceClassification
    from .model.pipeline_occupation import OccupationClassificationPipeline

    return pipeline(
        "occupation-classification",
        model=OccupationForSequenceClassification.from_pretrained(model, revision=revision),
        tokenizer=AutoTokenizer.from_pretrained(model, revision=revision, trust_remote_code=False),
        pipeline_class=OccupationClassificationPipeline,
        **kwargs,
    )


def _register(module) -> None:
    if module.__name__ != MODELING and MODELING in sys.modules:
        return  # the model itself is being imported, and asked for transformers: its own turn comes when it is there
    from .model.register_occupation import register

    register()


register_post_import_hook(_register, "transformers.pipelines")
register_post_import_hook(_register, MODELING)
