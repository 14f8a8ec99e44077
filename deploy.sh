#!/usr/bin/env bash
#
# One command to production. Reads what is there, changes only what differs, so it is safe to run twice,
# and after a failure it goes on where it stopped. Read it top to bottom: each step is a few gcloud commands.

set -euo pipefail

usage() {
  cat <<'END'
./deploy.sh [OPTIONS]     puts notifier on Cloud Run functions, or brings it up to date

  --project ID            Google Cloud project          (default: gcloud config get project)
  --region REGION         where everything runs         (default: us-central1)
  --env-file FILE         your settings                 (default: .env.yaml)
  --name NAME             name of the function and first word of all it owns; another name is
                          another pager in the same project  (default: notifier)
  --pubsub                Cloud Monitoring sends through Pub/Sub instead of a webhook: slower by a
                          moment, but kept and tried again for 7 days while the function is down
  --watchers ADDRESSES    who is mailed by Cloud Monitoring itself when the pager fails, with commas
                          between several  (default: EMAIL_TO of the settings)
  --dry-run               print every command and run none; needs no login and no network
  --redeploy              deploy the function even if neither source nor settings changed
  -h, --help              this text

Before the first time:

  1. gcloud auth login && gcloud config set project YOUR_PROJECT        (billing enabled, role Owner)
  2. cp .env.yaml.example .env.yaml, and fill it in                     (git ignores it)
  3. ./deploy.sh --dry-run, and see whether you agree

What it makes, in this order; NAME is notifier unless you say otherwise:

  APIs                    those it needs, enabled
  service accounts        NAME-run    the function; may use its one database and its own secrets
                          NAME-call   calls the function (tick, Pub/Sub); has no rights at all
                          NAME-build  builds the function's image; used for nothing else
  Firestore               the database, if missing; old incidents deleted by themselves (TTL);
                          an index only on the fields that are searched
  Secret Manager          NAME-SETTING for each secret in the env file; a new version only for a new
                          value; never on a command line, never printed
  Cloud Logging           a count of the good ticks, for the alert policies on the pager itself
  function                gen 2; a new revision only if source, settings or secrets changed
  Cloud Scheduler         POST /tick every minute
  Cloud Monitoring        the notification channel to choose in your alerting policies; and two alert
                          policies on the pager itself, with email channels of Google's own

It deletes nothing. A setting you take out of the env file leaves the function; its secret stays in
Secret Manager until you delete it.
END
}

# ---------------------------------------------------------------------------------------- what was asked

project='' region=us-central1 env_file=.env.yaml name=notifier watchers=''
pubsub=false dry_run=false redeploy=false

die() {
  printf 'deploy.sh: %s\n' "$*" >&2
  exit 2
}

while (($#)); do
  case $1 in
    --project | --region | --env-file | --name | --watchers)
      [[ -n ${2:-} ]] || die "$1 needs a value; see ./deploy.sh --help"
      option=${1#--}
      printf -v "${option//-/_}" %s "$2"
      shift 2
      ;;
    --project=* | --region=* | --env-file=* | --name=* | --watchers=*)
      option=${1%%=*}
      set -- "$option" "${1#*=}" "${@:2}"
      ;;
    --pubsub) pubsub=true && shift ;;
    --dry-run) dry_run=true && shift ;;
    --redeploy) redeploy=true && shift ;;
    -h | --help) usage && exit ;;
    *) die "there is no option $1; see ./deploy.sh --help" ;;
  esac
done

[[ $name =~ ^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$ ]] ||
  die "--name $name: use 1 to 24 lower-case letters, digits and hyphens, a letter first"
