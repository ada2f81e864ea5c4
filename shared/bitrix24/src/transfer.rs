//! Files: sent as base64 within a call's JSON, piece by piece, and downloaded from the address that the portal gives.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;
use wire::time_limits;
use wire::{Body, Download, NoAnswer, Pieces, Response};

use crate::bot::CONTENT;
use crate::client::{CallAnswer, Client, RestBase, authority, file_url, not_elsewhere, read, understand};
use crate::error::Error;

/// The largest file that a portal takes: 100 MB (`imbot.v2.File.upload`).
pub const MAX_FILE: u64 = 100 * 1024 * 1024;
/// A download may be handed on this often: the portal's disk to its storage.
const MAX_REDIRECTS: usize = 3;
/// The method by which errors of a download are named.
const DOWNLOAD: &str = "download";

impl Client {
    /// Makes a call whose parameters hold a file of `length` bytes in the place of [`CONTENT`].
    pub async fn call_with_file(
        &self,
        method: &str,
        params: &Value,
        length: u64,
        pieces: Pieces,
    ) -> Result<CallAnswer, Error> {
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
        let limit = time_limits::transfer(Some(length));
        let request = self.http.post(&url).timeout(limit).header(CONTENT_TYPE, "application/json");
        let request = request.header(CONTENT_LENGTH, total).body(Body::Pieces(whole.boxed()));
        let response = request.send().await.map_err(|error| Error::not_sent(method, error))?;
        not_elsewhere(method, &url, &response)?;
        if response.status().as_u16() == 413 {
            return Err(Error::Refused {
                method: method.to_owned(),
                code: "file_too_large".into(),
                text: String::new(),
                free_at: None,
            });
        }
        let (seen, text) = read(response, method).await?;
        understand(method, seen, &text)
    }

    /// Fetches a file of `length` bytes, if that is known, from an address that this portal gave. The address is a secret, and works once.
    ///
    /// Files may be on another host than the portal: each address on the way is checked like any other, and none of our
    /// credentials go there.
    pub async fn fetch(&self, address: &str, length: Option<u64>) -> Result<Download, Error> {
        let mut url = file_url(address)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask_for_file(&url, length).await?;
            if !response.status().is_redirection() {
                return download(response, &self.base, &url);
            }
            let next = response.location(&url).ok_or_else(|| no_file_in(&response))?;
            url = file_url(next.as_str())?;
        }
        Err(refused("file_not_found", "the portal redirects from one address of the file to the next"))
    }

    async fn ask_for_file(&self, url: &Url, length: Option<u64>) -> Result<Response, Error> {
        let is_own = is_own(&self.base, url);
        let url = if is_own { url.clone() } else { without_credentials(&self.base, url) };
        let request = self.http.get(&url).timeout(time_limits::transfer(length));
        // Without these the portal's front may answer 404 for a signed link.
        let request = request.header("accept", "*/*").header("accept-language", "en");
        let request =
            if is_own { request.header("referer", format!("https://{}/", self.base.domain())) } else { request };
        request.send().await.map_err(|error| match Error::not_sent(DOWNLOAD, error) {
            // That the file is out of reach says nothing about the portal.
            Error::Blocked { blocked, .. } => refused("file_not_found", &blocked.to_string()),
            other => other,
        })
    }
}

fn no_file_in(response: &Response) -> Error {
    Error::no_answer(DOWNLOAD, NoAnswer::Garbage(response.seen()))
}

fn refused(code: &str, text: &str) -> Error {
    Error::Refused { method: DOWNLOAD.into(), code: code.into(), text: text.into(), free_at: None }
}

fn is_own(base: &RestBase, url: &Url) -> bool {
    authority(url).is_some_and(|authority| authority == base.domain())
}

/// The address without the access token: `auth` of a portal's own download addresses, and any other value that is it.
fn without_credentials(base: &RestBase, url: &Url) -> Url {
    let is_credential = |name: &str, value: &str| match base {
        RestBase::OAuth { token, .. } => name == "auth" || value == token.expose_secret(),
        RestBase::Webhook(_) => name == "auth",
    };
    if !url.query_pairs().any(|(name, value)| is_credential(&name, &value)) {
        // Exactly as it was signed.
        return url.clone();
    }
    let kept: Vec<_> = url.query_pairs().filter(|(name, value)| !is_credential(name, value)).collect();
    let mut plain = url.clone();
    plain.query_pairs_mut().clear().extend_pairs(kept);
    plain
}

fn download(response: Response, base: &RestBase, url: &Url) -> Result<Download, Error> {
    let is_attached = response.header(CONTENT_DISPOSITION).trim_start().to_ascii_lowercase().starts_with("attachment");
    match response.status().as_u16() {
        200 if !is_attached && is_no_file(&response.mime_type(), is_own(base, url), url) => {
            Err(refused("not_visible", "the portal showed a page or an error instead of the file"))
        }
        200 => Ok(Download::of(response)),
        401 | 403 | 404 | 410 => Err(refused("file_not_found", "the portal does not give the file (any more)")),
        _ => Err(no_file_in(&response)),
    }
}

/// Of what is not said to be an attachment: whether it is a login page, or an error in the place of the file. A storage
/// beside the portal may leave that word out; there a page or a JSON text counts as a file if its name ends so.
fn is_no_file(kind: &str, is_own: bool, url: &Url) -> bool {
    let path = url.path().to_ascii_lowercase();
    let is_named = |endings: &[&str]| !is_own && endings.iter().any(|ending| path.ends_with(ending));
    let is_json = kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
    (kind == "text/html" && !is_named(&[".htm", ".html"])) || (is_json && !is_named(&[".json"]))
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

    #[test]
    fn a_page_or_an_error_is_no_file() {
        let portal = RestBase::application("https://acme.bitrix24.com/rest/", "t0ken".into()).unwrap();
        let no_file = |kind: &str, url: &str| {
            let url = Url::parse(url).unwrap();
            is_no_file(kind, is_own(&portal, &url), &url)
        };
        let own = "https://acme.bitrix24.com/rest/download.json?token=1";
        assert!(
            no_file("text/html", own) && no_file("application/json", own) && no_file("application/problem+json", own)
        );
        assert!(!no_file("application/octet-stream", own) && !no_file("image/png", own));
        assert!(no_file("application/json", "https://storage.example/api/state"));
        assert!(!no_file("application/json", "https://storage.example/b/report.json?sign=1"));
        assert!(!no_file("text/html", "https://storage.example/b/page.HTML"));
        assert!(no_file("text/html", "https://acme.bitrix24.com/auth/index.html"));
    }

    #[test]
    fn credentials_stay_at_the_portal_and_signed_addresses_stay_as_they_are() {
        let portal = RestBase::application("https://acme.bitrix24.com/rest/", "t0ken".into()).unwrap();
        let sent = |url: &str| without_credentials(&portal, &Url::parse(url).unwrap()).to_string();
        assert_eq!(sent("https://cdn.example/x?auth=t0ken&token=disk%7C1"), "https://cdn.example/x?token=disk%7C1");
        assert_eq!(sent("https://cdn.example/x?a=t0ken"), "https://cdn.example/x?");
        let signed = "https://cdn.example/x?X-Sig=a%2Fb+c&r='%20'";
        assert_eq!(sent(signed), Url::parse(signed).unwrap().to_string());
    }

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
