"""The deployed entry point: one HTTP function, `notify`.

Settings and policy are checked here, at import, so that a mistake fails the deployment and not the first page.
"""

import gc

import functions_framework
from flask import Request, Response, current_app, has_app_context, request

from notifier.wiring import app_from_environment

# All that is made here stays. To look through it for garbage again and again while the libraries are imported costs a
# cold start a tenth of its CPU (bench.cold_start), and later, after the server's fork, a copy of its memory.
gc.disable()
_app = app_from_environment()
gc.freeze()
gc.enable()


@functions_framework.http
def notify(request: Request) -> Response:
    """Take one request: alerts come in at POST /."""
    return _app.web(request)


if has_app_context():

    @current_app.before_request
    def take_the_paths_of_the_framework() -> Response | None:
        """functions-framework answers /robots.txt and /favicon.ico itself, and waits for any body without an end."""
        return None if request.endpoint == "run" else _app.web(request)
