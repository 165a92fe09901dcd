//! What the server counts, as Prometheus text. No label ever holds a room id.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use seabag_protocol::error::Code;
use seabag_protocol::host::status::Status;
use seabag_store::{Statistics, Store};
use std::sync::Arc;

/// Counters and gauges, updated where things happen.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Rooms in memory.
    pub(crate) rooms_loaded: Gauge,
    /// Rooms created since start.
    pub(crate) rooms_created: Counter,
    /// Connections open now.
    pub(crate) connections: Gauge,
    /// WebSocket and event-stream readers now.
    pub(crate) readers: Gauge,
    /// Messages received.
    pub(crate) received: Counter,
    /// Messages broadcast, each once.
    pub(crate) broadcasts: Counter,
    /// Messages sent to readers.
    pub(crate) sent: Counter,
    /// Requests to the host, by call and status.
    pub(crate) host_requests: Family<[(&'static str, String); 2], Counter>,
    /// Bags stored by the host.
    pub(crate) host_bags_stored: Counter,
    /// Bags let go of by the host.
    pub(crate) host_bags_pruned: Counter,
    /// Accounts registered since start.
    pub(crate) host_accounts_created: Counter,
    /// Accounts in memory, since they are written to.
    pub(crate) host_accounts_loaded: Gauge,
    /// Sockets that hear notices now.
    pub(crate) host_listeners: Gauge,
    /// Notices sent to listeners.
    pub(crate) host_notices: Counter,
    /// Refusals, by code.
    pub(crate) refusals: Family<[(&'static str, &'static str); 1], Counter>,
    /// Connections ended by the server, by code.
    pub(crate) ended: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Metrics {
    pub(crate) fn refused(&self, code: Code) {
        self.refusals.get_or_create(&[("code", code.as_str())]).inc();
    }

    pub(crate) fn ended(&self, code: Code) {
        self.ended.get_or_create(&[("code", code.as_str())]).inc();
    }

    /// A request to the host was answered.
    pub(crate) fn host_request(&self, call: &'static str, status: Status) {
        let labels = [("call", call.to_owned()), ("status", status.code().to_string())];
        self.host_requests.get_or_create(&labels).inc();
    }

    /// Everything as text, the store's figures included.
    pub(crate) fn render(&self, store: &Arc<dyn Store>) -> String {
        let mut registry = Registry::with_prefix("seabag");
        registry.register("rooms_loaded", "Rooms in memory", self.rooms_loaded.clone());
        registry.register("rooms_created", "Rooms created", self.rooms_created.clone());
        registry.register("connections", "Connections open", self.connections.clone());
        registry.register("readers", "WebSocket and event-stream readers", self.readers.clone());
        registry.register(
            "messages_received",
            "Messages received by WebSocket and HTTP",
            self.received.clone(),
        );
        registry.register(
            "messages_broadcast",
            "Messages broadcast, each counted once",
            self.broadcasts.clone(),
        );
        registry.register("messages_sent", "Messages sent to readers", self.sent.clone());
        registry.register(
            "host_requests",
            "Requests to the host, by call and status byte",
            self.host_requests.clone(),
        );
        registry.register("host_bags_stored", "Bags stored by the host", self.host_bags_stored.clone());
        registry.register("host_bags_pruned", "Bags let go of by the host", self.host_bags_pruned.clone());
        registry.register("host_accounts_created", "Accounts registered", self.host_accounts_created.clone());
        registry.register("host_accounts_loaded", "Accounts in memory", self.host_accounts_loaded.clone());
        registry.register("host_listeners", "Sockets that hear notices", self.host_listeners.clone());
        registry.register("host_notices_sent", "Notices sent to listeners", self.host_notices.clone());
        registry.register("refusals", "Refusals by code", self.refusals.clone());
        registry.register(
            "connections_ended",
            "Connections ended by the server, by code",
            self.ended.clone(),
        );
        registry.register_collector(Box::new(StoreFigures(store.statistics())));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct StoreFigures(Statistics);

impl Collector for StoreFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let figures = &self.0;
        let gauges = [
            ("store_rooms", "Rooms in the store", figures.rooms),
            ("store_accounts", "Accounts in the store", figures.accounts),
            ("store_disk_bytes", "Bytes on disk", figures.disk_bytes),
            ("store_queued_commits", "Commits that wait for the disk", figures.queued),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::<u64>::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counters = [
            ("store_transactions", "Transactions, each one sync", figures.transactions),
            ("store_commits", "Room commits in transactions", figures.commits),
            ("store_operations", "Rows written", figures.operations),
            ("store_written_bytes", "Bytes of rows written", figures.bytes),
            (
                "store_commit_nanoseconds",
                "Nanoseconds spent in transactions, syncs included",
                figures.commit_nanoseconds,
            ),
            ("store_reaped_rows", "Rows deleted in the background", figures.reaped_rows),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::<u64>::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}
