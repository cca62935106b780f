"""Real servers for the tests: each is found, started on a free loopback port, waited for, and stopped by PID."""
