"""The explorer: a copy of a ledger as web pages for whoever wants to look, with every claim checked.

docs/operations.md, "Look around". `copy` reads and checks a copy once, `pages` shows it; `fold`, `entry_index`,
`proof_steps`, `divergence`, `diagnostic` and `query` are pure.
"""
