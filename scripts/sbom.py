#!/usr/bin/env python3
"""What an installation of ShadowLab consists of, with its licences, as CycloneDX 1.6 JSON.

In:    the environment this runs in, and shadowlab/serve/page/libraries.json.
Out:   the document on stdout: the Python packages that `shadowlab` and its extras for users need, the libraries packed
       into the web page, and the source of the embedded kernel, a program of its own that the user builds.
Never: a component without a version, nor one whose licence is not in `ALLOWED` (exit code 1, each named).

    .venv/bin/python scripts/sbom.py > shadowlab.cdx.json
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from license_expression import ExpressionError, Licensing
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LIBRARIES = Path(__file__).resolve().parents[1] / "shadowlab" / "serve" / "page" / "libraries.json"
EXTRAS = frozenset({"", "ml", "parquet", "forecast", "dist", "notebook"})
"""What users install; the others are for work on ShadowLab itself."""

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""Licences that let this be passed on under its own; MPL asks for changes to its files alone."""
KERNEL_LICENCE = "GPL-2.0-only WITH Linux-syscall-note"
"""Of a program that is run, not of a part of ours."""
SPOKEN = {
    "2-clause BSD": "BSD-2-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License 2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "new BSD": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX's name for what older metadata say in words; of the BSD licences the stricter one."""


def needed(name: str, extras: frozenset[str] = EXTRAS) -> dict[str, Distribution]:
    """Every installed distribution that ``name`` needs, itself included, by canonical name.

    An extra that is not installed adds nothing.
    """
    found: dict[str, Distribution] = {}
    asked: dict[str, frozenset[str]] = {}
    queue = [(canonicalize_name(name), extras)]
    while queue:
        package, wanted = queue.pop()
        if wanted <= asked.get(package, frozenset()):
            continue
        asked[package] = asked.get(package, frozenset()) | wanted
        try:
            found[package] = distribution(package)
        except PackageNotFoundError:
            continue
        queue += [
            (canonicalize_name(one.name), frozenset({""}) | one.extras)
            for one in map(Requirement, found[package].requires or [])
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in asked[package])
        ]
    return found


def licence_of(metadata: Any) -> str:
    """The licence as an SPDX expression where the metadata allow it; else their words; "": they say nothing."""
    if metadata.get("License-Expression"):
        return str(metadata["License-Expression"])
    said = str(metadata.get("License") or "").strip()
    classifiers = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier", []) if one.startswith("License")]
    words = said if said and len(said) <= 40 and "\n" not in said else " AND ".join(classifiers)
    return SPOKEN.get(words, words)


def is_allowed(expression: str) -> bool:
    """Whether one of the choices that an SPDX expression gives consists of allowed licences only."""
    licensing = Licensing()

    def allowed(part: Any) -> bool:
        if isinstance(part, licensing.OR):
            return any(map(allowed, part.args))
        if isinstance(part, licensing.AND):
            return all(map(allowed, part.args))
        return str(part) in ALLOWED

    try:
        return allowed(licensing.parse(expression))
    except ExpressionError:  # words, not an expression
        return False


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that is shipped, or built where it is installed; ``sha512`` in hexadecimal where it is known."""

    name: str
    version: str
    licence: str
    url: PackageURL
    type: ComponentType = ComponentType.LIBRARY
    description: str | None = None
    sha512: str = ""

    @property
    def ref(self) -> str:
        return f"{self.url.type}:{self.url.name}"

    def component(self) -> Component:
        return Component(
            name=self.name,
            version=self.version,
            type=self.type,
            description=self.description,
            purl=self.url,
            bom_ref=self.ref,
            licenses=[LicenseFactory().make_from_string(self.licence)] if self.licence else [],
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=self.sha512)] if self.sha512 else [],
        )


def parts() -> Iterator[Part]:
    """All but ShadowLab itself."""
    for name, one in sorted(needed("shadowlab").items()):
        if name != "shadowlab":
            url = PackageURL("pypi", name=name, version=one.version)
            yield Part(name=name, version=one.version, licence=licence_of(one.metadata), url=url)
    for library in json.loads(LIBRARIES.read_text()):
        yield Part(
            name=library["package"],
            version=library["version"],
            licence=library["licence"],
            url=PackageURL("npm", name=library["package"], version=library["version"]),
            sha512=base64.b64decode(library["integrity"].removeprefix("sha512-")).hex(),
        )
    yield Part(
        name="linux",
        version="6.12",
        licence=KERNEL_LICENCE,
        url=PackageURL("deb", namespace="debian", name="linux-source-6.12"),
        type=ComponentType.OPERATING_SYSTEM,
        description="the embedded kernel (user-mode Linux), built on the user's machine or in the container",
    )


def document() -> str:
    """The bill of materials, with who needs whom."""
    installed = needed("shadowlab")
    own = installed["shadowlab"]
    url = PackageURL("pypi", name="shadowlab", version=own.version)
    root = Part(
        name="shadowlab",
        version=own.version,
        licence=licence_of(own.metadata),
        url=url,
        type=ComponentType.APPLICATION,
    ).component()
    known = {one.ref: one.component() for one in parts()}
    bom = Bom()
    bom.metadata.component = root
    bom.components.update(known.values())
    for name, one in installed.items():
        needs = {canonicalize_name(Requirement(line).name) for line in one.requires or []} & installed.keys()
        refs = [f"pypi:{need}" for need in sorted(needs - {"shadowlab"})]
        if name == "shadowlab":
            bom.register_dependency(root, [known[ref] for ref in known if ref in refs or not ref.startswith("pypi:")])
        else:
            bom.register_dependency(known[f"pypi:{name}"], [known[ref] for ref in refs])
    return str(JsonV1Dot6(bom).output_as_string(indent=2))


def refused() -> list[str]:
    """What must not be shipped, each with why."""
    found = []
    for one in parts():
        if not one.version:
            found.append(f"{one.name}: has no version")
        if one.licence != KERNEL_LICENCE and not is_allowed(one.licence):
            found.append(f"{one.name} {one.version}: licence {one.licence or 'unknown'!r} is not among those allowed")
    return found


def main() -> int:
    print(document())
    wrong = refused()
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
