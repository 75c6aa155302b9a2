"""The command line, run in this process."""

from click.testing import Result
from typer.testing import CliRunner

from occ_autocoder.cli import app


def run(*arguments: object, columns: int = 200) -> Result:
    """Run it on a terminal of so many columns."""
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, [str(argument) for argument in arguments])


def succeed(*arguments: object) -> str:
    """The standard output of a run that must end well."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def fail(*arguments: object) -> str:
    """The last line on stderr, an error, of a run that must end with exit code 2."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    line = result.stderr.replace("\r", "\n").splitlines()[-1]
    assert line.startswith("error: "), result.stderr
    return line
