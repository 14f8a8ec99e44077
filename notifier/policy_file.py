"""The policy, from its file."""

from __future__ import annotations

from pathlib import Path

from notifier.core.policy import Policy, PolicyError, parse_policy

SHIPPED = Path(__file__).parent.parent / "policy.toml"


def read_policy(file: str = "") -> Policy:
    """The policy of `file` (POLICY_FILE), or of the policy.toml beside main.py. Raises PolicyError."""
    path = Path(file) if file else SHIPPED
    try:
        return parse_policy(path.read_text("utf-8"), path.name)
    except UnicodeDecodeError:
        raise PolicyError(path.name, ["the file is not UTF-8"]) from None
    except OSError as error:
        raise PolicyError(path.name, [f"cannot be read ({type(error).__name__}); POLICY_FILE names another"]) from None
