"""A witness as a process of its own (C2SP tlog-witness): folder, server, replay; and the client that asks one."""
