"""The command line. Commands load what they need only when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

# Read when LightFM and LightGBM are loaded: threads that wait for others sleep, as the shop needs the processors.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from cli.bench_commands import bench
from cli.surface_commands import surfaces
from cli.user_commands import users

app = typer.Typer(
    name="liveshelf",
    help="Liveshelf: real-time recommendations for online shops.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # loading rich would double the time that --help takes
)
deadletters = typer.Typer(
    help="Look at events that were refused, send them again, or drop them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(deadletters, name="deadletters")
models = typer.Typer(
    help="Look at model versions, change the current one, and remove old ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(models, name="models")
keys = typer.Typer(
    help="Make, list and revoke the keys to the API.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(keys, name="keys")
app.add_typer(surfaces, name="surfaces")
app.add_typer(users, name="users")
app.add_typer(bench, name="bench")

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the installation.", envvar="LIVESHELF_DATA_DIR", show_envvar=False),
]
ShownKey = Annotated[
    str | None,
    typer.Option(
        "--api-key", help="Key to that API; none is needed on the computer that it runs on.", envvar="LIVESHELF_API_KEY"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"liveshelf {version('liveshelf')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Liveshelf: real-time recommendations for online shops."""


@app.command()
def up(
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(help="Port of the API.  [default: 8000]")] = None,
    host: Annotated[str | None, typer.Option(help="Address the API listens on.  [default: 127.0.0.1]")] = None,
    redis_url: Annotated[str | None, typer.Option(help="An existing Redis; else an embedded one.")] = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Kafka for the event log; else it is in Redis.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Add a simulated shop with items and shoppers.")] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="Ask for no keys; only where nobody else can reach the API.")
    ] = False,
    api_workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes of the API, all on that port.  [default: 1]")
    ] = None,
) -> None:
    """Start Redis, the dataflow and the API in this terminal; Ctrl-C stops them all."""
    from cli.up import run

    code = run(
        data_dir=data_dir,
        port=port,
        host=host,
        redis_url=redis_url,
        kafka=kafka,
        demo=demo,
        dev=dev,
        api_workers=api_workers,
    )
    raise typer.Exit(code)


