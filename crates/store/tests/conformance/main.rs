//! What every backend promises: one function a law, one line a backend. A new backend adds its line here and
//! nothing else.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod durable;
mod order;
mod reads;
mod rooms;

use std::future::Future;
use std::sync::Arc;

use seabag_store::{LocalStore, Options, Store};

/// Opens a store; the directory has to outlive it.
type Open = fn(&Options) -> (Arc<dyn Store>, Option<tempfile::TempDir>);

/// A backend under test: a store with these options, and whatever has to outlive it.
pub(crate) struct Backend {
    open: Open,
    kept: Vec<tempfile::TempDir>,
}

impl Backend {
    fn new(open: Open) -> Self {
        Self { open, kept: Vec::new() }
    }

    pub(crate) fn store(&mut self) -> Arc<dyn Store> {
        self.store_with(&Options::default())
    }

    pub(crate) fn store_with(&mut self, options: &Options) -> Arc<dyn Store> {
        let (store, directory) = (self.open)(options);
        self.kept.extend(directory);
        store
    }
}

fn memory(options: &Options) -> (Arc<dyn Store>, Option<tempfile::TempDir>) {
    (Arc::new(LocalStore::in_memory(options).unwrap()), None)
}

fn embedded(options: &Options) -> (Arc<dyn Store>, Option<tempfile::TempDir>) {
    let directory = tempfile::tempdir().unwrap();
    (Arc::new(LocalStore::open(directory.path(), options).unwrap()), Some(directory))
}

fn run<F: Future<Output = ()>>(law: fn(Backend) -> F, open: Open) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(law(Backend::new(open)));
}

macro_rules! laws {
    ($backend:ident: $($module:ident { $($law:ident)* })*) => {
        mod $backend {
            $($(#[test] fn $law() { super::run(super::$module::$law, super::$backend); })*)*
        }
    };
}

macro_rules! backend {
    ($backend:ident) => {
        laws! { $backend:
            rooms {
                a_created_room_loads_with_every_field
                a_room_is_created_only_once
                a_removed_room_is_fenced_and_its_successor_shows_nothing_of_it
                a_commit_to_a_number_never_given_out_is_fenced
                one_fenced_commit_harms_no_other
                clients_are_remembered_and_forgotten
                rooms_are_listed_in_order_and_in_pages
                a_room_expires_when_its_time_is_up_and_not_before
                a_room_that_is_not_removed_does_not_hide_the_others_that_expire
                statistics_count_what_happened
            }
            order {
                receipts_resolve_in_the_order_of_their_commits
                a_snapshot_holds_exactly_what_was_committed_before_it
                snapshots_without_a_write_between_are_the_same_state
                a_snapshot_does_not_change_while_the_room_is_removed_and_reaped
                an_empty_commit_waits_for_those_before_it
                a_full_queue_waits_rather_than_fails
                commits_before_the_close_are_done_and_later_ones_refused
            }
            reads {
                a_replace_takes_the_place_of_everything_before_it
                a_compact_hides_rows_at_once_and_they_are_reaped_later
                readers_see_no_difference_while_garbage_is_reaped
                a_stream_trimmed_to_nothing_is_forgotten
                pages_keep_entries_of_equal_number_together
                pages_of_bases_only_of_rows_only_and_of_both_mixed
                pages_end_at_their_limits
                a_page_never_goes_beyond_a_cut_list_of_bases
                a_read_ends_at_the_head_of_its_plan
                a_survey_counts_strictly_between_its_bounds
                a_base_that_is_not_the_planned_one_is_damage
                both_encodings_and_large_values_come_back_as_they_were
            }
            accounts {
                a_created_account_is_read_with_every_field
                an_account_is_created_only_once
                a_removed_account_is_fenced_and_its_successor_shows_nothing_of_it
                a_removed_account_is_reaped_and_harms_no_room_of_its_number
                a_commit_to_an_account_number_never_given_out_is_fenced
                bags_are_peeked_pulled_and_found
                a_pruned_bag_is_not_found_again
                a_bag_that_comes_and_goes_in_one_commit_is_absent
                a_bag_that_takes_the_place_of_its_duplicate_is_found
                a_peek_ends_at_its_limits
                ten_thousand_bags_come_back_as_they_were
                accounts_are_listed_in_order_and_in_pages
                commits_to_rooms_and_accounts_keep_one_order
                statistics_count_accounts_and_bags
                every_durability_mode_keeps_bags
            }
            durable {
                every_durability_mode_keeps_the_order
                a_thousand_producers_lose_nothing
            }
        }
    };
}

backend!(memory);
backend!(embedded);
