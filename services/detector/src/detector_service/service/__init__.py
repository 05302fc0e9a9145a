"""Use cases of the API, by noun. Peers are asked before a transaction begins, never inside one."""
