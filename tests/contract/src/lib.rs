//! One suite of promises that every engine keeps.
