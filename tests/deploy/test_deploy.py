"""deploy.sh, run to its end by the real gcloud against a small cloud on 127.0.0.1.

A run takes some 20 seconds, nearly all of it gcloud starting up. So a few runs are made once, each a fixture
that builds on the one before, and every test reads one thing off their record.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import zipfile
from argparse import Namespace
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from notifier.cli.alert_policies import KINDS, covers
from tests.deploy.checkout import SECRETS, SETTINGS, Checkout, Run
from tests.deploy.cloud import CHANNELS, NUMBER, POLICIES, PROJECT, REGION, Cloud, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.skipif(
        not shutil.which("gcloud"), reason="gcloud is not installed: https://cloud.google.com/sdk/docs/install"
    ),
    pytest.mark.timeout(1200),  # the first test to ask for a run also waits for those before it
]

URL = f"https://notifier-{NUMBER}.{REGION}.run.app"
RUNNER, CALLER, BUILDER = (f"notifier-{role}@{PROJECT}.iam.gserviceaccount.com" for role in ("run", "call", "build"))
DATABASE = f"projects/{PROJECT}/databases/(default)"
FUNCTION = f"cloudfunctions/projects/{PROJECT}/locations/{REGION}/functions/notifier"
JOB = f"cloudscheduler/projects/{PROJECT}/locations/{REGION}/jobs/notifier-tick"
CHANNEL = f"monitoring/projects/{PROJECT}/notificationChannels/1"
METRIC = f"logging/projects/{PROJECT}/metrics/notifier-ticks"
HAND_MADE = f"projects/{PROJECT}/notificationChannels/pagerduty"
SOMEBODYS = f"projects/{PROJECT}/alertPolicies/somebodys"
NEW_TOKEN = "another-token-of-the-tests-0123456789"


# ------------------------------------------------------------------------------------------------- the runs


@pytest.fixture(scope="module")
def checkout(new_checkout: Callable[[], Checkout]) -> Checkout:
    return new_checkout()


@pytest.fixture
def fresh(new_checkout: Callable[[], Checkout]) -> Checkout:
    return new_checkout()


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> Run:
    """On an empty project."""
    return _succeeded(checkout.deploy())


@pytest.fixture(scope="module")
def deployed(checkout: Checkout, first: Run) -> Cloud:
    """What the first run left, copied: later runs change it."""
    cloud = checkout.cloud
    return Cloud(deepcopy(cloud.things), deepcopy(cloud.policies), uploads=[*cloud.uploads])


@pytest.fixture(scope="module")
def again(checkout: Checkout, deployed: Cloud) -> Run:
    """The same once more."""
    return _succeeded(checkout.deploy())


@pytest.fixture(scope="module")
def rotated(checkout: Checkout, again: Run) -> Run:
    """After WEBHOOK_TOKEN got a new value, and EMAIL_TO was taken out."""
    checkout.settings["WEBHOOK_TOKEN"] = NEW_TOKEN
    del checkout.settings["EMAIL_TO"]
    return _succeeded(checkout.deploy())


@pytest.fixture(scope="module")
def drifted(checkout: Checkout, rotated: Run) -> Run:
    """After plain settings changed, and hands in the console have paused, closed and loosened what was there."""
    checkout.settings |= {
        "ONCALL_PHONE": "+15555550102",
        "OIDC_EMAILS": "robot@example.com",
        "EMAIL_TO": "bob@example.com, carol@example.com",
    }
    things, policies = checkout.cloud.things, checkout.cloud.policies
    things[JOB] |= {"state": "PAUSED", "schedule": "*/5 * * * *"}
    things[CHANNEL]["enabled"] = False
    _channel_of(checkout.cloud, "bob@example.com")["enabled"] = False
    ticks, errors = _watching(checkout.cloud, "ticks"), _watching(checkout.cloud, "errors")
    ticks["enabled"] = False
    ticks["notificationChannels"] += [HAND_MADE, CHANNEL.removeprefix("monitoring/")]
    errors["conditions"][0]["conditionThreshold"]["thresholdValue"] = 100.0
    checkout.cloud.put("monitoring", HAND_MADE, {"name": HAND_MADE, "type": "pagerduty", "labels": {}})
    checkout.cloud.put("monitoring", SOMEBODYS, {"name": SOMEBODYS, "displayName": "somebody's", "conditions": []})
    things[METRIC]["filter"] = "severity=DEFAULT"
    del things["run/notifier"]["metadata"]["annotations"]["run.googleapis.com/maxScale"]
    del policies[f"run/projects/{PROJECT}/locations/{REGION}/services/notifier"]
    return _succeeded(checkout.deploy())


@pytest.fixture(scope="module")
def pubsub(checkout: Checkout, drifted: Run) -> Run:
    """After a change of mind."""
    return _succeeded(checkout.deploy("--pubsub"))


@pytest.fixture(scope="module")
def pubsub_again(checkout: Checkout, pubsub: Run) -> Run:
    return _succeeded(checkout.deploy("--pubsub"))


@pytest.fixture(scope="module")
def dry(new_checkout: Callable[[], Checkout]) -> Run:
    return _dry_run(new_checkout())


def _dry_run(checkout: Checkout, *arguments: str) -> Run:
    return _succeeded(checkout.deploy("--dry-run", f"--project={PROJECT}", *arguments))


def _succeeded(run: Run) -> Run:
    assert run.code == 0, run.output
    return run


def _shown(output: str, *, also_alternatives: bool) -> set[tuple[str, ...]]:
    """The gcloud commands that a dry run printed."""
    lines = re.findall(r"^   (\(or\) )?\$ gcloud (.*)$", output, re.MULTILINE)
    return {tuple(shlex.split(command)) for alternative, command in lines if also_alternatives or not alternative}


def _alike(commands: set[tuple[str, ...]] | list[tuple[str, ...]]) -> set[str]:
    """Commands without what a dry run cannot know: the project's number, a fingerprint, its temporary folder."""
    known = (
        (NUMBER, "PROJECT_NUMBER"),
        (rf"projects/{PROJECT}/alertPolicies/\d+", "POLICY"),
        (r"\w+@example\.com", "ADDRESS"),
        (r"(?<=fingerprint=)\w+", "FINGERPRINT"),
        (r"/[^\s=]*/tmp\.\w+/", "WORK/"),
        (rf"projects/{PROJECT}/notificationChannels/\d+", "CHANNEL"),
        (r"(?<=notifier-[A-Z]{7}_TOKEN:)\d+", "1"),
    )
    texts = set()
    for command in commands:
        if command[:2] == ("services", "enable"):  # one API each: a later run enables only what is missing
            texts |= {f"enable {word}" for word in command if word.endswith(".googleapis.com")}
        elif command[0] != "config":  # gcloud's own configuration, read before there is anything to show
            texts.add("\x1f".join(command))
    for pattern, name in known:
        texts = {re.sub(pattern, name, text) for text in texts}
    return texts


