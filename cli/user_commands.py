"""The commands beneath ``liveshelf users``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

users = typer.Typer(
    help="Erase users, or write down all that is held of one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_UserId = Annotated[str, typer.Argument(help="The shop's id of the user.")]
_Url = Annotated[
    str | None, typer.Option(help="Address of the API.  [default: that of the installation that runs here]")
]
_Key = Annotated[
    str | None,
    typer.Option(
        "--api-key", help="Key to that API; none is needed on the computer that it runs on.", envvar="LIVESHELF_API_KEY"
    ),
]
_DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the installation.", envvar="LIVESHELF_DATA_DIR", show_envvar=False),
]


@users.command("erase")
def erase(
    user_id: _UserId,
    url: _Url = None,
    api_key: _Key = None,
    data_dir: _DataDir = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Until it is complete.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")] = False,
) -> None:
    """Erase all that is held of a user."""
    from cli.users import run_erase

    raise typer.Exit(run_erase(user_id, url, api_key, data_dir, wait=wait, as_json=as_json))


@users.command("export")
def export(
    user_id: _UserId,
    url: _Url = None,
    api_key: _Key = None,
    data_dir: _DataDir = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file; else to standard output.")] = None,
) -> None:
    """Write down all that is held of a user, as one JSON object."""
    from cli.users import run_export

    raise typer.Exit(run_export(user_id, url, api_key, data_dir, output))
