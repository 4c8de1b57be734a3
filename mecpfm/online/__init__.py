"""Online on a real trace: queues, caches that fill and evict, demand unknown until served (docs/online_setting.md)."""
