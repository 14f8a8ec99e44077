"""python -m tests.reference.segments: random texts, counted here and by Twilio's own calculator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

import click
import msgspec

from notifier.core import gsm7
from notifier.core.sms_text import size_of
from tests.reference.texts import random_text

PACKAGE, VERSION = "sms-segments-calculator", "1.3.0"
FOLDER = Path(tempfile.gettempdir()) / "notifier-reference"
SHOWN = 5
"""Of the texts that differ, this many are shown."""
AT_ONCE = 2_000
SECONDS = 300
"""For one such lot of texts; a busy machine takes some ten."""

_COUNT = """
const { SegmentedMessage } = require('sms-segments-calculator');
const count = (text, smart) => {
  const message = new SegmentedMessage(text, 'auto', smart);
  const encoding = message.getEncodingName();
  return {
    encoding,
    segments: message.segmentsCount,
    characters: message.numberOfCharacters,
    units: message.messageSize / (encoding === 'GSM-7' ? 7 : 16),
    text: message.graphemes.join(''),
  };
};
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(texts.map((text) => [count(text, false), count(text, true)])));
"""


class Count(msgspec.Struct, frozen=True):
    """What a text is counted as."""

    encoding: str
    segments: int
    characters: int
    units: int
    text: str
    """As it is sent: with Smart Encoding not as it was given."""


class ReferenceMissing(Exception):
    """The calculator cannot be asked; the message says what to do."""


def counts_there(texts: list[str], folder: Path = FOLDER) -> list[tuple[Count, Count]]:
    """Each text as Twilio's calculator counts it, without and with Smart Encoding."""
    node = _node(folder)
    answer = subprocess.run(
        [node, "-e", _COUNT],
        cwd=folder,
        input=json.dumps(texts),
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=SECONDS,
    ).stdout
    # Its own decoder takes lone surrogates, which msgspec refuses.
    return msgspec.convert(json.loads(answer), list[tuple[Count, Count]])


def counts_here(text: str) -> tuple[Count, Count]:
    """The same, as it is counted here."""
    return _count(text), _count(gsm7.plain(text))


def differences(texts: list[str], folder: Path = FOLDER) -> list[tuple[str, list[str]]]:
    """The texts that are not counted alike, each with what differs."""
    return [
        (text, different)
        for text, there in zip(texts, counts_there(texts, folder), strict=True)
        if (different := _different(counts_here(text), there))
    ]


def _count(text: str) -> Count:
    size = size_of(text)
    return Count(size.encoding, size.segments, size.characters, size.units, text)


def _different(here: tuple[Count, Count], there: tuple[Count, Count]) -> list[str]:
    return [
        f"{smart}{field}"
        for smart, ours, its in zip(("", "smart "), here, there, strict=True)
        for field in Count.__struct_fields__
        if getattr(ours, field) != getattr(its, field)
    ]


def _node(folder: Path) -> str:
    node = shutil.which("node")
    if not node:
        raise ReferenceMissing(f"node is not on this machine; it is needed to run {PACKAGE}. {_how_to_get(folder)}")
    found = folder / "node_modules" / PACKAGE / "package.json"
    if not found.exists():
        raise ReferenceMissing(f"{PACKAGE} is not in {folder}. {_how_to_get(folder)}")
    if (version := json.loads(found.read_text("utf-8"))["version"]) != VERSION:
        raise ReferenceMissing(f"{PACKAGE} in {folder} is {version}, which counts otherwise. {_how_to_get(folder)}")
    return node


def _how_to_get(folder: Path) -> str:
    return f"To get it: install node.js (20 was tried), then npm install --prefix {folder} {PACKAGE}@{VERSION}"


@click.command(epilog=f"{_how_to_get(FOLDER)} (a folder outside the repository).")
@click.option("--texts", default=10_000, show_default=True, help="How many.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same texts.")
@click.option(
    "--folder",
    default=FOLDER,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the calculator was installed.",
)
def main(*, texts: int, seed: int, folder: Path) -> None:
    """Compare our counts of random texts with those of Twilio's calculator.

    Encoding, segments, characters and units, of each text as it is and with Smart Encoding. Ends with 1 when any
    differ, and with 2 when the calculator is missing.
    """
    random = Random(seed)
    drawn = [random_text(random) for _ in range(texts)]
    found: list[tuple[str, list[str]]] = []
    try:
        with click.progressbar(range(0, texts, AT_ONCE), label="texts", file=sys.stderr) as starts:
            for start in starts:
                found += differences(drawn[start : start + AT_ONCE], folder)
    except ReferenceMissing as missing:
        click.echo(str(missing), err=True)
        sys.exit(2)
    for text, fields in found[:SHOWN]:
        click.echo(f"{', '.join(fields)}: {text!a}")
    counts = Counter(field for _, fields in found for field in fields)
    sizes = [size_of(text) for text in drawn]
    click.echo(
        f"{texts:,} texts, seed {seed}: {sum(size.encoding == 'UCS-2' for size in sizes):,} in UCS-2, "
        f"{sum(size.segments > 1 for size in sizes):,} of several segments"
    )
    click.echo(f"{len(found):,} counted otherwise than by {PACKAGE} {VERSION}: {dict(counts) if counts else 'none'}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
