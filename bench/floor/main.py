"""The least that can take a critical alert: what notifier's cold start is held against (bench.cold_start).

The same platform, the same three round trips to Firestore (read three documents, commit two, commit one) and the same
two posts at the same time; no settings are checked, nothing is decided, and a failure is nobody's.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from uuid import uuid4

import functions_framework
import requests
from flask import Request, Response
from google.cloud import firestore

PREFIX = os.environ["FIRESTORE_PREFIX"]
TWILIO = f"{os.environ['TWILIO_API_URL']}/2010-04-01/Accounts/{os.environ['TWILIO_ACCOUNT_SID']}/Messages.json"


@cache
def client() -> firestore.Client:
    """On first use: gRPC does not survive the fork of the server's worker."""
    return firestore.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"])


@functions_framework.http
def notify(request: Request) -> Response:
    """Store the alert, post it, and store that it was posted."""
    alert = json.loads(request.get_data())
    database = client()
    incident = database.document(f"{PREFIX}incidents", uuid4().hex)
    ledger = database.document(f"{PREFIX}ledger", "sms")
    tick = database.document(f"{PREFIX}ticks", "last")
    list(database.get_all([incident, ledger, tick], retry=None, timeout=4))
    claim = database.batch()
    claim.create(incident, alert)
    claim.create(ledger, {"slots": [incident.id]})
    stored = claim.commit(retry=None, timeout=4)[0]
    words = alert["incident"]["summary"]
    with ThreadPoolExecutor(2) as pool:
        posts = [pool.submit(post_to_slack, words), pool.submit(text, words)]
        statuses = [post.result().status_code for post in posts]
    record = database.batch()
    option = database.write_option(last_update_time=stored.update_time)
    record.update(incident, {"statuses": statuses}, option=option)
    record.commit(retry=None, timeout=4)
    return Response(json.dumps({"statuses": statuses}), content_type="application/json")


def post_to_slack(words: str) -> requests.Response:
    return requests.post(os.environ["SLACK_WEBHOOK_URL"], json={"text": words}, timeout=4)


def text(words: str) -> requests.Response:
    form = {"To": os.environ["ONCALL_PHONE"], "From": os.environ["TWILIO_FROM"], "Body": words[:150]}
    auth = (os.environ["TWILIO_ACCOUNT_SID"], os.environ["TWILIO_AUTH_TOKEN"])
    return requests.post(TWILIO, data=form, auth=auth, timeout=4)
