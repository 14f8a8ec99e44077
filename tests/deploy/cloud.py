"""A small Google Cloud on 127.0.0.1: just the REST calls deploy.sh makes the real gcloud send, with memory.

gcloud is pointed here as its HTTP proxy, with every API it uses overridden to plain http. So all it sends
arrives here under its real host name, and what would go anywhere else shows up as a CONNECT, which is refused
and kept in `strangers`.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[["Cloud", "Call"], "Json"]

PROJECT = "acme-pager"
NUMBER = "123456789012"
REGION = "us-central1"
APIS = (
    "artifactregistry",
    "cloudbuild",
    "cloudfunctions",
    "cloudresourcemanager",
    "cloudscheduler",
    "firestore",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "run",
    "secretmanager",
    "serviceusage",
    "storage",
)
READS_BY_POST = re.compile(r":getIamPolicy$")
"""The one kind of POST here that changes nothing."""

Json = dict[str, Any]


class NotThereError(Exception):
    """Answered as 404."""


@dataclass(frozen=True)
class Call:
    """One request, as it arrived."""

    method: str
    api: str
    path: str
    """Without the API's version, decoded."""
    query: dict[str, str]
    body: Json
    raw: bytes

    @property
    def changes(self) -> bool:
        return self.method != "GET" and not READS_BY_POST.search(self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.api}/{self.path}"


@dataclass
class Cloud:
    """What exists, by API and resource name, and every call since it was started."""

    things: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=lambda: {"serviceusage", "cloudresourcemanager", "storage"})
    uploads: list[bytes] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, call: Call) -> Json:
        self.calls.append(call)
        for api, method, pattern, handler in ROUTES:
            if api in (call.api, "*") and method == call.method and re.fullmatch(pattern, call.path):
                return handler(self, call)
        self.unknown.append(str(call))
        raise NotThereError(str(call))

    def under(self, api: str, prefix: str) -> list[Json]:
        """Resources of an API whose names match, as a list method gives them."""
        return [thing for name, thing in self.things.items() if re.fullmatch(f"{api}/{prefix}", name)]

    def put(self, api: str, name: str, thing: Json) -> Json:
        self.things[f"{api}/{name}"] = thing
        return thing

    def get(self, api: str, name: str) -> Json:
        try:
            return self.things[f"{api}/{name}"]
        except KeyError:
            raise NotThereError(name) from None


ROUTES: list[tuple[str, str, str, Handler]] = []


def route(api: str, method: str, pattern: str) -> Callable[[Handler], Handler]:
    def keep(handler: Handler) -> Handler:
        ROUTES.append((api, method, pattern, handler))
        return handler

    return keep


def done(response: Json, **more: object) -> Json:
    """Answer with a long-running operation that has ended already."""
    return {"name": "operations/done", "done": True, "response": response, **more}


# ------------------------------------------------------------------------------- every API: who may do what


def _holder(call: Call) -> str:
    """Whose policy it is; iam writes "any project" as a hyphen."""
    return f"{call.api}/{call.path.rpartition(':')[0]}".replace("projects/-/", f"projects/{PROJECT}/")


@route("*", "POST", r".*:getIamPolicy")
@route("*", "GET", r".*:getIamPolicy")
def get_policy(cloud: Cloud, call: Call) -> Json:
    return cloud.policies.get(_holder(call), {"etag": "AA=="})


@route("*", "POST", r".*:setIamPolicy")
def set_policy(cloud: Cloud, call: Call) -> Json:
    policy: Json = {**call.body["policy"], "etag": "AA=="}
    cloud.policies[_holder(call)] = policy
    return policy


# ------------------------------------------------------------------------------- the project and its APIs


@route("cloudresourcemanager", "GET", rf"projects/{PROJECT}")
def project(_: Cloud, __: Call) -> Json:
    return {"projectId": PROJECT, "projectNumber": NUMBER, "lifecycleState": "ACTIVE"}


def _service(name: str) -> Json:
    host = f"{name}.googleapis.com"
    return {"name": f"projects/{NUMBER}/services/{host}", "config": {"name": host}, "state": "ENABLED"}


@route("serviceusage", "GET", r"projects/[^/]+/services")
def services(cloud: Cloud, _: Call) -> Json:
    return {"services": [_service(name) for name in sorted(cloud.enabled)]}


