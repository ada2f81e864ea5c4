//! Slow and cut connections, foreign host names, readable files.
