"""The commands of ``liveshelf surfaces``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

surfaces = typer.Typer(
    help="Look at the places in the shop where slates are shown, and check a file of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the installation.", envvar="LIVESHELF_DATA_DIR", show_envvar=False),
]
_AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@surfaces.command("show")
def surfaces_show(data_dir: _DataDir = None, as_json: _AsJson = False) -> None:
    """Show all surfaces, campaigns and age limits as the file says; GET /v1/surfaces tells what is in service."""
    from cli.surfaces import run_show

    raise typer.Exit(run_show(data_dir=data_dir, as_json=as_json))


@surfaces.command("check")
def surfaces_check(file: Annotated[Path, typer.Argument(help="The file.")], as_json: _AsJson = False) -> None:
    """Check a file of surfaces before it is put in place; exit code 1 if it breaks a rule."""
    from cli.surfaces import run_check

    raise typer.Exit(run_check(file=file, as_json=as_json))


@surfaces.command("schema")
def surfaces_schema() -> None:
    """Print the JSON Schema of the file of surfaces, for editors and checks."""
    from cli.surfaces import run_schema

    raise typer.Exit(run_schema())


@surfaces.command("example")
def surfaces_example() -> None:
    """Print the surfaces that every shop has, as a file to begin with."""
    from cli.surfaces import run_example

    raise typer.Exit(run_example())
