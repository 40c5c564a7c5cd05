//! The suite every backend has to pass: each sentence of [`crate::contract`] as a test.
//!
//! A backend brings a [`Backend`] and calls [`conformance_suite!`](crate::conformance_suite) in a test module; every
//! case becomes a test of its own. A case gets a new database, and a broken promise is a panic that says which.
#![expect(clippy::unwrap_used, reason = "a suite of tests: what goes wrong ends the test")]

mod cases;
mod evidence;
mod log;
mod registry;
mod requests;
pub(crate) mod sample;

pub use cases::*;
pub use evidence::*;
pub use log::*;
pub use registry::*;
pub use requests::*;
pub use sample::Story;
#[cfg(test)]
pub(crate) use sample::incident;

use crate::contract::{Options, Pending, Store};
use crate::error::StoreError;

/// Where databases come from.
pub trait Backend: Send + Sync {
    /// A new, empty, migrated database.
    fn create(&self) -> Pending<'_, Box<dyn Database>>;

    /// Steps of an append at which it can be stopped: all that lie on our side of the connection.
    fn steps(&self) -> Vec<&'static str> {
        crate::failpoint::STEPS.iter().copied().filter(|step| step.starts_with("append.")).collect()
    }
}

/// One database; it outlives the stores opened on it and goes away with the value.
pub trait Database: Send + Sync {
    /// Opens it. The suite has at most one store open at a time.
    fn open(&self, options: Options) -> Pending<'_, Result<Store, StoreError>>;
}

/// Makes one asynchronous test of each case. The argument is an expression of a [`Backend`].
#[macro_export]
macro_rules! conformance_suite {
    ($backend:expr) => {
        $crate::conformance_suite! { $backend;
            events_get_the_next_positions_and_read_back_as_written
            a_batch_at_another_position_is_told_so_and_writes_nothing
            gaps_within_a_batch_are_rejected
            a_seq_is_given_once
            a_feed_moves_only_from_where_it_stands
            an_acknowledged_batch_survives_without_a_clean_end
            a_feed_page_never_cuts_a_command
            a_feed_ends_at_the_published_head
            the_directory_is_read_without_the_incidents
            the_epoch_rises_with_its_batch
            a_batch_without_rows_keeps_the_head
            a_bad_row_in_any_table_leaves_nothing
            a_failing_step_leaves_nothing_or_everything
            a_dropped_append_ends_the_writer
            readers_see_whole_batches_beside_the_writer
            a_known_request_id_writes_nothing_and_is_named
            a_request_id_belongs_to_its_organisation_and_client
            answers_read_back_and_the_newest_come_first
            a_refusal_is_stored_without_an_event
            erasure_finds_and_forgets_the_keys_of_an_incident
            personal_values_read_back_until_they_are_erased
            closed_cases_are_found_as_long_as_they_hold_values
            a_cursor_only_rises
            denied_attempts_read_back_in_order
            a_map_reads_back_by_its_version
            a_case_moves_only_from_the_version_the_batch_saw
            a_case_is_replaced_as_a_whole
            lists_page_through_every_case_once
            a_list_shows_only_its_organisation_and_station
            a_filter_shows_what_fits_and_nothing_else
            a_narrow_filter_goes_on_through_empty_pages
            the_timer_sees_what_is_due_and_no_last_rung
            obligations_page_in_the_order_of_their_due_time
            a_done_obligation_leaves_the_lists
            a_handoff_leads_to_its_incident
            what_is_open_is_counted
            tiles_read_back_by_place_and_in_order
            a_tree_head_is_found_from_below_and_from_above
            cosignatures_are_found_by_tree_head_and_by_witness
            what_is_there_of_the_tree_already_stays
            a_cosignature_needs_its_tree_head
            a_bad_row_of_the_tree_leaves_nothing
            a_key_registry_reads_back_by_organisation_and_in_order
            an_entry_of_a_key_registry_is_written_once
            a_bad_entry_of_a_key_registry_leaves_nothing
        }
    };
    ($backend:expr; $($case:ident)+) => { $(
        #[tokio::test]
        async fn $case() {
            $crate::conformance::$case(&$backend).await;
        }
    )+ };
}
