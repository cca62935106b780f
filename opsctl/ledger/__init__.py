"""The durable record of plans, steps, outcomes and undos, and the lock between two operators."""
