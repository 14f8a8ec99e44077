"""What all pages share: one sheet of styles, the templates, and what a browser may do with a page of ours."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from pathlib import Path

import jinja2
from markupsafe import Markup

from notifier.core.markdown_html import html_of_markdown
from notifier.core.wording import clock_beside, clock_time

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "frame.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()

SECURITY_HEADERS = {
    # Its own form is all it may do: nothing runs or is loaded, no style but ours counts, and no other page may frame it
    # to catch a click. The one image is the empty icon, which saves a request for /favicon.ico.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    # The link is what lets one answer: it goes to nobody else.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def render(template: str, **values: object) -> str:
    """The page that `template` makes of `values`."""
    return _environment().get_template(template).render(style=Markup(_STYLE), **values)  # noqa: S704 - our own file


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": clock_time,
        "markdown": lambda text: Markup(html_of_markdown(text, styled=False)),  # noqa: S704 - it escapes all text itself
        "moment": lambda at: f"{at.day} {at:%B %Y, %H:%M} UTC",
        "time": lambda at: f"{at:%H:%M}",
        "time_beside": clock_beside,
    }
    return environment
