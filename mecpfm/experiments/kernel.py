"""How a lesson's kernel ends: jupyter_client interrupts it first, and one that is not yet idle complains of that."""

from __future__ import annotations

import asyncio

from jupyter_client.manager import AsyncKernelManager

GRACE_S = 1.0
"""Time for a kernel to end because it is asked to; one that is busy is interrupted then."""


class AskedFirst(AsyncKernelManager):
    """Asks a kernel to end, and interrupts it only where it does not.

    After its last answer a kernel still is in the code that took the question: an interrupt that strikes there
    prints ``KeyboardInterrupt caught in kernel``, although all went well.
    """

    async def _async_interrupt_kernel(self) -> None:
        if not self.shutting_down:
            await super()._async_interrupt_kernel()

    async def _async_request_shutdown(self, restart: bool = False) -> None:
        await super()._async_request_shutdown(restart)
        try:
            await asyncio.wait_for(self._async_wait(), GRACE_S)
        except TimeoutError:
            await super()._async_interrupt_kernel()
