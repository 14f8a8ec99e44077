"""The alert policies that watch the pager itself: what they are, and whether those in the project still are that.

deploy.sh runs it once for each policy. Why they are as they are: docs/decisions/watching-the-pager.md.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]

WINDOW_SECONDS = 300
"""How far back each evaluation looks: five ticks."""
HOLDS_SECONDS = 60
"""The least for which a policy may say what missing data means
(https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#metricthreshold)."""
ERRORS_CLOSE_SECONDS = 1800
TICKS_CLOSE_SECONDS = 7 * 24 * 3600
"""Both the ends of what Cloud Monitoring takes. Silence must not close what is open because of silence."""


def log_filter_of_ticks(place: argparse.Namespace, condition: str) -> str:
    """The request log's entries for the tick. Cloud Run writes them, also for a function that cannot start."""
    return (
        f'resource.type="cloud_run_revision" AND resource.labels.service_name="{place.name}"'
        f' AND resource.labels.location="{place.region}"'
        f' AND logName="projects/{place.project}/logs/run.googleapis.com%2Frequests"'
        f' AND httpRequest.requestMethod="POST" AND httpRequest.requestUrl=~"/tick$"{condition}'
    )


def no_tick(place: argparse.Namespace) -> Json:
    """Nothing has answered the tick with 200 for five minutes."""
    ticks = _logs(place, log_filter_of_ticks(place, ""))
    return _policy(
        place,
        kind="ticks",
        title="no good tick for 5 minutes",
        condition={
            "filter": (
                f'metric.type="logging.googleapis.com/user/{place.name}-ticks" AND resource.type="cloud_run_revision"'
            ),
            "comparison": "COMPARISON_LT",
            # A deleted function or job leaves no data at all: that is the same as no tick.
            "evaluationMissingData": "EVALUATION_MISSING_DATA_ACTIVE",
        },
        closes_after=TICKS_CLOSE_SECONDS,
        text=f"""\
**{place.name}, the pager, does not work.** Its minute tick has not been answered with 200 for 5 minutes. Until it is:
nothing that nobody answered gets louder, and no page that failed is sent again. Look at what is open in Cloud
Monitoring yourself, and tell whoever is on call.

1. What did the tick answer? [The ticks in the log]({ticks}). None at all: go to 2. 5xx: go to 3. 401 or 403: run
   `./deploy.sh` again, it sets the job's identity right.
2. Is the job there and ENABLED? `gcloud scheduler jobs describe {place.name}-tick --location={place.region}
   --project={place.project}`. Deleted, paused or changed: `./deploy.sh` sets it right.
3. Why does the function fail? [Its errors in the log]({_errors(place)}).
4. In the checkout it was deployed from, with its settings: `.venv/bin/python -m notifier check --live` tries the store
   and each channel.

This closes by itself a minute or two after the first good tick.
""",
    )


def errors(place: argparse.Namespace) -> Json:
    """The function failed more than once within five minutes."""
    return _policy(
        place,
        kind="errors",
        title="the function answers 5xx",
        condition={
            "filter": (
                'metric.type="run.googleapis.com/request_count" AND resource.type="cloud_run_revision"'
                f' AND resource.labels.service_name="{place.name}" AND resource.labels.location="{place.region}"'
                ' AND metric.labels.response_code_class="5xx"'
            ),
            # One alone is what the next tick or the sender's next try has mended.
            "comparison": "COMPARISON_GT",
            "evaluationMissingData": "EVALUATION_MISSING_DATA_INACTIVE",
        },
        closes_after=ERRORS_CLOSE_SECONDS,
        text=f"""\
**{place.name}, the pager, fails.** More than one request within 5 minutes was answered with 5xx: alerts may not be
stored, and people may not be told.

1. What fails? [The errors in the log]({_errors(place)}). 503: the store, Firestore; who is to be woken is still
   woken once. 500, "our own mistake": a bug, the entry says where. No words of the function's own: it does not
   start, or is killed (memory, 60 seconds).
2. In the checkout it was deployed from, with its settings: `.venv/bin/python -m notifier check --live` tries the store
   and each channel.
3. Since a deployment? [Give the traffic back to the revision before]({_console(place, "revisions")}), then look on.

This closes by itself some minutes after the last 5xx.
""",
    )


KINDS = {"ticks": no_tick, "errors": errors}


def _policy(place: argparse.Namespace, *, kind: str, title: str, condition: Json, closes_after: int, text: str) -> Json:
    """An alert policy as Cloud Monitoring's API takes it, still without channels."""
    return {
        "displayName": f"{place.name} (on-call pager): {title}",
        "documentation": {"content": text, "mimeType": "text/markdown"},
        "severity": "CRITICAL",
        "enabled": True,
        "combiner": "OR",
        "conditions": [
            {
                "displayName": title,
                "conditionThreshold": {
                    **condition,
                    "thresholdValue": 1,
                    "duration": f"{HOLDS_SECONDS}s",
                    "aggregations": [
                        {
                            "alignmentPeriod": f"{WINDOW_SECONDS}s",
                            "perSeriesAligner": "ALIGN_SUM",
                            # Each revision is a series of its own: what counts is all of them together.
                            "crossSeriesReducer": "REDUCE_SUM",
                        }
                    ],
                },
            }
        ],
        "alertStrategy": {"autoClose": f"{closes_after}s"},
        "userLabels": {"notifier": place.name, "watches": kind},
    }


def _errors(place: argparse.Namespace) -> str:
    where = f'resource.labels.service_name="{place.name}" AND resource.labels.location="{place.region}"'
    return _logs(place, f'resource.type="cloud_run_revision" AND {where} AND severity>=ERROR')


def _logs(place: argparse.Namespace, query: str) -> str:
    return f"https://console.cloud.google.com/logs/query;query={quote(query, safe='')}?project={place.project}"


def _console(place: argparse.Namespace, page: str) -> str:
    where = f"https://console.cloud.google.com/run/detail/{place.region}/{place.name}"
    return f"{where}/{page}?project={place.project}"


def channels_of(live: Json | None, watchers: list[str], own: list[str]) -> list[str]:
    """Whom the policy is to tell: `watchers`, and whatever channels hands have added that are not `own`.

    Without watchers, those that are told already stay. `own`: every channel that deploy.sh has made; the pager's
    road is among them, and it must not be what tells of its own end: those of `watchers` alone come back in.
    """
    added = [one for one in (live or {}).get("notificationChannels", []) if one not in own]
    return [*watchers, *(one for one in added if one not in watchers)]


def covers(live: object, wanted: object) -> bool:
    """Whether all that is wanted is there: what Cloud Monitoring adds (names, dates, defaults) does not matter."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(name in live and covers(live[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(covers(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return live == wanted


def main() -> None:
    """Write what the policy should be to --out, and print: missing, differs or same; its name; how many it tells."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "log-filter"])
    for option in ("--name", "--project", "--region"):
        parser.add_argument(option, required=True)
    parser.add_argument("--live", type=Path, help="all policies of the project, as gcloud lists them in JSON")
    parser.add_argument("--out", type=Path, help="where the policy is written to, in JSON")
    parser.add_argument("--own", default="", help="names of all channels that deploy.sh has made, with spaces")
    parser.add_argument("--tell", default="", help="names of the channels that are to be told, with spaces")
    place = parser.parse_args()
    if place.kind == "log-filter":
        sys.stdout.write(log_filter_of_ticks(place, " AND httpRequest.status=200") + "\n")
        return
    wanted = KINDS[place.kind](place)
    listed = json.loads(place.live.read_text("utf-8") or "[]")
    live = next((one for one in listed if covers(one.get("userLabels"), wanted["userLabels"])), None)
    wanted["notificationChannels"] = sorted(channels_of(live, place.tell.split(), place.own.split()))
    place.out.write_text(json.dumps(wanted, indent=2), "utf-8")
    if live is None:
        state = "missing"
    else:
        live["notificationChannels"] = sorted(live.get("notificationChannels", []))
        state = "same" if covers(live, wanted) else "differs"
    sys.stdout.write(f"{state} {len(wanted['notificationChannels'])} {live['name'] if live else ''}\n")


if __name__ == "__main__":
    main()
