"""Where numbers come from: committed tables of published figures, real topologies, fetched traces."""
