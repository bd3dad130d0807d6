"""`jaxrl report`: a page of all results in a folder."""

import argparse
import sys
from pathlib import Path

FORMATS = ["html", "md", "latex", "csv", "png"]


def add_report(command: argparse.ArgumentParser) -> None:
    """Arguments of `report`, and what it runs."""
    command.set_defaults(run=report)
    command.epilog = (
        "The page is one file that needs no network. It and the pictures need Altair: pip install "
        "'jaxrl-suite[report]'. Datasets that are on this machine are measured, which takes some seconds each the "
        "first time."
    )
    text = "where a scores.csv lies, or several in folders below it, such as results/quick or results"
    command.add_argument("folder", metavar="DIR", help=text)
    text = "a page; the leaderboards as Markdown, LaTeX or CSV; or the page's charts as pictures (default html)"
    command.add_argument("--format", choices=FORMATS, default="html", help=text)
    text = "file to write, for png a folder (default DIR/report.html, .md, .tex, .csv, DIR/report)"
    command.add_argument("--out", metavar="PATH", help=text)
    text = "leave out what datasets are like"
    command.add_argument("--no-measures", action="store_false", dest="measured", help=text)


def report(arguments) -> int:
    """`jaxrl report`: code 1 where some of the folder's files could not be read."""
    from jaxrl import report as reports
    from jaxrl.cli.commands import watch
    from jaxrl.core import compilation

    compilation.keep()
    out = Path(arguments.out) if arguments.out else None
    with watch() as say:
        written, complaints = reports.write(
            Path(arguments.folder), arguments.format, out, measured=arguments.measured, say=say
        )
    for line in complaints:
        print(f"left out: {line}", file=sys.stderr)
    for file in written:
        print(f"written: {file} ({file.stat().st_size / 2**10:,.0f} KiB)")
    return 1 if complaints else 0
