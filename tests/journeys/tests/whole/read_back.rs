//! What was written is compared with what the provider shows.
