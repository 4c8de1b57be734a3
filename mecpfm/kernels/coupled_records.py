"""The view of a coupled instance that kernels work on; built in :mod:`mecpfm.coupled.structure`."""

from __future__ import annotations

from typing import NamedTuple

from mecpfm.typing import Bools, Floats, Ints


class Cells(NamedTuple):
    """Records by cell. Letters: R requests, C cloudlets, F families, B blocks, N records, n options kept, W shares.

    Cell ``j = c * F + f`` holds records ``first_record[j]`` to ``first_record[j + 1]``, ascending in request, then
    delay; record i holds the sorted options ``first_option[i]`` to ``first_option[i + 1]``, ascending in model.
    """

    first_record: Ints
    """Shape (C F + 1,)."""
    request: Ints
    """Request of each record, shape (N,)."""
    delay_s: Floats
    """Delay of each record without pulls, s, shape (N,)."""
    compute_s: Floats
    """Compute that each record takes of its cloudlet, s, shape (N,)."""
    models: Ints
    """Mask of the models that serve the record's request alike, shape (N,)."""
    first_option: Ints
    """Shape (N + 1,)."""
    exact: Bools
    """Whether family f is solved exactly over its sets of models, or relaxed by price sharing, shape (F,)."""
    first_block: Ints
    """Blocks of exact family f are ``first_block[f]`` to ``first_block[f + 1]``; the rest belongs to relaxed ones."""
    members: Ints
    """Mask of the models of its family that contain block b, shape (B,); meaningful in exact families."""
    size_gb: Floats
    """Size of each block, GB, shape (B,)."""
    pull_s: Floats
    """Time to pull block b to cloudlet c, s, shape (C, B)."""
    first_share: Ints
    """Record i pays the multipliers ``share[first_share[i]:first_share[i + 1]]``; none in exact families; (N + 1,)."""
    share: Ints
    """Multipliers by record, numbers below W."""
    first_share_of: Ints
    """Multipliers w of block b at cloudlet c: ``first_share_of[c * B + b]`` to the next; shape (C B + 1,)."""
    capacity_s: Floats
    """Compute of each cloudlet, s, shape (C,)."""
    memory_gb: Floats
    """Memory of each cloudlet, GB, shape (C,)."""
    remote_s: Floats
    """Delay of each request at the remote data centre, s, shape (R,)."""
