//! A file that is being fetched.

use http::header::CONTENT_LENGTH;

use crate::transport::{Pieces, Response};

/// A file that is being fetched.
pub struct Download {
    /// How many bytes are to come, if the server says it.
    pub length: Option<u64>,
    /// Its MIME type, as the server says it: in lower case, without parameters.
    pub mime_type: String,
    /// Its bytes, in pieces.
    pub pieces: Pieces,
}

impl Download {
    /// The file in an answer's body.
    pub fn of(response: Response) -> Self {
        let length = response.header(CONTENT_LENGTH).parse().ok();
        Self { length, mime_type: response.mime_type(), pieces: response.into_pieces() }
    }
}
