//! Personal data: found and deleted on request, and not shown to keys that may only read.
