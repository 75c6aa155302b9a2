"""Codes job titles and duties to an occupation classification.

Importing this package makes `pipeline("occupation-classification")` and the Auto classes know our model, at the moment
transformers itself is imported: the command line stays quick, and nothing else happens.
"""

import sys
from importlib import import_module
from os import PathLike

from wrapt import register_post_import_hook

__version__ = "0.1.0"

CONFIGURATION = "occ_autocoder.model.configuration_occupation"
MODELING = "occ_autocoder.model.modeling_occupation"
PIPELINE = "occ_autocoder.model.pipeline_occupation"
MODELING_AUTO, PIPELINES = "transformers.models.auto.modeling_auto", "transformers.pipelines"
# What imports what: where the second is being imported, it is only half there, and its own turn is still to come.
IMPORTED_BY = {MODELING_AUTO: PIPELINES, PIPELINES: PIPELINE}


def load(model: str | PathLike, revision: str | None = None, **kwargs):
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


def _import_configuration(module) -> None:
    import_module(CONFIGURATION)


def _import_model(module) -> None:
    if IMPORTED_BY.get(module.__name__) not in sys.modules:
        import_module(MODELING)


def _register_configuration(module) -> None:
    from transformers import AutoConfig

    AutoConfig.register(module.OccupationConfig.model_type, module.OccupationConfig, exist_ok=True)


def _register_model(module) -> None:
    from transformers import AutoModelForSequenceClassification
    from transformers.pipelines import PIPELINE_REGISTRY

    from .model.configuration_occupation import TASK

    model_class, auto_class = module.OccupationForSequenceClassification, AutoModelForSequenceClassification
    auto_class.register(module.OccupationConfig, model_class, exist_ok=True)
    pipeline_class = module.OccupationClassificationPipeline
    PIPELINE_REGISTRY.register_pipeline(TASK, pipeline_class=pipeline_class, pt_model=auto_class, type="text")


for _name, _hook in (
    ("transformers.models.auto.configuration_auto", _import_configuration),
    (MODELING_AUTO, _import_model),
    (PIPELINES, _import_model),
    (PIPELINE, _import_model),
    (CONFIGURATION, _register_configuration),
    (MODELING, _register_model),
):
    register_post_import_hook(_hook, _name)
