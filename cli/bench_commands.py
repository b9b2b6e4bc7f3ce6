"""The commands of ``liveshelf bench``; each loads what it needs only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(
    help="Measure this installation's code on this computer, with processes and data of its own.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@bench.command("stream")
def bench_stream(
    events: Annotated[Path, typer.Option(help="Data set file or folder; .gz is read as it is.")],
    dataset: Annotated[str, typer.Option(help="Format of the file.")] = "taobao",
    rows: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    only: Annotated[
        str | None, typer.Option(help="Some of passthrough,compute,fold-window,end-to-end,freshness.")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Measure end to end on this Kafka as well.")
    ] = None,
    rates: Annotated[str, typer.Option(help="Events per second at which freshness is measured.")] = "500,2000",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long each of these rates is held.")] = 20.0,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of compute and passthrough; the median counts.")] = 3,
    slice_events: Annotated[
        int, typer.Option("--slice", min=1, help="Events for Bytewax's own windows, which are slow.")
    ] = 2_000,
    profile: Annotated[bool, typer.Option("--profile", help="Also tell where the time goes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Events per second by stage, from the event log to the features, and how fresh these are."""
    from cli.bench import run_stream

    code = run_stream(
        dataset=dataset,
        file=events,
        rows=rows,
        only=only,
        kafka=kafka,
        rates=rates,
        seconds=seconds,
        rounds=rounds,
        slice_events=slice_events,
        profile=profile,
        as_json=as_json,
    )
    raise typer.Exit(code)


