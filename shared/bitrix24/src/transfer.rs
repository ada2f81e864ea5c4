//! Files: sent as base64 within a call's JSON, a piece at a time, and fetched from where the portal says.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::bot::CONTENT;
use crate::client::{Answer, Client, RestBase, authority, checked, failed, garbage, read, understand};
use crate::error::Error;

/// The largest file that a portal takes: 100 MB (`imbot.v2.File.upload`).
pub const LARGEST_FILE: u64 = 100 * 1024 * 1024;
/// A transfer may take this long; a function has a minute.
const LONGEST_TRANSFER: Duration = Duration::from_secs(50);
/// A download may be handed on this often: the portal's disk to its storage.
const MOST_REDIRECTS: usize = 3;

/// A file's bytes, in pieces.
pub type Pieces = BoxStream<'static, Result<Bytes, io::Error>>;

/// A file that is being fetched.
pub struct Download {
    /// How many bytes are to come, if the server says it.
    pub length: Option<u64>,
    /// Its MIME type, as the server says it.
    pub kind: String,
    /// Its bytes.
    pub pieces: Pieces,
}

impl Client {
    /// Makes a call whose parameters hold a file of `length` bytes where [`CONTENT`] stands.
    pub async fn call_with_file(
        &self,
        method: &str,
        params: &Value,
        length: u64,
        pieces: Pieces,
    ) -> Result<Answer, Error> {
        let url = self.base.url(method)?;
        let mut body = params.clone();
        if let (RestBase::OAuth { token, .. }, Some(body)) = (&self.base, body.as_object_mut()) {
            body.insert("auth".into(), token.expose_secret().into());
        }
        let text = body.to_string();
        let (before, after) =
            text.split_once(CONTENT).ok_or_else(|| Error::Address(format!("{method} has no place for a file")))?;
        let total = before.len() as u64 + length.div_ceil(3) * 4 + after.len() as u64;
        let (before, after) = (Bytes::from(before.to_owned()), Bytes::from(after.to_owned()));
        let whole = stream::once(async move { Ok(before) })
            .chain(in_base64(pieces))
            .chain(stream::once(async move { Ok::<_, io::Error>(after) }));
        let request = self.http.post(url).timeout(LONGEST_TRANSFER).header(CONTENT_TYPE, "application/json");
        let request = request.header(CONTENT_LENGTH, total).body(reqwest::Body::wrap_stream(whole));
        let response = request.send().await.map_err(|error| failed(method, &error))?;
        let status = response.status().as_u16();
        if status == 413 {
            return Err(Error::Refused {
                method: method.to_owned(),
                code: "file_too_large".into(),
                text: String::new(),
                free_at: None,
            });
        }
        understand(method, status, &read(response, method).await?)
    }

    /// Fetches a file from an address that this portal gave. The address is a secret, and works once.
    pub async fn fetch(&self, address: &str) -> Result<Download, Error> {
        const METHOD: &str = "download";
        let refused = |code: &str, text: &str| {
            Err(Error::Refused { method: METHOD.into(), code: code.into(), text: text.into(), free_at: None })
        };
        let mut url = checked(address)?;
        if authority(&url).as_deref() != Some(self.base.domain().as_str()) {
            return Err(Error::Address("the file lies on another host than the portal".into()));
        }
        for _ in 0..=MOST_REDIRECTS {
            let referer = format!("https://{}/", self.base.domain());
            let request = self.http.get(url.clone()).timeout(LONGEST_TRANSFER);
            // Without these the portal's front may answer 404 for a signed link.
            let request = request.header("accept", "*/*").header("accept-language", "en").header("referer", referer);
            let response = request.send().await.map_err(|error| failed(METHOD, &error))?;
            let status = response.status();
            let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            if status.is_redirection() {
                let next = url
                    .join(header(LOCATION))
                    .map_err(|_| garbage(METHOD, status.as_u16(), b"a redirect to nowhere"))?;
                url = checked(next.as_str())?;
                continue;
            }
            let kind = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let length = header(CONTENT_LENGTH).parse().ok();
            return match status.as_u16() {
                200 if is_no_file(&kind, &url) => {
                    refused("not_visible", "the portal showed a page instead of the file")
                }
                200 => {
                    let pieces = response.bytes_stream().map(|piece| piece.map_err(io::Error::other)).boxed();
                    Ok(Download { length, kind, pieces })
                }
                401 | 403 | 404 | 410 => refused("file_not_found", "the portal does not give the file (any more)"),
                status => Err(garbage(METHOD, status, b"")),
            };
        }
        Err(garbage(METHOD, 302, b"one redirect after another"))
    }
}

/// A login page, or an error in the place of the file.
fn is_no_file(kind: &str, url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    (kind == "text/html" && !path.contains(".htm")) || kind == "application/json" && path.ends_with("download.json")
}

/// The same bytes in base64, without ever holding more than a piece.
fn in_base64(pieces: Pieces) -> impl futures::Stream<Item = Result<Bytes, io::Error>> {
    stream::unfold((pieces, Vec::new(), false), |(mut pieces, mut left, mut over)| async move {
        loop {
            if over && left.is_empty() {
                return None;
            }
            // Three bytes make four letters; what is left of a piece waits for the next.
            let whole = if over { left.len() } else { left.len() - left.len() % 3 };
            if whole > 0 {
                let rest = left.split_off(whole);
                let text = Bytes::from(STANDARD.encode(&left));
                return Some((Ok(text), (pieces, rest, over)));
            }
            match pieces.next().await {
                Some(Ok(piece)) => left.extend_from_slice(&piece),
                Some(Err(error)) => return Some((Err(error), (stream::empty().boxed(), Vec::new(), true))),
                None => over = true,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_make_the_same_text_as_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let whole = pieces.concat();
            let stream = stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece)))).boxed();
            let text: Vec<u8> = futures::executor::block_on(in_base64(stream).map(Result::unwrap).collect::<Vec<_>>()).concat();
            prop_assert_eq!(text.len() as u64, (whole.len() as u64).div_ceil(3) * 4);
            prop_assert_eq!(STANDARD.decode(text).unwrap(), whole);
        }
    }
}
