"""Data Docs that open without a network.

The pages of Great Expectations take their style sheets, scripts and logo from public servers: without a network
they are unreadable, and with one they tell those servers that they are looked at. So all that is taken out, a style
sheet of our own goes in, and the first page, which needs scripts, is replaced by a plain one.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

RUN_NAME = "history"
_SITE = Path("gx", "uncommitted", "data_docs", "local_site")
_RESULTS = Path("gx", "uncommitted", "validations")
_STYLE = Path(__file__).with_name("data_docs.css")
_STYLE_IN_SITE = Path("static", "styles", "liveshelf.css")

_EXTERNAL = re.compile(
    r"""<script\b.*?</script>|<link\b[^>]*href="https?://[^>]*>|<img\b[^>]*src="https?://[^>]*>|<footer\b.*?</footer>""",
    re.DOTALL | re.IGNORECASE,
)
_HEAD_END = "</head>"


class _Page(NamedTuple):
    run_time: str
    table: str
    path: Path
    """Of the page, relative to the site."""


def site_of(folder: Path) -> Path:
    """Return the folder of the pages."""
    return folder / _SITE


def keep_runs(folder: Path, most: int) -> None:
    """Drop the stored results and the pages of all but the latest runs."""
    runs = sorted({path.name for path in (folder / _RESULTS).glob(f"*/{RUN_NAME}/*")}, reverse=True)
    for run in runs[most:]:
        for root in (folder / _RESULTS, site_of(folder) / "validations"):
            for path in root.glob(f"*/{RUN_NAME}/{run}"):
                shutil.rmtree(path)


def make_readable_offline(site: Path) -> None:
    """Rewrite the pages that have not been rewritten yet, and the first page."""
    style = site / _STYLE_IN_SITE
    style.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_STYLE, style)
    for page in [*site.glob("validations/**/*.html"), *site.glob("expectations/*.html")]:
        before = page.read_text()
        after = _without_external(before, "../" * (len(page.relative_to(site).parts) - 1))
        if after != before:
            page.write_text(after)
    (site / "index.html").write_text(_index(site))


def _without_external(page: str, to_site: str) -> str:
    if _STYLE_IN_SITE.name in page:
        return page
    link = f'<link rel="stylesheet" href="{to_site}{_STYLE_IN_SITE.as_posix()}">\n'
    return _EXTERNAL.sub("", page).replace(_HEAD_END, link + _HEAD_END, 1)


def _index(site: Path) -> str:
    pages = sorted(
        (_Page(path.parts[-2], path.parts[-4], path) for path in _relative(site, f"validations/*/{RUN_NAME}/*/*.html")),
        key=lambda page: (page.run_time, page.table),
        reverse=True,
    )
    rows = "".join(
        f"<tr><td>{html.escape(_readable(page.run_time))}</td>"
        f'<td><a href="{html.escape(page.path.as_posix())}">{html.escape(page.table)}</a></td>'
        f"<td>{_verdict(site, page)}</td></tr>\n"
        for page in pages
    )
    suites = "".join(
        f'<li><a href="{html.escape(path.as_posix())}">{html.escape(path.stem)}</a></li>\n'
        for path in sorted(_relative(site, "expectations/*.html"))
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="UTF-8"><title>Data quality of the history</title>\n'
        f'<link rel="stylesheet" href="{_STYLE_IN_SITE.as_posix()}">\n</head><body><div class="container-fluid">\n'
        "<h1>Data quality of the history</h1>\n<h2>Results</h2>\n"
        f'<table class="table"><thead><tr><th>run</th><th>table</th><th>result</th></tr></thead><tbody>\n{rows}'
        f"</tbody></table>\n<h2>Expectations</h2>\n<ul>\n{suites}</ul>\n</div></body></html>\n"
    )


def _relative(site: Path, pattern: str) -> list[Path]:
    return [path.relative_to(site) for path in site.glob(pattern)]


def _verdict(site: Path, page: _Page) -> str:
    result = site.parents[1] / _RESULTS.name / page.path.relative_to("validations").with_suffix(".json")
    statistics = json.loads(result.read_bytes())["statistics"]  # it may hold NaN, which only this parser reads
    failed, evaluated = statistics["unsuccessful_expectations"], statistics["evaluated_expectations"]
    if failed:
        return f'<span class="text-danger">{failed} of {evaluated} failed</span>'
    return f'<span class="text-success">{evaluated} hold</span>'


def _readable(run_time: str) -> str:
    """Return ``20261122T081255.669545Z`` as ``2026-11-22 08:12:55 UTC``."""
    found = re.match(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)", run_time)
    return "{}-{}-{} {}:{}:{} UTC".format(*found.groups()) if found else run_time
