//! The network: connections that keep the order of what they carry and can break at any place. It decides when
//! something arrives, never what it says.

use std::collections::BTreeMap;
use std::fmt;

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

struct Connection {
    client: usize,
    /// Which history the server had when it accepted.
    generation: usize,
    /// Nothing sent later arrives earlier than this.
    to_server_ms: u64,
    to_client_ms: u64,
    open_at_server: bool,
    open_at_client: bool,
    /// Nothing that is sent from now on arrives.
    broken: bool,
}

/// All connections ever.
#[derive(Default)]
pub(super) struct Network {
    connections: BTreeMap<ConnectionId, Connection>,
}

impl Network {
    pub(super) fn open(&mut self, client: usize, generation: usize) -> ConnectionId {
        let connection = ConnectionId(self.connections.len() as u64);
        self.connections.insert(
            connection,
            Connection {
                client,
                generation,
                to_server_ms: 0,
                to_client_ms: 0,
                open_at_server: false,
                open_at_client: true,
                broken: false,
            },
        );
        connection
    }

    pub(super) fn accept(&mut self, connection: ConnectionId, generation: usize) {
        let connection = self.get(connection);
        connection.open_at_server = true;
        connection.generation = generation;
    }

    fn get(&mut self, connection: ConnectionId) -> &mut Connection {
        self.connections.get_mut(&connection).expect("connections are never forgotten")
    }

    pub(super) fn client_of(&self, connection: ConnectionId) -> usize {
        self.connections[&connection].client
    }

    pub(super) fn generation_of(&self, connection: ConnectionId) -> usize {
        self.connections[&connection].generation
    }

    pub(super) fn open_at_server(&self, connection: ConnectionId) -> bool {
        self.connections[&connection].open_at_server
    }

    pub(super) fn open_at_client(&self, connection: ConnectionId) -> bool {
        self.connections[&connection].open_at_client
    }

    /// Those that the server holds open.
    pub(super) fn open_connections(&self) -> Vec<ConnectionId> {
        let open = self.connections.iter().filter(|(_, connection)| connection.open_at_server);
        open.map(|(connection, _)| *connection).collect()
    }

    /// The server's end is closed from now on. Whether it was open.
    pub(super) fn end_at_server(&mut self, connection: ConnectionId) -> bool {
        std::mem::take(&mut self.get(connection).open_at_server)
    }

    /// The client's end is closed from now on. Whether it was open.
    pub(super) fn end_at_client(&mut self, connection: ConnectionId) -> bool {
        std::mem::take(&mut self.get(connection).open_at_client)
    }

    /// What is on its way still arrives, nothing that is sent later does.
    pub(super) fn cut(&mut self, connection: ConnectionId) {
        self.get(connection).broken = true;
    }

    /// When something sent to the server arrives; `None`: never.
    pub(super) fn arrival_at_server(&mut self, connection: ConnectionId, earliest_ms: u64) -> Option<u64> {
        let connection = self.get(connection);
        connection.to_server_ms = connection.to_server_ms.max(earliest_ms);
        (!connection.broken).then_some(connection.to_server_ms)
    }

    /// When something sent to the client arrives; `None`: never.
    pub(super) fn arrival_at_client(&mut self, connection: ConnectionId, earliest_ms: u64) -> Option<u64> {
        let connection = self.get(connection);
        connection.to_client_ms = connection.to_client_ms.max(earliest_ms);
        (!connection.broken).then_some(connection.to_client_ms)
    }
}