def _bindings(cloud: Cloud, holder: str) -> set[tuple[str, str]]:
    bindings = cloud.policies.get(holder, {}).get("bindings", [])
    return {(binding["role"], member) for binding in bindings for member in binding["members"]}


def _channel_of(cloud: Cloud, address: str) -> dict[str, Any]:
    """The email channel of one address."""
    every = cloud.under("monitoring", CHANNELS)
    (channel,) = [one for one in every if one["labels"].get("email_address") == address]
    return channel


def _watching(cloud: Cloud, what: str) -> dict[str, Any]:
    """The alert policy on the pager's "ticks" or "errors"."""
    every = cloud.under("monitoring", POLICIES)
    (policy,) = [one for one in every if one.get("userLabels") == {"notifier": "notifier", "watches": what}]
    return policy


def _told(cloud: Cloud, what: str) -> set[str]:
    """Addresses, and names of channels that are no email, that an alert policy tells."""
    channels = [cloud.get("monitoring", name) for name in _watching(cloud, what).get("notificationChannels", [])]
    return {one["labels"].get("email_address", one["name"]) for one in channels}


def _environment(cloud: Cloud) -> dict[str, str]:
    variables: dict[str, str] = cloud.things[FUNCTION]["serviceConfig"]["environmentVariables"]
    return variables


