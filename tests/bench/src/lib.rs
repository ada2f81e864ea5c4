//! Measurements that docs/performance.md reports.
