"""The router: throughput on a backlog, start-up, take-over."""

import time

from .core import (
    BenchError, Figure, in_turns, note, redis_get, redis_transfer_seconds, seconds_of)

SESSION_TIMEOUT_S = 10
PIECE_KINDS = ("partition", "config", "conversation", "agent", "seen")


def start_router(run, prefix, *settings):
    return run.service("router", f"redis.address={run.redis}",
                       f"router.session_timeout={SESSION_TIMEOUT_S}s", *settings, prefix=prefix)


def warm_up(run):
    """The broker's Java compiles what is run most; nothing of this is measured."""
    note("the broker warms up")
    for partitions in (1, 4, 1):
        prefix = run.new_prefix()
        size = ("--partitions", partitions, "--count", run.options.messages)
        run.tool("prepare", prefix, *size, "--contacts", run.options.messages // 10)
        run.tool("bare-hop", prefix, *size)


def backlog(run):
    """Decisions a second on inbound messages that wait, against copying them to the log."""
    count = run.options.messages
    for partitions in (1, 4):
        name = f"router_backlog_{partitions}p"
        rate = Figure(name, "messages/s", "higher", aim=0.5, limit=0.3,
                      comment=f"{count} messages of 300 bytes in {partitions} partition(s); bare:"
                              " librdkafka, consume and produce the same bytes")
        cpu = Figure(name + "_cpu", "us/message", "lower",
                     comment="processor time of the process, its clients' threads included")
        size = ("--partitions", partitions, "--count", count)

        def ours(size=size):
            prefix = run.new_prefix()
            run.tool("prepare", prefix, *size, "--contacts", count // 10)
            with start_router(run, prefix, "router.use_checkpoints=false") as router:
                seconds = run.tool("decisions", prefix, *size)["seconds"]
                cpu_seconds = router.cpu_seconds()
                router.stop()
            return count / seconds, cpu_seconds / count * 1e6

        def bare(size=size):
            prefix = run.new_prefix()
            run.tool("prepare", prefix, *size, "--contacts", count // 10)
            cpu_seconds = run.tool("bare-hop", prefix, *size)["cpu_seconds"]
            return count / run.tool("copies", prefix, *size)["seconds"], cpu_seconds / count * 1e6

        for number in run.rounds:
            (our_rate, our_cpu), (bare_rate, bare_cpu) = in_turns(number, ours, bare)
            rate.add(our_rate, bare_rate)
            cpu.add(our_cpu, bare_cpu)
            note(f"{name}, round {number + 1}: {our_rate:,.0f} against {bare_rate:,.0f} messages/s;"
                 f" {our_cpu:.1f} against {bare_cpu:.1f} us of processor a message")
        yield rate
        yield cpu


def open_conversations(run):
    """One partition with that many open conversations, its views in Redis; made once a run."""
    if not hasattr(run, "spine_log"):
        conversations = run.options.conversations
        prefix = run.new_prefix()
        note(f"{conversations} conversations are opened, two messages each")
        size = ("--partitions", 1, "--count", 2 * conversations)
        run.tool("prepare", prefix, *size, "--contacts", conversations)
        with start_router(run, prefix, "router.use_checkpoints=false") as router:
            run.tool("decisions", prefix, *size)
            router.stop()
        log = run.tool("count", prefix, "--partitions", 1)
        note("the projector folds them into Redis")
        with start_projector(run, prefix) as projector:
            await_views(run, prefix)
            projector.stop()
        run.spine_log = (prefix, log)
    return run.spine_log


def start_projector(run, prefix):
    return run.service("projector", f"redis.address={run.redis}", "projector.lag_interval=100ms",
                       prefix=prefix)


def await_views(run, prefix):
    """Until the projector has folded the log to its end."""
    end = run.tool("end", prefix)["records"]
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        offset = redis_get(run.redis, "HGET", "wissel:{p0}:meta", "next_offset")
        if offset and int(offset) >= end:
            return
        time.sleep(0.2)
    raise BenchError("the projector did not reach the log's end")


def startup(run):
    """From the start of recovery to the first decision it could make, against reading the same bytes."""
    prefix, log = open_conversations(run)
    events = log["events"]
    from_log = Figure("router_startup_log", "events/s", "higher",
                      comment=f"{log['records']} records, {events} events, {log['bytes']} bytes folded"
                              " and claimed; bare: librdkafka reads the same records")
    from_redis = Figure("router_startup_redis", "events/s", "higher",
                        comment=f"the checkpoint that stands for {events} events, and the claim; bare:"
                                " Redis sends the same hashes, unread")

    def recover(*settings):
        with start_router(run, prefix, *settings) as router:
            owned = router.await_record("partition owned", 300)
            router.stop()
        return owned["from"], seconds_of(owned["took"])

    def ours_log():
        return recover("router.use_checkpoints=false")[1]

    def ours_redis():
        source, seconds = recover()
        if source == "log":
            raise BenchError("the router did not begin from its checkpoint")
        return seconds

    def bare_log():
        return run.tool("bare-read", prefix, "--count", log["records"])["seconds"]

    def bare_redis():
        return redis_transfer_seconds(
            run.redis, [("HGETALL", f"wissel:{{p0}}:piece:{kind}") for kind in PIECE_KINDS])

    for number in run.rounds:
        ours, bare = in_turns(number, ours_log, bare_log)
        from_log.add(events / ours, events / bare)
        note(f"start-up from the log, round {number + 1}: {ours:.2f} s against {bare:.2f} s")
        ours, bare = in_turns(number, ours_redis, bare_redis)
        from_redis.add(events / ours, events / bare)
        note(f"start-up from Redis, round {number + 1}: {ours:.2f} s against {bare:.2f} s")
    yield from_log
    yield from_redis


def takeover(run):
    """From kill -9 of a partition's owner to the next decision on it, against the session timeout."""
    prefix, _ = open_conversations(run)
    limit = (SESSION_TIMEOUT_S + 2) / SESSION_TIMEOUT_S
    figures = {
        source: Figure(f"takeover_{source}", "s", "lower", aim=limit,
                       comment=f"{run.options.conversations} open conversations in the partition; bare:"
                               " the session timeout; aim: at most 2 s more")
        for source in ("redis", "log")}

    def owner(routers):
        """Who has it, going by what both said last."""
        said = [(record["time"], record["message"] == "partition owned", router)
                for router in routers for record in router.records()
                if record["message"] in ("partition owned", "partition given back")]
        owned = [(at, router) for at, owns, router in said if owns]
        return max(owned, key=lambda item: item[0])[1] if owned else None

    def once(*settings):
        with start_router(run, prefix, *settings) as first:
            first.await_record("partition owned", 300)
            with start_router(run, prefix, *settings) as second:
                with run.tool_program("probe", prefix) as probe:
                    time.sleep(5)  # The group settles; heartbeats and messages flow.
                    victim = owner((first, second))
                    killed = victim.kill()
                    probe.wait(180)
                    silence = next(probe.records())
                (second if victim is first else first).stop()
        return silence["ended"] - killed

    with start_projector(run, prefix) as projector:
        await_views(run, prefix)
        for number in run.rounds:
            for source, settings in (("redis", ()), ("log", ("router.use_checkpoints=false",))):
                seconds = once(*settings)
                figures[source].add(seconds, SESSION_TIMEOUT_S)
                note(f"take-over with {source}, round {number + 1}: {seconds:.2f} s after kill -9,"
                     f" session timeout {SESSION_TIMEOUT_S} s")
        projector.stop()
    yield from figures.values()
