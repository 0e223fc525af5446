"""Publishing a ledger as a folder of static files, and mirroring one. docs/protocol.md section 8.

>>> from ledger.publish.sources import KEYS_PATH
>>> KEYS_PATH
'.well-known/scitt-keys.cbor'
"""
