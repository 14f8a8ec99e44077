"""settings: what deploy.sh asks of .env.yaml."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from notifier.cli.pager import give_up
from notifier.core.policy import PolicyError
from notifier.policy_file import read_policy
from notifier.settings import SECRETS, SettingsError, read_env_file, read_settings


@click.command(short_help="Part the secrets from the rest, for deploy.sh.")
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    default=".env.yaml",
    show_default=True,
    help="Settings in gcloud's --env-vars-file form.",
)
@click.option("--set", "extra", metavar="NAME=VALUE", multiple=True, help="A setting on top of the file's.")
@click.option(
    "--split",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write plain.yaml and secrets/NAME into, for deploy.sh.",
)
def settings(env_file: Path, extra: tuple[str, ...], split: Path) -> None:
    """Check settings and policy as Cloud Run will see them, and part the secrets from the rest.

    Exits with 2 and every mistake when they would not do.
    """
    try:
        values = read_env_file(env_file) | _pairs(extra)
        # The policy too: refused later, it would leave half a deployment behind.
        read_policy(read_settings({**values, "K_SERVICE": "notifier"}).policy_file)
    except (SettingsError, PolicyError) as error:
        give_up(error)
    values = {name: value.strip() for name, value in values.items() if value.strip()}
    secrets = split / "secrets"
    secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SECRETS:
        # Made anew: one of an earlier run may be readable by others, or be no setting any more.
        (secrets / name).unlink(missing_ok=True)
        if name in values:
            (secrets / name).touch(0o600)
            (secrets / name).write_text(values[name], "utf-8")
    plain = {name: value for name, value in sorted(values.items()) if name not in SECRETS}
    (split / "plain.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True), "utf-8")


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    """Of texts NAME=VALUE. Raises SettingsError."""
    pairs = [pair.partition("=") for pair in given]
    if not all(name and equals for name, equals, _ in pairs):
        raise SettingsError(["--set takes NAME=VALUE"])
    return {name: value for name, _, value in pairs}
