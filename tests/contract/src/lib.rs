//! One suite of promises that every engine keeps. `tests/sqlite.rs`, `tests/memory.rs` and `tests/aws.rs` run it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]
// A promise is named by what it promises.
#![allow(missing_docs)]

pub mod falls;
pub mod fifo;
pub mod limiter;
pub mod queue;
pub mod secrets;
pub mod store;

use std::sync::Arc;

use futures::future::BoxFuture;
use runtime::{Backend, ManualClock};

/// Starts the process again that had an engine's ports: the ports after that.
pub type Restart = Box<dyn Fn() -> BoxFuture<'static, Backend> + Send + Sync>;

/// An engine under test.
pub struct Engine {
    /// Its ports.
    pub backend: Backend,
    /// The clock by which its store tells what has expired.
    pub clock: Arc<ManualClock>,
    /// Starts its process again.
    pub restart: Restart,
}

/// Makes a test of each promise. `$engine` is an async expression that makes a fresh [`Engine`].
#[macro_export]
macro_rules! promises {
    ($engine:expr; $($module:ident: $($promise:ident),+ $(,)?;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let (engine, _kept) = $engine.await;
                contract::$module::$promise(&engine).await;
            })+
        })+
    };
}

/// All promises, for an engine.
#[macro_export]
macro_rules! all_promises {
    ($engine:expr) => {
        $crate::promises! { $engine;
            store: what_is_put_is_read_back, an_absent_condition_holds_once, a_stale_version_conflicts,
                a_version_never_comes_again, all_writes_or_none, a_hundred_writes_at_once_and_no_more,
                what_has_expired_is_absent, a_list_is_in_order_and_comes_in_pages, a_list_goes_backwards_too,
                a_prefix_is_taken_literally, concurrent_writers_lose_nothing, any_text_is_kept,
                what_belongs_to_an_owner_is_found_wherever_it_lies, what_is_deleted_is_absent_to_every_way_of_reading,
                an_item_is_erased_only_as_it_was_seen, a_version_says_when_an_item_was_written;
            queue: a_group_comes_in_order, the_same_deduplication_id_is_one_message, what_is_deleted_does_not_come_again,
                a_delayed_message_comes_later_and_counts, a_dead_letter_is_kept_with_its_reason, every_dead_letter_is_seen_and_each_goes_where_it_should, many_messages_are_sent_at_once,
                long_messages_are_sent_at_once, a_job_that_dies_again_after_each_redrive_leaves_one_letter,
                the_same_burial_is_one_letter_and_another_one_is_another, what_was_not_worked_is_there_at_once;
            falls: a_job_on_which_the_process_falls_is_worked_alone_and_then_buried, a_job_that_ends_is_no_suspect_any_more,
                a_job_that_panics_is_buried_after_a_few_tries_with_what_it_said, first_tries_and_young_jobs_write_nothing;
            secrets: a_secret_is_given_back_and_can_be_replaced, of_texts_put_at_once_one_stays_whole,
                lines_added_at_once_are_all_there_once, a_missing_secret_is_named;
            limiter: concurrent_workers_share_one_rate, a_parked_account_waits, an_outage_counts_once_and_one_call_probes_at_a_time,
                what_one_job_meets_alone_is_no_outage, a_pause_is_no_longer_than_its_limit, a_rejected_account_is_asked_rarely;
        }
    };
}

/// The promises of an engine whose queue is its own, beside those of all. `$engine` as for [`all_promises`].
#[macro_export]
macro_rules! fifo_promises {
    ($engine:expr) => {
        $crate::promises! { $engine;
            fifo: a_group_waits_while_one_of_its_messages_is_out_and_others_do_not, a_delayed_head_holds_its_group_back,
                what_a_dead_worker_had_comes_back_when_its_lease_ends,
                what_a_handler_leaves_comes_back_soon_and_later_each_time, a_receipt_without_work_does_not_count,
                what_a_process_had_received_comes_back_when_it_starts_again, a_waiting_receiver_is_woken_by_a_message,
                a_backlog_of_one_tenant_holds_up_no_other, what_waits_is_woken_for_one_tenant,
                what_is_out_when_it_is_woken_comes_at_once_when_it_is_put_back, a_waking_ends_the_wait_of_a_receiver,
                a_clock_that_is_set_back_makes_due_what_waits, a_clock_that_was_ahead_leaves_nothing_behind,
                a_clock_that_was_set_back_before_the_start_holds_up_nothing,
                a_deduplication_id_of_a_clock_that_was_ahead_counts_as_none,
                a_tenant_without_a_free_place_is_passed_over_until_it_has_one;
        }

        proptest::proptest! {
            #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

            #[test]
            fn any_history_keeps_order_and_loses_nothing(
                steps in proptest::collection::vec($crate::fifo::step(), 1..60)
            ) {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let (engine, _kept) = $engine.await;
                    $crate::fifo::any_history_keeps_order_and_loses_nothing(&engine, steps).await;
                });
            }
        }
    };
}
