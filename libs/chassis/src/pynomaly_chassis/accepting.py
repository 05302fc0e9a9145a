"""What a caller wants to have, by its Accept header."""

from pynomaly_contracts.media import HTML, JSON


def media_ranges(accept: str) -> list[tuple[str, float]]:
    """Media ranges with their qualities, the most wanted first; what cannot be read has a quality of 0."""
    return sorted((_media_range(item) for item in accept.split(",")), key=lambda found: -found[1])


def prefers_html(accept: str) -> bool:
    """Whether an Accept header names HTML, and JSON not before it: as browsers do."""
    kinds = [kind for kind, quality in media_ranges(accept) if quality > 0]
    return HTML in kinds and JSON not in kinds[: kinds.index(HTML)]


def _media_range(item: str) -> tuple[str, float]:
    kind, *parameters = (part.strip().lower() for part in item.split(";"))
    quality = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    try:
        return kind, float(quality)
    except ValueError:
        return kind, 0.0
