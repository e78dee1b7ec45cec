"""The port on which something of ours listens."""

import errno
import socket

from tuner.errors import ConflictError, RequestError

NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
TRIED = 100  # ports from the default one on


def free_port(host: str, asked: int | None, default: int) -> int:
    """Return the port asked for, or the first free one from `default` on; ConflictError names a free one, RequestError says that `host` is no
    address of this computer."""

    def is_free(port: int) -> bool:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
                return True
            except OSError as error:
                if isinstance(error, socket.gaierror) or error.errno in NOT_OURS:
                    raise RequestError(
                        f"The address {host} can't be used.",
                        asked=host,
                        available="127.0.0.1, 0.0.0.0 or an address of this computer",
                        remedy="Choose another --host.",
                        field="host",
                    ) from error
                return False

    if asked is not None and not 0 < asked < 65536:
        raise RequestError(
            f"There is no port {asked}.", asked=asked, available="1 to 65535", remedy="Leave --port out, or name another.", field="port"
        )
    if asked and is_free(asked):
        return asked
    other = next((p for p in range(default, default + TRIED) if is_free(p)), None)
    if asked or other is None:
        raise ConflictError(
            f"The port {asked or f'{default} to {default + TRIED - 1}'} is in use.",
            asked=asked,
            available=other,
            remedy=f"Start it with --port {other}." if other else "End another program.",
            field="port",
        )
    return other
