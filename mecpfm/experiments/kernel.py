"""How a lesson's kernel ends: jupyter_client interrupts it first, and one that is not yet idle complains of that."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from jupyter_client.manager import AsyncKernelManager

GRACE_S = 2.0
"""Time for a kernel to get idle."""


class IdleFirst(AsyncKernelManager):
    """Ends a kernel without an interrupt.

    papermill's last question is answered by code that an interrupt still strikes: the kernel prints
    ``KeyboardInterrupt caught in kernel``, although all went well.
    """

    def client(self, **words: Any) -> Any:
        """A client, by whose messages the kernel is known to be idle."""
        self.listener = super().client(**words)
        return self.listener

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:
        """End an idle kernel in order, and one that is busy, as after Ctrl-C, at once."""
        await super().shutdown_kernel(now or not await self._idle(), restart)

    async def _async_interrupt_kernel(self) -> None:
        if not self.shutting_down:
            await super()._async_interrupt_kernel()

    async def _idle(self) -> bool:
        """Whether it has answered papermill's last question, or does so within ``GRACE_S``, and is idle.

        After an interrupt papermill still reads the same messages: one that it takes is waited for in vain.
        """
        with suppress(TimeoutError, AttributeError):  # too late; nobody has listened
            async with asyncio.timeout(GRACE_S):
                while True:
                    message = await self.listener.get_iopub_msg()
                    state, asked = message["content"].get("execution_state"), message["parent_header"].get("msg_type")
                    if (state, asked) == ("idle", "kernel_info_request"):
                        return True
        return False
