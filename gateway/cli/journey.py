"""``gateway journey``: the process that marketing and sales agreed on, drawn from the files in use."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import say
from gateway.errors import Refused


@click.group()
def journey() -> None:
    """The process that marketing and sales agreed on."""


@journey.command()
@click.option("--svg", is_flag=True, help="Draw it; the default is Mermaid text.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this file.")
@pass_app_to_look
def diagram(app: App, svg: bool, output: Path | None) -> None:
    """Draw stages, thresholds, steps, follow-up and buckets.

    From the journey in use, so that the picture is never older than the process. Mermaid text can be pasted into wikis
    and issues; an SVG opens in every browser.
    """
    from gateway.journey import diagram as drawing
    from gateway.journey.process import process_of

    process = process_of(app.gateway.model.journey)
    title = f"{app.instance.name}: from lead to revenue"
    text = drawing.svg(process, title) if svg else drawing.mermaid(process)
    if output is None:
        for line in text.splitlines():
            say(line)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise Refused(f"{output} cannot be written: {exc.strerror}") from None
    say(f"{output} written")
