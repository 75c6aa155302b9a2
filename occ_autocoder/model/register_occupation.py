"""Makes the Auto classes and `pipeline("occupation-classification")` know the model, where the package is installed."""

from transformers import AutoConfig, AutoModelForSequenceClassification
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_occupation import TASK, OccupationConfig
from .modeling_occupation import OccupationForSequenceClassification
from .pipeline_occupation import OccupationClassificationPipeline


def register() -> None:
    """Register the configuration, the model and the pipeline; calling it again changes nothing."""
    AutoConfig.register(OccupationConfig.model_type, OccupationConfig, exist_ok=True)
    AutoModelForSequenceClassification.register(OccupationConfig, OccupationForSequenceClassification, exist_ok=True)
    PIPELINE_REGISTRY.register_pipeline(
        TASK,
        pipeline_class=OccupationClassificationPipeline,
        pt_model=AutoModelForSequenceClassification,
        type="text",
    )
