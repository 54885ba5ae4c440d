"""The limits: what the system does, without what makes it right.

The same statements, bytes and answers, and no outbox order, no inbox, no lease, no retries, no
validation, no metrics, no shutdown. Nobody should run this: it is what a figure stands beside.
"""
