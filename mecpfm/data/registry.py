"""The external data files this project can use: where they come from and how they are checked.

None of them is committed; each is fetched from its own repository at a pinned commit (:mod:`mecpfm.data.fetch`).
data/README.md says what they hold, whom to cite and whether they may be passed on.
"""

from __future__ import annotations

from dataclasses import dataclass

from mecpfm.errors import InputError

RAW = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class DataFile:
    """One file of an upstream repository at a pinned commit."""

    bytes: int
    sha256: str
    repository: str
    commit: str
    path: str
    licence: str

    @property
    def name(self) -> str:
        """What it is called, here as there."""
        return self.path.rpartition("/")[2]

    def url(self, base_url: str = RAW) -> str:
        """Address of the file; ``base_url`` names a mirror with the same folders."""
        return f"{base_url.rstrip('/')}/{self.repository}/{self.commit}/{self.path}"


_EUA = {
    "repository": "PhuLai/eua-dataset",
    "commit": "61238e00a6f01019c8a6ba1619675337a879a3d4",
    "licence": "MIT; site register by the Australian Communications and Media Authority",
}
_AZURE = {
    "repository": "Azure/AzurePublicDataset",
    "commit": "b469a113cedca53ddc3bdea71a143dc4b7d8700c",
    "licence": "CC-BY 4.0",
}
_ALIBABA = {
    "repository": "alibaba/clusterdata",
    "commit": "7a6c496e4f4b6ce6150be8f881cb051bf2abff42",
    "licence": "research or study purpose only",
}

FILES = (
    DataFile(
        bytes=14_735,
        sha256="c1031a8ff0f110e179beeabfaea53d42c15f30b0daf6c6522e8f17789c3979fb",
        path="edge-servers/site-optus-melbCBD.csv",
        **_EUA,
    ),
    DataFile(
        bytes=31_194,
        sha256="4ab470ecc719b410f7505ca1362c2a32317c0f0a4c429b349ea34aaa7c2c03f0",
        path="users/users-melbcbd-generated.csv",
        **_EUA,
    ),
    DataFile(
        bytes=719_188,
        sha256="2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8",
        path="data/AzureLLMInferenceTrace_conv.csv",
        **_AZURE,
    ),
    DataFile(
        bytes=320_117,
        sha256="54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6",
        path="data/AzureLLMInferenceTrace_code.csv",
        **_AZURE,
    ),
    DataFile(
        bytes=2_012_418,
        sha256="263fb88f1095f62d360cf89ded8cfc24fa2c5d111c1b16e7aaa9ccbfc4b37d78",
        path="cluster-trace-v2026-GenAI/lora_request_trace.csv",
        **_ALIBABA,
    ),
)


def names() -> tuple[str, ...]:
    """Names of all files, in the registry's order."""
    return tuple(file.name for file in FILES)


def entry(name: str) -> DataFile:
    """One file by name; InputError when there is none."""
    for file in FILES:
        if file.name == name:
            return file
    raise InputError(f"{name} is not a known data file; known: {', '.join(names())}")