@route("serviceusage", "GET", r"projects/[^/]+/services/[^/]+")
def service(cloud: Cloud, call: Call) -> Json:
    name = call.path.rpartition("/")[2].partition(".")[0]
    return _service(name) | {"state": "ENABLED" if name in cloud.enabled else "DISABLED"}


@route("serviceusage", "POST", r"projects/[^/]+/services/[^/]+:enable")
def enable_one(cloud: Cloud, call: Call) -> Json:
    cloud.enabled.add(call.path.rpartition("/")[2].partition(".")[0])
    return done({})


@route("serviceusage", "POST", r"projects/[^/]+/services:batchEnable")
def enable(cloud: Cloud, call: Call) -> Json:
    cloud.enabled |= {name.partition(".")[0] for name in call.body["serviceIds"]}
    return done({})


# ------------------------------------------------------------------------------- service accounts


@route("iam", "GET", r"projects/[^/]+/serviceAccounts")
def accounts(cloud: Cloud, _: Call) -> Json:
    return {"accounts": cloud.under("iam", ".*")}


@route("iam", "POST", r"projects/[^/]+/serviceAccounts")
def make_account(cloud: Cloud, call: Call) -> Json:
    email = f"{call.body['accountId']}@{PROJECT}.iam.gserviceaccount.com"
    name = f"projects/{PROJECT}/serviceAccounts/{email}"
    return cloud.put("iam", name, {"name": name, "email": email, **call.body.get("serviceAccount", {})})


# ------------------------------------------------------------------------------- Firestore


@route("firestore", "GET", r"projects/[^/]+/databases")
def databases(cloud: Cloud, _: Call) -> Json:
    return {"databases": cloud.under("firestore", "projects/[^/]+/databases/[^/]+")}


@route("firestore", "POST", r"projects/[^/]+/databases")
def make_database(cloud: Cloud, call: Call) -> Json:
    name = f"{call.path}/{call.query['databaseId']}"
    return done(cloud.put("firestore", name, {"name": name, **call.body}))


@route("firestore", "GET", r".*/collectionGroups/-/fields")
def fields(cloud: Cloud, call: Call) -> Json:
    kept = "ttlConfig" if "ttlConfig" in call.query["filter"] else "indexConfig"
    every = cloud.under("firestore", r".*/fields/[^/]+")
    return {"fields": [{"name": one["name"], kept: one[kept]} for one in every if kept in one]}


@route("firestore", "PATCH", r".*/fields/[^/]+")
def set_field(cloud: Cloud, call: Call) -> Json:
    if f"firestore/{call.path.partition('/collectionGroups/')[0]}" not in cloud.things:
        raise NotThereError(call.path)
    known = cloud.things.get(f"firestore/{call.path}", {"name": call.path})
    cloud.put("firestore", call.path, known | {call.query["updateMask"]: {}} | call.body)
    return done({}, name=f"{call.path.partition('/collectionGroups/')[0]}/operations/field")


@route("firestore", "GET", r".*/fields/[^/]+")
def one_field(cloud: Cloud, call: Call) -> Json:
    return cloud.get("firestore", call.path)


@route("firestore", "GET", r".*/operations/field")
def field_operation(_: Cloud, call: Call) -> Json:
    return done({}, name=call.path)


# ------------------------------------------------------------------------------- Secret Manager


@route("secretmanager", "GET", r"projects/[^/]+/secrets")
def secrets(cloud: Cloud, _: Call) -> Json:
    return {"secrets": cloud.under("secretmanager", "projects/[^/]+/secrets/[^/]+")}


@route("secretmanager", "POST", r"projects/[^/]+/secrets")
def make_secret(cloud: Cloud, call: Call) -> Json:
    name = f"projects/{NUMBER}/secrets/{call.query['secretId']}"
    return cloud.put("secretmanager", name, {"name": name, **call.body})


@route("secretmanager", "POST", r"projects/[^/]+/secrets/[^/]+:addVersion")
def add_version(cloud: Cloud, call: Call) -> Json:
    secret = f"projects/{NUMBER}/secrets/{call.path.split('/')[-1].partition(':')[0]}"
    cloud.get("secretmanager", secret)
    number = len(cloud.under("secretmanager", f"{secret}/versions/[0-9]+")) + 1
    version = {
        "name": f"{secret}/versions/{number}",
        "state": "ENABLED",
        "clientSpecifiedPayloadChecksum": True,
        **call.body,
    }
    return cloud.put("secretmanager", version["name"], version)


