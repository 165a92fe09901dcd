//! Where a host is: the root of an `http` or `https` origin. Its calls have fixed paths there, so an address with
//! a path of its own would be another host than the one that was meant.

use std::net::IpAddr;

use reqwest::Url;
use thiserror::Error;

/// The address of a host, as it was found to be right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostAddress {
    url: Url,
}

/// Why an address is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not a URL at all.
    #[error("the host's address begins with http:// or https://, such as https://host.example.org")]
    NoUrl,
    /// A scheme other than the two.
    #[error("a host's address begins with https:// or http://")]
    Scheme,
    /// A name or password in it.
    #[error("a host's address holds no name and no password: the seed is what signs in")]
    Credentials,
    /// A path, a query or a fragment.
    #[error("a host lives at the root of its origin: its address has no path, no query and no fragment")]
    NotRoot,
}

impl HostAddress {
    /// Reads an address; a slash at its end may be there or not.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim()).map_err(|_| AddressError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        if !url.has_host() {
            return Err(AddressError::NoUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::NotRoot);
        }
        Ok(Self { url })
    }

    /// The origin, without a slash at its end and without a port that goes without saying: what signed calls name,
    /// and what links are stored under.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The address of one call.
    pub fn call(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// The address of the notices, with the query that signs in.
    pub fn notices(&self, query: &str) -> String {
        // "http" becomes "ws", and with it "https" becomes "wss".
        let origin = self.origin();
        let rest = origin.strip_prefix("http").unwrap_or(&origin);
        format!("ws{rest}/?{query}")
    }

    /// Whether anyone between here and the host can read along: it is neither encrypted nor this machine. The bags
    /// stay sealed, but who reads along can sign in for as long as a signed time is good.
    pub fn is_exposed(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let own = host == "localhost"
            || host.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback());
        self.url.scheme() == "http" && !own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Result<String, AddressError> {
        HostAddress::parse(text).map(|address| address.origin())
    }

    #[test]
    fn an_address_is_the_root_of_an_origin() {
        assert_eq!(origin("https://host.example.org").unwrap(), "https://host.example.org");
        assert_eq!(origin(" https://HOST.example.org:443/ ").unwrap(), "https://host.example.org");
        assert_eq!(origin("http://127.0.0.1:31337").unwrap(), "http://127.0.0.1:31337");
        assert_eq!(origin("http://[::1]:8080/").unwrap(), "http://[::1]:8080");
    }

    #[test]
    fn other_addresses_are_refused_with_their_reason() {
        assert_eq!(origin("host.example.org"), Err(AddressError::NoUrl));
        assert_eq!(origin(""), Err(AddressError::NoUrl));
        assert_eq!(origin("ftp://host.example.org"), Err(AddressError::Scheme));
        assert_eq!(origin("ws://host.example.org"), Err(AddressError::Scheme));
        assert_eq!(origin("https://me@host.example.org"), Err(AddressError::Credentials));
        assert_eq!(origin("https://host.example.org/seabag"), Err(AddressError::NotRoot));
        assert_eq!(origin("https://host.example.org/?t=1"), Err(AddressError::NotRoot));
        assert_eq!(origin("https://host.example.org/#top"), Err(AddressError::NotRoot));
    }

    #[test]
    fn notices_come_over_the_same_kind_of_connection() {
        let notices = |text| HostAddress::parse(text).unwrap().notices("t=00");
        assert_eq!(notices("https://host.example.org"), "wss://host.example.org/?t=00");
        assert_eq!(notices("http://127.0.0.1:8080"), "ws://127.0.0.1:8080/?t=00");
    }

    #[test]
    fn only_plain_http_to_elsewhere_is_exposed() {
        let exposed = |text| HostAddress::parse(text).unwrap().is_exposed();
        assert!(exposed("http://host.example.org") && exposed("http://192.168.0.2:8080"));
        assert!(!exposed("https://host.example.org") && !exposed("http://localhost:8080"));
        assert!(!exposed("http://127.0.0.1:8080") && !exposed("http://[::1]:8080"));
    }
}