def _indexes(cloud: Cloud, field: str) -> list[Any] | None:
    config = cloud.things.get(f"firestore/{DATABASE}/collectionGroups/{field}", {}).get("indexConfig")
    return None if config is None else config.get("indexes", [])


# ------------------------------------------------------------------------------------------------- once


def test_it_calls_nobody_but_google_cloud_apis(checkout: Checkout, drifted: Run) -> None:
    assert checkout.cloud.strangers == []


def test_it_sends_no_request_the_fake_does_not_know(checkout: Checkout, drifted: Run) -> None:
    assert checkout.cloud.unknown == []


def test_the_function_has_the_size_and_limits_of_the_design(deployed: Cloud) -> None:
    service = deployed.things[FUNCTION]["serviceConfig"]
    assert {name: service[name] for name in ("availableCpu", "availableMemory", "timeoutSeconds")} == {
        "availableCpu": "1",
        "availableMemory": "512Mi",
        "timeoutSeconds": 60,
    }
    assert (service["maxInstanceRequestConcurrency"], service["maxInstanceCount"]) == (16, 5)


def test_the_function_runs_notify_on_the_python_the_tests_ran_on(deployed: Cloud) -> None:
    build = deployed.things[FUNCTION]["buildConfig"]
    assert (build["runtime"], build["entryPoint"]) == ("python311", "notify")


def test_bytecode_stays_valid_when_the_build_sets_the_times_of_the_source(deployed: Cloud) -> None:
    assert deployed.things[FUNCTION]["buildConfig"]["environmentVariables"] == {"SOURCE_DATE_EPOCH": "315532801"}


def test_the_instance_limit_holds_for_all_revisions_together(deployed: Cloud) -> None:
    assert deployed.things["run/notifier"]["metadata"]["annotations"]["run.googleapis.com/maxScale"] == "5"


def test_anybody_may_reach_the_function_which_checks_callers_itself(deployed: Cloud) -> None:
    policy = _bindings(deployed, f"run/projects/{PROJECT}/locations/{REGION}/services/notifier")
    assert policy == {("roles/run.invoker", "allUsers")}


def test_plain_settings_are_in_the_revision_with_what_only_the_deployment_knows(deployed: Cloud) -> None:
    assert _environment(deployed) == {
        **{name: value for name, value in SETTINGS.items() if name not in SECRETS},
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "OIDC_EMAILS": CALLER,
        "PUBLIC_URL": URL,
        "STATE": "firestore",
        "THREADS": "16",
    }


def test_secrets_reach_the_function_by_reference_with_a_fixed_version(deployed: Cloud) -> None:
    references = deployed.things[FUNCTION]["serviceConfig"]["secretEnvironmentVariables"]
    assert {one["key"]: (one["secret"], one["version"]) for one in references} == {
        name: (f"notifier-{name}", "1") for name in SECRETS
    }


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_stored_exactly_as_it_stands_in_the_env_file(deployed: Cloud, name: str) -> None:
    assert value_of(deployed, f"notifier-{name}") == [SETTINGS[name]]


@pytest.mark.parametrize("name", SECRETS)
def test_only_the_function_may_read_a_secret(deployed: Cloud, name: str) -> None:
    policy = _bindings(deployed, f"secretmanager/projects/{PROJECT}/secrets/notifier-{name}")
    assert policy == {("roles/secretmanager.secretAccessor", f"serviceAccount:{RUNNER}")}


def test_the_project_grants_one_right_to_function_and_builder_and_none_to_the_caller(
    deployed: Cloud,
) -> None:
    assert _bindings(deployed, f"cloudresourcemanager/projects/{PROJECT}") == {
        ("roles/datastore.user", f"serviceAccount:{RUNNER}"),
        ("roles/cloudbuild.builds.builder", f"serviceAccount:{BUILDER}"),
    }


def test_the_functions_right_ends_at_its_own_database(deployed: Cloud) -> None:
    bindings = deployed.policies[f"cloudresourcemanager/projects/{PROJECT}"]["bindings"]
    conditions = {binding["role"]: binding.get("condition", {}).get("expression") for binding in bindings}
    assert conditions == {
        "roles/datastore.user": f'resource.name=="{DATABASE}"',
        "roles/cloudbuild.builds.builder": None,
    }


