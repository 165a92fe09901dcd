//! The addresses that clients are told: right behind a proxy, and never an echo of nonsense.

use axum::http::HeaderMap;

/// How the server is reached from outside.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    /// Set by the operator: beats everything.
    public_url: Option<String>,
    /// The server speaks TLS itself.
    tls: bool,
    /// What to say when a request names no usable host.
    fallback: String,
}

impl Urls {
    pub(crate) fn new(public_url: Option<&str>, tls: bool, fallback: String) -> Self {
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Self { public_url, tls, fallback }
    }

    /// The origin that this request came to, such as `https://rooms.example.org`.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(first);
        let forwarded = headers.get("forwarded").and_then(|value| value.to_str().ok()).map(first);
        let part = |name: &str| forwarded.and_then(|forwarded| forwarded_part(forwarded, name));
        let host = [part("host"), text("x-forwarded-host"), text("host")]
            .into_iter()
            .flatten()
            .find(|host| is_host(host));
        let secure = match part("proto").or_else(|| text("x-forwarded-proto")) {
            Some(proto) => proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss"),
            None => self.tls,
        };
        format!("{}://{}", if secure { "https" } else { "http" }, host.unwrap_or(&self.fallback))
    }
}

impl Urls {
    /// Whether an origin that a client names is this server: the public URL, or, where none is set, any with the host
    /// and port that this request came to.
    pub(crate) fn is_origin(&self, headers: &HeaderMap, named: &str) -> bool {
        if let Some(url) = &self.public_url {
            return url == named;
        }
        let origin = self.origin(headers);
        let host = |origin: &str| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.map(str::to_ascii_lowercase)
        };
        host(named).is_some_and(|named| host(&origin) == Some(named))
    }
}

/// The WebSocket form of an origin.
pub(crate) fn socket_origin(origin: &str) -> String {
    match origin.strip_prefix("https://") {
        Some(rest) => format!("wss://{rest}"),
        None => format!("ws://{}", origin.strip_prefix("http://").unwrap_or(origin)),
    }
}

/// Proxies append: the first of a list is what the client sent.
fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default().trim()
}

fn forwarded_part<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
    })
}

fn is_host(host: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(urls: &Urls, headers: &[(&'static str, &str)]) -> String {
        urls.origin(
            &headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
        )
    }

    #[test]
    fn the_address_follows_the_proxy_and_ignores_nonsense() {
        let plain = Urls::new(None, false, "127.0.0.1:8080".into());
        let cases: [(&[(&'static str, &str)], &str); 7] = [
            (&[("host", "a:1")], "http://a:1"),
            (&[("host", "a"), ("x-forwarded-host", "b"), ("x-forwarded-proto", "https")], "https://b"),
            (&[("host", "a"), ("forwarded", "for=1;host=\"c:2\";proto=https, host=d")], "https://c:2"),
            (&[("host", "a"), ("x-forwarded-host", "b, c")], "http://b"),
            (&[("host", "evil\"><script>")], "http://127.0.0.1:8080"),
            (&[], "http://127.0.0.1:8080"),
            (&[("host", "[::1]:8080")], "http://[::1]:8080"),
        ];
        for (headers, expected) in cases {
            assert_eq!(origin(&plain, headers), expected);
        }
        assert_eq!(origin(&Urls::new(None, true, "x".into()), &[("host", "a")]), "https://a");
        let fixed = Urls::new(Some("https://rooms.example.org/"), false, "x".into());
        assert_eq!(origin(&fixed, &[("host", "a")]), "https://rooms.example.org");
        assert_eq!(socket_origin("https://a"), "wss://a");
    }
}
