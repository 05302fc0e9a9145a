"""Why an artefact is refused.

ArtefactError
|-- ArtefactTooLarge    over a size or compression cap
|-- ArchiveInvalid      not the zip of exactly our three files
|-- SignatureInvalid    unsigned, badly signed, or other bytes than were signed
|-- KeyUnknown          signed, by a key that is not trusted here
|-- KeyRevoked          signed, by a key that is trusted here no longer
|-- ManifestInvalid     the manifest lies outside its ranges
`-- GraphInvalid        the graph is not ours to run, or failed to run
KeyFileInvalid (ValueError)   a key file of this installation: configuration, not the artefact
"""


class ArtefactError(Exception):
    """An artefact that must not be scored with.

    reason: a stable slug for programs, such as "digest-mismatch"; str(error) is the sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that the error survives being sent between processes
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class ArtefactTooLarge(ArtefactError):
    """A cap of `Limits` is exceeded, whatever the headers say."""


class ArchiveInvalid(ArtefactError):
    """The bytes are not a plain zip of exactly model.onnx, manifest.json and model.sig."""


class SignatureInvalid(ArtefactError):
    """The signature does not vouch for exactly these files."""


class KeyUnknown(ArtefactError):
    """No trusted key has the signature's key hint."""


class KeyRevoked(ArtefactError):
    """The signature's key is on the list of revoked keys."""


class ManifestInvalid(ArtefactError):
    """The manifest is malformed, of another schema version, or out of range."""


class GraphInvalid(ArtefactError):
    """The graph has another signature than the fixed one, forbidden content, or fails to run."""


class KeyFileInvalid(ValueError):
    """A key file holds no usable ECDSA P-256 public key."""
