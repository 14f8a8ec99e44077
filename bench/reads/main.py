"""The least a pager can do for an alert it has seen before: read three documents, and answer."""

import functions_framework
from flask import Request
from google.cloud import firestore

client = firestore.Client()
documents = [
    client.document("incidents", "0" * 32),
    client.document("ledger", "sms"),
    client.document("ticks", "last"),
]


@functions_framework.http
def notify(request: Request) -> str:
    """Read the body and the documents, as one read."""
    request.get_data()
    return str(len(list(client.get_all(documents, retry=None, timeout=5))))