@bench.command("users")
def bench_users(
    users: Annotated[int, typer.Option(min=1, help="How many shoppers.")] = 1_000_000,
    events_per_user: Annotated[int, typer.Option(min=1, help="Events that each of them has.")] = 2,
    rate: Annotated[int, typer.Option(min=1, help="Events per second before the flow is killed.")] = 2_000,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long that rate is held.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """State of a million shoppers: its size, the pauses of its snapshots, and recovery after kill -9."""
    from cli.bench import run_users

    code = run_users(users=users, events_per_user=events_per_user, rate=rate, seconds=seconds, as_json=as_json)
    raise typer.Exit(code)


@bench.command("workers")
def bench_workers(
    events: Annotated[Path, typer.Option(help="Data set file or folder; .gz is read as it is.")],
    dataset: Annotated[str, typer.Option(help="Format of the file.")] = "taobao",
    rows: Annotated[int | None, typer.Option(min=1, help="Only the first rows.")] = None,
    workers: Annotated[str, typer.Option(help="Numbers of processes; the first is what others are compared with.")] = (
        "1,2,4"
    ),
    partitions: Annotated[int, typer.Option(min=1, max=256, help="Partitions of each topic.")] = 8,
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Kafka for the event log; else Redis.")] = None,
    as_json: AsJson = False,
) -> None:
    """The same events by one process of the dataflow and by several: whether results are equal, and the rates."""
    from cli.bench import run_workers

    code = run_workers(
        dataset=dataset, file=events, rows=rows, workers=workers, partitions=partitions, kafka=kafka, as_json=as_json
    )
    raise typer.Exit(code)


@bench.command("train")
def bench_train(
    events: Annotated[
        list[int] | None, typer.Option(min=1_000, help="Events of the history; may be given again.  [default: 1000000]")
    ] = None,
    params: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML or JSON with training parameters, as for train.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Make the history in this new folder and keep it; else a temporary one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time and memory of training on simulated histories of several sizes."""
    from cli.bench import run_train

    raise typer.Exit(run_train(events=events or [1_000_000], params=params, data_dir=data_dir, as_json=as_json))


@bench.command("rollback")
def bench_rollback(
    items: Annotated[int, typer.Option(min=1_000, help="Items of the shop.")] = 20_000,
    rate: Annotated[int, typer.Option(min=1, help="Requests per second.")] = 200,
    activations: Annotated[int, typer.Option(min=2, help="Changes of the model, before two rollbacks.")] = 10,
    every: Annotated[float, typer.Option(min=1.0, help="Seconds from one change to the next.")] = 3.0,
    stall_items: Annotated[int, typer.Option(min=0, help="Items whose swap may stall an event loop; 0: none.")] = (
        100_000
    ),
    deadline_ms: Annotated[float, typer.Option(min=1.0, help="Milliseconds that a slate may take.")] = 40.0,
    as_json: AsJson = False,
) -> None:
    """Models change under load, one of them is damaged: failed requests, latencies, seconds until each is served."""
    from cli.bench_models import run_rollback

    raise typer.Exit(
        run_rollback(
            items=items,
            rate=rate,
            activations=activations,
            every=every,
            stall_items=stall_items,
            deadline_ms=deadline_ms,
            as_json=as_json,
        )
    )


@bench.command("candidates")
def bench_candidates(
    items: Annotated[str, typer.Option(help="Numbers of items.")] = "20000,100000,200000,500000,1000000",
    queries: Annotated[int, typer.Option(min=1, help="Shoppers who ask.")] = 300,
    as_json: AsJson = False,
) -> None:
    """The model's best 100 of many items: by asking all, or cells of them; ms, recall, memory, time to make."""
    from cli.bench_models import run_candidates

    raise typer.Exit(run_candidates(items=items, queries=queries, as_json=as_json))


@bench.command("learning")
def bench_learning(
    events: Annotated[
        Path | None, typer.Option(help="A log in any format; without one, a shop is simulated that grows.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="What came after it; without it, the end of the log.")] = None,
    holdout: Annotated[str, typer.Option(help="How long that end is, such as 7d or 12h.")] = "7d",
    form: Annotated[str, typer.Option("--format", help="Format of the files.")] = "auto",
    users: Annotated[int, typer.Option(min=1_000, help="Known shoppers at the end of the simulation.")] = 50_000,
    rate: Annotated[float, typer.Option(min=0.0001, max=1.0, help="Learning rate.")] = 0.03,
    slates: Annotated[int, typer.Option(min=0, help="Slates of the log that are made with and without learning.")] = (
        5_000
    ),
    picture: Annotated[Path | None, typer.Option(help="Draw the hit rate over time, as PNG.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another shop, and other draws.")] = 1,
    as_json: AsJson = False,
) -> None:
    """What online updates bring over a replay, and what they cost as shoppers, items and features grow."""
    from cli.bench_learning import run

    code = run(
        events=events,
        test=test,
        holdout=holdout,
        form=form,
        users=users,
        rate=rate,
        slates=slates,
        picture=picture,
        seed=seed,
        as_json=as_json,
    )
    raise typer.Exit(code)


@bench.command("serve")
def bench_serve(
    items: Annotated[str, typer.Option(help="Numbers of items, each with an installation anew.")] = (
        "10000,100000,1000000"
    ),
    users: Annotated[int, typer.Option(min=10, help="Known shoppers.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each rate is held.")] = 20.0,
    mixed_rate: Annotated[int, typer.Option(min=1, help="Requests per second of the mixed traffic.")] = 1_000,
    think: Annotated[float, typer.Option(min=0.0, help="Seconds between two requests of one shopper.")] = 2.0,
    exponent: Annotated[float, typer.Option(min=0.0, max=5.0, help="Of Zipf's law, by which shoppers come.")] = 1.0,
    pages: Annotated[
        str | None, typer.Option(help="Pages of a visit in their order: home, listing, item.  [default: see docs]")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """One API process: slates per second and milliseconds, live, cached and mixed, beside a trivial address."""
    from cli.bench_serving import run_serve

    code = run_serve(
        items=items,
        users=users,
        seconds=seconds,
        mixed_rate=mixed_rate,
        think=think,
        exponent=exponent,
        pages=pages,
        as_json=as_json,
    )
    raise typer.Exit(code)


@bench.command("freshness")
def bench_freshness(
    seconds: Annotated[float, typer.Option(min=1.0, help="How long shoppers click.")] = 60.0,
    items: Annotated[int, typer.Option(min=500, help="Items of the shop.")] = 10_000,
    users: Annotated[int, typer.Option(min=10, help="Shoppers who click, and as many others.")] = 1_000,
    slates: Annotated[int, typer.Option(min=1, help="Slates per second of the others.")] = 200,
    events: Annotated[int, typer.Option(min=10, help="Events per second of the others.")] = 500,
    as_json: AsJson = False,
) -> None:
    """From an acknowledged click to the shopper's changed slate, while the shop is busy."""
    from cli.bench_serving import run_freshness

    raise typer.Exit(
        run_freshness(seconds=seconds, items=items, users=users, slates=slates, events=events, as_json=as_json)
    )


@bench.command("storm")
def bench_storm(
    seconds: Annotated[float, typer.Option(min=1.0, help="How long it lasts.")] = 60.0,
    items: Annotated[int, typer.Option(min=500, help="Items of the shop.")] = 4_000,
    flipping: Annotated[int, typer.Option(min=20, help="Items that sell out and come back.")] = 4_000,
    changes: Annotated[int, typer.Option(min=20, help="Stock changes per second.")] = 1_000,
    slates: Annotated[int, typer.Option(min=1, help="Slates per second.")] = 200,
    workers: Annotated[int, typer.Option("--api-workers", min=1, max=64, help="Processes of the API.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Items sell out and come back by the thousand: for how long slates still show what is sold out."""
    from cli.bench_serving import run_storm

    code = run_storm(
        seconds=seconds,
        items=items,
        flipping=flipping,
        changes=changes,
        slates=slates,
        workers=workers,
        as_json=as_json,
    )
    raise typer.Exit(code)


@bench.command("chaos")
def bench_chaos(
    seconds: Annotated[float, typer.Option(min=5.0, help="How long each drill lasts.")] = 60.0,
    rate: Annotated[int, typer.Option(min=10, help="Requests per second.")] = 100,
    items: Annotated[int, typer.Option(min=500, help="Items of the shop.")] = 2_000,
    users: Annotated[int, typer.Option(min=10, help="Shoppers who ask in turn.")] = 1_500,
    only: Annotated[str | None, typer.Option(help="Some of redis,model,dataflow,api,slow.")] = None,
    as_json: AsJson = False,
) -> None:
    """Parts are killed, slowed down and damaged under load: what share is answered, how well, and when all is well."""
    from cli.bench_serving import run_chaos

    raise typer.Exit(run_chaos(seconds=seconds, rate=rate, items=items, users=users, only=only, as_json=as_json))
