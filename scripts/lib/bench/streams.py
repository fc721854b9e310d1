"""Agents' streams, against a callback server that writes the same messages."""

from .core import Figure, in_turns, note


def streams(run):
    events = Figure("stream_events", "events/s", "higher", aim=0.7,
                    comment="100 streams with 2,000 events each waiting; bare: a gRPC callback server")
    memory = Figure("stream_memory", "KiB/stream", "lower", aim=1.5,
                    comment="5,000 idle streams, 100 on a connection, the server's memory alone")

    def one(name, value):
        return run.google_benchmark("agent_gateway_benchmark", f"^{name}(/|$)", value)

    for number in run.rounds:
        events.add(*in_turns(number, lambda: one("BM_EventsGateway", "items_per_second"),
                             lambda: one("BM_EventsBare", "items_per_second")))
        # A process each: memory that one server gave back would serve the other.
        memory.add(*in_turns(number, lambda: one("BM_IdleStreamGateway", "KiB_per_stream"),
                             lambda: one("BM_IdleStreamBare", "KiB_per_stream")))
        note(f"streams, round {number + 1}: {events.ours[-1]:,.0f} against {events.bare[-1]:,.0f}"
             f" events/s, {memory.ours[-1]:.1f} against {memory.bare[-1]:.1f} KiB a stream")
    yield events
    yield memory
