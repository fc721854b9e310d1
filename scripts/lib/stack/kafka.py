"""Apache Kafka in KRaft mode: every node is broker and controller."""

import base64
import os
import pathlib
import shlex
import socket
import struct
import subprocess
import uuid

from . import stack as core
from . import tls

VERSION = "3.9.1"
USER = "wissel"
PASSWORD = "wissel-kafka"

PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port},TLS://127.0.0.1:{tls_port},LOGIN://127.0.0.1:{login_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},TLS://127.0.0.1:{tls_port},LOGIN://127.0.0.1:{login_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}

# The two doors that are not plain.
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.login.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;

# Topics are made on purpose: a misspelt name is an error.
auto.create.topics.enable=false
num.partitions=4
default.replication.factor={replication}
min.insync.replicas={in_sync}
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replication}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={in_sync}

# Groups form and notice a death as fast as a test wants it.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# After kill -9 a node is refused until its old session has ended.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Small: it shares two cores with its clients.
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
"""


def jars():
    cache = os.environ.get("WISSEL_CACHE") or os.path.expanduser("~/.cache/wissel")
    folder = pathlib.Path(cache) / f"kafka-{VERSION}"
    if not folder.is_dir():
        raise core.StackError(f"no Kafka in {folder}: run scripts/setup first")
    return f"{folder}/*"


def cluster_id():
    """A random id in Kafka's form; one that begins with "-" its own tools would take for a flag."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


# What kafka-server-start.sh gives Java, as far as it is not Java's default.
AS_SHIPPED = ("-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent")
# What is soonest ready.
QUICK_START = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def servers(stack, brokers, as_shipped=False):
    """The nodes of the cluster, formatted and ready to be started."""
    stack.options.setdefault("cluster", cluster_id())
    names = [f"kafka-{n}" for n in range(1, brokers + 1)]
    ports = {name: stack.ports(name, 2) for name in names}
    guarded = {name: stack.ports(f"{name}-guarded", 2) for name in names}

    def addresses(of, which):
        return ",".join(f"127.0.0.1:{of[name][which]}" for name in names)

    certificates = stack.folder / "kafka-tls"
    tls.make_certificates(certificates)
    keystore = certificates / "keystore.pem"
    keystore.write_text((certificates / "server.key").read_text(encoding="ascii")
                        + (certificates / "server.pem").read_text(encoding="ascii"), encoding="ascii")
    voters = ",".join(f"{n}@127.0.0.1:{ports[name][1]}" for n, name in enumerate(names, 1))
    program = pathlib.Path(__file__).resolve().parents[2] / "stack"
    restart = shlex.join([str(program), "restart", "kafka", "--dir", str(stack.folder)])
    unformatted = []
    result = []
    for n, name in enumerate(names, 1):
        home = stack.folder / name
        properties = home / "server.properties"
        home.mkdir(parents=True, exist_ok=True)
        properties.write_text(
            PROPERTIES.format(
                node=n, voters=voters, port=ports[name][0], controller_port=ports[name][1],
                tls_port=guarded[name][0], login_port=guarded[name][1], keystore=keystore,
                user=USER, password=PASSWORD,
                data=home / "data", replication=brokers, in_sync=min(2, brokers)),
            encoding="utf-8")
        if not (home / "data" / "meta.properties").exists():
            unformatted.append(properties)
        result.append(core.Server(
            name=name,
            argv=["java", *(AS_SHIPPED if as_shipped else QUICK_START),
                  "-Dorg.slf4j.simpleLogger.showDateTime=true",
                  "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
                  "-cp", jars(), "kafka.Kafka", str(properties)],
            log=home / "log",
            ready=lambda port=ports[name][0]: brokers_known(port) == brokers,
            exports={
                "WISSEL_TEST_KAFKA": addresses(ports, 0),
                "WISSEL_TEST_KAFKA_RESTART": restart,
                "WISSEL_TEST_KAFKA_TLS": addresses(guarded, 0),
                "WISSEL_TEST_KAFKA_LOGIN": addresses(guarded, 1),
                "WISSEL_TEST_KAFKA_USER": USER,
                "WISSEL_TEST_KAFKA_PASSWORD": PASSWORD,
                "WISSEL_TEST_KAFKA_CA": str(certificates / "ca.pem"),
            }))
    format_storage(unformatted, stack.options["cluster"])
    return result


def format_storage(files, cluster):
    """Writes the empty metadata log of each node; the nodes agree on the cluster's id."""
    running = [
        subprocess.Popen(
            ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", jars(),
             "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file),
             "--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for file in files]
    for child in running:
        output, _ = child.communicate()
        if child.returncode != 0:
            raise core.StackError(f"formatting Kafka's storage failed:\n{output}")


def brokers_known(port):
    """How many live brokers the one at `port` names, by a Metadata request (version 1, which every
    Kafka up to 3.x answers; layout: kafka.apache.org/protocol, Metadata API)."""
    client = b"wissel-stack"
    request = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        reader = connection.makefile("rb")
        header = reader.read(12)
        if len(header) < 12:
            raise EOFError
        return struct.unpack(">iii", header)[2]
