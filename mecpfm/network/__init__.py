"""A network of one's own: tables in, a coupled instance and named answers out (docs/your_own_network.md)."""
