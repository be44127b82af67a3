"""A mapping file says how one system's fields meet the gateway's; here it becomes something that runs, both ways.

In: a checked ``mappings/<system>.yaml`` and the decoded payload of a document. Out: read items (events, skipped and
quarantined items), canonical values for leads, raw values for systems, and the activities and outcomes that observed
values mean. Before: a source plugin, which decodes the bytes; after: ``leads``, which folds the events, and ``sync``,
which dumps what is wanted. Pure: no network, no clock, no files.
"""

from gateway.mapping.compiled import ObjectMapping, SystemMapping, compile_mapping
from gateway.mapping.field import FieldMapping, UnmappedError
from gateway.mapping.grammar import COMPUTED, is_computed

__all__ = [
    "COMPUTED",
    "FieldMapping",
    "ObjectMapping",
    "SystemMapping",
    "UnmappedError",
    "compile_mapping",
    "is_computed",
]
