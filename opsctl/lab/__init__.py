"""A small simulated stack with faults one can switch on: ``opsctl lab up|break|heal|down``.

One supervisor process (``supervisor``) starts the parts: simulated services (``vritti``, ``amas``, ``insa``), doubles
(``kyrodb``, ``provider``), clients that send them requests (``traffic``), and real servers as far as they are there:
Postgres, Redis, Prometheus, Alertmanager. ``faults`` lists what can be broken. Everything listens on 127.0.0.1 only.
"""
