"""Inference times from the roofline of an accelerator.

Prefill is bound by arithmetic: 2 FLOP a parameter and token (Pope et al., Efficiently Scaling Transformer Inference,
2022). Decoding is bound by memory: every token reads all weights once (Williams et al., Roofline, CACM 2009), and a
batch shares the read, also across the LoRA variants of one backbone (Chen et al., Punica, arXiv 2310.18547).
Figures of the accelerators are in data/gpus.csv.
"""

from __future__ import annotations

from dataclasses import dataclass

from mecpfm.typing import Floats

BYTES_PER_PARAMETER = 2.0
"""16-bit weights."""
UTILISATION = 0.5
"""Share of the peak arithmetic rate that prefill reaches."""
BATCH = 16
"""Requests decoded together: each occupies 1 / BATCH of the accelerator while it decodes."""


@dataclass(frozen=True, eq=False)
class Accelerator:
    """Peak figures, scalars or arrays of one shape: 16-bit TFLOP/s and GB/s."""

    fp16_tflops: Floats
    bandwidth_gb_s: Floats

    def prefill_s(self, parameters_b: Floats, tokens: Floats) -> Floats:
        """Time to read a prompt with a model of so many billion parameters, s; arguments broadcast."""
        return 2 * parameters_b * tokens / (1000 * self.fp16_tflops * UTILISATION)

    def decode_s(self, parameters_b: Floats, tokens: Floats) -> Floats:
        """Time to write an answer, s."""
        return tokens * parameters_b * BYTES_PER_PARAMETER / self.bandwidth_gb_s

    def inference_s(self, parameters_b: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """What the request waits: prefill, then every token in turn, s."""
        return self.prefill_s(parameters_b, tokens_in) + self.decode_s(parameters_b, tokens_out)

    def compute_s(self, parameters_b: Floats, tokens_in: Floats, tokens_out: Floats) -> Floats:
        """What the accelerator is busy for this request alone, s: decoding is shared by the batch."""
        return self.prefill_s(parameters_b, tokens_in) + self.decode_s(parameters_b, tokens_out) / BATCH
