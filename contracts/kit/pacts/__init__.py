"""Pacts, generated: what a consumer reads of a message or an answer, and whether its provider sends it.

The steps: `reads` records what a consumer's code reads, `matching` turns that into a pact's body,
`messages` and `files` make the pact and its text, `provider` lets the real provider answer for it.
"""

from __future__ import annotations

import os

# The native library reports each pact to its makers' statistics unless this is set. All of it is
# imported by way of this package, and the linter lets no other module import `pact`.
os.environ["PACT_DO_NOT_TRACK"] = "true"
