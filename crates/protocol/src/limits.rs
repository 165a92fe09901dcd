//! Every bound of the server, in one table. Noun first, bound last. Each can be set by a flag, an environment
//! variable and a configuration file; `seabag serve --print-config` shows them.

/// One row of the table, for flags, files and documentation.
#[derive(Clone, Copy, Debug)]
pub struct LimitInfo {
    /// The limit's name: also its key in the file, its flag (with dashes) and its variable (`SEABAG_`, capitals).
    pub name: &'static str,
    /// What it bounds, in one line.
    pub about: &'static str,
    /// What it is unless it is set.
    pub default: u64,
}

macro_rules! limits {
    ($($(#[doc = $about:expr])+ $name:ident = $default:expr;)+) => {
        /// The bounds of a server. See each field; the unit is the name's second word or a count.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $about])+ pub $name: u64,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Every limit, in the order of the table.
            pub const TABLE: &'static [LimitInfo] = &[
                $(LimitInfo { name: stringify!($name), about: concat!($($about),+), default: $default },)+
            ];

            /// The value of the limit of this name.
            pub fn get(&self, name: &str) -> Option<u64> {
                match name {
                    $(stringify!($name) => Some(self.$name),)+
                    _ => None,
                }
            }

            /// Sets the limit of this name; `false` when there is none.
            pub fn set(&mut self, name: &str, value: u64) -> bool {
                match name {
                    $(stringify!($name) => self.$name = value,)+
                    _ => return false,
                }
                true
            }
        }
    };
}

limits! {
    /// Most bytes of one message, by WebSocket or HTTP.
    message_bytes_max = 1024 * 1024;
    /// Most bytes of an HTTP body that holds a list of pushes.
    list_bytes_max = 4 * 1024 * 1024;
    /// Most pushes in such a list.
    list_pushes_max = 1_000;
    /// Most bytes of a stream's key.
    key_bytes_max = 8 * 1024;
    /// Most streams in a room.
    room_keys_max = 65_536;
    /// Most bytes of the names of a room's streams: they are all in memory while the room is.
    room_key_bytes_max = 64 * 1024 * 1024;
    /// Most retained entries in a room.
    room_entries_max = 4_000_000;
    /// Most bytes of retained values in a room.
    room_bytes_max = 1024 * 1024 * 1024;
    /// Most clients that a room remembers for exactly-once pushes.
    room_clients_max = 4_096;
    /// Milliseconds for which a client is surely remembered after its last push.
    client_kept_ms = 24 * 60 * 60 * 1_000;
    /// Numbers that a room reserves at a time, so that relays need no write of their own.
    reserved_numbers = 4_096;
    /// Epochs that a room's lineage remembers.
    lineage_epochs_max = 64;
    /// Most wills of one connection.
    wills_max = 8;
    /// Most bytes of the keys that one connection asked to hear, each counted with 64 more.
    subscribed_bytes_max = 4 * 1024 * 1024;
    /// Most entries or keys in one page.
    page_entries_max = 1_000;
    /// About the most bytes of values in one page.
    page_bytes_max = 1024 * 1024;
    /// Most pushes of one connection a second, averaged over two seconds; 0: unlimited.
    pushes_per_second_max = 100_000;
    /// Most rooms created a second, averaged over two seconds; 0: unlimited.
    rooms_created_per_second_max = 50_000;
    /// Most rooms; 0: unlimited.
    rooms_max = 10_000_000;
    /// Most connections open at once, WebSocket and HTTP together.
    connections_max = 20_000;
    /// Most commands of one connection that wait for their answers. Then its socket is not read.
    connection_commands_max = 1_024;
    /// Most bytes of one connection's commands that wait. Then its socket is not read.
    connection_inflight_bytes_max = 8 * 1024 * 1024;
    /// Most bytes of all commands that wait for the disk. Then no socket is read.
    inflight_bytes_max = 256 * 1024 * 1024;
    /// Most commands that wait in one room's mailbox.
    room_commands_max = 4_096;
    /// Recent messages that a loaded room keeps whatever happens.
    ring_messages_min = 1_024;
    /// Bytes of recent messages that a loaded room keeps whatever happens.
    ring_bytes_min = 1024 * 1024;
    /// Most bytes of messages that a room keeps for readers who lag. A reader further behind is disconnected.
    ring_bytes_max = 16 * 1024 * 1024;
    /// Most reads of the store at once.
    reads_max = 16;
    /// Milliseconds between pings of the server to a WebSocket peer.
    ping_interval_ms = 20_000;
    /// Milliseconds without any sign of life after which a peer is disconnected.
    silent_peer_ms = 60_000;
    /// Milliseconds that one write to a peer may take before the peer counts as not reading.
    write_stall_ms = 30_000;
    /// Milliseconds that an HTTP request's head and body may take to arrive.
    request_ms_max = 30_000;
    /// Most milliseconds of a long poll.
    long_poll_ms_max = 30_000;
    /// Milliseconds between comments on an idle event stream.
    sse_comment_ms = 15_000;
    /// Milliseconds without use after which a room leaves memory.
    room_idle_ms = 10_000;
    /// Most rooms that stay in memory without use; the others leave at once.
    idle_rooms_max = 1_000;
    /// Milliseconds that a closed room is kept.
    closed_room_kept_ms = 180 * 24 * 60 * 60 * 1_000;
    /// Most milliseconds that a shutdown waits for its peers.
    shutdown_ms_max = 10_000;
    /// Most bytes of bags that the host keeps for an account; told in its answers when set; 0: unlimited.
    account_bytes_max = 0;
    /// Most accounts at the host; 0: unlimited.
    accounts_max = 1_000_000;
    /// Most accounts registered a second, averaged over two seconds; 0: unlimited.
    accounts_created_per_second_max = 1_000;
    /// Most requests of one account to the host a second, averaged over two seconds; 0: unlimited.
    account_requests_per_second_max = 10_000;
    /// Most sockets that hear one account's notices.
    account_listeners_max = 64;
    /// Epochs that an account's lineage remembers.
    account_epochs_max = 64;
    /// Most notices that wait for one listener. A listener further behind is disconnected.
    notice_queue_max = 1_024;
    /// Most bytes of one push to the host: as many as the reference host's platform takes.
    host_request_bytes_max = 128 * 1024 * 1024;
    /// Most bags of one push to the host: until it is stored each takes some two KiB of memory beside its bytes.
    host_push_bags_max = 500_000;
    /// Most bytes of a request to the host that brings no bags: numbers need more memory than they have bytes.
    host_list_bytes_max = 8 * 1024 * 1024;
    /// Most bytes of all requests to the host that are being read or wait for the disk. Then no more are read.
    host_requests_bytes_inflight_max = 256 * 1024 * 1024;
    /// Most items in one page of heads.
    peek_page_items_max = 10_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_read_and_set_by_its_name() {
        let mut limits = Limits::default();
        for info in Limits::TABLE {
            assert_eq!(limits.get(info.name), Some(info.default), "{}", info.name);
            assert!(limits.set(info.name, 7));
            assert_eq!(limits.get(info.name), Some(7));
            assert!(info.about.trim_end().ends_with('.') && info.about.len() > 20, "{}", info.name);
        }
        assert_eq!((limits.get("nonsense"), limits.set("nonsense", 1)), (None, false));
    }
}
