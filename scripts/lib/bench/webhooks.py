"""Signed webhooks: how many the ingest takes, and how long until an agent sees one."""

import base64
import hashlib
import hmac
import json
import time

from .core import Figure, in_turns, note

SECRET = "0123456789abcdef0123456789abcdef"
PHONE = "1061234567"
PATH = "/whatsapp/webhook"
RATES = (200, 1000, 3000)
DELIVERY_S = 10
CONNECTIONS = 64

SETTINGS = """\
role: ingest
webhook:
  listen: 127.0.0.1:0
  max_pending: 20000
accounts:
  - account_id: shop-phone
    workspace_id: {workspace}
    routing_group_id: main
    phone_number_id: "{phone}"
    access_token: {{file: {secret}}}
    app_secret: {{file: {secret}}}
    verify_token: {{file: {secret}}}
blobs:
  folder: {folder}/blobs
"""


def secret_file(run):
    path = run.folder / "secret"
    path.write_text(SECRET, encoding="ascii")
    path.chmod(0o600)
    return path


def start_whatsapp(run, prefix, workspace):
    path = run.folder / "whatsapp.yaml"
    path.write_text(SETTINGS.format(workspace=workspace, phone=PHONE, secret=secret_file(run),
                                    folder=run.folder), encoding="utf-8")
    return run.service("whatsapp", prefix=prefix, config=path)


def post_flags(port, count):
    return ("--port", port, "--path", PATH, "--secret", SECRET, "--phone", PHONE, "--count", count,
            "--connections", CONNECTIONS)


def await_bus(whatsapp):
    """Its port, once it has reached Kafka."""
    port = whatsapp.await_record("webhook listens")["port"]
    whatsapp.await_ready()
    return port


def ingest(run):
    """Webhooks a second over connections that stay open, each sending when it has been answered."""
    count = run.options.webhooks
    rate = Figure("ingest_webhooks", "webhooks/s", "higher", aim=0.8,
                  comment=f"{count} signed webhooks over {CONNECTIONS} connections, answered when Kafka"
                          " has them; bare: Beast, HMAC, librdkafka, the body unread")
    cpu = Figure("ingest_webhooks_cpu", "us/webhook", "lower",
                 comment="processor time of the server")

    def against(server, port, prefix):
        run.tool("post", prefix, *post_flags(port, count // 10))  # Warms up.
        before = server.cpu_seconds()
        seconds = run.tool("post", prefix, *post_flags(port, count))["seconds"]
        return count / seconds, (server.cpu_seconds() - before) / count * 1e6

    def ours():
        prefix = run.new_prefix()
        workspace = run.tool("prepare", prefix)["workspaces"][0]
        with start_whatsapp(run, prefix, workspace) as server:
            result = against(server, await_bus(server), prefix)
            server.stop()
        return result

    def bare():
        prefix = run.new_prefix()
        run.tool("prepare", prefix)
        with run.tool_program("bare-webhook", prefix, "--secret", SECRET) as server:
            return against(server, server.await_record("webhook listens")["port"], prefix)

    for number in run.rounds:
        (our_rate, our_cpu), (bare_rate, bare_cpu) = in_turns(number, ours, bare)
        rate.add(our_rate, bare_rate)
        cpu.add(our_cpu, bare_cpu)
        note(f"ingest, round {number + 1}: {our_rate:,.0f} against {bare_rate:,.0f} webhooks/s;"
             f" {our_cpu:.0f} against {bare_cpu:.0f} us of processor each")
    yield rate
    yield cpu


def token(workspace):
    """A supervisor's, signed with HS256."""
    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")
    claims = {"sub": "bench", "wissel_ws": workspace, "wissel_roles": ["supervisor"],
              "wissel_group": "main", "iat": int(time.time()), "exp": int(time.time()) + 86400}
    signed = b".".join(part(json.dumps(p).encode()) for p in ({"alg": "HS256", "typ": "JWT"}, claims))
    signature = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + part(signature)).decode()


def delivery(run):
    """From a webhook's time to be sent to the event on a supervisor's stream."""
    figures = {
        (rate, percentile): Figure(
            f"delivery_{rate}_{percentile}", "ms", "lower", aim=1.5, limit=2,
            comment=f"{rate} webhooks/s for {DELIVERY_S} s; webhook, router, gateway's stream; bare:"
                    " Beast and produce, consume and produce, consume and a callback server's stream")
        for rate in RATES for percentile in ("p50", "p99")}

    def measure(rate, port, prefix, *flags):
        result = run.tool("deliver", prefix, *post_flags(port, rate * DELIVERY_S), "--rate", rate,
                          *flags)
        return result["p50_ms"], result["p99_ms"]

    def ours(rate):
        prefix = run.new_prefix()
        workspace = run.tool("prepare", prefix)["workspaces"][0]
        with (run.service("router", f"redis.address={run.redis}", "router.use_checkpoints=false",
                          prefix=prefix) as router,
              start_whatsapp(run, prefix, workspace) as whatsapp,
              run.service("agent-gateway", f"redis.address={run.redis}", "gateway.use_views=false",
                          "gateway.grpc.listen=127.0.0.1:0",
                          f"gateway.auth.hs256_secret=file:{secret_file(run)}",
                          prefix=prefix) as gateway):
            router.await_record("partition owned")
            port = await_bus(whatsapp)
            gateway.await_ready()
            target = f"127.0.0.1:{gateway.await_record('listening')['port']}"
            result = measure(rate, port, prefix, "--stream", target, "--token", token(workspace))
            for program in (whatsapp, router, gateway):
                program.stop()
        return result

    def bare(rate):
        prefix = run.new_prefix()
        run.tool("prepare", prefix)
        with (run.tool_program("bare-webhook", prefix, "--secret", SECRET) as webhook,
              run.tool_program("bare-hop", prefix, "--count", 2**40),
              run.tool_program("bare-stream", prefix) as stream):
            target = f"127.0.0.1:{stream.await_record('listening')['port']}"
            return measure(rate, webhook.await_record("webhook listens")["port"], prefix,
                           "--stream", target)

    for number in run.rounds:
        for rate in RATES:
            our, other = in_turns(number, lambda rate=rate: ours(rate), lambda rate=rate: bare(rate))
            for i, percentile in enumerate(("p50", "p99")):
                figures[rate, percentile].add(our[i], other[i])
            note(f"delivery at {rate}/s, round {number + 1}: p50 {our[0]:.2f} against {other[0]:.2f} ms,"
                 f" p99 {our[1]:.2f} against {other[1]:.2f} ms")
    yield from figures.values()
