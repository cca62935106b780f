"""Is everything there: services, what they depend on, and the monitoring that would tell. Reads only; made for cron."""
