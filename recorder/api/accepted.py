"""What a client says that it can take: RFC 9110, sections 12.5.1, 12.5.3 and 13.1.2."""

from collections.abc import Iterator, Sequence


def best_of(offered: Sequence[str], accept: str | None) -> str | None:
    """The media type of those offered that the client likes best, the first of equals; None where it takes none."""
    if accept is None or not accept.strip():
        return offered[0]
    ranges = dict(_weighted(accept))

    def weight(media_type: str) -> float:
        for candidate in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
            if candidate in ranges:
                return ranges[candidate]
        return 0.0

    best = max(offered, key=weight)
    return best if weight(best) > 0 else None


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether the client can take gzip."""
    weights = dict(_weighted(accept_encoding or ""))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def has_already(etag: str, if_none_match: str | None) -> bool:
    """Whether the client has this content; compared weakly, as If-None-Match asks for."""
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in tags or etag.removeprefix("W/") in tags


def _weighted(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if name:
            yield name, weight
