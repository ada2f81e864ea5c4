//! Taking a tenant over with proofs that were made for another application.
