"""Redis, on a port and a unix socket, with an append-only file synced every second."""

import socket

from . import stack as core


def servers(stack):
    (port,) = stack.ports("redis", 1)
    home = stack.folder / "redis"
    home.mkdir(parents=True, exist_ok=True)
    path = stack.run_folder() / "redis.sock"
    return [core.Server(
        name="redis",
        argv=["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--unixsocket", str(path),
              "--dir", str(home), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""],
        log=home / "log",
        ready=lambda: pong(path),
        exports={"WISSEL_TEST_REDIS": f"127.0.0.1:{port}", "WISSEL_TEST_REDIS_SOCKET": str(path)})]


def pong(path):
    """Whether it answers PING; while it still loads its data it answers LOADING instead."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(str(path))
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")