def test_function_and_build_run_as_accounts_of_their_own(deployed: Cloud) -> None:
    function = deployed.things[FUNCTION]
    assert function["serviceConfig"]["serviceAccountEmail"] == RUNNER
    assert function["buildConfig"]["serviceAccount"] == f"projects/{PROJECT}/serviceAccounts/{BUILDER}"


def test_just_what_the_function_needs_is_uploaded(checkout: Checkout, deployed: Cloud) -> None:
    (upload,) = deployed.uploads
    package = (checkout.folder / "notifier").rglob("*")
    needed = {str(path.relative_to(checkout.folder)) for path in package if path.is_file() and path.suffix != ".pyc"}
    sent = {name for name in zipfile.ZipFile(io.BytesIO(upload)).namelist() if not name.endswith("/")}
    assert sent == needed | {"main.py", "policy.toml", "requirements.txt"}


def test_a_missing_database_is_made_in_native_mode(deployed: Cloud) -> None:
    database = deployed.things[f"firestore/{DATABASE}"]
    assert (database["type"], database["locationId"]) == ("FIRESTORE_NATIVE", REGION)


@pytest.mark.parametrize("field", ["state", "next_due", "waiting_since", "expire_at"])
def test_a_searched_field_keeps_its_index(deployed: Cloud, field: str) -> None:
    orders = [one["fields"][0]["order"] for one in _indexes(deployed, f"incidents/fields/{field}") or []]
    assert orders == ["ASCENDING", "DESCENDING"]


@pytest.mark.parametrize("group", ["incidents", "ledger"])
def test_all_other_fields_have_none(deployed: Cloud, group: str) -> None:
    assert _indexes(deployed, f"{group}/fields/*") == []


def test_searched_fields_get_their_own_index_before_the_default_is_taken_away(first: Run) -> None:
    fields = [
        call.path.rpartition("incidents/fields/")[2]
        for call in first.calls
        if call.query.get("updateMask") == "indexConfig"
    ]
    assert fields[:5] == ["state", "next_due", "waiting_since", "expire_at", "*"]


def test_old_incidents_expire(deployed: Cloud) -> None:
    assert deployed.things[f"firestore/{DATABASE}/collectionGroups/incidents/fields/expire_at"]["ttlConfig"] == {}


def test_the_tick_comes_every_minute_with_a_token_for_the_function(deployed: Cloud) -> None:
    job = deployed.things[JOB]
    assert (job["schedule"], job["attemptDeadline"], job["httpTarget"]["httpMethod"]) == ("* * * * *", "60s", "POST")
    assert job["httpTarget"]["uri"] == f"{URL}/tick"
    assert job["httpTarget"]["oidcToken"] == {"serviceAccountEmail": CALLER, "audience": URL}


def test_cloud_monitoring_gets_the_token_as_a_password_not_in_the_url(deployed: Cloud) -> None:
    channel = deployed.things[CHANNEL]
    assert channel["type"] == "webhook_basicauth"
    assert channel["labels"] == {
        "url": f"{URL}/",
        "username": "cloud-monitoring",
        "password": SETTINGS["WEBHOOK_TOKEN"],
    }


@pytest.mark.parametrize("what", ["ticks", "errors"])
def test_the_pager_is_watched_by_mails_that_are_not_its_own(deployed: Cloud, what: str) -> None:
    assert _told(deployed, what) == {"ann@example.com", "bob@example.com"}
    for address in ("ann@example.com", "bob@example.com"):
        channel = _channel_of(deployed, address)
        assert (channel["type"], channel["enabled"], channel["userLabels"]) == ("email", True, {"notifier": "notifier"})


@pytest.mark.parametrize("what", ["ticks", "errors"])
def test_the_alert_policies_reach_cloud_monitoring_whole(deployed: Cloud, what: str) -> None:
    place = Namespace(name="notifier", project=PROJECT, region=REGION)
    assert covers(_watching(deployed, what), KINDS[what](place))


def test_good_ticks_are_counted_before_there_are_any(first: Run, deployed: Cloud) -> None:
    assert deployed.things[METRIC]["filter"].endswith('httpRequest.requestUrl=~"/tick$" AND httpRequest.status=200')
    made = first.changes.index(f"POST logging/projects/{PROJECT}/metrics")
    assert made < first.changes.index(f"POST {FUNCTION.rpartition('/')[0]}")


