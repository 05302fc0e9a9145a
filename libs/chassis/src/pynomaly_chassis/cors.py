"""Pages of other origins that may call the API, by CORS_*."""

from pynomaly_contracts.headers import REQUEST_ID, SERVED_BY
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from pynomaly_chassis.settings import ServiceSettings


def with_cors(app: ASGIApp, settings: ServiceSettings) -> ASGIApp:
    """The application as browsers may use it; what a service behind says of origins is said again."""
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_origins,
        allow_methods=settings.cors_allow_methods,
        allow_headers=settings.cors_allow_headers,
        allow_credentials=settings.cors_allow_credentials,
        expose_headers=(REQUEST_ID, SERVED_BY, "location", "retry-after", "etag"),
    )
