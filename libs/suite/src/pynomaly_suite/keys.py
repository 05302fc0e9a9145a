"""The keys that sign models on this machine, those whose models are trusted here, and the operator's token."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pynomaly_suite.errors import Refused
from pynomaly_suite.files import write_whole
from pynomaly_suite.layout import Home

if TYPE_CHECKING:
    from pynomaly_scoring import KnownKey

PUBLIC_FILE = "signing.pub.pem"
Result = TypeVar("Result")


def ensure_signing_key(home: Home) -> None:
    """Make the pair at the first start; mend a first start that died between its two files."""
    public = home.trusted_keys / PUBLIC_FILE
    if public.exists() and home.signing_key.exists():
        return
    import pynomaly_scoring  # noqa: PLC0415 - slow, and needed once

    pynomaly_scoring.ensure_signing_key(home.signing_key, public)


def ensure_admin_token(home: Home) -> None:
    """Make what opens the services' admin routes, at the first start; only its owner can read it."""
    if not home.admin_token.exists():
        write_whole(home.admin_token, secrets.token_urlsafe(32))


def admin_token(home: Path | None = None) -> str:
    """ADMIN_TOKEN, else that of this machine's suite. Raises Refused where there is none."""
    given = os.environ.get("ADMIN_TOKEN")
    if given:
        return given
    path = Home.find(home).admin_token
    try:
        return path.read_text().strip()
    except FileNotFoundError as error:
        message = f"There is no {path}: set ADMIN_TOKEN to the services' token; the first `pynomaly up` makes one."
        raise Refused(message) from error
    except OSError as error:
        raise Refused(f"Cannot read {path}: {error.strerror}. Set ADMIN_TOKEN.") from error


def known_keys(home: Path | None = None) -> "list[KnownKey]":
    """Every key of this machine's suite, by hint. Raises Refused where there is none."""
    import pynomaly_scoring  # noqa: PLC0415 - slow

    found = Home.find(home)
    return _refusing(lambda: pynomaly_scoring.known_keys(found.trusted_keys, found.signing_key))


def rotate_key(home: Path | None = None) -> str:
    """Sign with a new key from now on, also where a suite runs; its hint. Raises Refused."""
    import pynomaly_scoring  # noqa: PLC0415 - slow

    found = Home.find(home)
    return _refusing(lambda: pynomaly_scoring.rotate_signing_key(found.signing_key, found.trusted_keys / PUBLIC_FILE))


def revoke_key(beginning: str, home: Path | None = None) -> str:
    """Trust a key no longer, also where a suite runs; its hint. `beginning`: of the hint. Raises Refused."""
    import pynomaly_scoring  # noqa: PLC0415 - slow

    found = Home.find(home)
    return _refusing(lambda: pynomaly_scoring.revoke_key(found.trusted_keys, beginning, found.signing_key))


def _refusing(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except FileNotFoundError as error:
        raise Refused(f"There is no {error.filename}; the first `pynomaly up` makes the keys.") from error
    except ValueError as error:
        raise Refused(f"Refused: {error}.") from error