def test_it_ends_with_what_is_left_to_do(first: Run) -> None:
    told = first.output[first.output.index("== Done") :]
    for words in (
        "notification channel",
        "severity",
        "email channel",
        "curl",
        "secrets versions access",
        "warm",
        "0.10",
        "When the pager itself fails: Cloud Monitoring mails ann@example.com, bob@example.com.",
        "HEARTBEAT_URL",
    ):
        assert words in told


# ------------------------------------------------------------------------------------------------- again


def test_the_second_run_changes_nothing(again: Run) -> None:
    assert again.changes == []
    assert "nothing had to change" in again.output


def test_a_new_secret_value_is_one_new_version(checkout: Checkout, rotated: Run) -> None:
    assert value_of(checkout.cloud, "notifier-WEBHOOK_TOKEN") == [SETTINGS["WEBHOOK_TOKEN"], NEW_TOKEN]
    assert [change for change in rotated.changes if "secretmanager" in change] == [
        f"POST secretmanager/projects/{PROJECT}/secrets/notifier-WEBHOOK_TOKEN:addVersion"
    ]


def test_a_new_token_reaches_function_and_channel_and_nothing_else(rotated: Run) -> None:
    assert _apis_changed(rotated) == {"cloudfunctions PATCH", "monitoring PATCH", "secretmanager POST"}


def test_the_channel_has_the_new_token(checkout: Checkout, rotated: Run) -> None:
    assert checkout.cloud.things[CHANNEL]["labels"]["password"] == NEW_TOKEN


def test_without_watchers_whoever_was_told_still_is(rotated: Run) -> None:
    assert [change for change in rotated.changes if "monitoring" in change] == [f"PATCH {CHANNEL}"]
    assert "When the pager itself fails: Cloud Monitoring tells the 2 channels that" in rotated.output


def test_a_changed_setting_is_one_update_of_the_function(checkout: Checkout, drifted: Run) -> None:
    assert [change for change in drifted.changes if change.startswith("PATCH cloudfunctions")] == [f"PATCH {FUNCTION}"]
    assert _environment(checkout.cloud)["ONCALL_PHONE"] == "+15555550102"


def test_callers_of_ones_own_are_kept_beside_the_deployments(checkout: Checkout, drifted: Run) -> None:
    assert _environment(checkout.cloud)["OIDC_EMAILS"] == f"robot@example.com,{CALLER}"


def test_a_paused_or_changed_tick_is_set_right(checkout: Checkout, drifted: Run) -> None:
    job = checkout.cloud.things[JOB]
    assert (job["state"], job["schedule"]) == ("ENABLED", "* * * * *")


def test_a_channel_that_was_switched_off_is_switched_on(checkout: Checkout, drifted: Run) -> None:
    assert checkout.cloud.things[CHANNEL]["enabled"] is True


@pytest.mark.parametrize("what", ["ticks", "errors"])
def test_a_changed_alert_policy_is_set_right(checkout: Checkout, drifted: Run, what: str) -> None:
    place = Namespace(name="notifier", project=PROJECT, region=REGION)
    assert covers(_watching(checkout.cloud, what), KINDS[what](place))


def test_new_addresses_are_told_instead_of_the_old(checkout: Checkout, drifted: Run) -> None:
    assert _told(checkout.cloud, "errors") == {"bob@example.com", "carol@example.com"}


def test_a_channel_chosen_by_hand_stays_and_the_pager_never_tells_of_itself(checkout: Checkout, drifted: Run) -> None:
    assert _told(checkout.cloud, "ticks") == {"bob@example.com", "carol@example.com", HAND_MADE}


def test_a_watcher_that_was_switched_off_is_switched_on(checkout: Checkout, drifted: Run) -> None:
    channel = _channel_of(checkout.cloud, "bob@example.com")
    assert (channel["enabled"], channel["type"]) == (True, "email")


def test_the_count_of_good_ticks_is_set_right(checkout: Checkout, deployed: Cloud, drifted: Run) -> None:
    assert checkout.cloud.things[METRIC] == deployed.things[METRIC]


