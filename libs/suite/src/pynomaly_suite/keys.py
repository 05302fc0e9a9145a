"""The key pair that signs models on this machine."""

from pynomaly_suite.layout import Home


def ensure_signing_key(home: Home) -> None:
    """Make the pair at the first start; mend a first start that died between its two files."""
    public = home.trusted_keys / "signing.pub.pem"
    if public.exists() and home.signing_key.exists():
        return
    from pynomaly_scoring import generate_signing_key, publish_key  # noqa: PLC0415 - slow, and needed once

    if home.signing_key.exists():
        publish_key(home.signing_key, public)
    else:
        generate_signing_key(home.signing_key, public)
