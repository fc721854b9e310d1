"""Matching, against a bare priority queue and the naive model. No server is needed."""

from .core import Figure, in_turns, note

SMALL, MIDDLE, LARGE = ("agents:1000/waiting:10000", "agents:10000/waiting:100000",
                        "agents:100000/waiting:1000000")


def routing(run):
    def one(name, value="items_per_second"):
        return run.google_benchmark("routing_benchmark", f"^{name}(/iterations:[0-9]+)?$", value)

    def rate(name, ours, bare, comment):
        return (Figure(name, "decisions/s", "higher", comment=comment),
                lambda: one(ours), lambda: one(bare))

    def cost(name, unit, ours, bare, comment, value="cpu_time", aim=None):
        return (Figure(name, unit, "lower", aim=aim, comment=comment),
                lambda: one(ours, value), lambda: one(bare, value))

    grown = "bare: a tenth of the agents and of what waits"
    figures = [
        rate("routing_saturated", f"BM_Saturated<Matcher>/{MIDDLE}",
             "BM_PriorityQueue/waiting:100000", "bare: pops and pushes of a std::priority_queue"),
        rate("routing_saturated_naive", f"BM_Saturated<Matcher>/{MIDDLE}",
             f"BM_Saturated<NaiveMatcher>/{MIDDLE}", "bare: the naive model"),
        rate("routing_slack", "BM_Slack<Matcher>/agents:10000", "BM_PriorityQueue/waiting:10000",
             "bare: pops and pushes of a std::priority_queue of as many as there are agents"),
        rate("routing_slack_naive", "BM_Slack<Matcher>/agents:10000",
             "BM_Slack<NaiveMatcher>/agents:10000", "bare: the naive model"),
        cost("routing_growth_saturated_10k", "ns", f"BM_Saturated<Matcher>/{MIDDLE}",
             f"BM_Saturated<Matcher>/{SMALL}", grown, aim=2),
        cost("routing_growth_saturated_100k", "ns", f"BM_Saturated<Matcher>/{LARGE}",
             f"BM_Saturated<Matcher>/{MIDDLE}", grown, aim=2),
        cost("routing_growth_slack_10k", "ns", "BM_Slack<Matcher>/agents:10000",
             "BM_Slack<Matcher>/agents:1000", grown, aim=2),
        cost("routing_growth_slack_100k", "ns", "BM_Slack<Matcher>/agents:100000",
             "BM_Slack<Matcher>/agents:10000", grown, aim=2),
        cost("routing_memory_waiting", "bytes", "BM_Memory/agents:10000/waiting:1000000",
             "BM_PriorityQueue/waiting:1000000", "bare: a record of the std::priority_queue",
             value="bytes_per_waiting"),
        cost("routing_memory_agent", "bytes", "BM_Memory/agents:100000/waiting:1000000",
             "BM_AgentLoads/agents:100000", "bare: what is set of an agent, alone",
             value="bytes_per_agent"),
        cost("routing_timer_move", "ns", "BM_TimerMove<HeapTimers>",
             "BM_TimerMove<SortedSetTimers>", "of 1,000,000; bare: std::set and a hash map"),
        cost("routing_timer_cancel_and_set", "ns", "BM_TimerCancelAndSet<HeapTimers>",
             "BM_TimerCancelAndSet<SortedSetTimers>", "the same"),
        cost("routing_timer_fire_and_set", "ns", "BM_TimerFireAndSet<HeapTimers>",
             "BM_TimerFireAndSet<SortedSetTimers>", "the same"),
        cost("routing_reconfigure", "ms", f"BM_Reconfigure/{MIDDLE}",
             "BM_FillPriorityQueue/waiting:100000",
             "100,000 waiting; bare: as many into a std::priority_queue"),
    ]
    for number in run.rounds:
        for figure, ours, bare in figures:
            figure.add(*in_turns(number, ours, bare))
            note(f"{figure.name}, round {number + 1}: {figure.ours[-1]:,.1f} against"
                 f" {figure.bare[-1]:,.1f} {figure.unit}")
    yield from (figure for figure, _, _ in figures)
