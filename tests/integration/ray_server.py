"""Ray Serve on one machine: ``python -m tests.integration.ray_server PORT FOLDER NAME=SERVICE...``.

Each SERVICE is a module and a name, ``example_app.on_ray:service``, and is served below ``/NAME``.
A line ``ready`` says that all of them are up. They are until standard input ends.
"""

import argparse
import importlib
import sys

import ray
from ray import serve


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.integration.ray_server")
    parser.add_argument("port", type=int, help="TCP port of the proxy on 127.0.0.1")
    parser.add_argument("folder", help="where Ray has its files; sockets need a short path")
    parser.add_argument("services", nargs="+", metavar="NAME=MODULE:SERVICE")
    arguments = parser.parse_args()
    ray.init(
        num_cpus=4,  # what replicas may reserve, whatever the machine has
        include_dashboard=False,
        object_store_memory=256 * 1024 * 1024,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=arguments.folder,
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": arguments.port})
        services = dict(service.split("=") for service in arguments.services)
        for name, place in services.items():
            module, _, attribute = place.partition(":")
            service = getattr(importlib.import_module(module), attribute)
            serve.run(service, name=name, route_prefix=f"/{name}")
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
