//! Requests that would go where they should not.