@route("secretmanager", "GET", r"projects/[^/]+/secrets/[^/]+/versions/latest:access")
def access(cloud: Cloud, call: Call) -> Json:
    versions = cloud.under("secretmanager", f"projects/{NUMBER}/secrets/{call.path.split('/')[3]}/versions/[0-9]+")
    if not versions:
        raise NotThereError(call.path)
    return {"name": versions[-1]["name"], "payload": versions[-1]["payload"]}


# ------------------------------------------------------------------------------- the function


@route("cloudfunctions", "GET", r"projects/[^/]+/locations/[^/]+/runtimes")
def runtimes(_: Cloud, __: Call) -> Json:
    return {"runtimes": [{"name": "python311", "environment": "GEN_2", "stage": "GA"}]}


@route("cloudfunctions", "GET", r"projects/[^/]+/locations/[^/]+/functions")
def functions(cloud: Cloud, _: Call) -> Json:
    return {"functions": cloud.under("cloudfunctions", ".*/functions/[^/]+")}


@route("cloudfunctions", "GET", r".*/functions/[^/]+")
def function(cloud: Cloud, call: Call) -> Json:
    return cloud.get("cloudfunctions", call.path)


@route("cloudfunctions", "POST", r".*/functions:generateUploadUrl")
def upload_url(cloud: Cloud, _: Call) -> Json:
    place = f"source-{len(cloud.uploads) + 1}.zip"
    url = f"http://storage.googleapis.com/gcf-uploads/{place}?signature=x"
    return {"uploadUrl": url, "storageSource": {"bucket": "gcf-uploads", "object": place}}


@route("storage", "PUT", r"gcf-uploads/.*")
def upload(cloud: Cloud, call: Call) -> Json:
    cloud.uploads.append(call.raw)
    return {}


@route("cloudfunctions", "POST", r".*/functions")
def make_function(cloud: Cloud, call: Call) -> Json:
    name = call.query["functionId"]
    thing: Json = {**call.body, "state": "ACTIVE", "environment": "GEN_2"}
    thing["serviceConfig"] |= {"service": f"projects/{PROJECT}/locations/{REGION}/services/{name}"}
    cloud.put("run", name, _run_service(name))
    return _deployed(cloud.put("cloudfunctions", f"{call.path}/{name}", thing))


@route("cloudfunctions", "PATCH", r".*/functions/[^/]+")
def change_function(cloud: Cloud, call: Call) -> Json:
    thing = cloud.get("cloudfunctions", call.path)
    for path in call.query["updateMask"].split(","):
        *parents, last = [re.sub("_([a-z])", lambda found: found[1].upper(), part) for part in path.split(".")]
        there, sent = thing, call.body
        for parent in parents:
            there, sent = there[parent], sent[parent]
        there[last] = sent.get(last)
    return _deployed(thing)


def _deployed(thing: Json) -> Json:
    kind = "type.googleapis.com/google.cloud.functions.v2."
    metadata = {"@type": f"{kind}OperationMetadata", "stages": [{"name": "BUILD", "state": "COMPLETE"}]}
    name = f"projects/{PROJECT}/locations/{REGION}/operations/deploy"
    return done({"@type": f"{kind}Function", **thing}, metadata=metadata) | {"name": name}


@route("cloudfunctions", "GET", r".*/operations/deploy")
def operation(_: Cloud, __: Call) -> Json:
    return _deployed({})


def _run_service(name: str) -> Json:
    urls = [f"https://{name}-{NUMBER}.{REGION}.run.app", f"https://{name}-abcdefghij-uc.a.run.app"]
    ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ConfigurationsReady", "RoutesReady")]
    container = {"image": "image", "resources": {"limits": {"cpu": "1", "memory": "512Mi"}}}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": NUMBER,
            "generation": 1,
            "resourceVersion": "1",
            "labels": {"cloud.googleapis.com/location": REGION},
            "annotations": {"run.googleapis.com/urls": json.dumps(urls, separators=(",", ":"))},
        },
        "spec": {
            "template": {"metadata": {"name": f"{name}-00001-abc"}, "spec": {"containers": [container]}},
            "traffic": [{"percent": 100, "latestRevision": True}],
        },
        "status": {
            "observedGeneration": 1,
            "conditions": ready,
            "latestReadyRevisionName": f"{name}-00001-abc",
            "latestCreatedRevisionName": f"{name}-00001-abc",
            "traffic": [{"percent": 100, "latestRevision": True, "revisionName": f"{name}-00001-abc"}],
            "url": urls[0],
            "address": {"url": urls[0]},
        },
    }


