"""The deployed entry point: one HTTP function, `notify`.

Settings and policy are checked here, at import, so that a mistake fails the deployment and not the first page.
"""

import functions_framework
from flask import Request, Response

from notifier.wiring import app_from_environment

_app = app_from_environment()


@functions_framework.http
def notify(request: Request) -> Response:
    """Take one request: alerts come in at POST /."""
    return _app.web(request)
