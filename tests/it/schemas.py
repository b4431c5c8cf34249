"""The JSON schemas of the protocol's two versions, as a validator of what connectors write.

They lie beside the clone (../shared); without them a scenario is skipped. Three schemas of 2025-1 refer to a part of another
one in a form that no validator resolves (a missing slash); the copy in memory is mended.
"""

import json

from harness import ROOT, Skip, tap

FOLDERS = {
    "catalog": ("CatalogRequestMessage", "Catalog", "Dataset", "CatalogError"),
    "negotiation": ("ContractRequestMessage", "ContractOfferMessage", "ContractAgreementMessage",
                    "ContractAgreementVerificationMessage", "ContractNegotiationEventMessage",
                    "ContractNegotiationTerminationMessage", "ContractNegotiation", "ContractNegotiationError"),
    "transfer": ("TransferRequestMessage", "TransferStartMessage", "TransferSuspensionMessage", "TransferCompletionMessage",
                 "TransferTerminationMessage", "TransferProcess", "TransferError"),
}


def file_name(kind):
    """"ContractRequestMessage" -> "contract-request-message-schema.json"."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in kind)[1:] + "-schema.json"


SCHEMAS = {kind: f"{folder}/{file_name(kind)}" for folder, kinds in FOLDERS.items() for kind in kinds}


class Validator:
    def __init__(self, version="2025-1"):
        try:
            import jsonschema
        except ImportError:
            raise Skip("python3-jsonschema is not installed") from None
        self.folder = ROOT.parent / "shared" / "spec" / f"dsp-{version}"
        if not self.folder.is_dir():
            raise Skip(f"the specification is not there (../shared/spec/dsp-{version})")
        self.base = f"https://w3id.org/dspace/{version.replace('-', '/')}/"
        store = {}
        for path in self.folder.rglob("*-schema.json"):
            schema = json.loads(path.read_text().replace("schema.json#definitions/", "schema.json#/definitions/"))
            store[schema["$id"]] = schema
        self.jsonschema, self.store = jsonschema, store

    def examples(self):
        return [(path.name, json.loads(path.read_text())) for path in sorted(self.folder.rglob("example/*.json"))]

    def schema_of(self, document):
        return self.store[self.base + SCHEMAS[document["@type"].rpartition(":")[2]]]

    def errors(self, document, name=None):
        schema = self.store[self.base + name] if name else self.schema_of(document)
        resolver = self.jsonschema.RefResolver(schema["$id"], schema, store=self.store)
        found = self.jsonschema.Draft201909Validator(schema, resolver=resolver).iter_errors(document)
        return [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"[:300] for e in found]

    def check(self, document, what, name=None):
        errors = self.errors(document, name)
        tap.ok(not errors, f"{what} is valid: {document.get('@type', '-')}", "\n".join(errors) + json.dumps(document))
