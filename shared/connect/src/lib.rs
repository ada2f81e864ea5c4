//! A tenant's connections as ready clients: credentials unsealed, limiter before each request.