plain_address='^[^@<>]+@[^@<>]+$'
for address in ${watchers//,/ }; do
  [[ $address =~ $plain_address ]] || die "--watchers $address: write plain mail addresses, with commas between several"
done
[[ -r $env_file ]] || die "$env_file is not there: cp .env.yaml.example .env.yaml and fill it in, or name yours with --env-file"
env_file=$(cd "$(dirname "$env_file")" && pwd)/$(basename "$env_file")
cd "$(dirname "${BASH_SOURCE[0]}")"

if ! $dry_run || [[ -z $project ]]; then
  command -v gcloud >/dev/null || die "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
fi
[[ -n $project ]] || project=$(gcloud config get-value project 2>/dev/null || true)
[[ -n $project && $project != '(unset)' ]] || die "no project: gcloud config set project YOUR_PROJECT, or --project YOUR_PROJECT"

# ---------------------------------------------------------------------------------------------- its words

work=$(mktemp -d) && touch "$work/changes"
trap 'rm -rf "$work"' EXIT
exec 3>&1 # where commands are shown, also from inside $( )
python=.venv/bin/python
step=start

stopped() {
  printf '\ndeploy.sh stopped at "%s". What was done stays; run it again and it goes on from there.\n' "$step" >&2
  printf 'New accounts, rights and APIs can take some minutes to be known everywhere at Google.\n' >&2
}

step() {
  step=$1
  printf '\n== %s\n' "$1" >&3
}

note() {
  printf '   %s\n' "$*" >&3
}

mark='$' # before a command that is shown

show() { # a command as it could be typed
  local word line=''
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=@,+-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    line+=" $word"
  done
  printf '   %s%s\n' "$mark" "$line" >&3
}

# ask: a gcloud command that only reads. In a dry run nothing is there yet.
ask() {
  set -- gcloud "$@" "--project=$project" --quiet
  if $dry_run; then
    show "$@"
  elif ! "$@" 2>"$work/stderr"; then
    cat "$work/stderr" >&2
    return 1
  fi
}

# change: a gcloud command that changes something.
change() {
  set -- gcloud "$@" "--project=$project" --quiet
  show "$@"
  $dry_run || "$@" || return
  echo "$*" >>"$work/changes"
}

# or: in a dry run, shows what would run in place of the command above, or after it, where the thing is there already.
or() {
  ! $dry_run || mark='(or) $' change "$@"
}

# patiently: for what hangs on something made seconds ago in this run: Google may not know it everywhere yet.
patiently() {
  local pause
  for pause in 15 60; do
    "$@" && return
    grep -Eq 'create|policy-binding' "$work/changes" || return 1
    note "not yet; again in $pause seconds"
    sleep "$pause"
  done
  "$@"
}

# has LINES LINE: whether LINE is one of LINES.
has() {
  grep -Fxq -- "$2" <<<"$1"
}

# ---------------------------------------------------------------------------------------- the settings

step 'Settings'

runner=$name-run@$project.iam.gserviceaccount.com
caller=$name-call@$project.iam.gserviceaccount.com
builder=$name-build@$project.iam.gserviceaccount.com
concurrency=16 # requests an instance takes at once, and threads it has for them

./dev setup # the checks below are the function's own, run from .venv

own=$("$python" - "$env_file" "${watchers//,/ }" <<'END'
import sys, yaml
from email.utils import getaddresses
try:
    settings = yaml.load(open(sys.argv[1], encoding="utf-8"), yaml.BaseLoader)
except (yaml.YAMLError, UnicodeDecodeError):
    settings = None  # the check that follows says what is wrong with the file
for name in ("PUBLIC_URL", "OIDC_EMAILS", "POLICY_FILE", "FIRESTORE_DATABASE", "FIRESTORE_PREFIX"):
    print(str(settings.get(name, "")).strip() if isinstance(settings, dict) else "")
mails = str(settings.get("EMAIL_TO", "")) if isinstance(settings, dict) else ""
print(*dict.fromkeys(sys.argv[2].split() or (address for _, address in getaddresses([mails]))))
END
)
{ read -r own_url; read -r own_callers; read -r policy; read -r database; read -r prefix; read -r watchers; } <<<"$own" || true # empty lines at the end are lost
database=${database:-(default)}

# check_settings NUMBER: checks the settings as Cloud Run will see them, and parts the secrets from the rest.
#
# PUBLIC_URL: Cloud Run gives every service, besides a name with a random part, one that is known beforehand
# (https://cloud.google.com/run/docs/triggering/https-request#deterministic). So the first deployment can
# already be told its own address. A PUBLIC_URL of your own in the env file (a domain) is left as it is.
check_settings() {
  public_url=${own_url:-https://$name-$1.$region.run.app}
  public_url=${public_url%/}
  rm -rf "$work/split"
  "$python" -m notifier settings --env-file "$env_file" --split "$work/split" \
    --set STATE=firestore --set "GOOGLE_CLOUD_PROJECT=$project" --set "THREADS=$concurrency" \
    --set "PUBLIC_URL=$public_url" --set "OIDC_EMAILS=${own_callers:+$own_callers,}$caller"
}

# Before anything is asked of the cloud: a wrong setting must not leave half a deployment behind.
number=PROJECT_NUMBER
check_settings "$number" || exit 2
note "$env_file is good"

# ---------------------------------------------------------------------------------------- the project

step "Project $project"

trap stopped ERR
if ! number=$(ask projects describe "$project" --format='value(projectNumber)' 2>"$work/refused"); then
  grep -q 'gcloud auth login' "$work/refused" && die 'you are not logged in: gcloud auth login'
  cat "$work/refused" >&2
  die "project $project cannot be read: is the id right, and do you have rights in it? (gcloud projects list)"
fi
$dry_run && number=PROJECT_NUMBER
check_settings "$number"

apis=(artifactregistry cloudbuild cloudfunctions cloudscheduler firestore iam logging monitoring run secretmanager)
$pubsub && apis+=(pubsub)
enabled=$(ask services list --enabled --format='value(config.name)')
missing=()
for api in "${apis[@]}"; do
  has "$enabled" "$api.googleapis.com" || missing+=("$api.googleapis.com")
done
((${#missing[@]} == 0)) || change services enable "${missing[@]}"

# Without --region on the second run there would be two pagers.
found=$(ask functions list --v2 --filter="name~/functions/$name\$" \
  --format='value[separator=" "](name.segment(3),state,labels.fingerprint)')
[[ -z $found || $found == "$region "* ]] ||
  die "$name runs in ${found%% *}: give --region ${found%% *}, or another --name for a second pager"

# ---------------------------------------------------------------------------------------- who may do what

step 'Service accounts and their rights'

accounts=$(ask iam service-accounts list --format='value(email)')
make_account() { # EMAIL WORDS
  has "$accounts" "$1" || change iam service-accounts create "${1%@*}" --display-name="$2"
}
make_account "$runner" "$name: the function"
make_account "$caller" "$name: calls the function (tick, Pub/Sub)"
make_account "$builder" "$name: builds the image"

rights=$(ask projects get-iam-policy "$project" --flatten='bindings[].members' \
  --filter="bindings.members:serviceAccount:$name-" \
  --format='value[separator=" "](bindings.role,bindings.members,bindings.condition.expression)')

# The function uses one database, and no other of the project. It needs no right to log: Cloud Run does
# that for it. What it may read in Secret Manager is granted secret by secret, further down.
only="resource.name==\"projects/$project/databases/$database\""
has "$rights" "roles/datastore.user serviceAccount:$runner $only" ||
  patiently change projects add-iam-policy-binding "$project" --role=roles/datastore.user \
    --member="serviceAccount:$runner" --condition="expression=$only,title=$name-database" --format=none

# Builds ran as the default compute account, which newer projects leave without rights: the first deployment
# then fails with words that do not say so. An account of its own makes it work in any project.
has "$rights" "roles/cloudbuild.builds.builder serviceAccount:$builder " ||
  patiently change projects add-iam-policy-binding "$project" --role=roles/cloudbuild.builds.builder \
    --member="serviceAccount:$builder" --condition=None --format=none

# ---------------------------------------------------------------------------------------- Firestore

step "Firestore $database"

databases=$(ask firestore databases list --format='value[separator=" "](name.basename(),type)')
kind=$(awk -v database="$database" '$1 == database { print $2 }' <<<"$databases")
case $kind in
  '') change firestore databases create --database="$database" --location="$region" --type=firestore-native --format=none ;;
  FIRESTORE_NATIVE) ;;
  *) die "Firestore $database is in Datastore mode: set FIRESTORE_DATABASE in $env_file to a new name" ;;
esac

# Indexes: every field has one unless told otherwise, which costs time and money at each write of an incident.
# First those that are searched are made independent of the default, then the default is none.
# TTL: Firestore deletes an incident some time after its expire_at.
incidents=${prefix}incidents
indexes=$(ask firestore indexes fields list --database="$database" \
  --format='value[separator=" "](name.scope(collectionGroups),indexConfig.indexes.len())')
for field in state next_due waiting_since expire_at; do
  has "$indexes" "$incidents/fields/$field 2" ||
    change firestore indexes fields update "$field" --database="$database" --collection-group="$incidents" \
      --index=order=ascending --index=order=descending --format=none
done
for group in "$incidents" "${prefix}ledger"; do
  has "$indexes" "$group/fields/* 0" || has "$indexes" "$group/fields/* " ||
    change firestore indexes fields update '*' --database="$database" --collection-group="$group" \
      --disable-indexes --async --format=none ||
    note 'Firestore refused that: everything works without, each write only costs more'
done
expiring=$(ask firestore fields ttls list --database="$database" --format='value(name.scope(collectionGroups))')
has "$expiring" "$incidents/fields/expire_at" ||
  change firestore fields ttls update expire_at --database="$database" --collection-group="$incidents" \
    --enable-ttl --async --format=none

# ---------------------------------------------------------------------------------------- secrets

step 'Secrets'

base64_of() { # as "get" shows a value: exactly, whatever characters are in it
  base64 <"$1" | tr -d '\n' | tr '+/' '-_'
}

references=() # what the function gets: NAME=SECRET:VERSION
token_version=
secrets=$(ask secrets list --filter="name~/secrets/$name-[A-Z_]+\$" --format='value(name.basename())')
for file in "$work"/split/secrets/*; do
  setting=${file##*/}
  secret=$name-$setting
  version=1
  value=(secrets versions access latest --secret="$secret" --format='get[separator=" "](name,payload.data)')
  add=(secrets versions add "$secret" --data-file="$file" --format='value(name.basename())')
  readers=(secrets get-iam-policy "$secret" --flatten='bindings[].members' --format='value[separator=" "](bindings.role,bindings.members)')
  if ! has "$secrets" "$secret"; then
    change secrets create "$secret" --replication-policy=automatic --data-file="$file" --format=none
    granted=''
    or "${value[@]}"
    or "${add[@]}"
    or "${readers[@]}"
  else
    if ! latest=$(ask "${value[@]}" 2>"$work/refused"); then
      # No version (a run was cut off), or disabled by hand: gets a new one. Anything else is an error.
      grep -Eq 'NOT_FOUND|FAILED_PRECONDITION' "$work/refused" || { cat "$work/refused" >&2 && false; }
    fi
    version=${latest%% *}
    version=${version##*/}
    [[ ${latest#* } == "$(base64_of "$file")" ]] ||
      version=$(change "${add[@]}")
    granted=$(ask "${readers[@]}")
  fi
  has "$granted" "roles/secretmanager.secretAccessor serviceAccount:$runner" ||
    patiently change secrets add-iam-policy-binding "$secret" --role=roles/secretmanager.secretAccessor \
      --member="serviceAccount:$runner" --format=none
  # By number, not "latest": all instances then have the same value, and a new value makes a new revision.
  references+=("$setting=$secret:$version")
  [[ $setting != WEBHOOK_TOKEN ]] || token_version=$version
done

# ---------------------------------------------------------------------------------------- what counts good ticks

step 'Count of good ticks'

# For who watches the pager, below. Made here, as Cloud Monitoring may not know a new metric for some minutes: the
# function's deployment takes as long.
place=("--name=$name" "--project=$project" "--region=$region")
wanted=$("$python" -m notifier.cli.alert_policies log-filter "${place[@]}")
metric=("$name-ticks" "--log-filter=$wanted" "--description=Minute ticks that notifier has answered with 200.")
counted=$(ask logging metrics list --filter="name=$name-ticks" --format='value[separator=" "](name,filter)')
if [[ -z $counted ]]; then
  change logging metrics create "${metric[@]}" --format=none
elif [[ $counted != "$name-ticks $wanted" ]]; then
  change logging metrics update "${metric[@]}" --format=none
fi
or logging metrics update "${metric[@]}" --format=none

# ---------------------------------------------------------------------------------------- the function

step "Function $name"

# Anybody may call the address: Cloud Monitoring, Twilio and a phone's browser have no Google identity. Who
# may do what is decided by the function itself (token, OIDC, Twilio's signature, signed links).
deploy=(
  functions deploy "$name" --gen2 --region="$region" --runtime=python311 --source=. --entry-point=notify
  --trigger-http --allow-unauthenticated
  # Bytecode is then checked by hash: the build sets all times of the source to 1980, and by its time none would be
  # valid, so that each cold start compiled it anew (a fifth of its CPU: bench.cold_start --stale).
  --set-build-env-vars=SOURCE_DATE_EPOCH=315532801
  --concurrency="$concurrency" --cpu=1 --memory=512Mi --timeout=60s --max-instances=5
  --service-account="$runner" --build-service-account="projects/$project/serviceAccounts/$builder"
  --set-secrets="$(IFS=, && printf %s "${references[*]}")"
)

# The fingerprint of all that makes the function what it is stands on it as a label: no revision without a reason.
# The source is just the files that gcloud would upload (.gcloudignore).
files=$(ask meta list-files-for-upload | LC_ALL=C sort)
$dry_run || [[ -z $policy ]] || has "$files" "${policy#./}" ||
  die "POLICY_FILE $policy would not be uploaded: name it policy-SOMETHING.toml, beside main.py (.gcloudignore decides)"
fingerprint=$(
  {
    printf '%s\n' "${deploy[@]}"
    cat "$work/split/plain.yaml"
    while read -r file; do
      [[ -z $file ]] || { printf '%s\n' "$file" && cat "$file"; }
    done <<<"$files"
  } | "$python" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:40])'
)
! $dry_run || fingerprint=FINGERPRINT
if $redeploy || [[ $found != "$region ACTIVE $fingerprint" ]]; then
  patiently change "${deploy[@]}" --update-labels="fingerprint=$fingerprint" --env-vars-file="$work/split/plain.yaml" \
    --format=none
fi

# The limit above counts for each revision; this one for all together, also while one takes over from another.
# Both what follows and the permission are looked at each time: a first run may have been cut off in between.
service=$(ask run services list --region="$region" --filter="metadata.name=$name" \
  --format="value[separator=' '](metadata.annotations.'run.googleapis.com/maxScale',metadata.annotations.'run.googleapis.com/urls')")
[[ ${service%% *} == 5 ]] || change beta run services update "$name" --region="$region" --max=5 --format=none
callers=$(ask run services get-iam-policy "$name" --region="$region" --flatten='bindings[].members' \
  --format='value[separator=" "](bindings.role,bindings.members)')
has "$callers" 'roles/run.invoker allUsers' ||
  change run services add-iam-policy-binding "$name" --region="$region" --role=roles/run.invoker --member=allUsers \
    --format=none
if ! $dry_run && [[ -z $own_url && $service != *"\"$public_url\""* ]]; then
  die "Cloud Run does not serve $public_url but ${service#* }: set one of those as PUBLIC_URL in $env_file and run again"
fi

# ---------------------------------------------------------------------------------------- the minute tick

step 'Cloud Scheduler'

tick=(
  "$name-tick" --location="$region" --schedule='* * * * *' --time-zone=Etc/UTC --http-method=POST
  --uri="$public_url/tick" --oidc-service-account-email="$caller" --oidc-token-audience="$public_url"
  --attempt-deadline=60s
)
wanted="ENABLED * * * * * Etc/UTC POST $public_url/tick $caller $public_url 60s"
found=$(ask scheduler jobs list --location="$region" --filter="name~/jobs/$name-tick\$" \
  --format='value[separator=" "](state,schedule,timeZone,httpTarget.httpMethod,httpTarget.uri,httpTarget.oidcToken.serviceAccountEmail,httpTarget.oidcToken.audience,attemptDeadline)')
if [[ -z $found ]]; then
  patiently change scheduler jobs create http "${tick[@]}" --format=none
elif [[ ${found#* } != "${wanted#* }" ]]; then
  change scheduler jobs update http "${tick[@]}" --format=none
fi
or scheduler jobs update http "${tick[@]}" --format=none
resume=(scheduler jobs resume "$name-tick" --location="$region")
[[ $found != PAUSED* ]] || change "${resume[@]}" # without the tick nothing escalates
or "${resume[@]}"

# ---------------------------------------------------------------------------------------- Cloud Monitoring

step 'Cloud Monitoring'

topic=projects/$project/topics/$name-alerts
if $pubsub; then
  channel_type=pubsub
  marks=$topic
else
  channel_type=webhook_basicauth
  marks="$public_url/ cloud-monitoring $token_version"
fi

if $pubsub; then
  [[ -n $(ask pubsub topics list --filter="name=$topic" --format='value(name)') ]] ||
    change pubsub topics create "$name-alerts" --format=none

  # Acknowledged by a 200, so the deadline is how long the function has: 9 seconds of its own and a cold start.
  # "never": else a subscription that saw no alert for 31 days is deleted.
  push=(
    "$name-push" --push-endpoint="$public_url/" --push-auth-service-account="$caller"
    --push-auth-token-audience="$public_url" --ack-deadline=30 --expiration-period=never
    --message-retention-duration=7d --min-retry-delay=10s --max-retry-delay=60s
  )
  wanted="$topic $public_url/ $caller $public_url 30  604800s 10s 60s"
  found=$(ask pubsub subscriptions list --filter="name~/subscriptions/$name-push\$" \
    --format='value[separator=" "](topic,pushConfig.pushEndpoint,pushConfig.oidcToken.serviceAccountEmail,pushConfig.oidcToken.audience,ackDeadlineSeconds,expirationPolicy.ttl,messageRetentionDuration,retryPolicy.minimumBackoff,retryPolicy.maximumBackoff)')
  if [[ -z $found ]]; then
    patiently change pubsub subscriptions create "${push[@]}" --topic="$topic" --format=none
  elif [[ $found != "$wanted" ]]; then
    change pubsub subscriptions update "${push[@]}" --format=none
  fi
  or pubsub subscriptions update "${push[@]}" --format=none

  # Pub/Sub signs as the calling account. Its agent may do so by itself only in projects younger than April 2021.
  agent=service-$number@gcp-sa-pubsub.iam.gserviceaccount.com
  signers=$(ask iam service-accounts get-iam-policy "$caller" --flatten='bindings[].members' \
    --format='value[separator=" "](bindings.role,bindings.members)')
  has "$signers" "roles/iam.serviceAccountOpenIdTokenCreator serviceAccount:$agent" ||
    patiently change iam service-accounts add-iam-policy-binding "$caller" --format=none \
      --role=roles/iam.serviceAccountOpenIdTokenCreator --member="serviceAccount:$agent"
fi

# The password goes through a file, and cannot be read back from Cloud Monitoring: the version of the secret
# stands on the channel, and says whether it is today's.
"$python" - "$channel_type" "$name" "$topic" "$public_url/" "$token_version" "$work/split/secrets/WEBHOOK_TOKEN" \
  >"$work/channel.json" <<'END'
import json, sys
type_, name, topic, url, version, token = sys.argv[1:]
if type_ == "pubsub":
    labels = {"topic": topic}
else:
    labels = {"url": url, "username": "cloud-monitoring", "password": open(token, encoding="utf-8").read()}
print(json.dumps({
    "type": type_,
    "displayName": f"{name} (on-call pager)",
    "description": "Made by notifier's deploy.sh. Choose it in every alerting policy that may page somebody.",
    "labels": labels,
    "userLabels": {"notifier": name, **({} if type_ == "pubsub" else {"token_version": version})},
    "enabled": True,
}))
END
found=$(ask beta monitoring channels list --type="$channel_type" \
  --format='value[separator=" "](userLabels.notifier,name,enabled,labels.topic,labels.url,labels.username,userLabels.token_version)')
found=$(awk -v name="$name" '$1 == name { $1 = ""; print substr($0, 2); exit }' <<<"$found")
channel=${found%% *}
if [[ -z $found ]]; then
  channel=$(change beta monitoring channels create --channel-content-from-file="$work/channel.json" --format='value(name)')
elif [[ $found != "$channel True $marks" ]]; then
  change beta monitoring channels update "$channel" --channel-content-from-file="$work/channel.json" --format=none
fi
or beta monitoring channels update "${channel:-CHANNEL}" --channel-content-from-file="$work/channel.json" --format=none

if $pubsub; then
  # The agent that publishes comes to be with a project's first Pub/Sub channel, so it is granted only now.
  agent=service-$number@gcp-sa-monitoring-notification.iam.gserviceaccount.com
  publishers=$(ask pubsub topics get-iam-policy "$name-alerts" --flatten='bindings[].members' \
    --format='value[separator=" "](bindings.role,bindings.members)')
  has "$publishers" "roles/pubsub.publisher serviceAccount:$agent" ||
    patiently change pubsub topics add-iam-policy-binding "$name-alerts" --role=roles/pubsub.publisher \
      --member="serviceAccount:$agent" --format=none
fi

# ---------------------------------------------------------------------------------------- who watches the pager

step 'Who watches the pager'

# Cloud Monitoring mails them itself: what tells of the pager's end must not be the pager.
channels=$(ask beta monitoring channels list \
  --format='value[separator=" "](userLabels.notifier,type,name,labels.email_address,enabled)')
# Channels of hands' own choosing stay on the policies; of ours just those of the watchers. With none given this time,
# whoever was told before still is.
own=$(awk -v name="$name" -v given="$watchers" '$1 == name && (given || $2 != "email") { print $3 }' <<<"$channels")
tell=''
for address in $watchers; do
  found=$(awk -v name="$name" -v address="$address" \
    '$1 == name && $2 == "email" && $4 == address { print $3, $5; exit }' <<<"$channels")
  channel=${found%% *}
  if [[ -z $found ]]; then
    channel=$(change beta monitoring channels create --type=email --channel-labels="email_address=$address" \
      --display-name="$address ($name itself)" --user-labels="notifier=$name" --enabled --format='value(name)')
  elif [[ $found != "$channel True" ]]; then
    change beta monitoring channels update "$channel" --enabled --format=none
  fi
  or beta monitoring channels update "${channel:-CHANNEL}" --enabled --format=none
  tell+=" $channel"
done

ask alpha monitoring policies list --format=json >"$work/policies.json"
for watched in ticks errors; do
  file=$work/policy-$watched.json
  found=$("$python" -m notifier.cli.alert_policies "$watched" "${place[@]}" --live="$work/policies.json" --out="$file" \
    --own="${own//$'\n'/ }" --tell="$tell")
  read -r state told policy <<<"$found"
  case $state in
    missing) patiently change alpha monitoring policies create --policy-from-file="$file" --format=none ;;
    differs) change alpha monitoring policies update "$policy" --policy-from-file="$file" --format=none ;;
  esac
  or alpha monitoring policies update "${policy:-POLICY}" --policy-from-file="$file" --format=none
done

! $dry_run || note 'what is in the two files: notifier/cli/alert_policies.py'
if [[ -n $watchers ]]; then
  watched_by="Cloud Monitoring mails ${watchers// /, }"
elif ((told)); then
  watched_by="Cloud Monitoring tells the $told channels that its two alert policies already have"
else
  watched_by='NOBODY is told. Set EMAIL_TO, or run this again with --watchers ADDRESSES'
fi
note "when the pager itself fails: $watched_by"

# ---------------------------------------------------------------------------------------- what is left to do

trap - ERR
if $dry_run; then
  printf '\nNothing was run. This is for an empty project; where some of it is there already, only what is missing or\n'
  printf 'differs is run, and (or) shows what then takes the place of the command above it.\n'
  exit
fi
changes=$(wc -l <"$work/changes")
((changes)) && printf '\n== Done, changes: %d\n' "$changes" || printf '\n== Done, nothing had to change\n'
cat <<END

notifier is at $public_url

Try it: this posts one harmless line to Slack and Discord, and answers with what each channel said. The Acknowledge
link in them opens the page that whoever is woken will meet.

  printf 'Authorization: Bearer %s' "\$(gcloud secrets versions access latest --secret=$name-WEBHOOK_TOKEN --project=$project)" |
    curl -sS -H @- -H 'Content-Type: application/json' $public_url/ \\
      -d '{"text": "Hello from deploy.sh", "severity": "info"}'

Now in the console, https://console.cloud.google.com/monitoring/alerting/policies?project=$project

  1. In each alerting policy choose the notification channel "$name (on-call pager)".
  2. Set its severity: Critical pages the phone at once; Error goes to email; Warning, and a policy without
     severity, to chat. What nobody answers climbs (policy.toml), until somebody acknowledges it.
  3. Beside it choose an email channel of Cloud Monitoring's own: it is the way that still works when
     notifier, or the network to it, does not.

The channels can be tested there: Alerting, Edit notification channels, Send test notification.

When the pager itself fails: $watched_by.
Two alert policies there watch it, "$name (on-call pager): ...": no good tick for 5 minutes, and more than one 5xx within
5 minutes. They do not see a tick that has never come once, so look in a minute whether it does:

  gcloud logging read 'logName:"run.googleapis.com%2Frequests" httpRequest.requestUrl=~"/tick\$" httpRequest.status=200' \\
    --freshness=5m --limit=1 --format='value(timestamp)' --project=$project

For a watchdog outside Google set HEARTBEAT_URL as well.

In Twilio's console, so that people can answer a page by text: under your number (or your Messaging Service), Messaging,
"A message comes in": webhook, POST, $public_url/twilio/sms

What it costs: the minute tick is 43,200 short requests a month; they also keep one instance warm, so an alert
seldom meets a cold start. Both fit into Cloud Run's and Firestore's free tiers if nothing else uses them up.
Cloud Scheduler: 3 jobs of a billing account are free, then \$0.10 a job and month. Secret Manager: 6 versions
are free, then \$0.06 each a month. Alert policies are billed by the condition; two are these.
END