@route("run", "GET", r"namespaces/[^/]+/services")
def run_services(cloud: Cloud, _: Call) -> Json:
    return {"items": cloud.under("run", "[^/]+"), "apiVersion": "serving.knative.dev/v1", "kind": "ServiceList"}


@route("run", "GET", r"namespaces/[^/]+/services/[^/]+")
def run_service(cloud: Cloud, call: Call) -> Json:
    return cloud.get("run", call.path.rpartition("/")[2])


@route("run", "PUT", r"namespaces/[^/]+/services/[^/]+")
def change_run_service(cloud: Cloud, call: Call) -> Json:
    thing = cloud.get("run", call.path.rpartition("/")[2])
    thing["metadata"]["annotations"] = call.body["metadata"]["annotations"]
    return thing


# ------------------------------------------------------------------------------- Cloud Scheduler


@route("cloudscheduler", "GET", r".*/jobs")
def jobs(cloud: Cloud, _: Call) -> Json:
    return {"jobs": cloud.under("cloudscheduler", ".*")}


@route("cloudscheduler", "POST", r".*/jobs")
def make_job(cloud: Cloud, call: Call) -> Json:
    return cloud.put("cloudscheduler", call.body["name"], {**call.body, "state": "ENABLED"})


@route("cloudscheduler", "PATCH", r".*/jobs/[^/]+")
def change_job(cloud: Cloud, call: Call) -> Json:
    return cloud.put("cloudscheduler", call.path, {**cloud.get("cloudscheduler", call.path), **call.body})


@route("cloudscheduler", "POST", r".*/jobs/[^/]+:resume")
def resume_job(cloud: Cloud, call: Call) -> Json:
    job = cloud.get("cloudscheduler", call.path.rpartition(":")[0])
    job["state"] = "ENABLED"
    return job


# ------------------------------------------------------------------------------- Cloud Monitoring


CHANNELS, POLICIES = ".*/notificationChannels/[^/]+", ".*/alertPolicies/[^/]+"


def _without_password(channel: Json) -> Json:
    """As Cloud Monitoring gives a channel back: "may truncate or omit passwords"."""
    labels = {name: value for name, value in channel["labels"].items() if name != "password"}
    return {**channel, "labels": labels}


@route("monitoring", "GET", r".*/notificationChannels")
def channels(cloud: Cloud, call: Call) -> Json:
    every = [_without_password(one) for one in cloud.under("monitoring", CHANNELS)]
    wanted = call.query.get("filter")
    return {"notificationChannels": [one for one in every if wanted in (None, f'type="{one["type"]}"')]}


@route("monitoring", "GET", r".*/notificationChannels/[^/]+")
def channel(cloud: Cloud, call: Call) -> Json:
    return _without_password(cloud.get("monitoring", call.path))


@route("monitoring", "POST", r".*/notificationChannels")
def make_channel(cloud: Cloud, call: Call) -> Json:
    name = f"projects/{PROJECT}/notificationChannels/{len(cloud.under('monitoring', CHANNELS)) + 1}"
    return _without_password(cloud.put("monitoring", name, {**call.body, "name": name}))


@route("monitoring", "PATCH", r".*/notificationChannels/[^/]+")
def change_channel(cloud: Cloud, call: Call) -> Json:
    known = cloud.get("monitoring", call.path)
    kept = known if "updateMask" in call.query else {}
    return _without_password(cloud.put("monitoring", call.path, {**kept, **call.body, "name": call.path}))


def _as_kept(policy: Json, name: str) -> Json:
    """As Cloud Monitoring gives a policy back: with names, dates and defaults that nobody sent."""
    conditions = [{**one, "name": f"{name}/conditions/{place}"} for place, one in enumerate(policy["conditions"])]
    for condition in conditions:
        condition["conditionThreshold"] = {**condition["conditionThreshold"], "trigger": {"count": 1}}
    changed = {"mutateTime": "2026-01-01T00:00:00Z", "mutatedBy": "somebody@example.com"}
    return {**policy, "name": name, "conditions": conditions, "creationRecord": changed, "mutationRecord": changed}


def _refuse_what_is_unknown(cloud: Cloud, policy: Json) -> None:
    """Cloud Monitoring takes no policy on a metric, or with a channel, that it does not know."""
    for channel in policy.get("notificationChannels", []):
        cloud.get("monitoring", channel)
    for condition in policy["conditions"]:
        metric = re.search(r"logging\.googleapis\.com/user/([^\"]+)", condition["conditionThreshold"]["filter"])
        if metric:
            cloud.get("logging", f"projects/{PROJECT}/metrics/{metric[1]}")


