"""The commands: `occ-autocoder --help`. Each is a thin call of a stage, imported only when it is called."""

import sys
import traceback
from typing import Annotated

import typer
from typer.core import TyperGroup

from .cli_behaviour import behave
from .cli_cleaning import clean
from .cli_coding import evaluate, predict
from .cli_comparison import compare
from .cli_dataset import dataset
from .cli_emerging import emerging
from .cli_feedback import review_queue, update
from .cli_planning import plan
from .cli_recalibration import recalibrate
from .cli_skills import extract_skills, train_skills
from .cli_synthesis import synthesize
from .cli_taxonomy import taxonomy
from .cli_training import demo, train
from .cli_tuning import finetune_llm, paraphrase

OWN = "occ_autocoder."
FAILED, INTERRUPTED = 2, 130


class Commands(TyperGroup):
    """The commands, with every expected error as one line on stderr; with --debug, its traceback before it."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if not is_expected(error):
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            typer.echo(f"error: {one_line(error)}", err=True)
            raise typer.Exit(FAILED) from None


def is_expected(error: Exception) -> bool:
    """Whether the message is for the user: bad input, files and missing extras; a closed pipe is no error at all."""
    ours = type(error).__module__.startswith(OWN)
    return ours or (isinstance(error, ValueError | OSError | ImportError) and not isinstance(error, BrokenPipeError))


def one_line(error: Exception) -> str:
    """The error's message without line breaks, the error's name where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(taxonomy, name="taxonomy")
app.add_typer(dataset, name="dataset")
for command in (demo, clean, synthesize, finetune_llm, paraphrase, train):
    app.command()(command)
for command in (predict, evaluate, behave, plan, compare, recalibrate, review_queue, update):
    app.command()(command)
for command in (emerging, train_skills, extract_skills):
    app.command()(command)


@app.callback()
def settings(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Code job titles and duties to an occupation classification, with a confidence."""


def main() -> None:
    """Run the command line. What a terminal cannot write is a question mark there, not an error."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")
    app(prog_name="occ-autocoder")


if __name__ == "__main__":
    sys.exit(main())
