//! Where a room is and what lets one in: a server and an id. The id is a secret, so this never prints.

use std::fmt;

use seabag_protocol::room::name::RoomAddress;

use crate::settings::parse_url;

/// A room on a server.
#[derive(Clone)]
pub(crate) struct Link {
    /// The server's URL, without a slash at its end.
    pub(crate) server: String,
    /// The room's id, of either kind.
    pub(crate) address: RoomAddress,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}, …)", self.server)
    }
}

impl Link {
    /// The room's URL, with something appended.
    pub(crate) fn http(&self, path: &str) -> String {
        format!("{}/room/{}{path}", self.server, self.address.reveal())
    }

    /// The URL of its WebSocket.
    pub(crate) fn socket(&self, query: &str) -> String {
        // "http" becomes "ws" and "https" becomes "wss".
        let url = self.http("/connect");
        let question = if query.is_empty() { "" } else { "?" };
        format!("ws{}{question}{query}", url.strip_prefix("http").unwrap_or(&url))
    }

    /// Reads an id, a room's URL of any kind, or the line that `room new` printed. An id alone is on `server`.
    pub(crate) fn parse(text: &str, server: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::parse_json(text, server);
        }
        if !text.contains("://") {
            let address = RoomAddress::parse(text).map_err(|_| {
                "this is no room id: an id has 22 to 64 of A-Z a-z 0-9 _ -, a read-only one starts with ro."
                    .to_owned()
            })?;
            return Ok(Self { server: server.to_owned(), address });
        }
        let (base, rest) = text.split_once("/room/").ok_or("this URL names no room: /room/ is missing")?;
        let id = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let address = RoomAddress::parse(id).map_err(|_| "the id in this URL is none".to_owned())?;
        let base = match base.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => base.to_owned(),
        };
        Ok(Self { server: parse_url(&base)?, address })
    }

    fn parse_json(text: &str, server: &str) -> Result<Self, String> {
        let line: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))?;
        let field = |name: &str| line.get(name).and_then(serde_json::Value::as_str);
        if let Some(url) = field("http_url").or_else(|| field("socket_url")) {
            return Self::parse(url, server);
        }
        let id = field("room").ok_or("this JSON has no field room")?;
        Self::parse(id, field("server").unwrap_or(server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_room_is_read_from_whatever_a_user_has() {
        for text in [
            ID.to_owned(),
            format!("  {ID}\n"),
            format!("http://s:1/room/{ID}"),
            format!("http://s:1/room/{ID}/connect?since=0"),
            format!("ws://s:1/room/{ID}/connect"),
            format!("{{\"room\":\"{ID}\"}}"),
            format!("{{\"room\":\"{ID}\",\"http_url\":\"http://s:1/room/{ID}\"}}"),
        ] {
            let link = Link::parse(&text, "http://s:1").unwrap();
            assert_eq!(link.http(""), format!("http://s:1/room/{ID}"), "{text}");
        }
        let behind_proxy = Link::parse(&format!("wss://s/under/room/{ID}/connect"), "http://x").unwrap();
        assert_eq!(behind_proxy.socket("since=0"), format!("wss://s/under/room/{ID}/connect?since=0"));
    }

    #[test]
    fn what_names_no_room_is_refused_without_being_repeated() {
        for text in
            ["", "short", "http://s/", "http://s/room/short", "{}", "ftp://s/room/AAAAAAAAAAAAAAAAAAAAAA"]
        {
            let error = Link::parse(text, "http://s").unwrap_err();
            assert!(!error.contains("AAAA") || text.starts_with("ftp"), "{error}");
        }
    }

    #[test]
    fn a_link_does_not_print_its_id() {
        let link = Link::parse(ID, "http://s").unwrap();
        assert!(!format!("{link:?}").contains(ID));
    }
}
