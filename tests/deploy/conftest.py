"""Working copies to deploy from, each with an empty cloud of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.deploy.checkout import Checkout
from tests.deploy.cloud import Cloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def new_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Checkout]]:
    """Make a working copy with an empty cloud of its own."""
    with ExitStack() as clouds:
        yield lambda: Checkout.in_folder(tmp_path_factory.mktemp("deploy"), clouds.enter_context(Cloud()))
