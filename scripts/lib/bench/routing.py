"""Matching, timers and configurations, against the plainest structures that could do the same and the
naive model. No server is needed."""

from .core import Figure, note

ROUTING, DOMAIN = "routing_benchmark", "domain_benchmark"
SMALL, MIDDLE, LARGE = ("agents:1000/waiting:10000", "agents:10000/waiting:100000",
                        "agents:100000/waiting:1000000")
RATE, TIME = "items_per_second", "cpu_time"


def figures():
    """Each figure, and what is measured for it on both sides: program, benchmark, value. The last says
    whether one round tells it: what takes long and does not vary."""
    def rate(name, ours, bare, comment, once=False):
        return (Figure(name, "decisions/s", "higher", comment=comment), (ROUTING, ours, RATE),
                (ROUTING, bare, RATE), once)

    def cost(name, unit, ours, bare, comment, value=TIME, aim=None, once=False):
        return (Figure(name, unit, "lower", aim=aim, comment=comment), (*ours, value), (*bare, value),
                once)

    def saturated(size):
        return ROUTING, f"BM_Saturated<Matcher>/{size}"

    def slack(agents):
        return ROUTING, f"BM_Slack<Matcher>/agents:{agents}"

    def queue(waiting):
        return ROUTING, f"BM_PriorityQueue/waiting:{waiting}"

    def timer(name, what):
        return cost(f"routing_timer_{name}", "ns", (DOMAIN, f"BM_Timer{what}<Timers>"),
                    (DOMAIN, f"BM_Timer{what}<SortedSetTimers>"),
                    "of 1,000,000 live ones; bare: std::set and a hash map", once=True)

    grown = "bare: a tenth of the agents and of what waits"
    queue_grown = "the same of a std::priority_queue of what waits"
    return [
        rate("routing_saturated", f"BM_Saturated<Matcher>/{MIDDLE}",
             "BM_PriorityQueue/waiting:100000", "bare: pops and pushes of a std::priority_queue"),
        rate("routing_saturated_naive", f"BM_Saturated<Matcher>/{MIDDLE}",
             f"BM_Saturated<NaiveMatcher>/{MIDDLE}", "bare: the naive model", once=True),
        rate("routing_slack", "BM_Slack<Matcher>/agents:10000", "BM_PriorityQueue/waiting:10000",
             "bare: pops and pushes of a std::priority_queue of as many as there are agents"),
        rate("routing_slack_naive", "BM_Slack<Matcher>/agents:10000",
             "BM_Slack<NaiveMatcher>/agents:10000", "bare: the naive model", once=True),
        cost("routing_growth_saturated_10k", "ns", saturated(MIDDLE), saturated(SMALL), grown, aim=2),
        cost("routing_growth_saturated_100k", "ns", saturated(LARGE), saturated(MIDDLE), grown, aim=2),
        cost("routing_growth_slack_10k", "ns", slack(10_000), slack(1_000), grown, aim=2),
        cost("routing_growth_slack_100k", "ns", slack(100_000), slack(10_000), grown, aim=2),
        cost("routing_growth_floor_10k", "ns", queue(100_000), queue(10_000), queue_grown),
        cost("routing_growth_floor_100k", "ns", queue(1_000_000), queue(100_000), queue_grown),
        cost("routing_memory_waiting", "bytes", (ROUTING, "BM_Memory/agents:10000/waiting:1000000"),
             queue(1_000_000), "1,000,000 waiting; bare: a record of the std::priority_queue",
             value="bytes_per_waiting", once=True),
        cost("routing_memory_agent", "bytes", (ROUTING, "BM_Memory/agents:100000/waiting:1000000"),
             (ROUTING, "BM_AgentLoads/agents:100000"),
             "1,000,000 waiting; bare: what is set of an agent, alone", value="bytes_per_agent",
             once=True),
        cost("routing_memory_conversation", "bytes", (DOMAIN, f"BM_ApplyConfig/{MIDDLE}"),
             queue(100_000), "all that a router keeps of each of 100,000; bare: a record of the"
             " std::priority_queue", value="bytes_per_waiting", once=True),
        timer("set", "Set"),
        timer("cancel_and_set", "CancelAndSet"),
        timer("fire_and_set", "FireAndSet"),
        cost("routing_compile", "ms", (ROUTING, "BM_Compile/agents:10000"),
             (ROUTING, "BM_FillPriorityQueue/waiting:100000"),
             "a configuration of 10,000 agents; bare: 100,000 into a std::priority_queue", once=True),
        cost("routing_reconfigure", "ms", (ROUTING, f"BM_Reconfigure/{MIDDLE}"),
             (ROUTING, "BM_FillPriorityQueue/waiting:100000"),
             "the matcher's part of it, 100,000 waiting; bare: the same", once=True),
        cost("routing_apply_config", "ms", (DOMAIN, f"BM_ApplyConfig/{MIDDLE}"),
             (ROUTING, "BM_FillPriorityQueue/waiting:100000"),
             "all of a partition's pause, decided by the engine; bare: the same", once=True),
    ]


def routing(run):
    wanted = figures()
    for number in run.rounds:
        measured = {}

        def value(program, name, field, number=number, measured=measured):
            key = (program, name)
            if key not in measured:
                measured[key] = run.google_benchmark(program, f"^{name}(/iterations:[0-9]+)?$", None)
                note(f"round {number + 1}: {name}")
            return measured[key][field]

        for figure, ours, bare, once in wanted:
            if once and number > 0:
                continue
            figure.add(value(*ours), value(*bare))
            note(f"{figure.name}, round {number + 1}: {figure.ours[-1]:,.1f} against"
                 f" {figure.bare[-1]:,.1f} {figure.unit}")
    yield from (figure for figure, *_ in wanted)
