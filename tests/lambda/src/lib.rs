//! The built Lambda binaries under a Runtime API of the test's own.
