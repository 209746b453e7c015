"""The service on Ray Serve, two replicas of it: ``serve run example_app.on_ray:service``."""

from fastapi import FastAPI
from ray import serve


def build() -> FastAPI:
    """Return the app, in the process of each replica.

    ``serve.ingress`` takes the app itself as well, and pickles it. Then FastAPI does not know its
    own defaults again, and shows an empty example for each request body in the OpenAPI document.
    """
    from .app import app

    return app


@serve.deployment(
    num_replicas=2,
    max_ongoing_requests=8,
    max_queued_requests=16,  # the proxy holds their bodies
    ray_actor_options={"num_cpus": 0.1},  # Ray reserves a whole one unless told otherwise
)
@serve.ingress(build)
class DigitsEdgesSounds:
    """A replica; all it does is in the app."""


service = DigitsEdgesSounds.bind()
