//! How a store is opened. Every bound of the store has its default here.

use std::time::Duration;

/// When a commit counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Its transaction was synced to disk. Nothing acknowledged is lost, not even by a power cut.
    #[default]
    Sync,
    /// It was handed to the operating system; a sync follows at this interval. A crash of the process loses
    /// nothing, a power cut up to one interval. Reservations of numbers and new rooms are synced at once.
    Interval(Duration),
    /// It was handed to the operating system, which writes it when it likes. Reservations and new rooms are
    /// synced at once all the same.
    None,
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// When a commit counts as durable.
    pub durability: Durability,
    /// Opens data that ends before its newest acknowledged commit, and calls that the newest from then on.
    pub accept_loss: bool,
    /// Bytes of the cache of blocks.
    pub cache_bytes: u64,
    /// Bytes of values, and of bags' heads and bodies, that are held in memory before they are written out as a table; each
    /// kind of smaller rows has a quarter of it. Fixed when the store is made. What is held may briefly be a few times this.
    pub memtable_bytes: u64,
    /// Most operations in the queue; a submit waits for a place.
    pub queue_operations_max: u32,
    /// Most bytes in the queue; a commit that is larger waits until it is alone.
    pub queue_bytes_max: u32,
    /// Most operations of one transaction; a larger commit is one by itself.
    pub transaction_operations_max: usize,
    /// Most bytes of one transaction; a larger commit is one by itself.
    pub transaction_bytes_max: usize,
    /// Most garbage rows deleted a second.
    pub reap_rows_per_second: u32,
    /// Most bytes of garbage deleted a second.
    pub reap_bytes_per_second: u32,
    /// Threads that serve `load`, `rooms`, `expired` and `accounts`.
    pub reader_threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Sync,
            accept_loss: false,
            cache_bytes: 32 << 20,
            memtable_bytes: 8 << 20,
            queue_operations_max: 8_192,
            queue_bytes_max: 64 << 20,
            transaction_operations_max: 4_096,
            transaction_bytes_max: 4 << 20,
            reap_rows_per_second: 20_000,
            reap_bytes_per_second: 16 << 20,
            reader_threads: 2,
        }
    }
}
