//! The gateway over a real chain and real workers: third-party clients, malformed requests, caps,
//! fifty requests at once, and clients that disconnect. At the end every worker holds exactly what
//! it was promised, which is the price of what it delivered.

#[path = "gateway/bad_requests.rs"]
mod bad_requests;
#[path = "gateway/clients.rs"]
mod clients;
#[path = "gateway/concurrency.rs"]
mod concurrency;
#[path = "gateway/content.rs"]
mod content;
#[path = "gateway/deposits.rs"]
mod deposits;
#[path = "gateway/door.rs"]
mod door;
#[path = "gateway/effects.rs"]
mod effects;
#[path = "gateway/fixture.rs"]
mod fixture;
#[path = "gateway/golden.rs"]
mod golden;
#[path = "gateway/limits.rs"]
mod limits;
#[path = "gateway/page.rs"]
mod page;
#[path = "gateway/relay.rs"]
mod relay;
#[path = "gateway/requests.rs"]
mod requests;
#[path = "gateway/routes.rs"]
mod routes;
#[path = "gateway/speed.rs"]
mod speed;
#[path = "gateway/steps.rs"]
mod steps;

use fixture::Fixture;

/// One network serves all of these, in this order: the last ones stop it.
#[tokio::test(flavor = "multi_thread")]
async fn every_client_is_served_and_every_token_is_paid_once() {
    let mut fixture = Fixture::start().await;
    golden::transcripts_are_as_they_were(&fixture);
    content::no_text_makes_a_control_token(&fixture);
    clients::the_ollama_and_openai_packages_are_served(&fixture);
    clients::a_program_behind_a_proxy_reaches_two_models(&fixture);
    effects::fields_of_sampling_have_their_effect(&fixture);
    requests::bodies_and_numbers_beyond_all_bounds_are_refused(&fixture);
    requests::every_value_of_every_field_is_taken_or_refused(&fixture);
    requests::every_field_of_every_package_is_taken_or_refused(&fixture);
    routes::every_path_of_openapi_json_takes_its_methods_and_no_others(&fixture);
    steps::a_workflow_runs_behind_the_gateway_with_decimals(&fixture);
    steps::a_workflow_goes_through_two_models(&fixture);
    bad_requests::wrong_requests_get_the_apis_own_errors_and_cost_nothing(&fixture);
    bad_requests::slow_and_flooding_connections_are_closed(&fixture);
    bad_requests::a_locked_wallet_serves_all_but_generation(&fixture).await;
    door::a_first_run_has_limits_and_says_so(&fixture);
    door::a_web_page_gets_in_by_its_name_its_origin_and_its_type_alone(&fixture);
    door::an_address_for_others_needs_a_key_of_which_a_hash_is_kept(&fixture);
    door::who_guesses_keys_is_not_heard_for_a_while(&fixture);
    door::https_is_spoken_with_a_certificate(&fixture);
    door::a_stream_says_that_it_is_there_while_channels_are_opened(&fixture).await;
    door::the_accounts_key_is_opened_for_each_use_and_kept_by_nobody(&fixture).await;
    concurrency::fifty_clients_at_once_get_what_each_would_get_alone(&fixture);
    concurrency::clients_that_leave_stop_the_spending(&fixture);
    deposits::channels_are_topped_up_before_anybody_waits(&fixture).await;
    limits::caps_are_told_in_each_apis_words_and_nothing_is_spent(&fixture);
    limits::bodies_are_bounded_together(&fixture);
    limits::a_full_queue_refuses_and_a_slow_reader_holds_up_nobody(&fixture);
    limits::a_node_that_is_gone_is_done_without_for_a_while(&fixture);
    page::every_command_of_the_page_works(&fixture).await;
    limits::a_path_without_workers_is_told(&mut fixture);
    fixture.settle_and_compare().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make bench"]
async fn speed() {
    let bench = std::env::var_os("MICA_BENCH_MODEL").map(Into::into);
    // No deposit runs low, so that nothing waits for the chain.
    speed::what_the_gateway_costs(&Fixture::start_with(10_000, bench).await).await;
}