def test_nothing_of_anybody_elses_is_touched_and_nothing_deleted(checkout: Checkout, drifted: Run) -> None:
    somebodys = {"name": SOMEBODYS, "displayName": "somebody's", "conditions": []}
    assert checkout.cloud.get("monitoring", SOMEBODYS) == somebodys
    assert _channel_of(checkout.cloud, "ann@example.com")["enabled"] is True
    assert [change for change in drifted.changes if change.startswith("DELETE")] == []


def test_a_lost_permission_and_limit_are_given_back(checkout: Checkout, drifted: Run) -> None:
    policy = _bindings(checkout.cloud, f"run/projects/{PROJECT}/locations/{REGION}/services/notifier")
    assert policy == {("roles/run.invoker", "allUsers")}
    assert checkout.cloud.things["run/notifier"]["metadata"]["annotations"]["run.googleapis.com/maxScale"] == "5"


def test_nothing_else_is_touched_by_a_repair(drifted: Run) -> None:
    assert _apis_changed(drifted) == {
        "cloudfunctions PATCH",
        "cloudscheduler PATCH",
        "cloudscheduler POST",
        "logging PUT",
        "monitoring PATCH",
        "monitoring POST",
        "run PUT",
    }


def test_only_the_new_address_is_a_new_channel(drifted: Run) -> None:
    assert [change for change in drifted.changes if change.startswith("POST monitoring")] == [
        f"POST monitoring/projects/{PROJECT}/notificationChannels"
    ]


def _apis_changed(run: Run) -> set[str]:
    """Changing calls, but for what a deployment always does: upload the source, and allow callers."""
    always = {"storage PUT", "cloudfunctions POST", "run POST"}
    return {f"{call.api} {call.method}" for call in run.calls if call.changes} - always


# ------------------------------------------------------------------------------------------------- --pubsub


def test_pubsub_pushes_to_the_function_with_a_token_for_it(checkout: Checkout, pubsub: Run) -> None:
    subscription = checkout.cloud.things[f"pubsub/projects/{PROJECT}/subscriptions/notifier-push"]
    assert subscription["topic"] == f"projects/{PROJECT}/topics/notifier-alerts"
    assert subscription["pushConfig"]["pushEndpoint"] == f"{URL}/"
    assert subscription["pushConfig"]["oidcToken"] == {"serviceAccountEmail": CALLER, "audience": URL}


def test_the_subscription_outlives_a_quiet_month_and_waits_for_a_cold_start(checkout: Checkout, pubsub: Run) -> None:
    subscription = checkout.cloud.things[f"pubsub/projects/{PROJECT}/subscriptions/notifier-push"]
    assert (subscription["expirationPolicy"], subscription["ackDeadlineSeconds"]) == ({}, 30)


def test_cloud_monitoring_may_publish_and_pubsub_may_sign(checkout: Checkout, pubsub: Run) -> None:
    cloud, agent = checkout.cloud, f"serviceAccount:service-{NUMBER}@gcp-sa-"
    assert _bindings(cloud, f"pubsub/projects/{PROJECT}/topics/notifier-alerts") == {
        ("roles/pubsub.publisher", f"{agent}monitoring-notification.iam.gserviceaccount.com")
    }
    assert _bindings(cloud, f"iam/projects/{PROJECT}/serviceAccounts/{CALLER}") == {
        ("roles/iam.serviceAccountOpenIdTokenCreator", f"{agent}pubsub.iam.gserviceaccount.com")
    }


def test_pubsub_gets_a_channel_beside_the_webhook_that_policies_may_still_name(checkout: Checkout, pubsub: Run) -> None:
    kinds = ("webhook_basicauth", "pubsub")
    made = [one for one in checkout.cloud.under("monitoring", CHANNELS) if one["type"] in kinds]
    webhook, channel = made
    assert (webhook["type"], channel["type"]) == ("webhook_basicauth", "pubsub")
    assert channel["labels"] == {"topic": f"projects/{PROJECT}/topics/notifier-alerts"}


def test_nothing_of_the_function_changes_with_pubsub(pubsub: Run) -> None:
    assert _apis_changed(pubsub) == {"serviceusage POST", "pubsub PUT", "pubsub POST", "iam POST", "monitoring POST"}


