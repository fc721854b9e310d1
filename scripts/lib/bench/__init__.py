"""What scripts/bench measures, and how.

core.py runs programs and keeps figures; each other module measures a part of the system. A figure
is always ours against bare: the same work by the plainest program that can do it, in the same run,
in turns, because the machine is seldom ours alone.
"""
