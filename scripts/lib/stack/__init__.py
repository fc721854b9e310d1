"""The servers that tests run against: Kafka, Redis, Dovecot and Postfix on loopback.

scripts/stack is the command line. Each server's module says how it is configured, started and asked
whether it is ready; stack.py owns the folder, the ports and the processes.
"""