@route("monitoring", "GET", r"projects/[^/]+/alertPolicies")
def alert_policies(cloud: Cloud, _: Call) -> Json:
    return {"alertPolicies": cloud.under("monitoring", POLICIES)}


@route("monitoring", "POST", r"projects/[^/]+/alertPolicies")
def make_alert_policy(cloud: Cloud, call: Call) -> Json:
    _refuse_what_is_unknown(cloud, call.body)
    name = f"projects/{PROJECT}/alertPolicies/{len(cloud.under('monitoring', POLICIES)) + 1}"
    return cloud.put("monitoring", name, _as_kept(call.body, name))


@route("monitoring", "PATCH", r"projects/[^/]+/alertPolicies/[^/]+")
def change_alert_policy(cloud: Cloud, call: Call) -> Json:
    cloud.get("monitoring", call.path)
    _refuse_what_is_unknown(cloud, call.body)
    return cloud.put("monitoring", call.path, _as_kept(call.body, call.path))


# ------------------------------------------------------------------------------- Cloud Logging


@route("logging", "GET", r"projects/[^/]+/metrics")
def log_metrics(cloud: Cloud, _: Call) -> Json:
    return {"metrics": cloud.under("logging", ".*")}


@route("logging", "GET", r"projects/[^/]+/metrics/[^/]+")
def log_metric(cloud: Cloud, call: Call) -> Json:
    return cloud.get("logging", call.path)


@route("logging", "POST", r"projects/[^/]+/metrics")
def make_log_metric(cloud: Cloud, call: Call) -> Json:
    return cloud.put("logging", f"{call.path}/{call.body['name']}", call.body)


@route("logging", "PUT", r"projects/[^/]+/metrics/[^/]+")
def change_log_metric(cloud: Cloud, call: Call) -> Json:
    return cloud.put("logging", call.path, {**cloud.get("logging", call.path), **call.body})


# ------------------------------------------------------------------------------- Pub/Sub


@route("pubsub", "GET", r"projects/[^/]+/(topics|subscriptions)")
def pubsub_list(cloud: Cloud, call: Call) -> Json:
    kind = call.path.rpartition("/")[2]
    return {kind: cloud.under("pubsub", f".*/{kind}/[^/]+")}


@route("pubsub", "PUT", r"projects/[^/]+/(topics|subscriptions)/[^/]+")
def pubsub_make(cloud: Cloud, call: Call) -> Json:
    return cloud.put("pubsub", call.path, {**call.body, "name": call.path})


@route("pubsub", "PATCH", r"projects/[^/]+/subscriptions/[^/]+")
def pubsub_change(cloud: Cloud, call: Call) -> Json:
    return cloud.put("pubsub", call.path, {**cloud.get("pubsub", call.path), **call.body["subscription"]})


# ------------------------------------------------------------------------------- the wire


def _handler(cloud: Cloud) -> type[BaseHTTPRequestHandler]:
    class Handle(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            api = (address.hostname or "").removesuffix(".googleapis.com").removeprefix(f"{REGION}-")
            if self.command == "CONNECT" or api not in APIS:
                cloud.strangers.append(f"{self.command} {self.path}")
                self._give(502, {"error": {"code": 502, "message": "nobody but the fake may be called"}})
                return
            path = re.sub(r"^/(apis/serving\.knative\.dev/)?(v[0-9][a-z0-9]*/)?", "", unquote(address.path))
            query = {name: values[-1] for name, values in parse_qs(address.query).items()}
            is_json = "json" in self.headers.get("Content-Type", "") and raw
            call = Call(self.command, api, path, query, json.loads(raw) if is_json else {}, raw)
            try:
                self._give(200, cloud.answer(call))
            except NotThereError as error:
                self._give(404, {"error": {"code": 404, "status": "NOT_FOUND", "message": f"NOT_FOUND: {error}"}})

        def _give(self, status: int, body: Json) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = _take  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:  # what came in is kept in `calls`
            pass

    return Handle


def value_of(cloud: Cloud, secret: str) -> list[str]:
    """All versions of a secret, oldest first."""
    versions = cloud.under("secretmanager", f"projects/{NUMBER}/secrets/{secret}/versions/[0-9]+")
    return [base64.b64decode(version["payload"]["data"], altchars=b"-_").decode() for version in versions]