def test_the_second_run_with_pubsub_changes_nothing(pubsub_again: Run) -> None:
    assert pubsub_again.changes == []


# ------------------------------------------------------------------------------------------------- --dry-run


def test_a_dry_run_runs_no_gcloud_and_asks_nobody(dry: Run) -> None:
    assert (dry.commands, dry.calls) == ([], [])


def test_a_dry_run_shows_exactly_what_a_first_run_does(dry: Run, first: Run) -> None:
    shown = _alike(_shown(dry.output, also_alternatives=False))
    # The deployment itself opens the function to callers; only where that was lost does a later run do it.
    assert {text for text in shown if "run\x1fservices\x1fadd-iam" not in text} == _alike(first.commands)


def test_a_dry_run_shows_all_that_later_runs_do(dry: Run, again: Run, rotated: Run, drifted: Run) -> None:
    shown = _alike(_shown(dry.output, also_alternatives=True))
    assert _alike(again.commands + rotated.commands + drifted.commands) - shown == set()


def test_a_dry_run_with_pubsub_shows_all_of_it(checkout: Checkout, pubsub: Run, pubsub_again: Run) -> None:
    shown = _alike(_shown(_dry_run(checkout, "--pubsub").output, also_alternatives=True))
    assert _alike(pubsub.commands + pubsub_again.commands) - shown == set()


def test_database_and_prefix_of_the_settings_are_those_that_are_prepared(fresh: Checkout) -> None:
    fresh.settings |= {"FIRESTORE_DATABASE": "pagers", "FIRESTORE_PREFIX": "team-a-"}
    commands = _shown(_dry_run(fresh).output, also_alternatives=False)
    firestore = [command for command in commands if command[:2] == ("firestore", "indexes") and "update" in command]
    assert {word for command in firestore for word in command if word.startswith(("--database", "--collection"))} == {
        "--database=pagers",
        "--collection-group=team-a-incidents",
        "--collection-group=team-a-ledger",
    }


def test_a_public_url_of_ones_own_is_where_everything_is_sent(fresh: Checkout) -> None:
    fresh.settings["PUBLIC_URL"] = "https://pager.example.com/"
    output = _dry_run(fresh, "--pubsub").output
    assert "--uri=https://pager.example.com/tick" in output
    assert "--push-endpoint=https://pager.example.com/ " in output
    assert "run.app" not in output


def test_another_name_is_another_pager(fresh: Checkout) -> None:
    output = _dry_run(fresh, "--name=second", "--pubsub").output
    assert "second-run@" in output
    assert "notifier-" not in output


def test_watchers_take_the_place_of_email_to(fresh: Checkout) -> None:
    output = _dry_run(fresh, "--watchers=dora@example.com,emil@example.com,dora@example.com").output
    addresses = re.findall(r"--channel-labels=email_address=(\S+)", output)
    assert addresses == ["dora@example.com", "emil@example.com"]


def test_that_nobody_watches_the_pager_is_said(fresh: Checkout) -> None:
    del fresh.settings["EMAIL_TO"]
    assert "when the pager itself fails: NOBODY is told. Set EMAIL_TO, or" in _dry_run(fresh).output


# ------------------------------------------------------------------------------------------------- secrets


def test_no_secret_is_ever_printed_or_on_a_command_line(
    dry: Run, first: Run, again: Run, rotated: Run, pubsub: Run
) -> None:
    secrets = [SETTINGS[name] for name in SECRETS] + [NEW_TOKEN]
    for run in (dry, first, rotated, pubsub):
        words = run.output + repr(run.commands)
        assert [secret for secret in secrets if secret in words or secret[5:] in words] == []


def test_no_secret_is_left_in_a_temporary_folder(checkout: Checkout, drifted: Run) -> None:
    assert [path for path in checkout.home.iterdir() if path.name.startswith("tmp.")] == []


# ------------------------------------------------------------------------------------------------- refusals


def test_wrong_settings_are_all_named_before_anything_is_asked_of_the_cloud(fresh: Checkout) -> None:
    fresh.settings |= {"WEBHOOK_TOKEN": "short", "ONCALL_PHONE": "5550101"}
    run = fresh.deploy()
    assert run.code == 2
    assert "WEBHOOK_TOKEN" in run.output
    assert "ONCALL_PHONE" in run.output
    assert run.calls == []


