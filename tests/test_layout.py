"""Which folder may import which: who reads only the tree knows what depends on what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "occ_autocoder"
ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "taxonomy": (),
    "llm": (),
    "model": (),
    "data": ("taxonomy", "llm", "model"),
    "evaluation": ("taxonomy",),
    "training": ("taxonomy", "data", "model", "evaluation"),
    "baselines": ("taxonomy", "data", "model", "training", "evaluation"),
    "emerging": ("taxonomy", "llm", "data", "evaluation"),
    "feedback": ("taxonomy", "llm", "model", "data", "training", "evaluation"),
    "serving": ("taxonomy", "model", "data"),
}
LEAVES = (
    "extras",
    "files",
    "markdown",
    "spreadsheet",
)  # top-level modules that import nothing of ours: every folder may use them, but for what travels
TRAVELS = "model"


def imported(tree: ast.AST, package: list[str]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import of ours in a file of `package`, also inside functions and by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
        else:
            continue
        yield from ((node.lineno, name) for name in names if f"{name}.".startswith(f"{PACKAGE}."))


def allowed(path: Path, name: str) -> bool:
    """Whether the file at `path`, relative to the repository, may import the dotted `name` of ours."""
    if path.parts[0] != PACKAGE:
        return False
    if path in [Path(PACKAGE, f"{leaf}.py") for leaf in LEAVES]:
        return False
    if len(path.parts) == 2:
        return True
    folder, target = path.parts[1], [*name.split("."), ""][1]
    return target in (folder, *LEAVES, *MAY_IMPORT.get(folder, ()))


def does_not_travel(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, import) of what breaks once a file is saved beside the weights: all of ours but `from .x import y`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.level
            and (node.level != 1 or not node.module or "." in node.module)
        ):
            yield node.lineno, ast.unparse(node)
    yield from imported(tree, [])


def offences(source: str, path: str) -> list[str]:
    """What the source of the file at `path` imports against the table, each with its line."""
    file, tree = Path(path), ast.parse(source)
    found = [
        f"{path}:{line} imports {name}"
        for line, name in imported(tree, list(file.parts[:-1]))
        if not allowed(file, name)
    ]
    if file.parts[:2] == (PACKAGE, TRAVELS):
        found += [f"{path}:{line} does not travel with the weights: {name}" for line, name in does_not_travel(tree)]
    return found


def test_every_file_imports_only_what_its_folder_may():
    files = [*ROOT.glob(f"{PACKAGE}/**/*.py"), *ROOT.glob("space/**/*.py")]
    assert len(files) > 10
    sources = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in files}
    assert [offence for path, source in sources.items() for offence in offences(source, path)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("taxonomy/a.py", "from occ_autocoder.data import records"),
        ("taxonomy/a.py", "from ..data.records import Record"),
        ("taxonomy/isco08/a.py", "from ...llm import generator"),
        ("taxonomy/a.py", "from .. import hub"),
        ("taxonomy/a.py", "import occ_autocoder"),
        ("llm/a.py", "def f():\n    import occ_autocoder.taxonomy as t"),
        ("llm/a.py", "import numpy, occ_autocoder.prompts"),
        ("data/a.py", "from occ_autocoder import evaluation"),
        ("data/a.py", "if TYPE_CHECKING:\n    from occ_autocoder.training.loop import Run"),
        ("evaluation/a.py", "from occ_autocoder.model.text_occupation import text"),
        ("evaluation/a.py", "importlib.import_module('occ_autocoder.model')"),
        ("training/a.py", "from ..baselines import lstm"),
        ("baselines/a.py", "from occ_autocoder.serving import batch"),
        ("emerging/a.py", "from occ_autocoder.model import x"),
        ("feedback/a.py", "from occ_autocoder.serving import x"),
        ("serving/a.py", "from occ_autocoder.evaluation import x"),
        ("serving/a.py", "from occ_autocoder.cli import main"),
        ("nowhere/a.py", "from occ_autocoder.taxonomy import x"),
        ("extras.py", "from .hub import push"),
        ("model/a.py", "from . import configuration"),
        ("model/a.py", "from .. import __version__"),
        ("model/a.py", "from ..extras import needed"),
        ("model/a.py", "from ..model.b import x"),
        ("model/a.py", "from .deep.er import x"),
        ("model/a.py", "from occ_autocoder.model.b import x"),
        ("model/a.py", "import occ_autocoder.model.b"),
        ("../space/app.py", "from occ_autocoder import load"),
    ],
)
def test_an_import_against_the_table_is_reported(path, source):
    path = path.removeprefix("../") if path.startswith("../") else f"{PACKAGE}/{path}"
    found = offences(f"import os\n{source}\n", path)
    assert found and found[0].startswith(f"{path}:{1 + len(source.splitlines())} ")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("taxonomy/a.py", "from .checks import x\nfrom . import tables\nfrom occ_autocoder.taxonomy.tables import y"),
        ("taxonomy/isco08/a.py", "from ..tables import x\nfrom ...extras import needed"),
        ("llm/a.py", "import occ_autocoder_plugin, torch\nfrom occ_autocoders import x"),
        ("model/a.py", "from .configuration import x\nimport torch"),
        ("data/a.py", "from occ_autocoder.model.text_occupation import x\nfrom ..llm import prompt"),
        ("feedback/a.py", "from occ_autocoder.training import loop\nfrom occ_autocoder import extras"),
        ("hub.py", "from .serving import batch\nfrom . import cli"),
        ("__init__.py", "from .model.pipeline import x"),
        ("extras.py", "import importlib"),
    ],
)
def test_an_import_within_the_table_is_not_reported(path, source):
    assert offences(source, f"{PACKAGE}/{path}") == []
