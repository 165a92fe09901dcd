//! The laws of the database, one function each, run on every storage.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;
#[path = "laws/history.rs"]
mod history;
#[path = "laws/links.rs"]
mod links;
#[path = "laws/numbers.rs"]
mod numbers;
#[path = "laws/queries.rs"]
mod queries;
#[path = "laws/watching.rs"]
mod watching;
#[path = "laws/writes.rs"]
mod writes;

/// A test of each storage for each law.
macro_rules! laws {
    ($($module:ident: $($law:ident),+ $(,)?;)+) => {
        mod memory { $($(#[test] fn $law() { crate::$module::$law(&mut crate::common::World::memory()); })+)+ }
        mod sqlite { $($(#[test] fn $law() { crate::$module::$law(&mut crate::common::World::sqlite()); })+)+ }
    };
}

laws! {
    writes:
        a_write_is_read_back_and_waits_for_every_link,
        an_id_that_was_used_is_not_created_again,
        a_local_write_wins_over_a_clock_ahead,
        an_entity_of_the_future_has_no_negative_offset,
        the_last_moment_is_followed_by_counters,
        what_is_not_one_value_is_not_written,
        a_delete_leaves_a_tombstone,
        messages_that_cannot_be_are_refused_and_stop_nothing,
        an_unusual_envelope_is_kept_byte_for_byte,
        all_messages_can_be_taken_to_another_database;
    queries:
        every_selection_has_its_order_in_both_directions,
        pages_follow_each_other_without_gap_or_repeat,
        a_cursor_outlasts_its_entity_and_can_be_text,
        an_update_moves_an_entity_through_every_index,
        counts_are_those_of_pages,
        descendants_are_of_every_type_and_cycles_end,
        types_are_counted;
    watching:
        a_watch_tells_what_comes_changes_and_leaves,
        a_transaction_tells_of_each_entity_once,
        a_full_queue_says_that_it_lagged,
        a_failed_call_tells_nothing,
        a_watch_ends_with_its_database,
        a_task_is_woken;
    history:
        a_type_that_keeps_all_has_versions,
        undo_goes_back_and_forth,
        the_past_of_kept_types_is_wanted_and_never_pruned,
        every_version_of_a_kept_type_waits,
        dropping_the_past_supersedes_it,
        what_cannot_be_read_is_set_aside_and_counts,
        a_message_set_aside_never_prunes_a_good_one;
    links:
        a_label_is_neither_empty_nor_endless,
        links_are_added_once_and_removed_whole,
        trouble_and_stage_are_remembered,
        a_newer_write_takes_the_place_of_the_waiting_one,
        the_outbox_is_bounded_by_items_and_bytes,
        what_is_postponed_goes_to_the_end,
        what_one_link_brings_waits_for_the_others,
        an_import_waits_for_every_link,
        a_new_link_is_filled_with_what_it_lacks,
        a_reset_forgets_numbers_and_fills_again;
    numbers:
        arrivals_move_the_cursor_and_never_back,
        a_stored_message_waits_no_more,
        a_push_of_what_was_superseded_leaves_the_newer_waiting,
        a_bag_is_offered_once_its_superseder_has_a_number,
        a_delete_is_never_offered,
        a_message_under_two_numbers_keeps_the_lower,
        a_number_that_held_something_else_lets_that_wait_again,
        a_push_cannot_claim_a_number_that_was_read,
        a_damaged_bag_is_pruned_and_uploaded_again,
        what_cannot_be_opened_is_counted,
        a_host_that_makes_up_bags_without_end_fills_no_disk,
        a_head_whose_body_is_needed_holds_the_cursor,
        what_was_lost_waits_again,
        heads_are_judged;
}