def test_a_missing_env_file_says_how_to_make_one(fresh: Checkout) -> None:
    run = fresh.deploy("--env-file", "nowhere.yaml")
    assert run.code == 2
    assert "cp .env.yaml.example .env.yaml" in run.output


def test_no_project_says_how_to_set_one(fresh: Checkout) -> None:
    run = fresh.deploy(CLOUDSDK_CORE_PROJECT="")
    assert run.code == 2
    assert "gcloud config set project" in run.output


def test_no_login_says_how_to_log_in(fresh: Checkout) -> None:
    run = fresh.deploy(CLOUDSDK_AUTH_ACCESS_TOKEN_FILE="")
    assert run.code == 2
    assert run.output.splitlines()[-1] == "deploy.sh: you are not logged in: gcloud auth login"
    assert run.changes == []


def test_no_gcloud_says_where_to_get_it(fresh: Checkout) -> None:
    tools = fresh.home / "tools"
    tools.mkdir()
    for tool in ("bash", "dirname", "basename"):
        (tools / tool).symlink_to(shutil.which(tool) or "")
    run = fresh.deploy(PATH=str(tools))
    assert run.code == 2
    assert "https://cloud.google.com/sdk/docs/install" in run.output


def test_an_unknown_option_is_refused(fresh: Checkout) -> None:
    run = fresh.deploy("--pub-sub")
    assert run.code == 2
    assert "--pub-sub" in run.output


def test_a_watcher_without_a_mail_address_is_refused(fresh: Checkout) -> None:
    run = fresh.deploy("--watchers", "ann@example.com,bob")
    assert run.code == 2
    assert "--watchers bob: write plain mail addresses" in run.output
    assert run.calls == []


def test_a_project_that_cannot_be_read_is_named(fresh: Checkout) -> None:
    run = fresh.deploy("--project", "somebody-elses")
    assert run.code == 2
    assert "somebody-elses cannot be read" in run.output


@pytest.fixture
def same(fresh: Checkout, deployed: Cloud) -> Checkout:
    """The first deployment, in a cloud that a test may spoil."""
    fresh.cloud.things, fresh.cloud.policies = deepcopy(deployed.things), deepcopy(deployed.policies)
    return fresh


def test_an_address_that_is_not_served_is_refused_and_another_named(same: Checkout) -> None:
    served = '["https://notifier-abcdefghij-uc.a.run.app"]'
    same.cloud.things["run/notifier"]["metadata"]["annotations"]["run.googleapis.com/urls"] = served
    run = same.deploy()
    assert run.code == 2
    assert f"does not serve {URL} but {served}: set one of those as PUBLIC_URL" in run.output


def test_a_database_in_datastore_mode_is_refused(same: Checkout) -> None:
    same.cloud.put("firestore", DATABASE, {"name": DATABASE, "type": "DATASTORE_MODE"})
    run = same.deploy()
    assert run.code == 2
    assert "FIRESTORE_DATABASE" in run.output
    assert [change for change in run.changes if "firestore" in change] == []


def test_a_second_region_by_mistake_is_refused(fresh: Checkout) -> None:
    elsewhere = f"projects/{PROJECT}/locations/europe-west1/functions/notifier"
    fresh.cloud.put("cloudfunctions", elsewhere, {"name": elsewhere, "state": "ACTIVE"})
    run = fresh.deploy()
    assert run.code == 2
    assert "--region europe-west1" in run.output


# ------------------------------------------------------------------------------------------------- nobody to tell


def test_without_anybody_the_policies_are_made_and_that_nobody_is_told_is_the_last_word(same: Checkout) -> None:
    del same.settings["EMAIL_TO"]
    for name in [name for name in same.cloud.things if name.startswith("monitoring/") and name != CHANNEL]:
        del same.cloud.things[name]
    run = _succeeded(same.deploy())
    assert (_told(same.cloud, "ticks"), _told(same.cloud, "errors")) == (set(), set())
    assert "When the pager itself fails: NOBODY is told. Set EMAIL_TO, or" in run.output[run.output.index("== Done") :]