@app.command()
def replay(
    dataset: Annotated[str, typer.Argument(help="Format of the file: taobao, online_retail, movielens, ..., generic.")],
    file: Annotated[Path, typer.Argument(help="File or folder; .gz is read as it is.")],
    url: Annotated[
        str | None, typer.Option(help="Address of the API.  [default: that of the installation that runs here]")
    ] = None,
    api_key: ShownKey = None,
    data_dir: DataDir = None,
    speed: Annotated[str, typer.Option(help="max, or how many times faster than it happened.")] = "max",
    limit: Annotated[int | None, typer.Option(help="Stop after so many rows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send the events of a public data set, or of your own file, through the API."""
    from cli.replay import run

    raise typer.Exit(run(dataset, file, url, speed, limit, as_json, api_key, data_dir))


@app.command("import")
def import_(
    dataset: Annotated[str, typer.Argument(help="Format of the file: taobao, online_retail, movielens, ..., generic.")],
    file: Annotated[Path, typer.Argument(help="File or folder; .gz is read as it is.")],
    data_dir: DataDir = None,
    limit: Annotated[int | None, typer.Option(help="Stop after so many rows.")] = None,
    as_json: AsJson = False,
) -> None:
    """Load history in bulk, without the API, into a running or a stopped installation."""
    from cli.import_ import run

    raise typer.Exit(run(dataset=dataset, file=file, data_dir=data_dir, limit=limit, as_json=as_json))


@app.command()
def train(
    data_dir: DataDir = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Learn from events from then on: a date, or a time; UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Learn from events before then.")] = None,
    params: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML or JSON with training parameters, see docs/model.md.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make the model current even if it is worse.")] = False,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="Then remove old versions until so many are left, as `models prune`."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model on the history, and make it current unless it is worse than the one that is."""
    from cli.train import run

    raise typer.Exit(
        run(
            data_dir=data_dir,
            as_json=as_json,
            since=since,
            until=until,
            parameters_file=params,
            force=force,
            keep=keep,
        )
    )


@app.command()
def evaluate(
    events: Annotated[Path, typer.Option(metavar="TRAIN", help="Log to learn from: a file or a folder, .gz too.")],
    test: Annotated[Path | None, typer.Option(help="Log to foresee; else the end of TRAIN is.")] = None,
    form: Annotated[str, typer.Option("--format", help="auto, or a data set's name as for import.")] = "auto",
    protocol: Annotated[str, typer.Option(help="next-item or future.")] = "next-item",
    holdout: Annotated[
        str | None, typer.Option(help="How much of the end of TRAIN to foresee, such as 28d.  [default: a tenth; 28d]")
    ] = None,
    new_items_only: Annotated[
        bool, typer.Option("--new-items-only", help="Future: only items that the user has not had.")
    ] = False,
    models: Annotated[str, typer.Option(help="all, or some of them: popularity,session_knn,liveshelf.")] = "all",
    k: Annotated[str, typer.Option("--k", help="Lengths of the lists that are looked at.")] = "10,20",
    sample: Annotated[
        int | None, typer.Option(min=1, help="Ask about so many sessions or users at most, drawn at random.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all that is random.")] = 1,
    as_json: AsJson = False,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of the figures (PNG).")] = None,
    output: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure how well the model and its rivals foresee what shoppers did, on a log of events."""
    from cli.evaluate import run

    raise typer.Exit(
        run(
            events=events,
            test=test,
            form=form,
            protocol=protocol,
            holdout=holdout,
            new_items_only=new_items_only,
            models=models,
            k=k,
            sample=sample,
            seed=seed,
            as_json=as_json,
            picture=picture,
            output=output,
        )
    )


@app.command()
def validate(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check the history with Great Expectations and build Data Docs; exit code 1 if a check fails."""
    from cli.validate import run

    raise typer.Exit(run(data_dir=data_dir, as_json=as_json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the events."""
    from cli.schema import run

    raise typer.Exit(run())


@app.command()
def status(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show what runs, how far the stream has come, and which model is current."""
    from cli.status import run

    raise typer.Exit(run(data_dir=data_dir, as_json=as_json))


@deadletters.command("list")
def deadletters_list(
    data_dir: DataDir = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List refused events, the newest first."""
    from cli.deadletters import run_list

    raise typer.Exit(run_list(data_dir=data_dir, most=most, as_json=as_json))


@deadletters.command("show")
def deadletters_show(letter_id: str, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show one refused event, whole."""
    from cli.deadletters import run_show

    raise typer.Exit(run_show(letter_id=letter_id, data_dir=data_dir, as_json=as_json))


@deadletters.command("replay")
def deadletters_replay(
    letter_ids: Annotated[list[str] | None, typer.Argument(help="Which; without any, all.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="The mended event (JSON; - for standard input) in place of the one letter's.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send refused events through validation again; those accepted now leave the dead letters."""
    from cli.deadletters import run_replay

    raise typer.Exit(run_replay(letter_ids=letter_ids or [], file=file, data_dir=data_dir, as_json=as_json))


@deadletters.command("purge")
def deadletters_purge(
    letter_ids: Annotated[list[str] | None, typer.Argument(help="Which; without any, all (asks first).")] = None,
    data_dir: DataDir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Drop refused events for good."""
    from cli.deadletters import run_purge

    raise typer.Exit(run_purge(letter_ids=letter_ids or [], data_dir=data_dir, yes=yes, as_json=as_json))


@models.command("list")
def models_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all model versions, the newest first; damaged ones are marked."""
    from cli.models import run_list

    raise typer.Exit(run_list(data_dir=data_dir, as_json=as_json))


@models.command("show")
def models_show(
    version: Annotated[str, typer.Argument(help="A version, or current.")] = "current",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of a version; exit code 1 if it cannot be served."""
    from cli.models import run_show

    raise typer.Exit(run_show(version=version, data_dir=data_dir, as_json=as_json))


@models.command("activate")
def models_activate(
    version: Annotated[str, typer.Argument(help="The version to be current from now on.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the history of activations.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a version current, once all of it has been checked; a running API changes to it within a second."""
    from cli.models import run_activate

    raise typer.Exit(run_activate(version=version, reason=reason, data_dir=data_dir, as_json=as_json))


@models.command("rollback")
def models_rollback(
    reason: Annotated[str, typer.Option(help="Why; kept in the history of activations.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the version current that was so before; again, the one before that. Damaged ones are passed over."""
    from cli.models import run_rollback

    raise typer.Exit(run_rollback(reason=reason, data_dir=data_dir, as_json=as_json))


@models.command("prune")
def models_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many are left.")] = 5,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Remove old versions, online ones first; never the current one, nor the one that a rollback would go to."""
    from cli.models import run_prune

    raise typer.Exit(run_prune(keep=keep, data_dir=data_dir, as_json=as_json))


@keys.command("create")
def keys_create(
    scope: Annotated[list[str], typer.Option(help="read (slates), write (events, items) or admin; several may be.")],
    rate: Annotated[str | None, typer.Option(help="Requests it may make, such as 600/minute.")] = None,
    note: Annotated[str, typer.Option(help="Who has it.")] = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once."""
    from cli.keys import run_create

    raise typer.Exit(run_create(scopes=scope, rate=rate, note=note, data_dir=data_dir, as_json=as_json))


@keys.command("list")
def keys_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List all keys, the revoked ones too, without their secrets."""
    from cli.keys import run_list

    raise typer.Exit(run_list(data_dir=data_dir, as_json=as_json))


@keys.command("revoke")
def keys_revoke(key_id: str, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Let a key open nothing any more; a running API refuses it within a second."""
    from cli.keys import run_revoke

    raise typer.Exit(run_revoke(key_id=key_id, data_dir=data_dir, as_json=as_json))


def main() -> None:
    """Run the command line."""
    try:
        app(prog_name="liveshelf")
    except Exception as error:
        from cli.problem import tell

        code = tell(error)
        if code is None:
            raise
        sys.exit(code)


if __name__ == "__main__":
    main()
