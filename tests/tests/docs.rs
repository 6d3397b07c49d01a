//! What the documentation says of the repository is true. Nothing here needs a network; the
//! commands of the pages are run by the tests `network` and `gateway`.

use mica_tests::book::{attacks, links, pages, reference};

#[test]
fn every_page_with_commands_is_run_by_a_test() {
    pages::check_that_each_is_run();
}

#[test]
fn what_running_text_and_remedies_name_exists() {
    pages::check_that_what_text_names_exists();
}

#[test]
fn no_link_is_broken() {
    links::check_links();
}

#[test]
fn the_table_of_contents_has_every_page() {
    links::check_contents();
}

#[test]
fn every_page_that_is_cited_exists() {
    links::check_citations();
}

#[test]
fn every_path_that_a_page_names_exists() {
    links::check_paths();
}

#[test]
fn generated_pages_are_what_the_programs_say() {
    reference::check();
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    attacks::check_tests();
}
