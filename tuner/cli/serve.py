"""`tunesmith serve`: tuned models behind an OpenAI-compatible API."""

import os
import signal
import sys
import time

from tuner import paths
from tuner.cli.output import say
from tuner.cli.parser import TEXT, Commands
from tuner.cli.progress import Loading
from tuner.errors import TunerError
from tuner.paths import Workspace

KEY = "TUNESMITH_API_KEY"


def register(commands: Commands) -> None:
    """Declare `tunesmith serve`."""
    commands.add(
        "serve",
        "Serve runs and models with an OpenAI-compatible API; without a name all runs that can answer.",
        serve,
        "models*",
        examples=("serve RUN", "serve RUN starter --port 8080", f"serve      (with {KEY} set, clients keep their key)"),
        host={"default": "127.0.0.1", "help": "the address to listen on; 0.0.0.0 lets other computers in, with the key"},
        port={"type": int, "default": None, "help": "the port; without it the first free one from 8000 on"},
        map={
            "action": "append",
            "default": [],
            "metavar": "NAME=MODEL",
            "help": "the model that fine-tuning jobs for NAME train, kept for the next time; may be given several times",
        },
        device=TEXT,
    )


def serve(ws: Workspace, args) -> None:
    """Serve in the foreground until Ctrl-C. Prints {"url", "api_key", "models"} when it is ready."""
    from tuner.api import model_map
    from tuner.api.driver import Driver
    from tuner.api.files import Files
    from tuner.api.jobs import Jobs
    from tuner.api.routes import Routes
    from tuner.serving import chat_client
    from tuner.serving.gateway import Gateway

    if args.map:
        model_map.add(ws, args.map)
    files = Files(ws.prepare())
    routes, driver = Routes(jobs := Jobs(ws, files), files), Driver(jobs)
    more = {"others": routes.tuned, "more": routes.add}
    gateway = Gateway(ws, args.models, host=args.host, port=args.port, key=os.environ.get(KEY) or None, device=args.device, **more)
    chat_client.endpoint(ws, args.device, waiting=Loading("starting the serving worker"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    gateway.start()
    driver.start()
    try:
        document = {"url": gateway.url, "api_key": gateway.key, "models": [m.name for m in gateway.models.listing()]}
        if args.as_json:
            print(paths.dumps(document), flush=True)
        else:
            _tell(gateway, document)
        while gateway.running:
            time.sleep(0.2)
        raise TunerError("The server ended by itself.", asked=gateway.url, available="the lines above", remedy="Start it again.")
    except (KeyboardInterrupt, SystemExit):
        say("\nThe server has ended; the model leaves the memory after ten idle minutes.")
    finally:
        gateway.stop()
        driver.stop()


def _tell(gateway, document: dict) -> None:
    from tuner.serving.examples import curl

    say(f"Serving at {gateway.url}   (Ctrl-C ends it)\nAPI key: {gateway.key}\nModels:")
    for name in document["models"]:
        say(f"  {name}")
    if not document["models"]:
        return say("  none yet: a run appears here when it can answer.")
    first = gateway.models.listing()[0]
    say("\nTry it:\n" + curl(gateway.url, gateway.key, first.name, first.spec(gateway.worker.ws).get("objective", "chat")))
