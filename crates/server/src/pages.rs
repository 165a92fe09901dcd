//! The pages that the server carries: files built from `web/`, embedded when the program is built, served as they are.
//! They are the same for everybody. Nothing here reads a query, a cookie or the disk, and nothing is a template.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Only this server's own files run, and they talk only to this server. `seabag` is the one policy that may name a script's
/// address, for the offline worker.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types seabag";
/// A file whose name holds its hash never changes: a year, the most that caches keep to.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Anything else is asked for again each time, which a 304 makes cheap.
const ASK_AGAIN: &str = "no-cache";
/// Bytes of a file's hash that make its tag.
const TAG_BYTES: usize = 12;

/// A file of `web/dist`.
struct Embedded {
    /// Its address on this server.
    path: &'static str,
    plain: &'static [u8],
    gzipped: &'static [u8],
}

const EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Every page by its address.
pub(crate) struct Pages(HashMap<&'static str, Page>);

/// A file with what is said about it.
struct Page {
    media: &'static str,
    cached: &'static str,
    plain: Form,
    /// None where it would be longer.
    gzipped: Option<Form>,
}

/// A file's bytes in one encoding. Each encoding has a tag of its own (RFC 9110, 8.8.3.3).
struct Form {
    bytes: &'static [u8],
    tag: String,
}

impl Pages {
    /// Looks through all that is embedded.
    pub(crate) fn new() -> Self {
        Self(EMBEDDED.iter().map(|file| (file.path, Page::new(file))).collect())
    }
}

impl Page {
    fn new(file: &Embedded) -> Self {
        let hash = blake3::hash(file.plain);
        let tag = data_encoding::HEXLOWER.encode(hash.as_bytes().get(..TAG_BYTES).unwrap_or_default());
        let shorter = file.gzipped.len() < file.plain.len();
        Self {
            media: media(file.path),
            cached: if file.path.starts_with("/assets/") { FOR_EVER } else { ASK_AGAIN },
            gzipped: shorter.then(|| Form { bytes: file.gzipped, tag: format!("\"{tag}-gzip\"") }),
            plain: Form { bytes: file.plain, tag: format!("\"{tag}\"") },
        }
    }
}

/// What no route claims: a page, when there is one of this address and pages are on.
pub(crate) async fn serve(State(pages): State<Option<Arc<Pages>>>, request: Request) -> Response {
    let path = request.uri().path();
    let Some(pages) = pages else {
        return if path == "/" { greet(request.method()) } else { StatusCode::NOT_FOUND.into_response() };
    };
    let Some(page) = pages.0.get(path) else { return StatusCode::NOT_FOUND.into_response() };
    if !may_ask(request.method()) {
        return refuse();
    }
    respond(page, request.method(), request.headers())
}

fn may_ask(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn refuse() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response()
}

/// For whoever opens the address of a server without pages.
fn greet(method: &Method) -> Response {
    if may_ask(method) {
        "This is Seabag, a server for rooms and a host of sealed bags. POST /new makes a room.\n"
            .into_response()
    } else {
        refuse()
    }
}

fn respond(page: &Page, method: &Method, asked: &HeaderMap) -> Response {
    let gzipped = page.gzipped.as_ref().filter(|_| accepts_gzip(asked));
    let form = gzipped.unwrap_or(&page.plain);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let mut say = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    say(header::CACHE_CONTROL, page.cached);
    say(header::VARY, "accept-encoding");
    say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(header::REFERRER_POLICY, "no-referrer");
    say(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    say(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    say(header::CONTENT_TYPE, page.media);
    if gzipped.is_some() {
        say(header::CONTENT_ENCODING, "gzip");
    }
    headers.extend(HeaderValue::from_str(&form.tag).map(|tag| (header::ETAG, tag)));
    if has_it(asked, page) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.bytes.len()));
    if method == Method::GET {
        *response.body_mut() = Body::from(form.bytes);
    }
    response
}

/// Whether the asker holds these bytes already, in either encoding.
fn has_it(asked: &HeaderMap, page: &Page) -> bool {
    let same = |tag: &str| {
        let tag = tag.trim().trim_start_matches("W/");
        tag == "*" || tag == page.plain.tag || page.gzipped.as_ref().is_some_and(|form| tag == form.tag)
    };
    texts(asked, header::IF_NONE_MATCH).flat_map(|list| list.split(',')).any(same)
}

fn accepts_gzip(asked: &HeaderMap) -> bool {
    let takes = |item: &str| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        coding.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    };
    texts(asked, header::ACCEPT_ENCODING).flat_map(|list| list.split(',')).any(takes)
}

fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

/// The type of a file by its name; a name without an ending is a page.
fn media(path: &str) -> &'static str {
    let file = path.rsplit('/').next().unwrap_or_default();
    match file.rsplit_once('.').map(|(_, ending)| ending) {
        None => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn every_embedded_file_has_a_type_and_an_address() {
        let pages = Pages::new();
        assert_eq!(pages.0.len(), EMBEDDED.len());
        for path in ["/", "/whiteboard", "/notes", "/inspector", "/seabag.js", "/sw.js", "/favicon.svg"] {
            assert!(pages.0.contains_key(path), "{path}");
        }
        for (path, page) in &pages.0 {
            assert_ne!(page.media, "application/octet-stream", "{path} needs a line in `media`");
        }
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for list in ["gzip", "deflate, gzip;q=0.5, br", "br;q=1.0, GZIP ; q=1"] {
            assert!(accepts_gzip(&headers(header::ACCEPT_ENCODING, list)), "{list}");
        }
        for list in ["", "br", "gzip;q=0", "gzip; q=0.000", "xgzip", "gzip;q=nonsense", "identity"] {
            assert!(!accepts_gzip(&headers(header::ACCEPT_ENCODING, list)), "{list}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_recognized_in_lists_weak_and_in_either_encoding() {
        let form = |tag: &str| Form { bytes: b"", tag: tag.into() };
        let page = Page { media: "", cached: "", plain: form("\"a\""), gzipped: Some(form("\"a-gzip\"")) };
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a-gzip\"", "*"] {
            assert!(has_it(&headers(header::IF_NONE_MATCH, tags), &page), "{tags}");
        }
        for tags in ["", "a", "\"b\"", "\"a\"x", "W/*x"] {
            assert!(!has_it(&headers(header::IF_NONE_MATCH, tags), &page), "{tags}");
        }
    }
}
