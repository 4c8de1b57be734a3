"""Machine code for processors that are not at hand: no product and sum is fused into one rounding."""

import os
import re
import subprocess
import sys

FUSED = r"\b(fn?m(?:add|sub|la|ls)\w*|vfn?m(?:add|sub)\w*)\b"
PROCESSORS = {"aarch64-unknown-linux-gnu": "neoverse-n1", "x86_64-unknown-linux-gnu": "znver4"}


def assembly(ir: str, triple: str, processor: str) -> str:
    """Code that LLVM makes of a compiled function for another processor, fully optimised."""
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    # Numba's reference counts, in instructions of this machine.
    module = llvm.parse_assembly(re.sub(r"= (tail )?call i8 @llvm\.x86\.[\w.]+\([^)]*\)( #\d+)?", "= add i8 0, 0", ir))
    module.triple, module.data_layout = triple, str(machine.target_data)
    return machine.emit_assembly(module)


def test_elementary_functions_are_not_fused_elsewhere(tmp_path):
    """Compiled afresh, for arm64 and for x86-64 with fused instructions: they multiply, and then they add."""
    code = """
import numpy as np
from mecpfm.kernels.elementary import each, powers
x = np.ones(2)
each(0, x, x)
powers(x, x, x)
print(*each.inspect_llvm().values(), *powers.inspect_llvm().values(), sep="\\0")
"""
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert found.returncode == 0, found.stderr
    for ir in found.stdout.split("\0"):
        assert ir.count(" = fmul ") > 20
        for triple, processor in PROCESSORS.items():
            assert not re.findall(FUSED, assembly(ir, triple, processor))


def test_a_fused_instruction_would_be_seen():
    """The same search finds one where the code allows it."""
    lines = "%p = fmul contract double %a, %b", "%s = fadd contract double %p, %a", "ret double %s"
    ir = "\n".join(["define double @f(double %a, double %b) {", *lines, "}"])
    for triple, processor in PROCESSORS.items():
        assert re.findall(FUSED, assembly(ir, triple, processor))
