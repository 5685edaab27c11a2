"""Tasks in the files of other programs: readers and writers, between bytes and the fields of the API.

Nothing here asks a service.  A reader yields items; the parts of a file that tasks have no place for are counted in a
report.  The modules of formats are imported when a format is used.
"""

from tasksvc_formats.drafts import Context, Item
from tasksvc_formats.errors import InvalidFile
from tasksvc_formats.formats import READABLE, WRITABLE, guess_format, reader_of, writer_of
from tasksvc_formats.ordering import Ordering
from tasksvc_formats.report import Entry, Fate, Report
from tasksvc_formats.sources import Source

__all__ = [
    "READABLE",
    "WRITABLE",
    "Context",
    "Entry",
    "Fate",
    "InvalidFile",
    "Item",
    "Ordering",
    "Report",
    "Source",
    "guess_format",
    "reader_of",
    "writer_of",
]
